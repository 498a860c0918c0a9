"""Tensors ``(*axes, *batch)``, those of moments, and how far they move what is computed from them."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from asrppl.infer.watch.recording import Frame


def directional(value: Tensor, leaves: Sequence[Tensor], moved: Sequence[Tensor]) -> Tensor:
    """Return the derivative of ``value`` in the direction ``moved`` of ``leaves``, element by element of the batch."""
    if not leaves or not value.requires_grad:
        return torch.zeros_like(value)
    dual = torch.zeros_like(value).requires_grad_()
    rows = torch.autograd.grad(value, leaves, dual, create_graph=True, allow_unused=True)
    known = zip(cast("tuple[Tensor | None, ...]", rows), moved, strict=True)
    total = sum((row * move).sum() for row, move in known if row is not None)
    if not isinstance(total, Tensor) or not total.requires_grad:
        return torch.zeros_like(value)
    (found,) = torch.autograd.grad(total, dual)
    return found


def padded(value: Tensor, axes: int, batch: int) -> Tensor:
    """Return ``(*axes, *plates)`` with as many batch axes as asked for."""
    own = value.dim() - axes
    if own == batch:
        return value
    if own > batch:
        return value.reshape((*value.shape[:axes], *value.shape[axes + own - batch :]))
    return value.reshape((*value.shape[:axes], *(1,) * (batch - own), *value.shape[axes:]))


def axes_last(value: Tensor, axes: int) -> Tensor:
    """Return ``(*axes, *batch)`` as ``(*batch, *axes)``."""
    return value.movedim(tuple(range(axes)), tuple(range(-axes, 0))) if axes else value


def in_plates(value: Tensor, frames: Sequence[Frame]) -> Tensor:
    """Return ``(*batch)`` with an entry for each of the plates it stands in."""
    shape = list(value.shape)
    for frame in frames:
        dim = cast(int, frame.dim)
        shape = [1] * (-dim - len(shape)) + shape
        shape[dim] = frame.size
    return value.expand(shape)
