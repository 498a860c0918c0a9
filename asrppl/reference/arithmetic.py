"""Functions of numbers. Where one has no value it takes the nearest finite one, as docs/language.md says."""

import math
from collections.abc import Callable, Iterable, Sequence

from asrppl.reference.values import Plain

NEAR_ZERO = 1e-12
"""A divisor nearer to zero than this counts as this, with its sign."""

TINY = 1e-30
"""Below this a number counts as zero under a square root, and is this under a logarithm."""

LARGEST = 700.0
"""The exponential grows no further than this."""


def least(values: Iterable[Plain]) -> Plain:
    """Return the smallest of numbers; NaN where one of them is: Python's `min` passes it over, but for the first."""
    found = list(values)
    return next((value for value in found if value != value), None) or min(found)


def greatest(values: Iterable[Plain]) -> Plain:
    """Return the largest of numbers; NaN where one of them is."""
    found = list(values)
    return next((value for value in found if value != value), None) or max(found)


def binary(operator: str, a: Plain, b: Plain) -> Plain:
    """Return a sum, difference, product, quotient or power."""
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return quotient(a, b)
        case _:
            return power(a, b)


def quotient(a: Plain, b: Plain) -> float:
    """Return a / b; 0 / 0 is 0."""
    return a / (min(b, -NEAR_ZERO) if b < 0 else greatest((b, NEAR_ZERO)))


def power(a: Plain, b: Plain) -> Plain:
    """Return a ^ b: a negative exponent divides, and a negative base counts as 0 under an exponent with a fraction."""
    if a != a or b != b:
        return math.nan  # where Python has nan^0 = 1
    if b < 0:
        return quotient(1, power(a, -b))
    if b == int(b):
        return a ** int(b)
    return greatest((a, 0.0)) ** b


def _sigmoid(a: float) -> float:
    return 1 / (1 + math.exp(-a)) if a >= 0 else math.exp(a) / (1 + math.exp(a))


_ONE: dict[str, Callable[[Plain], Plain]] = {
    "abs": abs,
    "sqrt": lambda a: 0.0 if a <= TINY else math.sqrt(a),
    "exp": lambda a: math.exp(least((a, LARGEST))),
    "log": lambda a: math.log(greatest((a, TINY))),
    "relu": lambda a: greatest((a, 0)),
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "sigmoid": _sigmoid,
    "floor": math.floor,
    "detach": lambda a: a,  # its value: only its gradient is another
}


def call(function: str, values: Sequence[Plain]) -> Plain | None:
    """Return the value of a built-in function; None where there is none of that name."""
    match function:
        case "min":
            return least(values)
        case "max":
            return greatest(values)
        case "clamp":
            return least((greatest(values[:2]), values[2]))
        case "mod":
            return values[0] % values[1] if values[1] != 0 else 0
        case _:
            return _ONE[function](values[0]) if function in _ONE else None


def reduce(reduction: str, values: Sequence[Plain]) -> Plain | None:
    """Return a sum, product, mean, maximum or minimum; None where it is undefined, over nothing."""
    match reduction:
        case "sum":
            return sum(values)
        case "prod":
            return math.prod(values)
        case _ if not values:
            return None
        case "mean":
            return sum(values) / len(values)
        case _:
            return greatest(values) if reduction == "max" else least(values)
