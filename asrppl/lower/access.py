"""Reads of bound arrays: the index axes of a tensor brought into slots."""

import torch

from asrppl.core.typed import Offset, Variable
from asrppl.lower import operators
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import Value


def read(
    g: Algebra,
    name: str,
    component: str | None,
    indices: tuple[Offset, ...],
    *,
    tail: int = 0,
    low: float = float("-inf"),
    high: float = float("inf"),
) -> Value:
    """Return ``name[indices]`` as ``(*batch, *slots, *tail)``.

    Args:
        g: the graph.
        name: of the bound array.
        component: of the array.
        indices: one an index axis, outermost first.
        tail: number of axes behind the index axes, left as they are (the support of a distribution).
        low: a lower bound of what is read.
        high: an upper bound.
    """
    entry = g.entries.get(name)
    if component == "h" and entry is not None and entry.squares:
        component = "w"
    node = g.tensor((name, component))
    value = Value(node, frozenset(), low, high, node)
    slots: list[int] = []
    for position, index in enumerate(indices):
        # Counted from the right, an axis stays where it is while those before it are selected away.
        dim = position - len(indices) - tail
        if index.variable is None:
            value = g.call(torch.select, value, dim, index.add, low=low, high=high)
        else:
            length = entry.axes[position] if entry is not None else None
            value = _pick(g, value, dim, index.variable, index.add, length)
            slots.append(index.variable.slot)
    value, slots = _diagonals(g, value, slots, tail)
    wanted = sorted(slots)
    if slots != wanted:
        source = tuple(place - len(slots) - tail for place in range(len(slots)))
        target = tuple(wanted.index(slot) - len(slots) - tail for slot in slots)
        value = g.call(torch.movedim, value, source, target, low=low, high=high)
    for slot in reversed(range(g.rank)):
        if slot not in slots:
            value = g.call(torch.unsqueeze, value, slot - g.rank - tail, low=low, high=high)
    varying = frozenset(
        index.variable.slot
        for index in indices
        if index.variable is not None and (index.variable.slot in g.dynamic or len(index.variable.values) > 1)
    )
    return Value(value.key, varying, low, high, value.node, None, value.target, value.arguments)


def _pick(g: Algebra, value: Value, dim: int, variable: Variable, add: int, length: int | None) -> Value:
    if variable.slot in g.dynamic:
        positions = g.dynamic[variable.slot][0]
        if add:
            positions = g.node(g.call(torch.add, positions, add, slots=()))
        if length is not None and (variable.values[0] + add < 0 or variable.values[-1] + add >= length):
            positions = g.node(g.call(torch.clamp, positions, 0, length - 1, slots=()))
        return g.call(torch.index_select, value, dim, positions, low=value.low, high=value.high)
    first, count = variable.values[0] + add, len(variable.values)
    if variable.values == tuple(range(variable.values[0], variable.values[0] + count)):
        if length is not None and (first < 0 or first + count > length):
            # An access in a guard that leaves its axis: the guard is false there, so any entry will do.
            inside = [min(max(at, 0), length - 1) for at in range(first, first + count)]
            chosen = g.buffer(torch.tensor(inside))
            return g.call(torch.index_select, value, dim, chosen, low=value.low, high=value.high)
        if count == length:
            return value
        return g.call(operators.narrow, value, dim, first, count, low=value.low, high=value.high)
    chosen = g.buffer(torch.tensor([at + add for at in variable.values]))
    return g.call(torch.index_select, value, dim, chosen, low=value.low, high=value.high)


def _diagonals(g: Algebra, value: Value, slots: list[int], tail: int) -> tuple[Value, list[int]]:
    """Make one axis of those that one variable indexes (``a[i, i]``)."""
    for slot in sorted(set(slots)):
        while slots.count(slot) > 1:
            first = slots.index(slot)
            second = slots.index(slot, first + 1)
            dims = (first - len(slots) - tail, second - len(slots) - tail)
            value = g.call(torch.diagonal, value, 0, *dims, low=value.low, high=value.high)
            if tail:  # a diagonal goes last, and the support has to stay there
                value = g.call(torch.movedim, value, -1, -1 - tail, low=value.low, high=value.high)
            slots = [other for place, other in enumerate(slots) if place not in (first, second)] + [slot]
    return value, slots
