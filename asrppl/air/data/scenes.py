"""Multi-MNIST: canvases with a few digits that do not touch (paper, section 6; air.md's table).

Digits are cropped to the square box of their ink and put at whole-pixel places. In the number settings ("13", "14",
"24") they keep their size and no two share an inked pixel; in "mnist3" they are scaled by 0.6 and their boxes do not
overlap. All of it is integer arithmetic on PCG64's raw words: one seed gives one data set, on every machine.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asrppl.air.data.digits import Digits
from asrppl.air.data.draws import Draws, IntArray
from asrppl.air.untyped import tensor_of

DataSet = Literal["13", "14", "24", "mnist3"]
SIDE = 50


@dataclass(frozen=True)
class Setting:
    """What a data set's images hold: the counts (equally frequent), the digits' scale as a fraction, the placing."""

    counts: tuple[int, ...]
    numerator: int = 1
    denominator: int = 1
    disjoint_boxes: bool = False

    @property
    def pixels(self) -> int:
        """The usual side of a digit's box: MNIST fits its digits in 20 pixels."""
        return (20 * self.numerator * 2 + self.denominator) // (2 * self.denominator)


SETTINGS: dict[DataSet, Setting] = {
    "13": Setting((1, 3)),
    "14": Setting((1, 4)),
    "24": Setting((2, 4)),
    "mnist3": Setting((3,), 3, 5, disjoint_boxes=True),
}


@dataclass(frozen=True)
class Scenes:
    """Images with their truth.

    `images` (N, S, S), bytes; `counts` (N,); `boxes` (N, K, 4): x, y of the centre, width and height in pixels, zero
    beyond an image's count; K is the largest count.
    """

    images: Tensor
    counts: Tensor
    boxes: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: Tensor) -> Tensor:
        """The images (B, S, S) at `indices` as float32 in [0, 1]."""
        return self.images[indices].to(torch.float32) / 255


@dataclass(frozen=True)
class _Sprites:
    """Cropped digits: ink (D, P, P) bytes in the top left corner, sides (D,), and their inked pixels as row bits."""

    ink: NDArray[np.uint8]
    sides: IntArray
    rows: NDArray[np.uint64]


def _steps(count: int) -> IntArray:
    return np.arange(count, dtype=np.int64)


def crop(digit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The square box of a digit's ink, the shorter side filled up evenly with black."""
    rows, columns = np.flatnonzero(digit.any(1)), np.flatnonzero(digit.any(0))
    if not len(rows):
        raise ValueError("a digit without ink has no box")
    ink = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = ink.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(ink, ((top, side - height - top), (left, side - width - left)))


def shrink(square: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Area averaging of a square to `side` pixels, in integers."""
    old = len(square)
    edges_new, edges_old = np.arange(side + 1) * old, np.arange(old + 1) * side
    shared = np.minimum(edges_new[1:, None], edges_old[None, 1:]) - np.maximum(
        edges_new[:-1, None], edges_old[None, :-1]
    )
    weights = np.maximum(shared, 0)
    total = weights @ square.astype(np.int64) @ weights.T
    return ((2 * total + old * old) // (2 * old * old)).astype(np.uint8)


def _sprites(digits: NDArray[np.uint8], setting: Setting) -> _Sprites:
    squares: list[NDArray[np.uint8]] = []
    for digit in digits:
        square = crop(digit)
        if setting.numerator != setting.denominator:
            twice = 2 * len(square) * setting.numerator
            square = shrink(square, (twice + setting.denominator) // (2 * setting.denominator))
        squares.append(square)
    sides = np.array([len(square) for square in squares], dtype=np.int64)
    most = int(sides.max())
    ink = np.zeros((len(squares), most, most), dtype=np.uint8)
    for into, square in zip(ink, squares, strict=True):
        into[: len(square), : len(square)] = square
    bits = np.uint64(1) << np.arange(most, dtype=np.uint64)
    rows = ((ink > 0) * bits).sum(-1, dtype=np.uint64)
    return _Sprites(ink, sides, rows)


def _clash(sprites: _Sprites, which: IntArray, left: IntArray, top: IntArray, boxes: bool) -> NDArray[np.bool_]:
    """Which of the arrangements (n, k) are not allowed."""
    number, objects = which.shape
    if boxes:
        clash = np.zeros(number, dtype=np.bool_)
        sides = sprites.sides[which]
        for i in range(objects):
            for j in range(i):
                apart_x = (left[:, i] + sides[:, i] <= left[:, j]) | (left[:, j] + sides[:, j] <= left[:, i])
                apart_y = (top[:, i] + sides[:, i] <= top[:, j]) | (top[:, j] + sides[:, j] <= top[:, i])
                clash |= ~(apart_x | apart_y)
        return clash
    # A canvas's row of inked pixels is a word: two digits share a pixel where their shifted rows share a bit.
    clash = np.zeros(number, dtype=np.bool_)
    height = sprites.rows.shape[1]
    canvas = np.zeros((number, SIDE + height), dtype=np.uint64)
    image = _steps(number)[:, None]
    for i in range(objects):
        rows = sprites.rows[which[:, i]] << left[:, i, None].astype(np.uint64)
        place = top[:, i, None] + _steps(height)
        clash |= (canvas[image, place] & rows).any(1)
        canvas[image, place] |= rows
    return clash


def _place(draws: Draws, sprites: _Sprites, number: int, objects: int, boxes: bool) -> tuple[IntArray, ...]:
    """Digit, left and top (number, objects) of arrangements drawn evenly from those allowed: whole ones are redrawn."""
    shape = number, objects
    which = draws.below(len(sprites.ink), number * objects).reshape(shape)
    left, top = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    open_ = np.arange(number)
    while len(open_):
        chosen = which[open_]
        room = (SIDE - sprites.sides[chosen] + 1).reshape(-1)
        some_left = draws.below(room, room.size).reshape(-1, objects)
        some_top = draws.below(room, room.size).reshape(-1, objects)
        left[open_], top[open_] = some_left, some_top
        open_ = open_[_clash(sprites, chosen, some_left, some_top, boxes)]
    return which, left, top


def make_scenes(data: DataSet, digits: Digits, number: int, seed: int) -> Scenes:
    """`number` images of the data set `data` from `digits`, the counts equally frequent (the first a little more so).

    The images come in random order. `seed` and `digits` decide everything.
    """
    setting = SETTINGS[data]
    sprites = _sprites(digits.images, setting)
    draws = Draws(seed)
    most = max(setting.counts)
    images = np.zeros((number, SIDE, SIDE), dtype=np.uint8)
    counts = np.zeros(number, dtype=np.int64)
    boxes = np.zeros((number, most, 4), dtype=np.float32)
    order = draws.permutation(number)
    for position, objects in enumerate(setting.counts):
        into = order[position :: len(setting.counts)]
        which, left, top = _place(draws, sprites, len(into), objects, setting.disjoint_boxes)
        counts[into] = objects
        for i in range(objects):
            sides = sprites.sides[which[:, i]]
            for side in np.unique(sides):
                some = sides == side
                place = _steps(side)
                at = into[some][:, None, None]
                y = (top[some, i, None] + place)[:, :, None]
                x = (left[some, i, None] + place)[:, None, :]
                images[at, y, x] += sprites.ink[which[some, i], :side, :side]
            boxes[into, i] = np.stack([left[:, i] + sides / 2, top[:, i] + sides / 2, sides, sides], -1)
    return Scenes(tensor_of(images), tensor_of(counts), tensor_of(boxes))
