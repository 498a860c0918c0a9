"""A `forall` over pairs that costs something for few of them: those are listed, and what they cost is added up.

Which they may be follows from the formula (`asrppl.core.separation`). What a listed pair costs is computed by the
rule's own program, on entries that are gathered: the same operations in the same order as on the dense grid, so that
value and gradient are the same. Both ways are in the graph, and a call takes the one that its values ask for.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn

from asrppl.bind.shapes import broadcast_shape
from asrppl.core.rebuild import free_variables
from asrppl.core.separation import Pairs
from asrppl.core.typed import CountProbability, Formula, Variable
from asrppl.core.walk import walk
from asrppl.lower import chunks
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import ConstantTensor, Hidden, Input, Value
from asrppl.lower.code import Compiled, Node
from asrppl.lower.joins import BLOCK, Join, Side
from asrppl.lower.recompute import Parts, recomputed
from asrppl.lower.terms import term, truth

DENSE = 10_000
"""Pairs, those of the whole batch, up to which the dense grid is faster (`python -m benchmarks.pairs --crossing`)."""

DENSE_ON_DEVICES = 2**22
"""The same where listing has to wait for a device."""

FEW = 4
"""Listing pays where at most one in so many pairs is listed."""

_ROUNDING = 64.0
"""Units in the last place of the numbers that an axis is made of: more than any claim adds up rounding errors."""

_SMALLEST = 4e-15
"""Below this roots are 0 (`asrppl.lower.operators`)."""


@dataclass(frozen=True, slots=True)
class Inner:
    """A graph that `Listed` calls, and which of its inputs each of the graph's is."""

    graph: Compiled
    places: tuple[int, ...]

    def __call__(self, inputs: Sequence[Any]) -> Parts:
        """Return its outputs."""
        return self.graph.function(self.graph, *[inputs[place] for place in self.places])


@dataclass(frozen=True, slots=True)
class Layout:
    """What `Listed` knows of its inputs and its result.

    Args:
        axes: of each input how many axes it has behind those of the batch; None of constants.
        rank: how many slots a value has.
        first: the slot of the asking variable.
        second: the slot of the other one.
        lengths: by slot, of these and of the variables beside them.
        summed: the slots of those beside them that are added up over.
        values: of each variable, ordered by slots, which input has the integers that it runs over; None where they
            are 0, 1, ….
        conditions: how many conditions each of the two has that are its own.
        outputs: how many sums there are.
    """

    axes: tuple[int | None, ...]
    rank: int
    first: int
    second: int
    lengths: Mapping[int, int]
    summed: tuple[int, ...]
    values: tuple[int | None, ...]
    conditions: tuple[int, int]
    outputs: int


class Listed(nn.Module):
    """A sum over pairs: of those that are listed, or densely.

    Args:
        dense: gives the sums over the whole grid.
        sides: gives, axis by axis, ``at``, ``reach`` and ``size`` of the first and of the second; then conditions.
        costs: gives what listed pairs cost; takes positions and numbers of each variable, and the batch, before all.
        order: gives which of listed pairs meet the conditions on indices alone; takes the same.
        layout: of inputs and result.
    """

    def __init__(self, dense: Inner, sides: Inner, costs: Inner, order: Inner | None, layout: Layout) -> None:
        super().__init__()
        self.body = dense.graph  # as a loop has one: what a device has to hold, and what code is shown of
        self.listed = costs.graph
        self._dense = dense
        self._sides = sides
        self._costs = costs
        self._order = order
        self._layout = layout

    def forward(self, *inputs: Any) -> Parts:
        """Return the sums."""
        found = self._found(inputs) if _are_plain(inputs) else None
        return self._dense(inputs) if found is None else found

    def _found(self, inputs: tuple[Tensor, ...]) -> Parts | None:
        """Return the sums over listed pairs; None where the dense grid is called for."""
        layout = self._layout
        shapes = [
            part.shape[: part.dim() - axes] for part, axes in zip(inputs, layout.axes, strict=True) if axes is not None
        ]
        batch = broadcast_shape(shapes)
        size = prod(batch) * prod(layout.lengths.values())
        if size < (DENSE if inputs[0].is_cpu else DENSE_ON_DEVICES):
            return None
        with torch.no_grad():
            if not _are_finite(inputs, layout):
                return None
            join = self._join(inputs, batch)
        return None if join is None or join.total * FEW > size else self._added(join, inputs, batch)

    def _shape(self, batch: tuple[int, ...], own: int | None = None) -> tuple[int, ...]:
        """Return the shape of what varies with the variables beside the two, and with one of these or none."""
        rest = {self._layout.first, self._layout.second} - {own}
        lengths = self._layout.lengths
        return (*batch, *(1 if slot in rest else lengths.get(slot, 1) for slot in range(self._layout.rank)))

    def _join(self, inputs: Sequence[Tensor], batch: tuple[int, ...]) -> Join | None:
        layout = self._layout
        found = list(self._sides(inputs))
        conditions = [found.pop() for _ in range(sum(layout.conditions))][::-1]
        def flat(values: Sequence[Tensor], slot: int) -> Tensor:
            shape = self._shape(batch, slot)
            columns = [value.expand(shape).movedim(slot - layout.rank, -1).reshape(-1) for value in values]
            return torch.stack(columns, -1).double()

        sides: list[Side] = []
        size = torch.zeros((), dtype=torch.float64, device=inputs[0].device)
        for number, slot in enumerate((layout.first, layout.second)):
            at, reach, sizes = (flat(found[3 * number + part :: 6], slot) for part in range(3))
            size = size + sizes.amax(0)
            meets = [conditions.pop(0) for _ in range(layout.conditions[number])]
            chosen = flat(meets, slot).all(1).nonzero().flatten() if meets else None
            count = len(at) // layout.lengths[slot]
            group = torch.arange(count, device=at.device).repeat_interleave(layout.lengths[slot]) if count > 1 else None
            sides.append(Side(at, reach, group, chosen))
        if not bool(torch.isfinite(size).all()):
            return None
        slack = _ROUNDING * torch.finfo(inputs[0].dtype).eps * size + _SMALLEST
        return Join(sides[0]._replace(reach=sides[0].reach + slack), sides[1])

    def _positions(self, first: Tensor, second: Tensor, batch: tuple[int, ...]) -> tuple[dict[int, Tensor], Tensor]:
        """Return the position of each variable, by slot, of pairs, and of each the element of the batch.

        The latter is empty where there is but one.
        """
        layout = self._layout
        beside = [slot for slot in layout.lengths if slot not in (layout.first, layout.second)]
        if prod(batch) * prod(layout.lengths[slot] for slot in beside) == 1:
            at = {layout.first: first, layout.second: second, **{slot: torch.zeros_like(first) for slot in beside}}
            return at, first[:0]
        length = layout.lengths[layout.first]
        group = first // length
        at = {layout.first: first - group * length, layout.second: second - group * layout.lengths[layout.second]}
        for slot in reversed(beside):
            at[slot] = group % layout.lengths[slot]
            group = group // layout.lengths[slot]
        return at, group if prod(batch) > 1 else first[:0]

    def _given(self, at: Mapping[int, Tensor], batch: Tensor, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return what the graphs of listed pairs take before all else: values as positions and numbers, the batch."""
        found: list[Tensor] = []
        for (slot, position), values in zip(sorted(at.items()), self._layout.values, strict=True):
            value = position if values is None else inputs[values][position]
            found += [value, value.to(inputs[0].dtype)]
        return [*found, batch]

    def _added(self, join: Join, inputs: Sequence[Tensor], batch: tuple[int, ...]) -> Parts:
        """Return the sums over the pairs of a join."""
        layout = self._layout
        one_batch = [self._flat(part, axes, batch) for part, axes in zip(inputs, layout.axes, strict=True)]
        run = recomputed if join.total > BLOCK else _called
        groups = self._shape(batch)
        length = layout.lengths[layout.first]
        totals: list[Tensor] | None = None
        for first, second in join.pairs():
            at, place = self._positions(first, second, batch)
            given = self._given(at, place, inputs)
            if self._order is not None:
                kept = self._order([*given, *inputs])[0].flatten().nonzero().flatten()
                first, given = first[kept], [part[kept] if len(part) else part for part in given]
            costs = run(self._costs.graph, *[[*given, *one_batch][place] for place in self._costs.places])
            added = [_sums(part, first // length if prod(groups) > 1 else None, len(first), groups) for part in costs]
            totals = added if totals is None else [a + b for a, b in zip(totals, added, strict=True)]
        if totals is None:
            totals = [inputs[0].new_zeros(groups) for _ in range(layout.outputs)]
        dims = [slot - layout.rank for slot in layout.summed]
        return tuple(part.sum(dims, keepdim=True) if dims else part for part in totals)

    def _flat(self, part: Tensor, axes: int | None, batch: tuple[int, ...]) -> Tensor:
        """Return an input with one batch axis."""
        if axes is None:
            return part
        shape = part.shape[part.dim() - axes :]
        return part.expand((*batch, *shape)).reshape(-1, *shape)


def _called(graph: nn.Module, *inputs: Any) -> Parts:
    return graph(*inputs)


def _sums(cost: Tensor, groups: Tensor | None, count: int, shape: tuple[int, ...]) -> Tensor:
    """Return what listed pairs cost, added up in double precision: some groups have many, one after the other."""
    cost = cost.flatten().expand(count)
    if groups is None:
        return cost.sum(dtype=torch.float64).to(cost.dtype).reshape(shape)
    total = torch.zeros(prod(shape), dtype=torch.float64, device=cost.device)
    return total.index_add(0, groups, cost.double()).to(cost.dtype).reshape(shape)


def _are_plain(inputs: Sequence[Tensor]) -> bool:
    """Whether what tensors hold may be looked at: not of compilers, `vmap`, CUDA graphs, and tensors of others."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or not inputs:  # pyright: ignore[reportPrivateImportUsage]
        return False
    if any(type(part) not in (Tensor, nn.Parameter) or part.is_meta for part in inputs):
        return False
    if cast(Any, torch)._C._functorch.peek_interpreter_stack() is not None:  # no public way to ask
        return False
    return not (inputs[0].is_cuda and torch.cuda.is_current_stream_capturing())


def _are_finite(inputs: Sequence[Tensor], layout: Layout) -> bool:
    """Whether all entries are numbers, and their squares too: a pair that is not listed could be nan."""
    read = [part.flatten() for part, axes in zip(inputs, layout.axes, strict=True) if axes is not None]
    return bool(torch.isfinite(torch.stack([part.dot(part) for part in read])).all())


# ---- lowering


def listed(
    g: Algebra,
    pairs: Pairs,
    dense: Callable[[Algebra], list[Value]],
    cost: Callable[[Algebra], list[Value]],
) -> list[Value] | None:
    """Return sums over the claim's variables; None where the dense grid is the only way, or a small one.

    Args:
        g: the graph.
        pairs: what is summed over.
        dense: gives the sums, from the graph that it is given.
        cost: gives the summands of one combination of index values, as many.
    """
    claim = pairs.claim
    if g.inner or g.elements * chunks.grid(claim) < DENSE:
        return None
    nodes = list(walk(claim))
    names = {name for node in nodes if isinstance(name := getattr(node, "name", None), str)}
    if not names <= g.entries.keys() or any(isinstance(node, CountProbability) for node in nodes):
        return None
    variables = tuple(sorted({*claim.variables, *free_variables(claim)}, key=lambda variable: variable.slot))
    if not all(variable.values for variable in variables):
        return None

    def graph(build: Callable[[Algebra], list[Value]], *paired: Variable) -> tuple[Algebra, list[Value]]:
        h = type(g)(g.rank, (), g.elements, g.bound, g.entries, paired=paired, inner=True)
        return h, build(h)

    over_grid, one = graph(dense), graph(cost, *variables)
    free = {variable.slot for variable in variables if variable not in claim.variables and len(variable.values) > 1}
    priced = [place for place, value in enumerate(over_grid[1]) if value.number != 0 or one[1][place].number != 0]
    if any(over_grid[1][place].slots != free for place in priced):
        return None
    order = pairs.of_indices()
    made = [
        (over_grid[0], [over_grid[1][place] for place in priced]),
        graph(lambda h: _sides(h, pairs)),
        (one[0], [one[1][place] for place in priced]),
        *([graph(lambda h: [_all_of(h, order)], *variables)] if order else []),
    ]
    call = _call(g, made, pairs, variables)
    if call is None:
        return None
    found = [g.constant(0.0)] * len(one[1])
    for number, place in enumerate(priced):
        item = g.make("call_function", operator.getitem, call, number)
        found[place] = Value(("listed", call, number), frozenset(free), 0.0, math.inf, item)
    return found


def _sides(h: Algebra, pairs: Pairs) -> list[Value]:
    parts = [term(h, part) for axis in pairs.axes for side in axis for part in side]
    return [*parts, *(truth(h, part) for own in (pairs.first, pairs.second) for part in pairs.alone(own))]


def _all_of(h: Algebra, conditions: Sequence[Formula]) -> Value:
    found = h.constant(True)
    for condition in conditions:
        found = h.both(found, truth(h, condition))
    return found


def _call(
    g: Algebra, made: Sequence[tuple[Algebra, list[Value]]], pairs: Pairs, variables: tuple[Variable, ...]
) -> Node | None:
    """Return the call of `Listed` with all that its graphs read; None where that is nothing that is bound."""
    graphs = [h.finish([h.node(value) for value in values]) for h, values in made]
    axes = {key: count for h, _ in made for key, count in h.axes.items()}
    if not axes or any(axes[key] != count for h, _ in made for key, count in h.axes.items()):
        return None
    nodes: dict[Input | Variable, Node] = {key: g.tensor(key, count) for key, count in axes.items()}
    for h, _ in made:
        for key in h.inputs:
            if isinstance(key, Hidden) and isinstance(key.of, ConstantTensor):
                nodes.setdefault(key, g.buffer(key.of.tensor))
    for variable in variables:
        if variable.values != tuple(range(len(variable.values))):
            nodes[variable] = g.buffer(torch.tensor(variable.values))
    places = {key: place for place, key in enumerate(nodes)}
    given = 2 * len(variables) + 1

    def inner(number: int) -> Inner:
        keys = list(made[number][0].inputs)
        if made[number][0].batch is None:
            return Inner(graphs[number], tuple(places[key] for key in keys))
        return Inner(graphs[number], (*range(given), *(given + places[key] for key in keys[given:])))

    by_slot = {variable.slot: len(variable.values) for variable in variables}
    own = (pairs.first, pairs.second)
    layout = Layout(
        axes=tuple(axes.get(key) if isinstance(key, tuple) else None for key in nodes),
        rank=g.rank,
        first=pairs.first.slot,
        second=pairs.second.slot,
        lengths=by_slot,
        summed=tuple(each.slot for each in pairs.claim.variables if each not in own),
        values=tuple(places.get(variable) for variable in variables),
        conditions=(len(pairs.alone(pairs.first)), len(pairs.alone(pairs.second))),
        outputs=len(made[0][1]),
    )
    name = f"pairs_{sum(isinstance(kept, nn.Module) for kept in g.root.values())}"
    g.root[name] = Listed(inner(0), inner(1), inner(2), inner(3) if len(made) > 3 else None, layout)
    return g.make("call_module", name, *nodes.values())
