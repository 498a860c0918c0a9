"""Questions about typed trees that one walk answers."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import cache
from typing import cast

from asrppl.core.signature import Kind
from asrppl.core.typed import (
    AggregateDistribution,
    AggregateTerm,
    Apply,
    CategoricalOf,
    Computed,
    Erroneous,
    Expectation,
    IndexValue,
    Offset,
    Part,
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
def _field_names(kind: type[TypedNode]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name not in ("span", "levels", "kind", "variables"))


def _parts(node: TypedNode) -> Iterator[object]:
    for name in _field_names(type(node)):
        part: object = getattr(node, name)
        if isinstance(part, tuple):
            yield from part  # pyright: ignore[reportUnknownVariableType]  # tuples of a generic walk have no type
        else:
            yield part


def children(node: TypedNode) -> list[TypedNode]:
    """Return the nodes right below ``node``, those inside its indices among them."""
    found: list[TypedNode] = []
    for name in _field_names(type(node)):
        part: object = getattr(node, name)
        if isinstance(part, _NODES):
            found.append(part)
        elif isinstance(part, tuple):
            inside = cast(tuple[object, ...], part)
            found += [
                inner.term if isinstance(inner, Computed) else inner for inner in inside if isinstance(inner, _INNER)
            ]
    return found


def walk(node: TypedNode, *, aggregates: bool = True) -> Iterator[TypedNode]:
    """Yield ``node`` and all nodes below it, parents first; aggregates and what is in them only where asked for."""
    pending: list[TypedNode] = [node]
    while pending:
        node = pending.pop()
        if aggregates or not isinstance(node, AggregateTerm | AggregateDistribution):
            yield node
            pending.extend(reversed(children(node)))


def _occurring(node: TypedNode) -> Iterator[Variable]:
    for part in walk(node):
        if isinstance(part, IndexValue):
            yield part.variable
        for child in _parts(part):
            if isinstance(child, Offset) and child.variable is not None:
                yield child.variable


def variable_slots(node: TypedNode) -> set[int]:
    """Return the slots of the index variables that occur in ``node``, bound inside it or not."""
    return {variable.slot for variable in _occurring(node)}


def rank(nodes: Sequence[TypedNode]) -> int:
    """Return how many index axes the trees need: one for each slot, of variables that occur and that are bound."""
    slots = {slot for node in nodes for slot in variable_slots(node)}
    slots |= {variable.slot for node in nodes for part in walk(node) for variable in getattr(part, "variables", ())}
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
