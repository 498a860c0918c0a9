"""The picture: curves of some held-out women without and with the rules, and how each run does."""

from pathlib import Path

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure

from examples.gallery.runs import Metrics
from examples.gallery.survival.data import DATA, split
from examples.gallery.survival.train import LOOKED, TIMES, fit

WOMEN = 8
SEED = 0  # of the runs whose curves are drawn


def draw(data: str, steps: int, by_method: dict[str, list[Metrics]], path: Path) -> None:
    """Draw eight held-out women's curves without and with rules (trained anew), violations, and likelihoods."""
    train, held_out = split(DATA[data](), SEED)
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(7.0, 4.8), layout="constrained")
        panels = figure.subplots(2, 2)
        for axes, method in zip(panels[0], ("no rule", "survival.asr"), strict=True):
            curves, _ = fit(train, method, SEED, steps)
            with torch.no_grad():
                for survive in curves(held_out.features[:WOMEN]):
                    axes.plot(TIMES, survive, ".-", lw=1, ms=4)
            axes.set_title(method, fontsize=9)
            axes.set_ylim(0, 1)
            axes.set_xlabel("years")
            axes.set_ylabel("free of relapse")
        course, end = panels[1]
        for place, runs in enumerate(by_method.values()):
            for metrics in runs:
                both = torch.tensor(list(metrics["violations"].values())).sum(0)
                course.plot(torch.arange(len(both)) * LOOKED, both, f"C{place}", lw=0.8, alpha=0.7)
            end.scatter([place] * len(runs), [each["score"] for each in runs], c=f"C{place}", s=20, alpha=0.7)
        course.set_yscale("symlog", linthresh=1e-3)
        course.set_ylim(0.0)
        course.set_xlabel("training step")
        course.set_ylabel("violation of both rules")
        end.set_xticks(range(len(by_method)), [name.replace(", ", ",\n") for name in by_method], fontsize=8)
        end.set_ylabel("−log likelihood, held out")
        for axes in panels.flat:
            axes.grid(alpha=0.3)
        figure.savefig(path, dpi=150)
