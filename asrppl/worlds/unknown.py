"""Numbers that are not known: z3 stands for them, and the reference interpreter computes with them as with others.

What is computed is exact: a float is the fraction that it is. Where Python asks whether something is true, a decider is
asked: one that follows every path, or one that refuses.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import z3 as _untyped  # pyright: ignore[reportMissingTypeStubs]

z3: Any = _untyped
"""The package, which has no types."""


class Decider(Protocol):
    """What says whether a condition on unknowns is true."""

    def decide(self, condition: Any) -> bool:
        """Return whether a condition (of z3) is true."""
        ...


def exactly(value: object) -> Any:
    """Return a number as a term of z3.

    Raises:
        TypeError: it is no number, or infinite.
    """
    if isinstance(value, Unknown):
        return value.term
    if isinstance(value, bool | int):
        return z3.RealVal(int(value))
    if not isinstance(value, float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no number that z3 has")
    fraction = Fraction(value)
    return z3.RealVal(fraction.numerator) / z3.RealVal(fraction.denominator)


@dataclass(frozen=True, eq=False)
class Truth:
    """A condition on unknowns, decided where Python asks."""

    decider: Decider
    term: Any

    def __bool__(self) -> bool:
        return self.decider.decide(self.term)


@dataclass(frozen=True, eq=False)
class Unknown:
    """A number that is not known: as much of a Python number as the interpreter needs.

    Args:
        decider: asked where Python asks.
        term: of z3.
        defined: where there is such a number, a condition of z3; None: everywhere.
    """

    decider: Decider
    term: Any
    defined: Any = None

    def new(self, term: Any, *others: object) -> "Unknown":
        """Return what is computed of this number and others: it is there where they all are."""
        parts = [part.defined for part in (self, *others) if isinstance(part, Unknown) and part.defined is not None]
        return Unknown(self.decider, term, z3.And(*parts) if parts else None)

    def _truth(self, term: Any) -> Truth:
        return Truth(self.decider, term)

    def _compared(self, other: object, compare: Callable[[Any, Any], Any]) -> Truth:
        if other is None:  # a number is there, where nothing is
            return self._truth(z3.BoolVal(compare is operator.ne))
        if isinstance(other, float) and math.isinf(other):
            return self._truth(z3.BoolVal(compare(0, other)))
        return self._truth(compare(self.term, exactly(other)))

    def __add__(self, other: object) -> "Unknown":
        return self.new(self.term + exactly(other), other)

    def __sub__(self, other: object) -> "Unknown":
        return self.new(self.term - exactly(other), other)

    def __rsub__(self, other: object) -> "Unknown":
        return self.new(exactly(other) - self.term, other)

    def __mul__(self, other: object) -> "Unknown":
        return self.new(self.term * exactly(other), other)

    def __truediv__(self, other: object) -> "Unknown":
        return self.new(self.term / exactly(other), other)

    def __radd__(self, other: object) -> "Unknown":
        return self + other

    def __rmul__(self, other: object) -> "Unknown":
        return self * other

    def __pow__(self, exponent: int) -> "Unknown":
        term = z3.RealVal(1)
        for _ in range(exponent):
            term = term * self.term
        return self.new(term)

    def __neg__(self) -> "Unknown":
        return self.new(-self.term)

    def __abs__(self) -> "Unknown":
        return self.new(z3.If(self.term >= 0, self.term, -self.term))

    def __floor__(self) -> "Unknown":
        return self.new(z3.ToReal(z3.ToInt(self.term)))

    def __mod__(self, divisor: int) -> "Unknown":
        return self - (self / divisor).__floor__() * divisor

    def __le__(self, other: object) -> Truth:
        return self._compared(other, operator.le)

    def __lt__(self, other: object) -> Truth:
        return self._compared(other, operator.lt)

    def __ge__(self, other: object) -> Truth:
        return self._compared(other, operator.ge)

    def __gt__(self, other: object) -> Truth:
        return self._compared(other, operator.gt)

    def __eq__(self, other: object) -> Truth:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._compared(other, operator.eq)

    def __ne__(self, other: object) -> Truth:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._compared(other, operator.ne)

    def __bool__(self) -> bool:
        return self.decider.decide(self.term != 0)

    def __int__(self) -> int:
        # A small whole number, as an index or a bound of a count: which one is decided too.
        return next(value for value in range(-9, 19) if self.decider.decide(self.term == value))
