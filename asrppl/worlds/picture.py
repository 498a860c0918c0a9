"""Worlds of boxes as a picture (SVG): a panel a world and datum."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import cast

from asrppl.worlds.shown import Example, Shown
from asrppl.worlds.wording import headline

_PANEL, _GAP, _TITLE = 200, 16, 20
_COLUMNS = 4
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # told apart by all eyes
_BROKEN = 'stroke="#c00000" stroke-width="2.5" stroke-dasharray="5 3"'

Rectangle = tuple[float, float, float, float]
"""Left, top, width, height."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Boxes by their labels, under a title; ``broken`` are the labels of those that break something."""

    title: str
    boxes: tuple[tuple[str, Rectangle], ...]
    broken: frozenset[str] = frozenset()


def svg(example: Example) -> str | None:
    """Return the picture of an example's worlds; None where there are no boxes to draw."""
    return panels_svg([panel for shown in (example.keeps, *example.breaks) for panel in _panels(shown, example)])


def panels_svg(panels: Sequence[Panel]) -> str | None:
    """Return the picture of panels, to one scale; None where there are no boxes to draw."""
    if not any(panel.boxes for panel in panels):
        return None
    edges = [edge for panel in panels for _, (x, y, w, h) in panel.boxes for edge in (x, y, x + w, y + h)]
    low, high = min(0.0, *edges), max(edges)
    rows = -(-len(panels) // _COLUMNS)
    width, height = _GAP + min(len(panels), _COLUMNS) * (_PANEL + _GAP), _GAP + rows * (_PANEL + _TITLE + _GAP)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">']
    lines.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    for number, panel in enumerate(panels):
        row, column = divmod(number, _COLUMNS)
        left, top = _GAP + column * (_PANEL + _GAP), _GAP + row * (_PANEL + _TITLE + _GAP)
        lines += _drawn(panel, left, top, low, _PANEL / max(high - low, 1e-9))
    return "\n".join([*lines, "</svg>\n"])


def _panels(shown: Shown, example: Example) -> Iterator[Panel]:
    """Yield a panel for each datum of a world."""
    if shown.values is None:
        return
    for datum in range(example.data):
        boxes: list[tuple[str, Rectangle]] = []
        for name in example.boxes:
            value = cast(Sequence[object], shown.values[name])
            boxes += rectangles(name, value[datum] if example.data > 1 else value)
        yield Panel(headline(shown) + (f" [{datum}]" if example.data > 1 else ""), tuple(boxes))


def rectangles(name: str, nested: object) -> Iterator[tuple[str, Rectangle]]:
    """Yield the boxes of an array, each with its label: rows of x, y, w, h or of x, y, side, however deep they lie."""
    row = cast(Sequence[object], nested)
    if isinstance(row[0], Sequence):
        for index, inner in enumerate(row):
            yield from rectangles(indexed(name, index), inner)
        return
    x, y, w, *rest = cast(Sequence[float], row)
    h = rest[0] if rest else w
    yield name, (x - w / 2, y - h / 2, w, h)


def indexed(label: str, index: int) -> str:
    """Return the label of an entry: of ``box`` ``box[1]``, of that ``box[1, 0]``."""
    return f"{label[:-1]}, {index}]" if label[-1] == "]" else f"{label}[{index}]"


def short_label(label: str) -> str:
    """Return what is written into a box: of ``box[0]`` its number, of ``frame`` its name."""
    return label.partition("[")[2].rstrip("]") or label


def _drawn(panel: Panel, left: float, top: float, low: float, scale: float) -> Iterator[str]:
    yield f'<text x="{left}" y="{top + 13}" font-size="12">{escape(panel.title)}</text>'
    top += _TITLE
    yield f'<rect x="{left}" y="{top}" width="{_PANEL}" height="{_PANEL}" fill="#f6f6f6" stroke="#999"/>'
    for number, (name, (x, y, w, h)) in enumerate(panel.boxes):
        colour = _COLOURS[number % len(_COLOURS)]
        place = f'x="{left + (x - low) * scale:.1f}" y="{top + (y - low) * scale:.1f}"'
        size = f'width="{w * scale:.1f}" height="{h * scale:.1f}"'
        edge = _BROKEN if name in panel.broken else f'stroke="{colour}"'
        yield f'<rect {place} {size} fill="{colour}" fill-opacity="0.35" {edge}><title>{escape(name)}</title></rect>'
        middle = f'x="{left + (x + w / 2 - low) * scale:.1f}" y="{top + (y + h / 2 - low) * scale + 4:.1f}"'
        yield f'<text {middle} font-size="11" text-anchor="middle" fill="#333">{escape(short_label(name))}</text>'
