"""What formulas say of unknowns: conditions and claims as formulas of z3."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from asrppl.reference.readings import Atom, Claim, Reading
from asrppl.worlds.unknown import Unknown, exactly, z3


class Untranslatable(Exception):  # noqa: N818 - it is no error of anybody's
    """A rule says what z3 is not told here; the message says what."""


class Refusing:
    """A decider that knows only what holds whatever the unknowns are."""

    def decide(self, condition: Any) -> bool:
        """See `Decider`."""
        simple = z3.simplify(condition)
        if z3.is_true(simple) or z3.is_false(simple):
            return bool(z3.is_true(simple))
        raise Untranslatable("an index, a divisor or a law depends on what is not known")


def _compared(atom: Atom) -> Any:
    """Return a comparison as a condition of z3."""
    left, right = exactly(atom.left), exactly(atom.right)
    match atom.operator:
        case "<=":
            return left <= right
        case "<":
            return left < right
        case "==":
            return left == right
        case _:
            return left != right


def _defined(atom: Atom) -> Any:
    """Return where both sides are there."""
    if atom.left is None or atom.right is None:
        return z3.BoolVal(False)
    sides: tuple[object, ...] = (atom.left, atom.right)
    return z3.And(*[side.defined for side in sides if isinstance(side, Unknown) and side.defined is not None])


class Conditions(Reading[Any]):
    """Conditions, as formulas of z3."""

    def literal(self, value: bool) -> Any:
        """See `Reading`."""
        return z3.BoolVal(value)

    def atom(self, atom: Atom) -> Any:
        """See `Reading`."""
        there = _defined(atom)
        return there if z3.is_false(there) else z3.And(there, _compared(atom))

    def every(self, parts: Sequence[Any]) -> Any:
        """See `Reading`."""
        return z3.And(*parts)

    def some(self, parts: Sequence[Any]) -> Any:
        """See `Reading`."""
        return z3.Or(*parts)


@dataclass(frozen=True)
class Claims(Claim[Any]):
    """Where claims cost nothing, as formulas of z3: where they hold, a real ``<`` with the rule's margin."""

    undefined: bool = True
    margin: float = 0.0

    def literal(self, value: bool) -> Any:
        """See `Reading`."""
        return z3.BoolVal(value)

    def atom(self, atom: Atom) -> Any:
        """See `Reading`."""
        there = _defined(atom)
        if z3.is_false(there):
            return z3.BoolVal(self.undefined)
        if atom.operator == "<" and not atom.whole:
            left = atom.left + self.margin if self.margin and atom.left is not None else atom.left
            atom = replace(atom, operator="<=", left=left)
        compared = _compared(atom)
        return z3.Or(z3.Not(there), compared) if self.undefined else z3.And(there, compared)

    def every(self, parts: Sequence[Any]) -> Any:
        """See `Reading`."""
        return z3.And(*parts)

    def some(self, parts: Sequence[Any]) -> Any:
        """See `Reading`."""
        return z3.Or(*parts)

    def guard(self) -> "Claims":
        """See `Claim`."""
        return replace(self, undefined=False)

    def least(self, found: Sequence[tuple[Any, Any]]) -> Any:
        """See `Claim`."""
        return z3.Or(*[z3.And(guard, body) for guard, body in found])

    def at_least(self, k: int, part: int, members: Sequence[Any], others: Sequence[tuple[Any, Any]]) -> Any:
        """See `Claim`; guards that are not known are `Translated`'s to see to."""
        missing = max(k - len(members), 0)
        enough = number_of(members) >= min(k, len(members))
        return z3.And(enough, number_of([z3.And(*pair) for pair in others]) >= missing)


def number_of(conditions: Sequence[Any]) -> Any:
    """Return how many of the conditions are true."""
    return z3.Sum([z3.If(one, 1, 0) for one in conditions]) if conditions else z3.IntVal(0)
