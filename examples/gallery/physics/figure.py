"""The picture: the function without and with the rule, on the data of seed 0."""

from pathlib import Path

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure

from examples.gallery.physics.model import GRID, observe, truth
from examples.gallery.runs import Metrics


def draw(runs: dict[str, dict[str, list[Metrics]]], path: Path) -> None:
    """Draw mean and two standard deviations of h by method; a panel for each truth."""
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(7.0, 2.9), layout="constrained")
        for panel, (law, by_method) in zip(figure.subplots(1, len(runs), sharey=True), runs.items(), strict=True):
            for color, method in (("C1", "smooth"), ("C0", "rule")):
                mean, sd = (torch.tensor(by_method[method][0][entry]) for entry in ("mean", "sd"))
                panel.fill_between(GRID, mean - 2 * sd, mean + 2 * sd, color=color, alpha=0.2, lw=0)
                panel.plot(GRID, mean, color, lw=1.2, label={"smooth": "no rule", "rule": "decay.asr"}[method])
            places, y = observe(law, 0)
            panel.plot(GRID, truth(law), "k--", lw=0.9, label="truth")
            panel.plot(GRID[places], y, "ko", ms=3.5, label="measured")
            panel.set_title("the rule is true" if law == "decay" else "the rule is false: h falls to 1", fontsize=9)
            panel.set_xlabel("t")
            panel.set_ylim(-3, 8)
            panel.grid(alpha=0.3)
        figure.axes[0].set_ylabel("h")
        figure.axes[-1].legend(fontsize=8)
        figure.savefig(path, dpi=150)
