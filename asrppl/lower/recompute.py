"""Calls whose intermediate results are computed again in the backward pass."""

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.utils.checkpoint
from torch import Tensor, nn

Parts = tuple[Tensor, ...]

_checkpoint = cast(Callable[..., Parts], getattr(torch.utils.checkpoint, "checkpoint"))  # noqa: B009 (has no types)


def recomputed(body: nn.Module, *inputs: Any) -> Parts:
    """Return ``body(*inputs)``, of which nothing but inputs and results is kept for the backward pass.

    torch's own checkpointing leaves the nodes of the graph behind, scattered among the freed tensors, where they keep
    the allocator from using that memory again: over the parts of a loop the process grows as if nothing were freed.
    It is still what compilers know, and what sees tensors inside bound functions and tensor subclasses.
    """
    plain = all(type(part) in (Tensor, nn.Parameter) for part in inputs)
    if torch.compiler.is_compiling() or not plain:
        return _checkpoint(body, *inputs, use_reentrant=False)
    if not torch.is_grad_enabled() or not any(part.requires_grad for part in inputs):
        return body(*inputs)
    return _apply(body, *inputs)


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, body: nn.Module, *inputs: Tensor) -> Parts:
        ctx.body = body
        ctx.save_for_backward(*inputs)
        # Copies, made when all else is freed: what stays must not lie in the midst of what goes.
        return tuple(result.clone() for result in body(*inputs))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        inputs = cast(Parts, ctx.saved_tensors)
        again = torch.is_grad_enabled()  # for a second derivative
        with torch.enable_grad():
            # Aliases: one input may be computed from another, and its gradient would be counted twice.
            aliases = [part.view_as(part) for part in inputs]
            results = cast(Parts, ctx.body(*aliases))
        varying = [place for place, alias in enumerate(aliases) if alias.requires_grad]
        pairs = [
            (result, gradient) for result, gradient in zip(results, gradients, strict=True) if result.requires_grad
        ]
        found = torch.autograd.grad(
            [result for result, _ in pairs],
            [aliases[place] for place in varying],
            [gradient for _, gradient in pairs],
            create_graph=again,
            allow_unused=True,
        )
        by_place = dict(zip(varying, found, strict=True))
        return (None, *(by_place.get(place) for place in range(len(inputs))))


_apply = cast(Callable[..., Parts], _Recomputed.apply)  # pyright: ignore[reportUnknownMemberType]
