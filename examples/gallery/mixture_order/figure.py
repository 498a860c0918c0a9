"""The picture: of each run, how much of the held-out data gets the right label, and what it predicts."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from examples.gallery.runs import Metrics


def draw(by_groups: dict[int, dict[str, list[Metrics]]], path: Path) -> None:
    """Draw a point for each run: its labels right above, its log predictive below; a column for each setting."""
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        panels = figure.subplots(2, len(by_groups), sharex=True, sharey="row", squeeze=False)
        for column, (groups, by_method) in enumerate(by_groups.items()):
            names = [method.replace(", ", ",\n").replace("ordered t", "ordered\nt") for method in by_method]
            for place, runs in enumerate(by_method.values()):
                for row, (entry, scale) in enumerate((("accuracy", 100), ("predictive", 1))):
                    values = [scale * each[entry] for each in runs]
                    panels[row, column].scatter([place] * len(runs), values, c=f"C{place}", s=20, alpha=0.7)
            panels[0, column].set_title("one group" if groups == 1 else f"{groups} groups", fontsize=9)
            panels[1, column].set_xticks(range(len(names)), names, rotation=35, ha="right", fontsize=8)
        panels[0, 0].set_ylabel("labels right, %")
        panels[1, 0].set_ylabel("log predictive, nats")
        for axes in panels.flat:
            axes.grid(alpha=0.3)
        figure.savefig(path, dpi=150)
