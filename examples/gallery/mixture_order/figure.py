"""The picture: of each run, how much of the held-out data gets the right label, and what it predicts."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from examples.gallery.runs import Metrics


def draw(by_groups: dict[int, dict[str, list[Metrics]]], path: Path) -> None:
    """Draw a point for each run: its labels right, and what it predicts beside it; a row for each number of groups."""
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(7.0, 3.0 * len(by_groups)), layout="constrained")
        panels = figure.subplots(len(by_groups), 2, squeeze=False)
        for row, (groups, by_method) in zip(panels, by_groups.items(), strict=True):
            names = [method.replace(", ", ",\n").replace("ordered t", "ordered\nt") for method in by_method]
            for axes, entry, scale in zip(row, ("accuracy", "predictive"), (100, 1), strict=True):
                for place, runs in enumerate(by_method.values()):
                    axes.scatter([place] * len(runs), [scale * each[entry] for each in runs], s=20, alpha=0.7)
                axes.set_xticks(range(len(names)), names, rotation=35, ha="right", fontsize=8)
                axes.grid(alpha=0.3)
            row[0].set_ylabel(f"labels right, % ({groups} groups)")
            row[1].set_ylabel("log predictive, nats")
        figure.savefig(path, dpi=150)
