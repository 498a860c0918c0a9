"""The picture: how many tags of held-out sentences are right, by rules."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from examples.gallery.runs import Metrics


def draw(runs: dict[str, list[Metrics]], path: Path) -> None:
    """Draw a point for each run: states under their own names, under the best map, and the likelihood."""
    titles = {
        "named": "right tags, %",
        "mapped": "right by the best map, %",
        "log_likelihood": "log likelihood, nats a word",
    }
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(7.0, 2.7), layout="constrained")
        panels = figure.subplots(1, len(titles))
        for panel, (entry, title) in zip(panels, titles.items(), strict=True):
            factor = 1 if entry == "log_likelihood" else 100
            for place, metrics in enumerate(runs.values()):
                values = [factor * each[entry] for each in metrics]
                panel.scatter([place] * len(values), values, c=f"C{place}", alpha=0.6, s=18)
                panel.plot([place - 0.25, place + 0.25], [sum(values) / len(values)] * 2, "k", lw=1.2)
            panel.set_xticks(range(len(runs)), list(runs))
            panel.set_xlim(-0.6, len(runs) - 0.4)
            panel.set_title(title, fontsize=9)
            panel.grid(alpha=0.3)
            if factor > 1:
                panel.set_ylim(0, 100)
        figure.savefig(path, dpi=150)
