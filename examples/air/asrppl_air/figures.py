"""Pictures: reconstructions with boxes (the paper's Figures 3 and 4), samples (Figure 5), learning curves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asrppl_air.data.scenes import Scenes
from asrppl_air.evaluate import Inference
from asrppl_air.metrics import iou, match
from asrppl_air.untyped import integers, numbers

_PAPER, _INK, _FAINT = "#ffffff", "#1b1f24", "#6a737d"
_RIGHT, _WRONG = "#1a7f37", "#cf222e"
_BOXES = ("#ff5d5d", "#4cc9f0", "#ffd23f", "#7ae582", "#c77dff", "#ff9f1c", "#f78fb3", "#a0c4ff", "#e0e0e0", "#b08968")


@dataclass(frozen=True)
class Row:
    """One row of reconstructions: a title, a line of figures under it, and what was inferred of the images."""

    title: str
    figures: str
    inference: Inference


def pick(scenes: Scenes, columns: int) -> Tensor:
    """Indices of `columns` images: the first of each count, as many of each, counts in rising order."""
    values = sorted(set(integers(scenes.counts)))
    share = [columns // len(values) + (i < columns % len(values)) for i in range(len(values))]
    parts = [torch.nonzero(scenes.counts == n)[:k, 0] for n, k in zip(values, share, strict=True)]
    return torch.cat(parts)


def _canvas(axes: Any, image: Tensor) -> None:
    axes.imshow(image.numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _colours(boxes: Tensor, truth: Tensor) -> list[str]:
    """Each inferred square (n, 3) in the colour of the true box (m, 4) that it is matched with, if any."""
    table = iou(torch.cat([boxes, boxes[:, 2:]], -1).numpy(), truth.numpy())
    rows, columns = match(table)
    taken = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    spare = iter(colour for index, colour in enumerate(_BOXES) if index not in taken.values())
    return [_BOXES[taken[row]] if row in taken else next(spare) for row in range(len(boxes))]


def _outline(axes: Any, patches: Any, boxes: Tensor, colours: Sequence[str]) -> None:
    """Draw squares (n, 3) or boxes (n, 4): centre and sides in pixels, pixel edges at whole numbers."""
    for box, colour in zip(numbers(boxes), colours, strict=True):
        x, y, width, height = box[0], box[1], box[2], box[-1]
        # imshow puts a pixel's centre, not its edge, at whole numbers
        corner = x - width / 2 - 0.5, y - height / 2 - 0.5
        axes.add_patch(patches.Rectangle(corner, width, height, fill=False, edgecolor=colour, linewidth=1.8))


def _page(width: float, height: float) -> tuple[Any, Callable[..., None]]:
    """An empty figure, sizes in inches, and what writes text on it, inches from its top left corner."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(width, height), dpi=150, facecolor=_PAPER)
    FigureCanvasAgg(figure)

    def text(x: float, y: float, words: str, **style: Any) -> None:
        figure.text(x / width, 1 - y / height, words, **({"color": _INK, "va": "center"} | style))

    return figure, text


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, facecolor=_PAPER, metadata={"Software": None})


def draw_comparison(
    path: Path, title: str, scenes: Scenes, indices: Tensor, rows: Sequence[Row], thing: str = "digit"
) -> None:
    """Write a PNG: the images at `indices` with their true boxes, then a row of reconstructions for each of `rows`.

    Each reconstruction is that of the most probable number of objects, with its boxes; the number beside the true one
    stands under it, green where they agree. `thing` is what the images hold.
    """
    from matplotlib import patches

    columns = len(indices)
    left, gap, cell, head, foot = 2.35, 0.10, 1.12, 0.62, 0.30
    width = left + columns * (cell + gap) + 0.12
    pitch = cell + foot
    height = head + (1 + len(rows)) * pitch + 0.02
    figure, text = _page(width, height)
    text(0.18, 0.30, title, fontsize=13, fontweight="bold")
    images = scenes.batch(indices)
    for line in range(1 + len(rows)):
        top = head + line * pitch
        row = rows[line - 1] if line else None
        text(0.18, top + cell / 2 - 0.20, row.title if row else "Images", fontsize=11, fontweight="bold")
        words = row.figures if row else f"held-out {thing}s,\nwith the true boxes"
        text(0.18, top + cell / 2 + 0.17, words, fontsize=8.5, color=_FAINT, linespacing=1.35)
        for column in range(columns):
            x = left + column * (cell + gap)
            place = (x / width, 1 - (top + cell) / height, cell / width, cell / height)
            axes: Any = figure.add_axes(place)
            truth = int(scenes.counts[indices[column]])
            true_boxes = scenes.boxes[indices[column], :truth]
            if row is None:
                _canvas(axes, images[column])
                _outline(axes, patches, true_boxes, _BOXES[:truth])
                note, colour = f"{truth} {thing}{'s' * (truth != 1)}", _FAINT
            else:
                count = int(row.inference.counts[column])
                _canvas(axes, row.inference.reconstruction[column].cpu())
                boxes = row.inference.boxes[column, :count].cpu()
                _outline(axes, patches, boxes, _colours(boxes, true_boxes))
                note, colour = f"inferred {count}", _RIGHT if count == truth else _WRONG
            text(x + cell / 2, top + cell + 0.13, note, fontsize=8.5, color=colour, ha="center")
    _save(figure, path)


def draw_samples(path: Path, title: str, rows: Sequence[tuple[str, Tensor]], columns: int = 10) -> None:
    """Write a PNG of images drawn from generative models: for each of `rows` its title and its images (N, S, S)."""
    left, gap, cell, head = 1.75, 0.05, 0.92, 0.62
    pitch = cell + gap
    lines = [-(-len(images) // columns) for _, images in rows]
    width = left + columns * pitch + 0.12
    height = head + sum(line * pitch + 0.14 for line in lines)
    figure, text = _page(width, height)
    text(0.18, 0.30, title, fontsize=13, fontweight="bold")
    top = head
    for (name, images), line in zip(rows, lines, strict=True):
        text(0.18, top + line * pitch / 2, name, fontsize=11, fontweight="bold")
        for index, image in enumerate(images.cpu()):
            x, y = left + index % columns * pitch, top + index // columns * pitch
            axes: Any = figure.add_axes((x / width, 1 - (y + cell) / height, cell / width, cell / height))
            _canvas(axes, image)
        top += line * pitch + 0.14
    _save(figure, path)


@dataclass(frozen=True)
class Curve:
    """The loss of one run: `steps` and, at each, −ELBO in nats per image."""

    steps: Sequence[int]
    losses: Sequence[float]

    def smooth(self, points: int = 150) -> "Curve":
        """Means over equal stretches, about `points` of them."""
        length = max(1, len(self.steps) // points)
        starts = range(0, len(self.steps), length)
        ends = [min(start + length, len(self.steps)) for start in starts]
        means = [sum(self.losses[a:b]) / (b - a) for a, b in zip(starts, ends, strict=True)]
        return Curve([self.steps[end - 1] for end in ends], means)


_LINES = ("#8c959f", "#bc4c00", "#0969da", "#8250df", "#1a7f37")


def draw_curves(path: Path, title: str, panels: Mapping[str, Mapping[str, Sequence[Curve]]]) -> None:
    """Write a PNG of learning curves: a panel for each setting, a colour for each method, a line for each seed."""
    from matplotlib.lines import Line2D

    wide, tall, left, head, foot, gap = 2.9, 2.3, 0.72, 0.92, 0.62, 0.62
    width, height = left + len(panels) * (wide + gap) - gap + 0.2, head + tall + foot
    figure, text = _page(width, height)
    text(0.18, 0.26, title, fontsize=13, fontweight="bold")
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    colours = {name: _LINES[index % len(_LINES)] for index, name in enumerate(names)}
    for index, (setting, panel) in enumerate(panels.items()):
        x = left + index * (wide + gap)
        axes: Any = figure.add_axes((x / width, foot / height, wide / width, tall / height))
        ceiling: list[float] = []
        for name, curves in panel.items():
            for curve in (curve.smooth() for curve in curves if curve.steps):
                axes.plot(curve.steps, curve.losses, color=colours[name], linewidth=1.1, alpha=0.85)
                # The first steps are far above all that follows, and would press it flat.
                ceiling.append(curve.losses[len(curve.losses) // 12])
        if ceiling:
            bottom = axes.get_ylim()[0]
            axes.set_ylim(bottom, max(ceiling) + 0.1 * (max(ceiling) - bottom))
        axes.set_title(setting, fontsize=10, color=_INK)
        axes.set_xlabel("step", fontsize=9, color=_FAINT)
        if not index:
            axes.set_ylabel("−ELBO, nats per image", fontsize=9, color=_FAINT)
        axes.tick_params(labelsize=8, colors=_FAINT)
        axes.grid(color="#d8dee4", linewidth=0.6)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    handles = [Line2D([], [], color=colours[name], linewidth=2, label=name) for name in names]
    if handles:
        figure.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(0.10 / width, 1 - 0.38 / height), ncols=len(handles),
            frameon=False, fontsize=9,
        )  # fmt: skip
    _save(figure, path)
