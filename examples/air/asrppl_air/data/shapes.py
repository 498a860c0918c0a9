"""dSprites' three shapes, drawn: square, ellipse and heart, each at 40 orientations, with hard or soft edges.

The sizes are those of dSprites at its largest scale: a square of 18 pixels, an ellipse of 26 by 14, a heart of 20 by
18. A shape is a polygon with corners on a grid of 1/256 pixel; it is turned, and its samples are told inside from
outside, in integers. Sines and cosines come in once, rounded to that grid and to 2^-16; none is near a tie, so a last
bit that another machine's sine has differently changes nothing. (With the box of the ink in the middle of whole
pixels a square at rest is exactly 18 pixels.)
"""

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from asrppl_air.data.draws import IntArray
from asrppl_air.data.sprites import Sprites, crop

Shape = Literal["square", "ellipse", "heart"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
ORIENTATIONS = 40
CORNERS = 360  # of a curve's polygon: less than a thousandth of a pixel off
GRID = 256  # corners lie at whole multiples of 1/256 pixel
TURN = 1 << 16  # sines and cosines are whole multiples of 2^-16
FRAME = 28  # pixels that hold the largest of them
SAMPLES = 8  # a pixel's coverage is counted on 8 × 8 points


def outline(shape: Shape) -> list[tuple[float, float]]:
    """The corners of a shape at rest in pixels around its middle, y downwards; the heart's curve is 20 pixels wide."""
    if shape == "square":
        return [(-9.0, -9.0), (9.0, -9.0), (9.0, 9.0), (-9.0, 9.0)]
    angles = [2 * math.pi * k / CORNERS for k in range(CORNERS)]
    if shape == "ellipse":
        return [(13 * math.cos(t), 7 * math.sin(t)) for t in angles]
    return [
        (
            10 * math.sin(t) ** 3,
            -5 / 8 * (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)),
        )
        for t in angles
    ]


def orientation(index: int) -> tuple[float, float]:
    """Cosine and sine of one of the 40 orientations, 9 degrees apart."""
    angle = 2 * math.pi * index / ORIENTATIONS
    return math.cos(angle), math.sin(angle)


def _inside(corners: IntArray, xs: IntArray, ys: IntArray) -> NDArray[np.bool_]:
    """Which points (Y, X) lie in the polygon (C, 2): those with an odd number of edges to their right."""
    x, y = corners.T
    dx, dy = np.roll(x, -1) - x, np.roll(y, -1) - y
    below = y[None, :] <= ys[:, None]
    row, edge = np.nonzero(below != np.roll(below, -1, 1))
    # Coordinates stay under 2^29 and so these products under 2^60.
    side = dx[edge, None] * (ys[row] - y[edge])[:, None] - (xs[None, :] - x[edge, None]) * dy[edge, None]
    right = (side > 0) == (dy[edge, None] > 0)
    inside = np.zeros((len(ys), len(xs)), dtype=np.bool_)
    rows, starts = np.unique(row, return_index=True)
    inside[rows] = np.logical_xor.reduceat(right, starts)
    return inside


def draw_shape(
    shape: Shape, index: int, antialias: bool = False, numerator: int = 1, denominator: int = 1
) -> NDArray[np.uint8]:
    """A shape at orientation `index`, scaled by a fraction, in the middle of whole pixels.

    A pixel is 255 where its middle is inside and 0 elsewhere; with `antialias` it is the share of it that is covered.
    """
    rest = np.array(
        [[round(GRID * v * numerator / denominator) for v in corner] for corner in outline(shape)], dtype=np.int64
    )
    cosine, sine = (round(TURN * v) for v in orientation(index))
    corners = np.stack([rest[:, 0] * cosine - rest[:, 1] * sine, rest[:, 0] * sine + rest[:, 1] * cosine], -1)
    pixel = GRID * TURN
    least, most = corners.min(0), corners.max(0)
    middle, extent = (least + most) // 2, most - least
    width, height = (-(-extent // pixel) if antialias else (2 * extent + pixel) // (2 * pixel)).tolist()
    fine = SAMPLES if antialias else 1
    xs, ys = (
        (2 * np.arange(size * fine, dtype=np.int64) + 1 - size * fine) * (pixel // (2 * fine)) + centre
        for size, centre in zip((width, height), middle, strict=True)
    )
    covered = _inside(corners, xs, ys).reshape(height, fine, width, fine).sum((1, 3))
    return ((2 * 255 * covered + fine * fine) // (2 * fine * fine)).astype(np.uint8)


def shape_sprites(antialias: bool = False, numerator: int = 1, denominator: int = 1) -> Sprites:
    """The 120 sprites, shape by shape, scaled by a fraction."""
    drawings = np.zeros((len(SHAPES) * ORIENTATIONS, FRAME, FRAME), dtype=np.uint8)
    for place, into in enumerate(drawings):
        shape, index = SHAPES[place // ORIENTATIONS], place % ORIENTATIONS
        drawing = draw_shape(shape, index, antialias, numerator, denominator)
        into[: drawing.shape[0], : drawing.shape[1]] = drawing
    return Sprites.of(*crop(drawings))
