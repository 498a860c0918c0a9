"""Distributions over finitely many numbers, as probabilities by value."""

import math
from collections.abc import Mapping, Sequence

Law = Mapping[float, float]

LOG_ZERO = -1e4
"""The logarithm of probability 0: so that what is infinite is a large number."""


def mixture(laws: Sequence[Law]) -> Law:
    """Return the equal mixture."""
    values = sorted({value for law in laws for value in law})
    return {value: math.fsum(law.get(value, 0.0) for law in laws) / len(laws) for value in values}


def of_one(function: str, p: Law) -> float:
    """Return the entropy, mean or variance of a distribution."""
    match function:
        case "entropy":
            return -math.fsum(a * math.log(a) for a in p.values() if a > 0)
        case "mean":
            return math.fsum(a * value for value, a in p.items())
        case _:
            mean = of_one("mean", p)
            return math.fsum(a * (value - mean) ** 2 for value, a in p.items())


def of_two(function: str, p: Law, r: Law) -> float:
    """Return kl(p || r), js or tv: of probabilities by value, not by position."""
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
