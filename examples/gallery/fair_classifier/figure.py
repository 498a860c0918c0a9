"""The picture: of each run its gap and its objective on held-out data."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from examples.gallery.fair_classifier.train import GAP, WITHIN
from examples.gallery.runs import Metrics

_MARKS = {
    "unconstrained": ("x", "0.4"),
    "asrppl": ("o", "C0"),
    "cooper": ("^", "C1"),
    "humancompatible-train": ("s", "C2"),
    "asrppl, within": ("o", "none"),
}


def draw(by_method: dict[str, list[Metrics]], path: Path) -> None:
    """Draw a point for each run."""
    with mpl.rc_context({"font.size": 9, "svg.hashsalt": "asrppl"}):
        figure = Figure(figsize=(7.0, 3.2), layout="constrained")
        axes, near = figure.subplots(1, 2, width_ratios=(2, 3))
        for panel, methods in (
            (axes, list(by_method)),
            (near, [name for name in by_method if name != "unconstrained"]),
        ):
            panel.axvspan(0.0, GAP, color="C2", alpha=0.12, lw=0)
            panel.axvspan(GAP, GAP + WITHIN, color="C2", alpha=0.06, lw=0)
            panel.axvline(GAP, color="0.5", lw=0.8)
            for method in methods:
                mark, colour = _MARKS[method]
                panel.scatter(
                    [abs(metrics["held_out"]["gap"]) for metrics in by_method[method]],
                    [metrics["held_out"]["objective"] for metrics in by_method[method]],
                    s=18,
                    marker=mark,
                    c="0.4" if colour == "0.4" else colour,
                    edgecolors=None if mark == "x" else ("C0" if colour == "none" else "none"),
                    label=method,
                    alpha=0.8,
                )
            panel.set_xlabel("gap of the mean scores, held out")
            panel.grid(alpha=0.3)
        axes.set_xlim(0.0)
        axes.set_ylabel("−ELBO, nats a person, held out")
        axes.legend(fontsize=7, loc="upper right")
        near.set_title("the constrained ones", fontsize=9)
        figure.savefig(path, dpi=150)
