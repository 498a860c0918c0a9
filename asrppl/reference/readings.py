"""What a formula says: as a condition, as a claim that holds or not, and as a claim that costs.

A formula is walked through once (`formulas.py`), negations pushed in, and a reading says what its atoms come to and
how these combine.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from asrppl.reference.arithmetic import greatest
from asrppl.reference.sorts import DECIDED
from asrppl.reference.values import Plain

Triple = tuple[float, float, float]
"""A violation: its decided, discrete and graded part."""
ZERO: Triple = (0.0, 0.0, 0.0)
ONE: Triple = (1.0, 0.0, 0.0)

T = TypeVar("T")


@dataclass(frozen=True)
class Atom:
    """A comparison ``left operator right``, or a Boolean (compared with 1 or 0).

    Args:
        operator: one of ``<=``, ``<``, ``==``, ``!=``.
        left: None where it is undefined.
        right: likewise.
        whole: whether both sides take whole numbers only.
        part: of a violation, that this one's amount counts in.
    """

    operator: str
    left: Plain | None
    right: Plain | None
    whole: bool
    part: int


class Reading(ABC, Generic[T]):
    """What formulas come to."""

    @abstractmethod
    def literal(self, value: bool) -> T:
        """Return what ``true`` and ``false`` come to."""

    @abstractmethod
    def atom(self, atom: Atom) -> T:
        """Return what a comparison comes to."""

    @abstractmethod
    def every(self, parts: Sequence[T]) -> T:
        """Return what the conjunction of formulas comes to."""

    @abstractmethod
    def some(self, parts: Sequence[T]) -> T:
        """Return what the disjunction of formulas comes to."""


class Condition(Reading[bool]):
    """True or false, exactly: ``0.5 > 0.5`` is false, and so is a comparison that reads something undefined."""

    def literal(self, value: bool) -> bool:
        """See `Reading`."""
        return value

    def atom(self, atom: Atom) -> bool:
        """See `Reading`."""
        left, right = atom.left, atom.right
        if left is None or right is None:
            return False
        match atom.operator:
            case "<=":
                return bool(left <= right)
            case "<":
                return bool(left < right)
            case "==":
                return bool(left == right)
            case _:
                return bool(left != right)

    def every(self, parts: Sequence[bool]) -> bool:
        """See `Reading`."""
        return all(parts)

    def some(self, parts: Sequence[bool]) -> bool:
        """See `Reading`."""
        return any(parts)


class Claim(Reading[T]):
    """A formula that a rule asks for, or (``guard``) one that `exists` and `count` price where too few indices pass."""

    @abstractmethod
    def guard(self) -> "Claim[T]":
        """Return the reading of a guard that is priced: an undefined comparison costs there, and is free in a claim."""

    @abstractmethod
    def least(self, found: Sequence[tuple[T, T]]) -> T:
        """Return what `exists` comes to where no index passes its guard, given guard and body at each."""

    @abstractmethod
    def at_least(self, k: int, part: int, members: Sequence[T], others: Sequence[tuple[T, T]]) -> T:
        """Return what it comes to that ``k`` of ``members`` hold, or of ``others``, for which guard and body count.

        ``part`` is that of what is compared with the count: where there are not so many, it can mend this or not.
        """


@dataclass(frozen=True)
class Holds(Claim[bool]):
    """Whether a claim holds: where its violation is 0, a real ``<`` read as ``<=``."""

    undefined: bool = True

    def literal(self, value: bool) -> bool:
        """See `Reading`."""
        return value

    def atom(self, atom: Atom) -> bool:
        """See `Reading`."""
        if atom.left is None or atom.right is None:
            return self.undefined
        if atom.operator == "<" and not atom.whole:
            atom = replace(atom, operator="<=")
        return Condition().atom(atom)

    def every(self, parts: Sequence[bool]) -> bool:
        """See `Reading`."""
        return all(parts)

    def some(self, parts: Sequence[bool]) -> bool:
        """See `Reading`."""
        return any(parts)

    def guard(self) -> "Holds":
        """See `Claim`."""
        return replace(self, undefined=False)

    def least(self, found: Sequence[tuple[bool, bool]]) -> bool:
        """See `Claim`."""
        return any(guard and body for guard, body in found)

    def at_least(self, k: int, part: int, members: Sequence[bool], others: Sequence[tuple[bool, bool]]) -> bool:
        """See `Claim`."""
        # Others only stand in for members that are missing, not for those that fail.
        missing = k - len(members)
        return sum(members) >= min(k, len(members)) and sum(guard and body for guard, body in others) >= missing


@dataclass(frozen=True)
class Violation(Claim[Triple]):
    """What a claim costs.

    Args:
        margin: charged on top of a strict comparison of reals.
        power: that each atom's amount is raised to.
        smooth: the exponent of the power mean that stands in for the smallest.
        undefined: what a comparison costs that reads something undefined.
    """

    margin: float = 0.0
    power: float = 1.0
    smooth: float | None = None
    undefined: Triple = ZERO

    def literal(self, value: bool) -> Triple:
        """See `Reading`."""
        return ZERO if value else ONE

    def atom(self, atom: Atom) -> Triple:
        """See `Reading`."""
        if atom.left is None or atom.right is None:
            return self.undefined
        amount = self._amount(atom.operator, atom.left, atom.right, 1 if atom.whole else self.margin)
        if self.power != 1:
            amount = amount**self.power
        parts = [0.0, 0.0, 0.0]
        parts[atom.part] = amount
        return parts[0], parts[1], parts[2]

    def _amount(self, operator: str, left: Plain, right: Plain, margin: float) -> float:
        match operator:
            case "<=":
                return greatest((0, left - right))
            case "<":
                return greatest((0, left - right + margin))
            case "==":
                return abs(left - right)
            case _:
                return 1 if left == right else 0

    def every(self, parts: Sequence[Triple]) -> Triple:
        """See `Reading`."""
        decided, discrete, graded = zip(*parts, strict=True) if parts else ((), (), ())
        return sum(decided), sum(discrete), sum(graded)

    def some(self, parts: Sequence[Triple]) -> Triple:
        """See `Reading`: the first in dictionary order; smoothed over those that differ from it in the last part."""
        if not parts:
            return ONE
        first = min(parts)
        return *first[:2], self._smoothed([part[2] for part in parts if part[:2] == first[:2]])

    def _smoothed(self, amounts: list[float]) -> float:
        smallest = min(amounts)
        if self.smooth is None or smallest == 0:
            return smallest
        # Scaled by the smallest, so that nothing overflows.
        return smallest * sum((smallest / amount) ** self.smooth for amount in amounts) ** (-1 / self.smooth)

    def guard(self) -> "Violation":
        """See `Claim`."""
        return replace(self, undefined=ONE)

    def least(self, found: Sequence[tuple[Triple, Triple]]) -> Triple:
        """See `Claim`."""
        if not found:
            return ONE
        guard, body = min(found)
        same = [other[2] for other_guard, other in found if (other_guard, other[:2]) == (guard, body[:2])]
        return self.every([guard, (*body[:2], self._smoothed(same))])

    def at_least(self, k: int, part: int, members: Sequence[Triple], others: Sequence[tuple[Triple, Triple]]) -> Triple:
        """See `Claim`."""
        chosen = sorted(members)[: max(k, 0)]
        for pair in sorted(others)[: max(k - len(members), 0)]:
            chosen += pair
        none_left = float(max(k - len(members) - len(others), 0))
        return self.every([*chosen, (none_left, 0.0, 0.0) if part == DECIDED else (0.0, none_left, 0.0)])
