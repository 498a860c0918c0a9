"""The entries of finite sites that an integrand reads, as variables over their states.

A read of an entry becomes a read of its state, and the entry a weight: the probability of that state. Entries of one
site, and of different ones, are independent where their probabilities read no draw, so that the weights multiply. Two
reads whose indices meet for some values of the index variables (``k[i]`` and ``k[j]`` at i = j) are one draw there:
states that disagree have weight 0, and the weight counts once.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from asrppl.core.rebuild import free_variables, rebuilt
from asrppl.core.signature import NO_LEVELS, Entry, Kind, Signature
from asrppl.core.typed import (
    AggregateDistribution,
    AggregateTerm,
    AtMost,
    BinaryTerm,
    CategoricalOf,
    Choose,
    Computed,
    Conjunction,
    Constant,
    Equal,
    Expectation,
    ExpectedDistribution,
    Formula,
    IndexValue,
    Offset,
    Posterior,
    Probability,
    Read,
    Table,
    Term,
    Unary,
    Variable,
)
from asrppl.core.walk import TypedNode, children
from asrppl.source import Span

OPERATORS = (Expectation, Probability, AggregateTerm, AggregateDistribution, ExpectedDistribution)
"""What takes a mean of its own: what stands in it is no part of the integrand around it."""

MOST_STATES = 4096
"""How many joint states are summed over."""

_LOG_ZERO = -1e4  # the least logarithm of a probability: its exponential is 0, with slope 0


def own_nodes(node: TypedNode) -> Iterator[TypedNode]:
    """Yield ``node`` and what is below it, but for what stands in means further in."""
    pending: list[TypedNode] = [node]
    while pending:
        part = pending.pop()
        yield part
        pending.extend(child for child in reversed(children(part)) if not isinstance(child, OPERATORS))


def own_reads(node: TypedNode) -> Iterator[Read]:
    """Yield the reads of values, but for those in means further in."""
    return (part for part in own_nodes(node) if isinstance(part, Read))


def names_of(node: TypedNode, laws: Collection[str]) -> frozenset[str]:
    """Return the names of ``laws`` whose draws an integrand reads."""
    return frozenset(read.name for read in own_reads(node) if read.component is None and read.name in laws)


def keys_of(node: TypedNode) -> frozenset[tuple[str, str | None]]:
    """Return the tensors that an integrand reads."""
    found: set[tuple[str, str | None]] = set()
    for part in own_nodes(node):
        match part:
            case Read():
                found.add((part.name, part.component))
            case Posterior():
                found.add((part.name, "log_probs"))
            case CategoricalOf():
                found.add((part.name, None))
            case _:
                pass
    return frozenset(found)


class TooManyError(Exception):
    """There are too many joint states; the draws of ``name`` stay draws."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True)
class SiteEntry:
    """One entry of a site: by constants, and by index variables from outside the integrand."""

    name: str
    indices: tuple[Offset, ...]


class Entries:
    """The entries that an integrand reads of ``laws``, with a variable each.

    Args:
        node: the integrand.
        laws: names of the sites that are summed over.
        signature: what they are.
        slot: of the first variable: those in scope have lower ones.
    """

    def __init__(self, node: TypedNode, laws: Collection[str], signature: Signature, slot: int) -> None:
        self._signature = signature
        self._outside = frozenset(free_variables(node))
        found: dict[SiteEntry, None] = {}
        for read in own_reads(node):
            if read.component is None and read.name in laws:
                found |= dict.fromkeys(entry for entry, _ in self._options(read))
        self.names: frozenset[str] = frozenset(entry.name for entry in found)
        self.variables: dict[SiteEntry, Variable] = {
            entry: Variable(f"state{place}", slot + place, tuple(range(len(self._support(entry.name)))))
            for place, entry in enumerate(found)
        }

        if prod(len(variable.values) for variable in self.variables.values()) > MOST_STATES:
            raise TooManyError(max(self.names, key=self._size))

    def _size(self, name: str) -> int:
        return prod(len(variable.values) for entry, variable in self.variables.items() if entry.name == name)

    def _entry(self, name: str) -> Entry:
        entry = self._signature.get(name)
        assert entry is not None
        return entry

    def _support(self, name: str) -> tuple[int | float, ...]:
        return self._entry(name).support or ()

    def _options(self, read: Read) -> list[tuple[SiteEntry, tuple[Formula, ...]]]:
        """Return the entries that a read may be of, each with the condition under which it is, if none before it is.

        Outside an axis it is the nearest entry, as everywhere: nothing is asked there.
        """
        axes: list[list[tuple[Offset, tuple[Formula, ...]]]] = []
        for index, length in zip(read.indices, self._entry(read.name).axes, strict=True):
            if isinstance(index, Computed):
                axes.append(_places(index.term, list(range(length)), read.span))
            elif index.variable is None or index.variable in self._outside:
                axes.append([(index, ())])
            else:
                found = {min(max(value + index.add, 0), length - 1) for value in index.variable.values}
                axes.append(_places(_moved(index, read.span), sorted(found), read.span))
        if prod(map(len, axes)) > MOST_STATES:
            raise TooManyError(read.name)
        return [
            (SiteEntry(read.name, tuple(at for at, _ in chosen)), tuple(part for _, parts in chosen for part in parts))
            for chosen in product(*axes)
        ]

    def value(self, read: Read) -> Term:
        """Return the value that an entry has in its state, in place of a read of it."""
        *others, (last, _) = self._options(read)
        found = self._value(last, read)
        for entry, conditions in reversed(others):
            condition = conditions[0] if len(conditions) == 1 else Conjunction(NO_LEVELS, read.span, conditions)
            found = Choose(read.kind, NO_LEVELS, read.span, condition, self._value(entry, read), found)
        return replace(found, kind=read.kind)

    def _value(self, entry: SiteEntry, read: Read) -> Term:
        variable, support = self.variables[entry], self._support(entry.name)
        if support == variable.values:
            return IndexValue(read.kind, NO_LEVELS, read.span, variable)
        values = tuple(map(float, support))
        return Table(read.kind, NO_LEVELS, read.span, values, (len(values),), (Offset(variable),))

    def weights(self, span: Span) -> list[Term]:
        """Return the weights of the states, entry by entry: they multiply to the probability of a joint state."""
        found: list[Term] = []
        before: list[SiteEntry] = []
        for entry, variable in self.variables.items():
            weight = probability_of(entry, variable, self._entry(entry.name), span)
            for other in reversed(before):
                condition = _same(entry, other, span)
                if condition is not None:
                    agrees = _is(IndexValue(Kind.INT, NO_LEVELS, span, variable), self.variables[other], span)
                    one, zero = number(1.0, span), number(0.0, span)
                    same = Choose(Kind.REAL, NO_LEVELS, span, agrees, one, zero)
                    weight = Choose(Kind.REAL, NO_LEVELS, span, condition, same, weight)
            before.append(entry)
            found.append(weight)
        return found


def _places(term: Term, places: list[int], span: Span) -> list[tuple[Offset, tuple[Formula, ...]]]:
    """Return the places that an index may have, in order, each with the condition that it is no further."""
    found: list[tuple[Offset, tuple[Formula, ...]]] = []
    for at in places:
        bound = number(float(at), span)
        condition = AtMost(NO_LEVELS, span, term, bound, "decided", None, strict=False)
        found.append((Offset(None, at), () if at == places[-1] else (condition,)))
    return found


def probability_of(entry: SiteEntry, variable: Variable, known: Entry, span: Span) -> Term:
    """Return the probability of the state that ``variable`` says."""
    indices = (*entry.indices, Offset(variable))
    read = Read(Kind.REAL, known.distribution_levels, span, entry.name, "log_probs", indices)
    bounded = BinaryTerm(Kind.REAL, read.levels, span, "max", read, number(_LOG_ZERO, span))
    return Unary(Kind.REAL, read.levels, span, "exp", bounded)


def exchanged(node: TypedNode, entries: Entries) -> TypedNode | None:
    """Return the value that an entry has in its state in place of a read of it (for `rebuilt`).

    What takes a mean of its own is left as it is.
    """
    if isinstance(node, OPERATORS):
        return node
    if not isinstance(node, Read) or node.component is not None or node.name not in entries.names:
        return None
    inner = (
        index
        if isinstance(index, Offset)
        else replace(index, term=rebuilt(index.term, lambda p: exchanged(p, entries)))
        for index in node.indices
    )
    return entries.value(replace(node, indices=tuple(inner)))


def _same(one: SiteEntry, other: SiteEntry, span: Span) -> Formula | None:
    """Return where two entries are one, as a condition on index variables; None where they never are."""
    if one.name != other.name:
        return None
    found: list[Formula] = []
    for a, b in zip(one.indices, other.indices, strict=True):
        if a.variable == b.variable:
            if a.add != b.add:
                return None
            continue
        if _reach(a).isdisjoint(_reach(b)):
            return None
        found.append(_is(_moved(a, span), b, span))
    return found[0] if len(found) == 1 else Conjunction(NO_LEVELS, span, tuple(found))


def _reach(offset: Offset) -> set[int]:
    return {offset.add} if offset.variable is None else {value + offset.add for value in offset.variable.values}


def number(value: float, span: Span) -> Constant:
    """Return a real constant."""
    return Constant(Kind.REAL, NO_LEVELS, span, value)


def _moved(offset: Offset, span: Span) -> Term:
    if offset.variable is None:
        return number(float(offset.add), span)
    value = IndexValue(Kind.INT, NO_LEVELS, span, offset.variable)
    return BinaryTerm(Kind.INT, NO_LEVELS, span, "+", value, number(float(offset.add), span)) if offset.add else value


def _is(term: Term, at: int | Variable | Offset, span: Span) -> Formula:
    other = (
        number(float(at), span) if isinstance(at, int) else _moved(at if isinstance(at, Offset) else Offset(at), span)
    )
    return Equal(NO_LEVELS, span, term, other, "decided", None)
