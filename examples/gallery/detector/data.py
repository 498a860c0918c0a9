"""Images of two to four squares and discs that do not overlap, with noise, and where they are."""

from dataclasses import dataclass

import torch
from torch import Tensor

SIDE = 32
SLOTS = 4
NOISE = 0.7
SIDES = (8.0, 15.0)
_TRIES = 24


@dataclass(frozen=True)
class Images:
    """Some images.

    Args:
        pixels: ``(images, 1, SIDE, SIDE)``.
        boxes: x, y, w, h of each object, x and y its centre, as fractions of the image; ``(images, SLOTS, 4)``. The
            slots are the quarters of the image, in which the centres are; what is not there has zeros.
        there: which slots have an object, ``(images, SLOTS)``.
    """

    pixels: Tensor
    boxes: Tensor
    there: Tensor

    def __len__(self) -> int:
        return len(self.pixels)


def make(images: int, seed: int) -> Images:
    """Return images drawn by ``seed``."""
    draws = torch.Generator().manual_seed(seed)
    boxes, there = _places(images, draws)
    grid = torch.arange(SIDE) + 0.5
    dx = grid - boxes[:, :, 0, None] * SIDE
    dy = grid - boxes[:, :, 1, None] * SIDE
    half = boxes[:, :, 2, None, None] * SIDE / 2
    square = torch.maximum(dx[:, :, None].abs(), dy[..., None].abs()) <= half
    disc = dx[:, :, None].square() + dy[..., None].square() <= half.square()
    round_ = torch.rand(images, SLOTS, 1, 1, generator=draws) < 0.5
    drawn = (torch.where(round_, disc, square) & there[..., None, None]).any(1).float()
    return Images(drawn[:, None] + NOISE * torch.randn(images, 1, SIDE, SIDE, generator=draws), boxes, there)


def _places(images: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return boxes and which are there: each object takes the first of some random places that is free."""
    wanted = torch.randint(2, SLOTS + 1, (images, 1), generator=draws)
    wanted = torch.rand(images, SLOTS, generator=draws).argsort(1).argsort(1) < wanted
    boxes = torch.zeros(images, SLOTS, 4)
    there = torch.zeros(images, SLOTS, dtype=torch.bool)
    rows = torch.arange(images)
    for slot in range(SLOTS):
        size = torch.empty(images, _TRIES).uniform_(*SIDES, generator=draws) / SIDE
        quarter = torch.tensor([slot % 2, slot // 2]) / 2
        centre = quarter + torch.rand(images, _TRIES, 2, generator=draws) / 2
        centre = centre.clamp(min=size[..., None] / 2, max=1 - size[..., None] / 2)
        apart = (centre[:, :, None] - boxes[:, None, :, :2]).abs().amax(-1)
        free = ((apart >= (size[..., None] + boxes[:, None, :, 2]) / 2) | ~there[:, None]).all(-1)
        first = free.int().argmax(1)
        there[:, slot] = free.any(1) & wanted[:, slot]
        found = torch.cat([centre[rows, first], size[rows, first, None].expand(-1, 2)], -1)
        boxes[:, slot] = found * there[:, slot, None]
    return boxes, there
