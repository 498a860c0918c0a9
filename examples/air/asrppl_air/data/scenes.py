"""Multi-MNIST and Multi-dSprites: canvases with a few objects that do not touch (paper, section 6; air.md's table).

Digits, or dSprites' shapes, are cropped to the square box of their ink and put at whole-pixel places. In the number
settings ("13", "14", "24" and their like of shapes) they keep their size and no two share an inked pixel; in "mnist3"
and "dsprites3" they are scaled by 0.6 and their boxes do not overlap. All of it is integer arithmetic on PCG64's raw
words: one seed gives one data set, on every machine.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asrppl_air.data.digits import Digits
from asrppl_air.data.draws import Draws, IntArray
from asrppl_air.data.shapes import shape_sprites
from asrppl_air.data.sprites import Sprites, digit_sprites
from asrppl_air.untyped import tensor_of

DataSet = Literal["13", "14", "24", "mnist3", "dsprites13", "dsprites14", "dsprites24", "dsprites3"]
ObjectSource = Literal["digits", "shapes"]
_USUAL: dict[ObjectSource, int] = {"digits": 20, "shapes": 22}
_SIDE: dict[ObjectSource, int] = {"digits": 50, "shapes": 64}


@dataclass(frozen=True)
class DataSetSpec:
    """What a data set's images hold: of what, the counts (equally frequent), the scale as a fraction, the placing."""

    source: ObjectSource
    counts: tuple[int, ...]
    numerator: int = 1
    denominator: int = 1
    disjoint_boxes: bool = False

    @property
    def side(self) -> int:
        """The canvas's side in pixels; at most 64, the bits of a word."""
        return _SIDE[self.source]

    @property
    def pixels(self) -> int:
        """The usual side of an object's box: MNIST fits its digits in 20 pixels, dSprites' largest have 18 to 26."""
        return (2 * _USUAL[self.source] * self.numerator + self.denominator) // (2 * self.denominator)

    def sprites(self, digits: Digits | None, antialias: bool) -> Sprites:
        """What its images are made of; raises `ValueError` where it takes digits and there are none."""
        if self.source == "shapes":
            return shape_sprites(antialias, self.numerator, self.denominator)
        if digits is None:
            raise ValueError("images of digits are made from digits: give some")
        return digit_sprites(digits.images, self.numerator, self.denominator)


DATA_SETS: dict[DataSet, DataSetSpec] = {
    "13": DataSetSpec("digits", (1, 3)),
    "14": DataSetSpec("digits", (1, 4)),
    "24": DataSetSpec("digits", (2, 4)),
    "mnist3": DataSetSpec("digits", (3,), 3, 5, disjoint_boxes=True),
    "dsprites13": DataSetSpec("shapes", (1, 3)),
    "dsprites14": DataSetSpec("shapes", (1, 4)),
    "dsprites24": DataSetSpec("shapes", (2, 4)),
    "dsprites3": DataSetSpec("shapes", (3,), 3, 5, disjoint_boxes=True),
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

    def to(self, device: torch.device) -> "Scenes":
        """The same scenes on `device`: bytes, 164 MB at most, so that a batch is gathered where it is used."""
        return Scenes(self.images.to(device), self.counts.to(device), self.boxes.to(device))

    def batch(self, indices: Tensor) -> Tensor:
        """The images (B, S, S) at `indices`, on the images' device, as float32 in [0, 1]."""
        return self.images[indices].to(torch.float32) / 255


def _steps(count: int) -> IntArray:
    return np.arange(count, dtype=np.int64)


def _clash(sprites: Sprites, setting: DataSetSpec, which: IntArray, left: IntArray, top: IntArray) -> NDArray[np.bool_]:
    """Which of the arrangements (n, k) are not allowed."""
    number, objects = which.shape
    if setting.disjoint_boxes:
        clash = np.zeros(number, dtype=np.bool_)
        sides = sprites.sides[which]
        for i in range(objects):
            for j in range(i):
                apart_x = (left[:, i] + sides[:, i] <= left[:, j]) | (left[:, j] + sides[:, j] <= left[:, i])
                apart_y = (top[:, i] + sides[:, i] <= top[:, j]) | (top[:, j] + sides[:, j] <= top[:, i])
                clash |= ~(apart_x | apart_y)
        return clash
    # A canvas's row of inked pixels is a word: two objects share a pixel where their shifted rows share a bit.
    clash = np.ones(number, dtype=np.bool_)
    height = sprites.rows.shape[1]
    canvas = np.zeros((number, setting.side + height), dtype=np.uint64)
    apart = _steps(number)  # the arrangements, as rows of `canvas`, whose objects so far share no pixel
    for i in range(objects):
        rows = sprites.rows[which[apart, i]] << left[apart, i, None].astype(np.uint64)
        place = apart[:, None], top[apart, i, None] + _steps(height)
        under = canvas[place]
        fits = ~(under & rows).any(1)
        if i < objects - 1:
            canvas[place] = under | rows
        apart = apart[fits]
    clash[apart] = False
    return clash


def _place(draws: Draws, sprites: Sprites, setting: DataSetSpec, number: int, objects: int) -> tuple[IntArray, ...]:
    """Sprite, left, top (number, objects) of arrangements drawn evenly from those allowed: whole ones are redrawn."""
    shape = number, objects
    which = draws.below(len(sprites.ink), number * objects).reshape(shape)
    left, top = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    open_ = np.arange(number)
    while len(open_):
        chosen = which[open_]
        room = (setting.side - sprites.sides[chosen] + 1).reshape(-1)
        some_left = draws.below(room, room.size).reshape(-1, objects)
        some_top = draws.below(room, room.size).reshape(-1, objects)
        left[open_], top[open_] = some_left, some_top
        open_ = open_[_clash(sprites, setting, chosen, some_left, some_top)]
    return which, left, top


def make_scenes(data: DataSet, digits: Digits | None, number: int, seed: int, *, antialias: bool = False) -> Scenes:
    """`number` images of the data set `data`, the counts equally frequent (the first a little more so).

    Multi-MNIST is made from `digits`; Multi-dSprites needs none, and has soft edges with `antialias`. The images come
    in random order. The arguments decide everything.
    """
    setting = DATA_SETS[data]
    sprites = setting.sprites(digits, antialias)
    draws = Draws(seed)
    most = max(setting.counts)
    images = np.zeros((number, setting.side, setting.side), dtype=np.uint8)
    counts = np.zeros(number, dtype=np.int64)
    boxes = np.zeros((number, most, 4), dtype=np.float32)
    order = draws.permutation(number)
    for position, objects in enumerate(setting.counts):
        into = order[position :: len(setting.counts)]
        which, left, top = _place(draws, sprites, setting, len(into), objects)
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


def moved(images: Tensor) -> Tensor:
    """`images` (B, S, S), each moved as a whole to a random place on its canvas; drawn from torch's generator.

    Objects are placed evenly over the arrangements that are allowed, and an arrangement that is moved stays allowed: so
    an image that is moved evenly over the places where none of its ink leaves the canvas is one more draw from the
    distribution that the data set was drawn from.
    """
    side = images.shape[-1]
    places = torch.arange(side, device=images.device)
    rows, columns = ((_move(images.amax(axis) > 0) + places) % side for axis in (-1, -2))
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    return images[batch, rows[:, :, None], columns[:, None, :]]


def _move(inked: Tensor) -> Tensor:
    """By how much to read ahead of each place, (B, 1), given which rows (columns) hold ink, (B, S)."""
    ink = inked.to(torch.float32)
    first, after = ink.argmax(-1), inked.shape[-1] - ink.flip(-1).argmax(-1)
    room = first + inked.shape[-1] - after + 1
    return (first - (torch.rand(len(inked), device=inked.device) * room).long().clamp(max=room - 1))[:, None]
