"""Distributions: over finitely many numbers, as probabilities by value, and Normals, as Python has them."""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

Finite = Mapping[float, float]
Law = Finite | NormalDist

LOG_ZERO = -1e4
"""The logarithm of probability 0: so that what is infinite is a large number."""

LEAST = 1e-6
"""A scale that varies is never smaller."""


def normal(loc: float, scale: float) -> NormalDist:
    """Return the Normal of a mean and a standard deviation."""
    return NormalDist(loc, max(scale, LEAST))


def mixture(laws: Sequence[Law]) -> Finite:
    """Return the equal mixture of laws over finitely many numbers."""
    finite = [_finite(law) for law in laws]
    values = sorted({value for law in finite for value in law})
    return {value: math.fsum(law.get(value, 0.0) for law in finite) / len(finite) for value in values}


def _finite(law: Law) -> Finite:
    if isinstance(law, NormalDist):
        raise NotImplementedError("a mixture of Normals is no Normal")
    return law


def of_one(function: str, p: Law, at: float = 0.0) -> float:
    """Return a functional of one distribution: its entropy, mean, var or sd; its mass or cdf, or a quantile, ``at``."""
    if isinstance(p, NormalDist):
        return _of_normal(function, p, at)
    match function:
        case "entropy":
            return -math.fsum(a * math.log(a) for a in p.values() if a > 0)
        case "mean":
            return math.fsum(a * value for value, a in p.items())
        case "mass":
            return p.get(at, 0.0)
        case "cdf":
            return math.fsum(a for value, a in p.items() if value <= at)
        case "sd":
            return math.sqrt(of_one("var", p))
        case _:
            mean = of_one("mean", p)
            return math.fsum(a * (value - mean) ** 2 for value, a in p.items())


def _of_normal(function: str, p: NormalDist, at: float) -> float:
    match function:
        case "mean":
            return p.mean
        case "var":
            return p.variance
        case "sd":
            return p.stdev
        case "cdf":
            return p.cdf(at)
        case "quantile":
            return p.inv_cdf(at)
        case "entropy":
            return 0.5 * math.log(2 * math.pi * math.e) + math.log(p.stdev)
        case _:
            raise NotImplementedError(f"a Normal has no {function}")


def of_two(function: str, p: Law, r: Law) -> float:
    """Return kl(p || r), js or tv: of probabilities by value, not by position. Of Normals there is kl."""
    if isinstance(p, NormalDist) and isinstance(r, NormalDist) and function == "kl":
        return math.log(r.stdev / p.stdev) + (p.variance + (p.mean - r.mean) ** 2) / (2 * r.variance) - 0.5
    p, r = _finite(p), _finite(r)
    match function:
        case "kl":
            return math.fsum(a * (math.log(a) - _log(r.get(value, 0.0))) for value, a in p.items() if a > 0)
        case "js":
            middle = mixture((p, r))
            return (of_two("kl", p, middle) + of_two("kl", r, middle)) / 2
        case _:
            return math.fsum(abs(p.get(value, 0.0) - r.get(value, 0.0)) for value in {*p, *r}) / 2


def _log(probability: float) -> float:
    return math.log(probability) if probability > 0 else LOG_ZERO
