"""The picture: some images and what the rule is about, the violation in training, and overlaps of each run."""

from pathlib import Path

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from examples.gallery.detector.data import SIDE, make
from examples.gallery.detector.train import LOOKED
from examples.gallery.runs import Metrics

IMAGES = 2


def draw(by_method: dict[str, list[Metrics]], path: Path) -> None:
    """Draw two images with their true boxes, the violation by step, and the share of overlapping pairs."""
    images = make(IMAGES, 10_000)
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(7.0, 2.8), layout="constrained")
        left, course, end = figure.subplots(1, 3, width_ratios=(2, 3, 3))
        left.imshow(torch.cat([*images.pixels[:, 0]]).numpy(), cmap="gray")
        for number in range(IMAGES):
            for box in images.boxes[number][images.there[number]] * SIDE:
                x, y, w, h = box.tolist()
                corner = (x - w / 2 - 0.5, number * SIDE + y - h / 2 - 0.5)
                left.add_patch(Rectangle(corner, w, h, fill=False, edgecolor="C1", lw=1))
        left.set_axis_off()
        for place, (method, runs) in enumerate(by_method.items()):
            for number, metrics in enumerate(runs):
                steps = torch.arange(len(metrics["violations"])) * LOOKED
                label = method if number == 0 else None
                course.plot(steps, metrics["violations"], f"C{place}", lw=0.9, alpha=0.8, label=label)
            end.scatter([place] * len(runs), [100 * each["overlapping"] for each in runs], c=f"C{place}", s=20)
        course.set_ylim(0.0)
        course.set_xlabel("training step")
        course.set_ylabel("violation, pixels an image")
        names = [method.replace(", ", ",\n").replace(" too", "\ntoo") for method in by_method]
        end.set_xticks(range(len(names)), names, fontsize=7)
        end.set_xlim(-0.5, len(names) - 0.5)
        end.set_ylim(0.0)
        end.set_ylabel("overlapping pairs, held out, %")
        for axes in (course, end):
            axes.grid(alpha=0.3)
        figure.savefig(path, dpi=150)
