"""Functionals of distributions over finite supports, on log-probabilities aligned by value."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from asrppl.core.typed import (
    AggregateDistribution,
    CategoricalOf,
    Distribution,
    ExpectedDistribution,
    Functional,
    Parametric,
    PointMass,
    Posterior,
    Term,
    UniformOver,
)
from asrppl.lower import laws, operators
from asrppl.lower.access import read
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import Value

_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "kl": operators.kl,
    "js": operators.js,
    "tv": operators.tv,
    "entropy": operators.entropy,
    "mean": operators.mean,
    "var": operators.variance,
    "sd": laws.deviation,
    "cdf": laws.cdf_of_values,
    "mass": laws.mass,
}

TermOf = Callable[[Algebra, Term], Value]


def functional(g: Algebra, node: Functional, term: TermOf) -> Value:
    """Return the value of a functional."""
    if isinstance(node.distributions[0], Parametric):
        return laws.functional(g, node, term)
    values = [log_probs(g, distribution) for distribution in node.distributions]
    function = _FUNCTIONS[node.functional]
    low = float("-inf") if node.functional == "mean" else 0.0
    if len(values) == 2:
        union = sorted({value for distribution in node.distributions for value in distribution.support})
        values = [
            _align(g, value, distribution.support, union)
            for value, distribution in zip(values, node.distributions, strict=True)
        ]
        # Rounding may take a divergence of equals a hair below zero, so its low is not claimed to be 0.
        low = float("-inf") if node.functional in ("kl", "js") else low
        return g.call(function, *values, low=low, slots=_slots(values), tensors=True)
    if node.functional == "entropy":
        return g.call(function, *values, slots=_slots(values), tensors=True)
    support = g.fold(_tail(g, torch.tensor(node.distributions[0].support, dtype=torch.float64)), ())
    if node.at is not None:
        values.append(term(g, node.at))
        high = 1.0 if node.functional == "mass" else math.inf  # the rounded sum of a cdf may be a hair above 1
        return g.call(function, values[0], support, values[1], low=0.0, high=high, slots=_slots(values), tensors=True)
    return g.call(function, *values, support, low=low, slots=_slots(values), tensors=True)


def log_probs(g: Algebra, node: Distribution) -> Value:
    """Return log-probabilities over ``node.support``: ``(*batch, *slots, support)``."""
    match node:
        case Posterior():
            value = read(g, node.name, "log_probs", node.indices, tail=1)
            return g.call(torch.clamp_min, value, operators.LOG_ZERO)
        case CategoricalOf():
            value = read(g, node.name, None, node.indices, tail=1)
            return g.call(operators.log_probabilities, value)
        case UniformOver():
            count = float(len(node.support))
            return g.fold(_tail(g, -torch.full((len(node.support),), count, dtype=torch.float64).log()), ())
        case PointMass():
            return _point_mass(g, node)
        case Parametric():
            raise AssertionError("a law of a family has no list of probabilities")
        case ExpectedDistribution() | AggregateDistribution():
            raise AssertionError("means are taken before what reads them is lowered (asrppl.lower.means)")


def _point_mass(g: Algebra, node: PointMass) -> Value:
    support = torch.tensor(node.support, dtype=torch.float64)
    if isinstance(node.at, float | int):
        return g.fold(_tail(g, torch.where(support == node.at, 0.0, operators.LOG_ZERO)), ())
    if node.at.variable is None:
        return g.fold(_tail(g, torch.where(support == node.at.add, 0.0, operators.LOG_ZERO)), ())
    index = g.index(node.at.variable, node.at.add)
    return g.call(operators.point_mass, index, g.fold(_tail(g, support), ()), slots=index.slots, tensors=True)


def _align(g: Algebra, value: Value, support: tuple[int | float, ...], union: list[int | float]) -> Value:
    if list(support) == union:
        return value
    # The support gets one more entry, of probability 0, for all values that it lacks.
    places = torch.tensor([support.index(at) if at in support else len(support) for at in union])
    if value.static is not None:
        return g.fold(operators.align(value.static, places), value.slots)
    return g.call(operators.align, value, g.buffer(places), slots=value.slots)


def _tail(g: Algebra, tensor: Tensor) -> Tensor:
    return tensor.reshape((*[1] * g.rank, -1))


def _slots(values: list[Value]) -> frozenset[int]:
    return frozenset[int]().union(*(value.slots for value in values))
