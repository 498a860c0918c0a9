"""Two index variables in each other's place: trees that are the same with them exchanged, and conditions on both."""

from collections.abc import Sequence
from dataclasses import replace

from asrppl.core.rebuild import Node, rebuilt
from asrppl.core.typed import (
    AtMost,
    BinaryTerm,
    Constant,
    Differ,
    Formula,
    IndexValue,
    Offset,
    Read,
    Table,
    Term,
    Variable,
)
from asrppl.core.walk import TypedNode


def is_other(node: Formula, first: Variable, second: Variable) -> bool:
    """Whether a condition is that two variables differ."""
    return isinstance(node, Differ) and {_index(node.left), _index(node.right)} == {(first.slot, 0), (second.slot, 0)}


def is_order(node: Formula, first: Variable, second: Variable) -> bool:
    """Whether a condition is that of two values the one is the smaller."""
    if not isinstance(node, AtMost) or node.strict:
        return False
    smaller, larger = _index(node.left), _index(node.right)
    return (smaller, larger) in (((first.slot, 1), (second.slot, 0)), ((second.slot, 1), (first.slot, 0)))


def _index(term: Term) -> tuple[int, float] | None:
    match term:
        case IndexValue():
            return term.variable.slot, 0
        case BinaryTerm(operator="+", left=IndexValue(variable=variable), right=Constant(value=value)):
            return variable.slot, value
        case _:
            return None


def swapped(parts: Sequence[tuple[float, Term]], first: Variable, second: Variable) -> list[tuple[float, Term]]:
    """Return the terms with the two variables exchanged."""
    return [(scale, exchanged(term, first, second)) for scale, term in parts]


def exchanged(tree: Node, first: Variable, second: Variable) -> Node:
    """Return a tree with two index variables exchanged."""

    def exchange(node: TypedNode) -> TypedNode | None:
        match node:
            case IndexValue():
                return replace(node, variable=other(node.variable))
            case Read() | Table() if all(isinstance(at, Offset) and at.variable is not None for at in node.indices):
                offsets = [at for at in node.indices if isinstance(at, Offset) and at.variable is not None]
                moved = tuple(Offset(other(at.variable), at.add) for at in offsets if at.variable is not None)
                return replace(node, indices=moved)
            case _:
                return None

    def other(variable: Variable) -> Variable:
        return second if variable.slot == first.slot else first if variable.slot == second.slot else variable

    return rebuilt(tree, exchange)
