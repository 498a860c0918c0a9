"""Broadcasting, typed."""

from collections.abc import Callable, Iterable
from typing import cast

import torch
from torch import Tensor


def broadcast_shape(shapes: Iterable[Iterable[int]]) -> tuple[int, ...]:
    """Return the shape that ``shapes`` broadcast to.

    Raises:
        RuntimeError: they do not.
    """
    distinct = list(dict.fromkeys(tuple(shape) for shape in shapes))
    if len(distinct) == 1:  # as mostly, and torch takes long to say so
        return distinct[0]
    function = cast(Callable[..., Iterable[int]], getattr(torch, "broadcast_shapes"))  # noqa: B009 (has no types)
    return tuple(function(*distinct))


def broadcast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return the tensors, expanded to the shape that they broadcast to."""
    function = cast(Callable[..., Iterable[Tensor]], getattr(torch, "broadcast_tensors"))  # noqa: B009 (has no types)
    return tuple(function(*tensors))
