"""Groups of measurements: the same three kinds in the same proportions in each, at levels of the group's own."""

from dataclasses import dataclass

import torch
from torch import Tensor

CENTRES = torch.tensor([-3.0, 0.0, 3.0])
PROPORTIONS = torch.tensor([0.5, 0.3, 0.2])
SCALE = 0.8
SHIFT = 1.0
"""Standard deviation by which all levels of a group are moved together."""


@dataclass(frozen=True)
class Data:
    """Measurements of some groups.

    Args:
        x: what was measured, ``(data,)``.
        group: the number of its group, ``(data,)``.
        label: of which kind it truly is, ``(data,)``; no method sees it.
        levels: the true levels, ``(groups, 3)``.
    """

    x: Tensor
    group: Tensor
    label: Tensor
    levels: Tensor


def make(groups: int, each: int, seed: int) -> tuple[Data, Data]:
    """Return data for training, ``each`` of a group, and four times as many of the same groups held out."""
    draws = torch.Generator().manual_seed(seed)
    levels = CENTRES + SHIFT * torch.randn(groups, 1, generator=draws)
    return _measured(levels, each, draws), _measured(levels, 4 * each, draws)


def _measured(levels: Tensor, each: int, draws: torch.Generator) -> Data:
    group = torch.arange(len(levels)).repeat_interleave(each)
    label = torch.multinomial(PROPORTIONS, len(group), replacement=True, generator=draws)
    x = levels[group, label] + SCALE * torch.randn(len(group), generator=draws)
    return Data(x, group, label, levels)
