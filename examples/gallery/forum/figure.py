"""The picture: what the rule is about, without it, with it, and by rejection, on the data of seed 0."""

from pathlib import Path

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure

from examples.gallery.runs import Metrics

_TITLES = {"length": "length", "rising": "coefficients by dose", "clearance": "clearance"}
_BOUNDS = {"length": (3.0, 4.0), "clearance": (2.0, 3.0)}
_COLORS = ("0.6", "C2", "C0", "C1")


def draw(runs: dict[str, dict[str, list[Metrics]]], path: Path) -> None:
    """Draw medians, the middle half and the middle nine tenths of each quantity, by treatment."""
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(7.0, 2.8), layout="constrained")
        for panel, (question, by) in zip(figure.subplots(1, len(runs)), runs.items(), strict=True):
            for place, (treatment, metrics) in enumerate(by.items()):
                low, first, middle, third, high = torch.tensor(metrics[0]["quantiles"]).T
                at = torch.arange(len(middle)) + 0.2 * (place - 1.5)
                color = _COLORS[place]
                panel.vlines(at, low, high, color=color, lw=0.9)
                panel.vlines(at, first, third, color=color, lw=3)
                panel.plot(at, middle, "_", color=color, ms=7, label=treatment)
            for bound in _BOUNDS.get(question, ()):
                panel.axhline(bound, color="0.5", lw=0.8, ls="--")
            if question in _BOUNDS:
                panel.set_xticks([])
                panel.set_xlim(-0.7, 0.7)
            panel.set_title(_TITLES[question], fontsize=9)
            panel.grid(alpha=0.3)
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
        figure.savefig(path, dpi=150)
