"""What scenes are made of: ink cropped to the square of its box."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asrppl_air.data.draws import IntArray


@dataclass(frozen=True)
class Sprites:
    """Cropped ink: `ink` (D, P, P), bytes in the top left corner; `sides` (D,); `rows` (D, P), inked pixels as bits."""

    ink: NDArray[np.uint8]
    sides: IntArray
    rows: NDArray[np.uint64]

    @classmethod
    def of(cls, ink: NDArray[np.uint8], sides: IntArray) -> "Sprites":
        """Sprites of squares of ink in the top left corners of `ink`, which may have black to spare."""
        most = int(sides.max())
        ink = np.ascontiguousarray(ink[:, :most, :most])
        bits = np.uint64(1) << np.arange(most, dtype=np.uint64)
        return cls(ink, sides, ((ink > 0) * bits).sum(-1, dtype=np.uint64))


def crop(drawings: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], IntArray]:
    """The square boxes of the ink of drawings (D, S, S), the shorter side filled up evenly with black.

    They come in the top left corners of (D, S, S), and their sides (D,).
    """
    rows, columns = np.asarray(drawings.any(2)), np.asarray(drawings.any(1))
    blank = np.flatnonzero(~drawings.any((1, 2)))
    if len(blank):
        raise ValueError(f"drawing {blank[0]} (from 0) is without ink and has no box")
    (top, height), (left, width) = _extent(rows), _extent(columns)
    sides = np.maximum(height, width)
    # Around the box there is nothing but black: to square it is to move it.
    moved = _moved(drawings, top - (sides - height) // 2, 1)
    return _moved(moved, left - (sides - width) // 2, 2), sides


def _extent(inked: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """First inked line and the number of lines to the last one, for each drawing."""
    first = inked.argmax(1)
    return first, inked.shape[1] - inked[:, ::-1].argmax(1) - first


def _moved(drawings: NDArray[np.uint8], by: IntArray, axis: int) -> NDArray[np.uint8]:
    """Each drawing moved by its number of pixels to lower indices; only black leaves it."""
    moved = np.zeros_like(drawings)
    for distance in np.unique(by).tolist():
        moved[by == distance] = np.roll(drawings[by == distance], -distance, axis)
    return moved


def shrink(squares: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Area averaging of squares (..., P, P) to `side` pixels, rounded half up."""
    old = int(squares.shape[-1])
    edges_new, edges_old = np.arange(side + 1) * old, np.arange(old + 1) * side
    shared = np.minimum(edges_new[1:, None], edges_old[None, 1:]) - np.maximum(
        edges_new[:-1, None], edges_old[None, :-1]
    )
    # Whole numbers far below 2^53: floats hold them exactly, and multiply matrices faster than integers.
    weights = np.maximum(shared, 0).astype(np.float64)
    total = (weights @ squares.astype(np.float64) @ weights.T).astype(np.int64)
    return ((2 * total + old * old) // (2 * old * old)).astype(np.uint8)


def digit_sprites(digits: NDArray[np.uint8], numerator: int = 1, denominator: int = 1) -> Sprites:
    """Digits (D, 28, 28), cropped and, where the fraction is not 1, scaled by it."""
    ink, sides = crop(digits)
    if numerator == denominator:
        return Sprites.of(ink, sides)
    small, small_sides = np.zeros_like(ink), (2 * sides * numerator + denominator) // (2 * denominator)
    for old in np.unique(sides).tolist():
        some = sides == old
        new = int(small_sides[some][0])
        small[some, :new, :new] = shrink(ink[some, :old, :old], new)
    return Sprites.of(small, small_sides)
