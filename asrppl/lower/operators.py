"""The functions of a lowered program that torch does not have: each total, with finite values and finite gradients.

Where a real function has no value or no derivative (a square root below zero, a quotient by zero), the value is the
nearest finite one and the derivative there is zero, so that one datum at a boundary cannot spoil a training step.

Shapes: values are ``(*batch, *slots)``; distributions are log-probabilities ``(*batch, *slots, support)``.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from asrppl.bind.finite import LOG_ZERO as LOG_ZERO
from asrppl.bind.functions import WatchedFunction
from asrppl.bind.shapes import broadcast, broadcast_shape

TINY = 1e-30
"""Below this a number counts as zero where a function's slope is infinite at zero; its inverse is a finite float32."""

NEAR_ZERO = 1e-12
"""A divisor nearer to zero than this is moved here: the quotient and its slope (1e24) are finite in float32."""


def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return entries ``start`` to ``start + length`` of axis ``dim``; the whole axis is ``x`` itself."""
    # A view of the whole would cost a zero-filled copy of the gradient in the backward pass.
    return x if start == 0 and x.shape[dim] == length else x.narrow(dim, start, length)


# ---- elementwise


def square_root(x: Tensor) -> Tensor:
    """Return sqrt(max(x, 0)), with slope 0 at 0."""
    return torch.where(x <= TINY, 0.0, x.clamp_min(TINY).sqrt())  # NaN is no number below: it stays


def logarithm(x: Tensor) -> Tensor:
    """Return log(max(x, 1e-30)), with slope 0 from there down."""
    return x.clamp_min(TINY).log()


def exponential(x: Tensor) -> Tensor:
    """Return exp(x), held (slope 0) a little below the largest float."""
    return x.clamp_max(700.0 if x.dtype == torch.float64 else 85.0).exp()


def away_from_zero(x: Tensor) -> Tensor:
    """Return ``x`` with numbers nearer to zero than 1e-12 moved there, keeping their sign (0 goes up)."""
    return torch.where(x < 0, x.clamp_max(-NEAR_ZERO), x.clamp_min(NEAR_ZERO))


def quotient(x: Tensor, y: Tensor) -> Tensor:
    """Return x / y, with a divisor kept 1e-12 away from zero; 0 / 0 is 0."""
    return x / away_from_zero(y)


def power(base: Tensor, exponent: float) -> Tensor:
    """Return base ^ exponent for a constant exponent.

    A negative base counts as 0 where the exponent is no integer; a negative exponent is a division.
    """
    if exponent < 0:
        return 1 / away_from_zero(power(base, -exponent))
    if exponent == 0:
        return torch.where(base.isnan(), base, 1.0)  # torch has nan ^ 0 = 1
    if exponent == int(exponent):
        return base.pow(int(exponent))
    if exponent < 1:
        return torch.where(base <= TINY, 0.0, base.clamp_min(TINY).pow(exponent))
    return base.clamp_min(0).pow(exponent)


def integer_power(base: Tensor, exponent: Tensor) -> Tensor:
    """Return base ^ exponent for exponents that are integers (draws, which have no gradient)."""
    exponent = exponent.detach()
    base, exponent = broadcast(base, exponent)
    # 0 ^ 0 is 1 with slope 0; a negative exponent divides by the base, which may not be zero then.
    result = torch.where(exponent < 0, away_from_zero(base), base).pow(exponent)
    return torch.where(base.isnan() | exponent.isnan(), math.nan, result)  # torch has nan ^ 0 = 1 and 1 ^ nan = 1


def real_power(base: Tensor, exponent: Tensor) -> Tensor:
    """Return max(base, 1e-12) ^ exponent for real exponents."""
    return exponential(base.clamp_min(NEAR_ZERO).log() * exponent)


# ---- violations


def power_mean(left: Tensor, right: Tensor, p: float) -> Tensor:
    """Return the smooth minimum (left^-p + right^-p)^(-1/p) of two non-negative numbers.

    It is zero iff one of them is, at most the smaller, and tends to it as p grows.
    """
    left, right = broadcast(left, right)
    return power_mean_over(torch.stack((left, right)), (0,), p)[0]


def power_mean_over(values: Tensor, dims: tuple[int, ...], p: float) -> Tensor:
    """Return (Σ v^-p)^(-1/p) of non-negative ``values`` along ``dims``, which are kept; infinite ones drop out."""
    smallest = values.amin(dims, keepdim=True)
    positive = smallest > TINY
    # Scaled by the smallest, which cancels (so its gradient is left out), every ratio is in [0, 1]; in logarithms,
    # so that neither 0^p nor inf^-p has to be differentiated.
    scale = torch.where(positive, smallest, 1.0).detach()
    finite = torch.isfinite(values)
    ratios = torch.where(finite, values, 1.0).clamp_min(TINY).log() - scale.log()
    total = torch.where(finite, torch.exp(-p * ratios.clamp_min(0)), 0.0).sum(dims, keepdim=True)
    total = torch.where(positive, total, 1.0)
    return torch.where(positive, scale * torch.exp(-total.log() / p), smallest)


def least(x: Tensor, dims: tuple[int, ...], lengths: tuple[int, ...], bound: Tensor | float) -> Tensor:
    """Return the sum of the ``bound`` smallest numbers along ``dims`` (which are kept, with length 1).

    Args:
        x: numbers, broadcast to ``lengths`` along ``dims``.
        dims: negative axes, ascending.
        lengths: of those axes.
        bound: how many; may vary over the other axes.
    """
    ordered = _flat(x, dims, lengths).sort(-1).values
    return _first(ordered, dims, bound)


def least_rows(
    keys: int, dims: tuple[int, ...], lengths: tuple[int, ...], bound: Tensor | float, *rows: Tensor
) -> tuple[Tensor, ...]:
    """Return the sums of amounts along ``dims`` over the ``bound`` first instances in the dictionary order of keys.

    Args:
        keys: how many of the rows are keys, the most significant first; the others are the amounts.
        dims: negative axes, ascending.
        lengths: of those axes.
        bound: how many; may vary over the other axes.
        rows: keys and amounts.
    """
    flat = broadcast(*(_flat(row, dims, lengths) for row in rows))
    order: Tensor | None = None
    for key in reversed(flat[:keys]):  # stable sorts, the least significant key first, sort in dictionary order
        found = torch.sort(key if order is None else key.gather(-1, order), stable=True, dim=-1).indices
        order = found if order is None else order.gather(-1, found)
    amounts = flat[keys:] if order is None else [amount.gather(-1, order) for amount in flat[keys:]]
    return tuple(_first(amount, dims, bound) for amount in amounts)


def _flat(x: Tensor, dims: tuple[int, ...], lengths: tuple[int, ...]) -> Tensor:
    shape = list(x.shape)
    for dim, length in zip(dims, lengths, strict=True):
        shape[dim] = length
    x = x.expand(shape).movedim(dims, tuple(range(-len(dims), 0)))
    return x.flatten(-len(dims))


def _first(ordered: Tensor, dims: tuple[int, ...], bound: Tensor | float) -> Tensor:
    position = torch.arange(ordered.shape[-1], device=ordered.device)
    if isinstance(bound, Tensor):
        bound = bound.movedim(dims, tuple(range(-len(dims), 0))).flatten(-len(dims))
    total = torch.where(position < bound, ordered, 0.0).sum(-1)
    rank = total.ndim + len(dims)
    for dim in dims:  # ascending: those to the left of one are back when its turn comes
        total = total.unsqueeze(rank + dim)
    return total


def product(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Return the product along ``dims``, which are kept."""
    for dim in dims:
        x = x.prod(dim, keepdim=True)
    return x


def argmax(x: Tensor, chosen: Tensor, dim: int, values: Tensor) -> Tensor:
    """Return which of ``values`` (along ``dim``, which is kept) makes ``x`` largest among the ``chosen``, the first."""
    shape = list(broadcast_shape((x.shape, chosen.shape)))
    shape[dim] = len(values)
    x = torch.where(chosen, x, -math.inf).expand(shape)
    return values[x.argmax(dim, keepdim=True)]


def entry(x: Tensor, lengths: tuple[int, ...], *places: Tensor) -> Tensor:
    """Return the entries of ``x`` at ``places``, one for each of its last axes; outside an axis the nearest."""
    flat = torch.zeros_like(places[0], dtype=torch.int64)
    for place, length in zip(places, lengths, strict=True):
        flat = flat * length + place.to(torch.int64).clamp(0, length - 1)
    x = x.flatten(-len(lengths))
    shape = broadcast_shape((x.shape[:-1], flat.shape))
    return x.expand(*shape, x.shape[-1]).gather(-1, flat.expand(shape).unsqueeze(-1)).squeeze(-1)


def modulo(x: Tensor, y: Tensor) -> Tensor:
    """Return x mod y, with the sign of y; 0 where y is 0."""
    x, y = broadcast(x, y)
    return torch.where(y == 0, 0.0, torch.remainder(x, torch.where(y == 0, 1.0, y)))


# ---- combinations of index values that are listed one by one


def flat_places(batch: Tensor | None, lengths: tuple[int, ...], adds: tuple[int, ...], *positions: Tensor) -> Tensor:
    """Return where entries stand in flattened axes.

    Args:
        batch: of each the element of the batch; empty where there is but one, None where there is none.
        lengths: of the axes behind it.
        adds: to the positions.
        positions: along those axes.
    """
    flat = batch if batch is not None and (batch.numel() or not positions) else None
    for length, add, place in zip(lengths, adds, positions, strict=True):
        place = place if add == 0 else place + add
        flat = place if flat is None else flat * length + place
    assert flat is not None
    return flat


def listed(x: Tensor, dims: tuple[int, ...], batched: bool, places: Tensor) -> Tensor:
    """Return the entries of ``x`` at flat ``places`` of its batch axis (where it has one) and of ``dims``."""
    if batched and not dims and x.shape[0] == 1:
        return x
    first = int(batched)
    targets = tuple(range(first, first + len(dims)))
    if targets and tuple(x.dim() + dim for dim in dims) != targets:
        x = x.movedim(dims, targets)
    last = first + len(dims) - 1
    return (x.flatten(0, last) if last else x).index_select(0, places)


# ---- functionals of distributions, along the last axis


def log_probabilities(probabilities: Tensor) -> Tensor:
    """Return the logarithms of probabilities, those of 0 finite and without slope."""
    return torch.where(probabilities <= TINY, LOG_ZERO, probabilities.clamp_min(TINY).log())


def kl(p: Tensor, r: Tensor) -> Tensor:
    """Return KL(p || r) = Σ p (log p − log r), with 0 log 0 = 0."""
    return (p.exp() * (p - r)).sum(-1)


def js(p: Tensor, r: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence: the mean of KL(p || m) and KL(r || m) for m = (p + r) / 2."""
    m = torch.logaddexp(p, r) - 0.6931471805599453
    return (kl(p, m) + kl(r, m)) / 2


def tv(p: Tensor, r: Tensor) -> Tensor:
    """Return the total variation distance Σ abs(p − r) / 2."""
    return (p.exp() - r.exp()).abs().sum(-1) / 2


def entropy(p: Tensor) -> Tensor:
    """Return −Σ p log p."""
    return -(p.exp() * p).sum(-1)


def mean(p: Tensor, support: Tensor) -> Tensor:
    """Return the expectation Σ p v."""
    return (p.exp() * support).sum(-1)


def variance(p: Tensor, support: Tensor) -> Tensor:
    """Return Σ p (v − mean)²."""
    weights = p.exp()
    centre = (weights * support).sum(-1, keepdim=True)
    return (weights * (support - centre).square()).sum(-1)


def point_mass(at: Tensor, support: Tensor) -> Tensor:
    """Return the log-probabilities over ``support`` of the distributions that always give ``at``."""
    at = at.unsqueeze(-1)
    # Of nan nothing is known: were it nowhere, its divergences would be 0.
    return torch.where(at.isnan(), math.nan, torch.where(at == support, torch.zeros_like(support), LOG_ZERO))


def align(log_probs: Tensor, places: Tensor) -> Tensor:
    """Return the entries of ``log_probs`` at ``places``, one past the end standing for probability 0."""
    return torch.nn.functional.pad(log_probs, (0, 1), value=LOG_ZERO).index_select(-1, places)


# ---- functions from Python


def apply(function: Callable[..., Tensor], place: str, *arguments: Tensor) -> Tensor:
    """Return an elementwise ``function`` of the arguments, which are broadcast together, in their dtype."""
    arguments = broadcast(*arguments) if len(arguments) > 1 else arguments
    result = _at(function, place)(*arguments)
    return result.to(arguments[0].dtype) if arguments else result


def apply_predicate(function: Callable[..., Tensor], place: str, *arguments: Tensor) -> Tensor:
    """Return an elementwise predicate of the arguments, as Booleans.

    Raises:
        AsrError: the function returns something else (ASR073).
    """
    here = _at(function, place)
    result = here(*(broadcast(*arguments) if len(arguments) > 1 else arguments))
    if isinstance(here, WatchedFunction):
        here.verify_predicate(result)
    return result


def _at(function: Callable[..., Tensor], place: str) -> Callable[..., Tensor]:
    return function.at(place) if isinstance(function, WatchedFunction) else function
