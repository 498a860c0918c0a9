"""Broadcasting, typed."""

from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import cast

import torch
from torch import Tensor


def broadcast_shape(shapes: Iterable[Iterable[int]]) -> tuple[int, ...]:
    """Return the shape that ``shapes`` broadcast to.

    Raises:
        RuntimeError: they do not.
    """
    # torch.broadcast_shapes takes 25 µs, and a rule asks a few times in each step.
    distinct = list(dict.fromkeys(tuple(shape) for shape in shapes))
    if len(distinct) == 1:
        return distinct[0]
    found: list[int] = []
    for sizes in zip_longest(*(shape[::-1] for shape in distinct), fillvalue=1):
        long = {size for size in sizes if size != 1}
        if len(long) > 1:
            raise RuntimeError(f"shapes that do not broadcast: {', '.join(map(str, distinct))}")
        found.append(long.pop() if long else 1)
    return tuple(reversed(found))


def broadcast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return the tensors, expanded to the shape that they broadcast to."""
    function = cast(Callable[..., Iterable[Tensor]], getattr(torch, "broadcast_tensors"))  # noqa: B009 (has no types)
    return tuple(function(*tensors))
