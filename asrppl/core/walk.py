"""Questions about typed trees that one walk answers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import get_args, get_origin, get_type_hints

from asrppl.core.signature import Kind
from asrppl.core.typed import (
    AggregateDistribution,
    AggregateTerm,
    Apply,
    CategoricalOf,
    Computed,
    Erroneous,
    Expectation,
    Index,
    IndexValue,
    Offset,
    Part,
    PointMass,
    Posterior,
    Probability,
    Read,
    TypedDistribution,
    TypedFormula,
    TypedTerm,
    Unary,
    Variable,
)

TypedNode = TypedTerm | TypedFormula | TypedDistribution
_NODES = (TypedTerm, TypedFormula, TypedDistribution)
_INNER = (*_NODES, Computed)


@cache
def _holding(kind: type[TypedNode]) -> tuple[tuple[str, bool], ...]:
    """Return the fields that may hold nodes, going by their types (most kinds have few), and which are tuples."""
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind) if _may_hold(hints[field.name])]
    return tuple((name, get_origin(hints[name]) is tuple) for name in names)


def _may_hold(hint: object) -> bool:
    if isinstance(hint, type):
        return issubclass(hint, _INNER)
    return any(map(_may_hold, get_args(hint)))


@cache
def _plain(kind: type[TypedNode]) -> Callable[[TypedNode], tuple[TypedNode, ...]] | None:
    """Return what reads the nodes right below one of a kind that always has each of them; None for other kinds."""
    names = [name for name, _ in _holding(kind)]
    hints = get_type_hints(kind)
    if any(get_origin(hints[name]) is tuple or type(None) in get_args(hints[name]) for name in names):
        return None
    if not names:
        return lambda node: ()
    if len(names) == 1:
        (name,) = names
        return lambda node: (getattr(node, name),)
    return attrgetter(*names)


def children(node: TypedNode) -> Sequence[TypedNode]:
    """Return the nodes right below ``node``, those inside its indices among them."""
    kind = type(node)
    if (read := _plain(kind)) is not None:
        return read(node)
    found: list[TypedNode] = []
    for name, several in _holding(kind):
        if several:
            inside: tuple[TypedNode | Index, ...] = getattr(node, name)
            for inner in inside:
                if isinstance(inner, Computed):
                    found.append(inner.term)
                elif not isinstance(inner, Offset):
                    found.append(inner)
        elif (part := getattr(node, name)) is not None:
            found.append(part)
    return found


def walk(node: TypedNode, *, aggregates: bool = True) -> Iterator[TypedNode]:
    """Yield ``node`` and all nodes below it, parents first; aggregates and what is in them only where asked for."""
    pending: list[TypedNode] = [node]
    while pending:
        node = pending.pop()
        if aggregates or not isinstance(node, AggregateTerm | AggregateDistribution):
            yield node
            if below := children(node):
                pending += below[::-1]


@cache
def _names_variables(kind: type[TypedNode]) -> bool:
    return kind in (IndexValue, PointMass) or any(field.name == "indices" for field in fields(kind))


def _named(node: TypedNode) -> Sequence[Variable]:
    """Return the index variables that ``node`` itself names: as its value, or in its indices."""
    if not _names_variables(type(node)):
        return ()
    if isinstance(node, IndexValue):
        return (node.variable,)
    indices = (node.at,) if isinstance(node, PointMass) else getattr(node, "indices", ())
    return [index.variable for index in indices if isinstance(index, Offset) and index.variable is not None]


def slots(node: TypedNode) -> Iterator[int]:
    """Yield the slots of the index variables that occur in ``node``, bound inside it or not, wherever they do."""
    return (variable.slot for part in walk(node) for variable in _named(part))


def named_variables(node: TypedNode) -> dict[int, Variable]:
    """Return the index variables that occur in ``node`` by slot. (To hash one takes as long as it has values.)"""
    return {variable.slot: variable for part in walk(node) for variable in _named(part)}


def variable_slots(node: TypedNode) -> set[int]:
    """Return the slots of the index variables that occur in ``node``, bound inside it or not."""
    return set(slots(node))


def rank(nodes: Sequence[TypedNode]) -> int:
    """Return how many index axes the trees need: one for each slot, of variables that occur and that are bound."""
    parts = [part for node in nodes for part in walk(node)]
    slots = {variable.slot for part in parts for variable in (*_named(part), *getattr(part, "variables", ()))}
    return 1 + max(slots, default=-1)


def is_poisoned(node: TypedNode) -> bool:
    """Whether ``node`` holds something that an error was reported for."""
    return any(isinstance(part, Erroneous) for part in walk(node))


def part_of(*nodes: TypedNode) -> Part:
    """Return where an atom of these terms counts: "decided" where they read nothing that training could change."""
    found: Part = "decided"
    pending: list[TypedNode] = [*nodes]
    while pending:
        node = pending.pop()
        match node:
            case Posterior() | Expectation() | Probability() | Erroneous():
                return "graded"
            case CategoricalOf():
                if not node.given:
                    return "graded"
            case Read(component="mask"):
                continue
            case Read() | Apply():
                # What a Boolean function of reals does to its arguments is its own business: its value is 0 or 1.
                if node.kind in (Kind.REAL, Kind.SCALAR) and not (isinstance(node, Read) and node.given):
                    return "graded"
                if not (isinstance(node, Read) and node.given):
                    found = "discrete"
                if isinstance(node, Read):
                    pending.extend(index.term for index in node.indices if isinstance(index, Computed))
            case _:
                pending.extend(children(node))
    return found


def moves(node: TypedNode) -> bool:
    """Whether the node reads reals that training moves: none that is given, or under ``detach``."""
    pending: list[TypedNode] = [node]
    while pending:
        node = pending.pop()
        if isinstance(node, Unary) and node.operator == "detach":
            continue
        if isinstance(node, Read | Apply) and node.kind is Kind.REAL and not (isinstance(node, Read) and node.given):
            return True
        pending.extend(children(node))
    return False
