"""Questions about typed trees that one walk answers."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import cache

from asrppl.core.signature import Kind
from asrppl.core.typed import (
    AggregateDistribution,
    AggregateTerm,
    Apply,
    Erroneous,
    Expectation,
    Functional,
    IndexValue,
    Offset,
    Probability,
    Read,
    TypedDistribution,
    TypedFormula,
    TypedTerm,
    Variable,
)

TypedNode = TypedTerm | TypedFormula | TypedDistribution


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


def _children(node: TypedNode) -> list[TypedNode]:
    return [part for part in _parts(node) if isinstance(part, TypedTerm | TypedFormula | TypedDistribution)]


def walk(node: TypedNode, *, aggregates: bool = True) -> Iterator[TypedNode]:
    """Yield ``node`` and all nodes below it, parents first; aggregates and what is in them only where asked for."""
    pending: list[TypedNode] = [node]
    while pending:
        node = pending.pop()
        if aggregates or not isinstance(node, AggregateTerm | AggregateDistribution):
            yield node
            pending.extend(reversed(_children(node)))


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


def reads_real(node: TypedNode) -> bool:
    """Whether the node reads something that takes real values, so that a comparison of it is graded."""
    pending: list[TypedNode] = [node]
    while pending:
        node = pending.pop()
        if isinstance(node, Functional | Expectation | Probability | AggregateTerm):
            return True
        if isinstance(node, Read | Apply | Erroneous):
            # What a Boolean function of reals does to its arguments is its own business: its value is 0 or 1.
            if node.kind in (Kind.REAL, Kind.SCALAR):
                return True
            continue
        pending.extend(_children(node))
    return False
