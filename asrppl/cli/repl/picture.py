"""Boxes as a picture in lines of text."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from asrppl.worlds.picture import short_label


class Box(NamedTuple):
    """Centre and sides; y grows downwards."""

    x: float
    y: float
    w: float
    h: float

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        w, h = abs(self.w) / 2, abs(self.h) / 2  # (a descent may take a side below 0)
        return self.x - w, self.y - h, self.x + w, self.y + h

    @property
    def rectangle(self) -> tuple[float, float, float, float]:
        """Left, top, width, height."""
        return *self.edges[:2], abs(self.w), abs(self.h)


WIDTH, HEIGHT = 56, 14
_LINES, _PLAIN = "─│┌┐└┘┼", "-|+++++"


def frame_of(boxes: Sequence[Box]) -> tuple[float, float, float, float]:
    """Return what holds all boxes: left, top, right, bottom."""
    lefts, tops, rights, bottoms = zip(*(box.edges for box in boxes), strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def text_picture(
    boxes: Mapping[str, Box], frame: tuple[float, float, float, float], *, ascii_only: bool = False
) -> list[str]:
    """Return boxes as lines of text, each with its number (or name) in its corner, to one scale along both axes.

    Args:
        boxes: by label.
        frame: what is shown.
        ascii_only: for streams that have no other characters.
    """
    left, top, right, bottom = frame
    # A character is about twice as high as wide.
    scale = min((WIDTH - 1) / max(right - left, 1e-9), 2 * (HEIGHT - 1) / max(bottom - top, 1e-9))
    columns, rows = round((right - left) * scale) + 1, round((bottom - top) * scale / 2) + 1
    canvas = [[" "] * columns for _ in range(rows)]
    across, down, *corners, crossing = _PLAIN if ascii_only else _LINES

    def put(row: int, column: int, sign: str) -> None:
        there = canvas[row][column]
        canvas[row][column] = sign if there in (" ", sign) else crossing

    for box in boxes.values():
        (x1, y1), (x2, y2) = (
            (round((x - left) * scale), round((y - top) * scale / 2)) for x, y in (box.edges[:2], box.edges[2:])
        )
        for column in range(x1 + 1, x2):
            put(y1, column, across)
            if y2 > y1:
                put(y2, column, across)
        for row in range(y1 + 1, y2):
            put(row, x1, down)
            put(row, x2, down)
        for (row, column), sign in zip(((y1, x1), (y1, x2), (y2, x1), (y2, x2)), corners, strict=True):
            put(row, column, sign)
    for label, box in boxes.items():  # above all lines
        row, column = round((box.edges[1] - top) * scale / 2), round((box.edges[0] - left) * scale)
        for place, sign in enumerate(short_label(label)):
            if column + 1 + place < columns:
                canvas[row][column + 1 + place] = sign
    return ["".join(row).rstrip() for row in canvas]
