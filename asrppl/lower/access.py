"""Reads of bound arrays: the index axes of a tensor brought into slots."""

from collections.abc import Sequence

import torch

from asrppl.core.typed import Computed, Index, Offset, Table, Variable
from asrppl.lower import operators
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import Value
from asrppl.lower.code import Node


def read(
    g: Algebra,
    name: str,
    component: str | None,
    indices: tuple[Index, ...],
    places: Sequence[Value] = (),
    *,
    tail: int = 0,
    low: float = float("-inf"),
    high: float = float("inf"),
    nan: bool = True,
) -> Value:
    """Return ``name[indices]`` as ``(*batch, *slots, *tail)``.

    Args:
        g: the graph.
        name: of the bound array.
        component: of the array.
        indices: one an index axis, outermost first.
        places: the values of those indices that are computed, in order.
        tail: number of axes behind the index axes, left as they are (the support of a distribution).
        low: a lower bound of what is read.
        high: an upper bound.
        nan: whether it may be NaN.
    """
    entry = g.entries.get(name)
    if component == "h" and entry is not None and entry.squares:
        component = "w"
    node = g.tensor((name, component), len(indices) + tail)
    lengths: tuple[int | None, ...] = entry.axes if entry is not None else (None,) * len(indices)
    if component == "log_probs" and entry is not None and entry.support is not None and not tail:
        lengths = (*lengths, len(entry.support))  # the probability of one value, whose place is the last index
    return _entries(g, Value(node, frozenset(), low, high, node, nan=nan), lengths, indices, places, tail)


def read_table(g: Algebra, table: Table, places: Sequence[Value]) -> Value:
    """Return the entry of a constant array."""
    tensor = torch.tensor(table.values, dtype=torch.float64).reshape(table.shape)
    slots = {index.variable.slot for index in table.indices if isinstance(index, Offset) and index.variable is not None}
    if not places and not slots & g.dynamic.keys():
        at = tuple(_positions(g, index, length) for index, length in zip(table.indices, table.shape, strict=True))
        return g.fold(tensor[at], slots)
    node = g.buffer(tensor)
    value = Value(node, frozenset(), float(tensor.min()), float(tensor.max()), node)
    return _entries(g, value, table.shape, table.indices, places, 0, table=True)


def _positions(g: Algebra, index: Index, length: int) -> torch.Tensor:
    assert isinstance(index, Offset)
    if index.variable is None:
        return torch.full((1,) * g.rank, index.add)
    static = g.index(index.variable, index.add).static
    assert static is not None
    return static.to(torch.int64).clamp(0, length - 1)


def _entries(
    g: Algebra,
    value: Value,
    lengths: tuple[int | None, ...],
    indices: tuple[Index, ...],
    places: Sequence[Value],
    tail: int,
    *,
    table: bool = False,
) -> Value:
    if g.batch is not None:
        value, lengths, indices = _paired(g, value, lengths, indices, tail, table=table)
    computed = [position for position, index in enumerate(indices) if isinstance(index, Computed)]
    if computed:
        # Axes with a computed index go last, and wait there until the others are in their slots.
        source = tuple(position - len(indices) for position in computed)
        target = tuple(range(-len(computed), 0))
        if source != target:
            value = g.call(torch.movedim, value, source, target, low=value.low, high=value.high)
        plain = [position for position in range(len(indices)) if position not in computed]
        rest = tuple(lengths[position] for position in plain)
        value = _offsets(g, value, rest, [_offset_of(indices[position]) for position in plain], len(computed))
        sizes = tuple(index.length for index in indices if isinstance(index, Computed))
        slots = value.slots.union(*(place.slots for place in places))
        low, high = value.low, value.high
        return g.call(operators.entry, value, sizes, *places, low=low, high=high, slots=slots, tensors=True)
    return _offsets(g, value, lengths, [_offset_of(index) for index in indices], tail)


def _paired(
    g: Algebra,
    value: Value,
    lengths: tuple[int | None, ...],
    indices: tuple[Index, ...],
    tail: int,
    *,
    table: bool,
) -> tuple[Value, tuple[int | None, ...], tuple[Index, ...]]:
    """Return the entries of listed combinations: what the variables that are listed index is one axis, the first.

    Also what is left of lengths and indices. A ``table`` has no batch.
    """
    own = {
        place: index
        for place, index in enumerate(indices)
        if isinstance(index, Offset) and index.variable is not None and index.variable.slot in g.dynamic
    }
    if table and not own:
        return value, lengths, indices
    axes = tuple(lengths[place] for place in own)
    positions: list[Node] = []
    adds: list[int] = []
    for index, length in zip(own.values(), axes, strict=True):
        assert index.variable is not None
        assert length is not None
        positions.append(_positions_in(g, index.variable, index.add, length))
        adds.append(index.add if positions[-1] is g.dynamic[index.variable.slot][0] else 0)
    where = g.call(operators.flat_places, None if table else g.batch, axes, tuple(adds), *positions, slots=())
    dims = tuple(place - len(indices) - tail for place in own)
    found = g.call(operators.listed, value, dims, not table, where, low=value.low, high=value.high, slots=())
    rest = [place for place in range(len(indices)) if place not in own]
    return found, tuple(lengths[place] for place in rest), tuple(indices[place] for place in rest)


def _offset_of(index: Index) -> Offset:
    assert isinstance(index, Offset)
    return index


def _offsets(g: Algebra, value: Value, lengths: tuple[int | None, ...], indices: Sequence[Offset], tail: int) -> Value:
    low, high = value.low, value.high
    slots: list[int] = []
    for position, index in enumerate(indices):
        # Counted from the right, an axis stays where it is while those before it are selected away.
        dim = position - len(indices) - tail
        if index.variable is None:
            value = g.call(torch.select, value, dim, index.add, low=low, high=high)
        else:
            value = _pick(g, value, dim, index.variable, index.add, lengths[position])
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
    return Value(value.key, varying, low, high, value.node, None, None, value.target, value.arguments, value.nan)


def _leaves(variable: Variable, add: int, length: int) -> bool:
    return variable.values[0] + add < 0 or variable.values[-1] + add >= length


def _positions_in(g: Algebra, variable: Variable, add: int, length: int) -> Node:
    """Return the positions of a variable, ``add`` more and held in the axis where that leaves it; else just them."""
    positions = g.dynamic[variable.slot][0]
    if not _leaves(variable, add, length):
        return positions
    moved = g.node(g.call(torch.add, positions, add, slots=())) if add else positions
    return g.node(g.call(torch.clamp, moved, 0, length - 1, slots=()))


def _pick(g: Algebra, value: Value, dim: int, variable: Variable, add: int, length: int | None) -> Value:
    if variable.slot in g.dynamic:
        positions = g.dynamic[variable.slot][0]
        if length is not None and _leaves(variable, add, length):
            positions = _positions_in(g, variable, add, length)
        elif add:
            positions = g.node(g.call(torch.add, positions, add, slots=()))
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
    places = [at + add for at in variable.values]
    if length is not None:  # (outside it, as above)
        places = [min(max(at, 0), length - 1) for at in places]
    chosen = g.buffer(torch.tensor(places))
    return g.call(torch.index_select, value, dim, chosen, low=value.low, high=value.high)


def _diagonals(g: Algebra, value: Value, slots: list[int], tail: int) -> tuple[Value, list[int]]:
    """Make one axis of those that one variable indexes (``a[i, i]``)."""
    if len(set(slots)) == len(slots):
        return value, slots
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
