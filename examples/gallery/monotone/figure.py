"""The picture: how the violation goes in training, and each run's error and rises on the test cars."""

from pathlib import Path

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure

from examples.gallery.monotone.train import CHECKED
from examples.gallery.runs import Metrics


def draw(by_method: dict[str, list[Metrics]], path: Path) -> None:
    """Draw the violation by step, a line a run, and test error against the share of curves that rise."""
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(7.0, 3.0), layout="constrained")
        course, end = figure.subplots(1, 2)
        for place, (method, runs) in enumerate(by_method.items()):
            for metrics in runs:
                steps = torch.arange(len(metrics["violations"])) * CHECKED
                course.plot(steps, metrics["violations"], f"C{place}", lw=0.8, alpha=0.7)
            for when, marker in (("last", "o"), ("stopped", "x")):
                measured = [metrics[when] for metrics in runs]
                rising = [100 * sum(each["rising"]) / len(each["rising"]) for each in measured]
                label = f"{method}, stopped early" if when == "stopped" else method
                errors = [each["mse"] for each in measured]
                end.scatter(rising, errors, c=f"C{place}", marker=marker, s=20, alpha=0.8, label=label)
        course.set_yscale("symlog", linthresh=0.01)
        course.set_ylim(0.0)
        course.set_xlabel("training step")
        course.set_ylabel("violation on cars made up, mpg")
        end.set_xlabel("curves of test cars that rise, %")
        end.set_ylabel("test MSE")
        figure.legend(*end.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8)
        for axes in (course, end):
            axes.grid(alpha=0.3)
        figure.savefig(path, dpi=150)
