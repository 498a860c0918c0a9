"""Functionals of laws with a family: torch's own closed forms, of parameters that stand in one layout.

A law is handed over as its family's name, its transforms' names and its parameters (`Law.parts`), each
``(*batch, *slots)``: what a graph can carry. Outside of a law's support a cdf is 0 or 1, with slope 0.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.distributions import Distribution, kl_divergence, transforms

from asrppl.core.laws import FAMILIES, TRANSFORMS
from asrppl.core.typed import Functional, Parametric, Term
from asrppl.lower import operators
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import Value

Transform = transforms.Transform


def functional(g: Algebra, node: Functional, term: Callable[[Algebra, Term], Value]) -> Value:
    """Return the value of a functional of laws that all have a family."""
    laws = [part for part in node.distributions if isinstance(part, Parametric)]
    parameters = [[term(g, parameter) for parameter in part.parameters] for part in laws]
    law = laws[0].law
    if law.family == "Delta":
        return _of_point(g, node, parameters[0][0], term)
    match node.functional, node.at:
        case "kl", None:
            families = (law.family, laws[1].law.family)
            return g.call(divergence, *families, *parameters[0], *parameters[1], tensors=True)
        case "cdf", at if at is not None:
            place = term(g, at)
            return g.call(cdf, law.family, law.transforms, place, *parameters[0], low=0.0, high=1.0, tensors=True)
        case "quantile", at if at is not None:
            return g.call(quantile, law.family, law.transforms, term(g, at), *parameters[0], tensors=True)
        case name, _:
            low = 0.0 if name in ("var", "sd") else -math.inf
            return g.call(moment, name, law.family, law.transforms, *parameters[0], low=low, tensors=True)


def _of_point(g: Algebra, node: Functional, value: Value, term: Callable[[Algebra, Term], Value]) -> Value:
    match node.functional, node.at:
        case "cdf", at if at is not None:
            return g.indicator(g.at_most(value, term(g, at)))
        case "mean" | "quantile", _:
            return value
        case _:
            return g.constant(0.0)


# ---- on tensors


def moment(name: str, family: str, steps: Sequence[str], *parameters: Tensor) -> Tensor:
    """Return the mean, variance (``var``), standard deviation (``sd``) or entropy, through affine steps."""
    base, made = _made(family, steps, parameters)
    match name:
        case "mean":
            found = base.mean
        case "var":
            found = base.variance
        case "sd":
            own = type(base).stddev is not Distribution.stddev  # a scale itself, to the last bit
            found = base.stddev if own else operators.square_root(base.variance)
        case _:
            found = base.entropy()
    for step in made:
        affine: Any = step
        match name:
            case "mean":
                found = found * affine.scale + affine.loc
            case "var":
                found = found * affine.scale**2
            case "sd":
                found = found * affine.scale.abs()
            case _:
                found = found + affine.scale.abs().log()
    return found


def cdf(family: str, steps: Sequence[str], at: Tensor, *parameters: Tensor) -> Tensor:
    """Return the probability of a value that is at most ``at``."""
    base, made = _made(family, steps, parameters)
    return _cdf(base, made, at)


def _cdf(base: Distribution, steps: Sequence[Transform], at: Tensor) -> Tensor:
    support: Any = steps[-1].codomain if steps else base.support
    low, high = getattr(support, "lower_bound", -math.inf), getattr(support, "upper_bound", math.inf)
    below, above = at <= low, at >= high
    # A place inside stands in for one outside, where neither a value nor a slope is to be had.
    bounded = isinstance(low, Tensor) or low > -math.inf
    inside: Any = (low + high) / 2 if isinstance(high, Tensor) or high < math.inf else low + 1.0 if bounded else 0.0
    at = torch.where(below | above, inside, at)
    if steps:
        step: Any = steps[-1]
        found = _cdf(base, steps[:-1], step.inv(at))
        found = _turned(step, found)
    elif isinstance(base, torch.distributions.Gumbel):  # torch's own has no slope far below
        found = torch.exp(-operators.exponential((base.loc - at) / base.scale))
    else:
        found = base.cdf(at)
    return torch.where(below, 0.0, torch.where(above, 1.0, found))


def _turned(step: Any, probability: Tensor) -> Tensor:
    """Return 1 − a probability where a step falls."""
    sign: int | Tensor = step.sign
    return probability if isinstance(sign, int) else torch.where(sign < 0, 1 - probability, probability)


def quantile(family: str, steps: Sequence[str], probability: Tensor, *parameters: Tensor) -> Tensor:
    """Return the value that a draw is at most with a ``probability``, which is kept off 0 and 1."""
    base, made = _made(family, steps, parameters)
    eps = torch.finfo(probability.dtype).eps
    probability = probability.clamp(eps, 1 - eps)
    for step in reversed(made):
        probability = _turned(step, probability)
    found: Any = base.icdf(probability)
    for step in made:
        found = cast(Any, step)(found)
    return cast(Tensor, found)


def divergence(p: str, r: str, *parameters: Tensor) -> Tensor:
    """Return KL(p || r) of two families; ``parameters`` are those of p, then those of r."""
    count = len(FAMILIES[p].parameters)
    # A monotone function on both sides leaves a divergence as it is.
    p, r = _INNER.get(p, p), _INNER.get(r, r)
    return kl_divergence(_base(p, parameters[:count]), _base(r, parameters[count:]))


_INNER = {"LogNormal": "Normal", "InverseGamma": "Gamma"}


def _made(family: str, steps: Sequence[str], parameters: Sequence[Tensor]) -> tuple[Distribution, list[Transform]]:
    used = len(FAMILIES[family].parameters)
    base = _base(family, parameters[:used])
    made: list[Transform] = []
    for step in steps:
        count = len(TRANSFORMS[step])
        made.append(_STEPS[step](*parameters[used : used + count]))
        used += count
    return base, made


def _base(family: str, parameters: Sequence[Tensor]) -> Distribution:
    kind: Any = getattr(torch.distributions, family)
    return kind(**dict(zip(FAMILIES[family].parameters, parameters, strict=True)), validate_args=False)


_STEPS: dict[str, Callable[..., Transform]] = {
    "affine": transforms.AffineTransform,
    "exp": transforms.ExpTransform,
    "log": lambda: transforms.ExpTransform().inv,
    "sigmoid": transforms.SigmoidTransform,
    "logit": lambda: transforms.SigmoidTransform().inv,
    "softplus": transforms.SoftplusTransform,
    "tanh": transforms.TanhTransform,
    "power": transforms.PowerTransform,
}


# ---- of finitely many values, by their log-probabilities along the last axis


def deviation(p: Tensor, support: Tensor) -> Tensor:
    """Return the standard deviation, with slope 0 where it is 0."""
    return operators.square_root(operators.variance(p, support))


def cdf_of_values(p: Tensor, support: Tensor, at: Tensor) -> Tensor:
    """Return the probability of the values that are at most ``at``."""
    return torch.where(support <= at.unsqueeze(-1), p.exp(), 0.0).sum(-1)


def mass(p: Tensor, support: Tensor, at: Tensor) -> Tensor:
    """Return the probability of the value ``at``; 0 where it is none of the support."""
    return torch.where(support == at.unsqueeze(-1), p.exp(), 0.0).sum(-1)
