"""The picture: what the rule is about, without it, with it, and by rejection, on the data of seed 0."""

from pathlib import Path

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure

from examples.gallery.forum.questions import QUESTIONS
from examples.gallery.forum.train import exact, fit

STRENGTH = 10.0
_TITLES = {"length": "right − left", "rising": "coefficients by dose", "clearance": "clearance k V"}


def draw(steps: int, path: Path) -> None:
    """Draw the quantities' densities; of the eight coefficients means and the middle nine tenths."""
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(7.0, 2.6), layout="constrained")
        for panel, (name, question) in zip(figure.subplots(1, 3), QUESTIONS.items(), strict=True):
            y = question.observe(0)
            parts = {
                "no rule": question.quantity(fit(question, y, 0.0, 0, steps)),
                f"weight {STRENGTH:g}": question.quantity(fit(question, y, STRENGTH, 0, steps)),
                "rejection": exact(question, y),
            }
            for place, (label, drawn) in enumerate(parts.items()):
                color = ("0.6", "C0", "C1")[place]
                if drawn.shape[1] > 1:
                    low, high = torch.quantile(drawn[:100_000], torch.tensor([0.05, 0.95]), 0)
                    centre = drawn.mean(0)
                    doses = torch.arange(len(centre)) + 0.2 * (place - 1)
                    panel.errorbar(
                        doses,
                        centre,
                        torch.stack([centre - low, high - centre]),
                        fmt=".",
                        color=color,
                        lw=1,
                        label=label,
                    )
                else:
                    panel.hist(drawn[:, 0], 60, density=True, histtype="step", color=color, label=label)
            panel.set_title(_TITLES[name], fontsize=9)
            panel.grid(alpha=0.3)
        figure.axes[0].legend(fontsize=7)
        figure.savefig(path, dpi=150)
