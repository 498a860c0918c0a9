"""The amount of a comparison that has a multiplier."""

from typing import Any, cast

import torch
from torch import Tensor

from asrppl.bind.shapes import broadcast


def tilted(excess: Tensor, multiplier: Tensor) -> Tensor:
    """Return max(g, 0) with the slope ν everywhere: what μ g with μ = w ν has, w max(g, 0) its largest value.

    Its derivative by ν is what the amount counts in what is made of it (0 in the branch of an `or` that is not taken):
    a multiplier learns of its comparison only as far as the formula asks for it.

    Args:
        excess: g.
        multiplier: ν.
    """
    if excess.shape != multiplier.shape:
        excess, multiplier = broadcast(excess, multiplier)
    return cast(Any, _Tilted).apply(excess, multiplier)


class _Tilted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, excess: Tensor, multiplier: Tensor) -> Tensor:
        ctx.save_for_backward(multiplier)
        return torch.relu(excess)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (multiplier,) = ctx.saved_tensors
        return gradient * multiplier, gradient
