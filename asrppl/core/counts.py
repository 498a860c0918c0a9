"""Counts of independent draws in an integrand, as variables over how many there are.

``(count i: φ(i))`` has a law of its own where φ reads other entries for each index: that of a sum of independent
Bernoullis (Poisson's binomial law). What reads those entries through that count alone is a function of the count, so
that n + 1 numbers are summed over, and not the 2ⁿ joint states.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from math import prod

from asrppl.core.entries import OPERATORS, names_of, number, own_nodes
from asrppl.core.rebuild import free_variables, rebuilt
from asrppl.core.signature import NO_LEVELS, Kind, Signature
from asrppl.core.typed import (
    AtLeast,
    AtMost,
    Conjunction,
    CountProbability,
    CountTerm,
    Equal,
    Formula,
    IndexValue,
    Offset,
    Read,
    Reduction,
    Term,
    Variable,
)
from asrppl.core.walk import TypedNode, children
from asrppl.source import Span


@dataclass(frozen=True, slots=True)
class Counted:
    """What is counted: the indices for which ``body`` holds, guard and presence included."""

    variables: tuple[Variable, ...]
    body: Formula

    @property
    def size(self) -> int:
        """The most that it may be."""
        return prod(len(variable.values) for variable in self.variables)


class Counts:
    """The counts of an integrand that have a law of their own, with a variable each.

    Args:
        node: the integrand.
        laws: names of the sites that are summed over.
        signature: what they are.
        apart: whether what is said for different values of variables reads different entries.
        slot: of the first variable: those in scope have lower ones.
    """

    def __init__(
        self,
        node: TypedNode,
        laws: Collection[str],
        signature: Signature,
        apart: Callable[[tuple[Variable, ...], Formula], bool],
        slot: int,
    ) -> None:
        self._laws = laws
        self._signature = signature
        outside = set(free_variables(node))
        found: dict[Counted, None] = {}
        for part in own_nodes(node):
            counted = self._counted(part)
            if counted is not None and counted not in found and apart(counted.variables, counted.body):
                own = set(free_variables(counted.body)) - set(counted.variables)
                names = names_of(counted.body, laws)
                if own <= outside and names.isdisjoint(self._read_beside(node, counted)):
                    found[counted] = None
        self.variables: dict[Counted, Variable] = {
            counted: Variable(f"number{place}", slot + place, tuple(range(counted.size + 1)))
            for place, counted in enumerate(found)
        }

    def _counted(self, node: TypedNode) -> Counted | None:
        match node:
            case CountTerm():
                return Counted(node.variables, node.body)
            case AtLeast():
                return Counted(node.variables, _all_of(node.present, node.guard, node.counted))
            case Reduction(reduction="sum", body=Read(component=None) as read) if read.name in self._laws:
                entry = self._signature.get(read.name)
                if entry is None or entry.support != (0, 1):
                    return None
                one = Equal(NO_LEVELS, read.span, read, number(1.0, read.span), "discrete", None)
                return Counted(node.variables, _all_of(node.guard, one))
            case _:
                return None

    def _read_beside(self, node: TypedNode, counted: Counted) -> frozenset[str]:
        """Return the names that an integrand reads other than through a count."""
        found: set[str] = set()
        pending = [node]
        while pending:
            part = pending.pop()
            if self._counted(part) == counted:
                pending += [part.bound] if isinstance(part, AtLeast) else []
                continue
            if isinstance(part, Read) and part.component is None and part.name in self._laws:
                found.add(part.name)
            pending += [child for child in children(part) if not isinstance(child, OPERATORS)]
        return frozenset(found)

    def exchanged(self, node: TypedNode) -> TypedNode | None:
        """Return the number in place of a count (for `rebuilt`); what takes a mean of its own is left as it is."""
        if isinstance(node, OPERATORS):
            return node
        counted = self._counted(node)
        if counted not in self.variables:
            return None
        value = IndexValue(Kind.INT, NO_LEVELS, node.span, self.variables[counted])
        if not isinstance(node, AtLeast):
            return value
        bound = rebuilt(node.bound, self.exchanged)
        left, right = (value, bound) if node.upper else (bound, value)
        return AtMost(node.levels, node.span, left, right, "discrete", None, strict=False)

    def weights(self, probability: Callable[[Formula], Term], span: Span) -> Iterator[Term]:
        """Yield the probability of each number, count by count; ``probability`` is that of a formula."""
        for counted, variable in self.variables.items():
            each = probability(counted.body)
            yield CountProbability(Kind.REAL, NO_LEVELS, span, counted.variables, each, Offset(variable))


def _all_of(*parts: Formula | None) -> Formula:
    there = tuple(part for part in parts if part is not None)
    if len(there) == 1:
        return there[0]
    return Conjunction(NO_LEVELS.union(*(part.levels for part in there)), there[-1].span, there)
