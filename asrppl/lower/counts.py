"""The law of a count of independent events: Poisson's binomial law.

With probabilities p_1, …, p_n the law of their number has the generating polynomial

    Σ_k P(k) x^k = Π_i (1 − p_i + p_i x),

whose factors are multiplied in pairs, then the products in pairs, and so on: directly up to 16 coefficients, and beyond
by the discrete Fourier transform (a product tree, O(n log² n); for the transform of the whole law at once see Hong, "On
computing the distribution function for the Poisson binomial distribution", 2013). All is differentiable, also at
probabilities of exactly 0 and 1, since nothing is divided and no logarithm is taken.
"""

from collections.abc import Callable
from typing import cast

import torch
import torch.fft
from torch import Tensor

_rfft = cast(Callable[[Tensor, int], Tensor], getattr(torch.fft, "rfft"))  # noqa: B009 (has no types)
_irfft = cast(Callable[[Tensor, int], Tensor], getattr(torch.fft, "irfft"))  # noqa: B009

_DIRECT = 16
"""Laws of fewer coefficients are multiplied one by one."""


def law_of_count(probabilities: Tensor) -> Tensor:
    """Return the probabilities of 0, 1, …, n of n independent events.

    Args:
        probabilities: of the events, along the last axis.

    Returns:
        Along the last axis, n + 1 of them. Errors are absolute, about one rounding of 1: tails below that are noise.
    """
    count = probabilities.shape[-1]
    leaves = 1 << max(0, count - 1).bit_length()
    padded = torch.nn.functional.pad(probabilities, (0, leaves - count))  # by events that never happen
    laws = torch.stack((1 - padded, padded), -1)
    while laws.shape[-2] > 1:
        laws = _products(laws[..., 0::2, :], laws[..., 1::2, :])
    law = laws[..., 0, : count + 1]
    # Rounding may leave [0, 1] by a hair. There the slope is that of the law all the same.
    return law + (law.clamp(0, 1) - law).detach()


def law_of_counts(probabilities: Tensor, dims: tuple[int, ...], lengths: tuple[int, ...], at: int) -> Tensor:
    """Return the law of the count along axes, as an axis of its own.

    Args:
        probabilities: of the events, broadcast to ``lengths`` along ``dims``.
        dims: negative axes, ascending; kept, with length 1.
        lengths: of those axes.
        at: the axis that the numbers 0, 1, … go to, of length 1 so far.
    """
    shape = list(probabilities.shape)
    for dim, length in zip(dims, lengths, strict=True):
        shape[dim] = length
    last = probabilities.expand(shape).movedim(dims, tuple(range(-len(dims), 0))).flatten(-len(dims))
    law = law_of_count(last).movedim(-1, 0)
    for dim in dims:  # ascending: those to the left of one are back when its turn comes
        law = law.unsqueeze(1 + len(shape) + dim)
    return law.transpose(0, 1 + len(shape) + at).squeeze(0)


def _products(left: Tensor, right: Tensor) -> Tensor:
    """Return the products of polynomials, coefficients along the last axis."""
    length = left.shape[-1]
    size = 2 * length - 1
    if length <= _DIRECT:
        windows = torch.nn.functional.pad(right, (length - 1, length - 1)).unfold(-1, length, 1).flip(-1)
        return (windows @ left.unsqueeze(-1)).squeeze(-1)
    wide = 1 << (size - 1).bit_length()
    return _irfft(_rfft(left, wide) * _rfft(right, wide), wide)[..., :size]
