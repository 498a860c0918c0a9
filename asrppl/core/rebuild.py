"""Typed trees made anew with parts of them exchanged."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeVar, cast

from asrppl.core.typed import Computed, Offset, Variable
from asrppl.core.walk import TypedNode

Exchange = Callable[[TypedNode], TypedNode | None]

Node = TypeVar("Node", bound=TypedNode)

_NODES = TypedNode.__args__
_SKIPPED = ("span", "levels", "kind")


def rebuilt(node: Node, exchange: Exchange) -> Node:
    """Return ``node`` with what ``exchange`` returns in place of each node that it returns one for, outermost first.

    What was exchanged is not looked into again. A tree in which nothing is exchanged is the same object.
    """
    other = exchange(node)
    if other is not None:
        return cast(Node, other)
    changed: dict[str, Any] = {}
    for field in fields(node):
        if field.name not in _SKIPPED:
            part = getattr(node, field.name)
            new = _part(part, exchange)
            if new is not part:
                changed[field.name] = new
    return replace(node, **changed) if changed else node


def _part(part: object, exchange: Exchange) -> object:
    if isinstance(part, _NODES):
        return rebuilt(cast(TypedNode, part), exchange)
    if isinstance(part, Computed):
        term = rebuilt(part.term, exchange)
        return part if term is part.term else replace(part, term=term)
    if isinstance(part, tuple):
        parts = cast("tuple[object, ...]", part)
        new = tuple(_part(each, exchange) for each in parts)
        return parts if all(a is b for a, b in zip(parts, new, strict=True)) else new
    return part


def free_variables(node: TypedNode) -> tuple[Variable, ...]:
    """Return the index variables that ``node`` varies with, outermost first: those that occur and that it binds not."""
    found: set[Variable] = set()
    pending: list[tuple[object, frozenset[Variable]]] = [(node, frozenset())]
    while pending:
        part, bound = pending.pop()
        match part:
            case Variable():
                if part not in bound:
                    found.add(part)
            case Offset():
                pending.append((part.variable, bound))
            case Computed():
                pending.append((part.term, bound))
            case tuple():
                pending.extend((each, bound) for each in cast("tuple[object, ...]", part))
            case _ if isinstance(part, _NODES):
                inside = bound | frozenset(getattr(part, "variables", ()))
                parts = fields(cast(TypedNode, part))
                names = (field.name for field in parts if field.name not in (*_SKIPPED, "variables"))
                pending.extend((getattr(part, name), inside) for name in names)
            case _:
                pass
    return tuple(sorted(found, key=lambda variable: variable.slot))
