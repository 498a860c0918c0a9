"""Sums over pairs of index values, of those that are listed: what runs in a step, and when the dense grid does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from asrppl.bind.shapes import broadcast_shape
from asrppl.lower.code import Compiled
from asrppl.lower.joins import BLOCK, Join, Side
from asrppl.lower.recompute import Parts, recomputed

DENSE = 100_000
"""Pairs, those of the whole batch, up to which the dense grid is faster (`python -m benchmarks.pairs`)."""

DENSE_ON_DEVICES = 2**22
"""The same where listing has to wait for a device."""

FEW = 8
"""A pair that is listed takes as long as so many on the dense grid, and listing any at all as long as `DENSE`."""

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


def pays(count: float, size: int) -> bool:
    """Whether to list ``count`` of ``size`` pairs is faster than the dense grid."""
    return DENSE + FEW * count <= size


class Candidates(Protocol):
    """Pairs, as places of both sides, in blocks; ``total`` says how many there are at most."""

    total: int

    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield them."""
        ...


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
        self.body: Compiled = dense.graph  # as a loop has one: what a device has to hold, and what code is shown of
        self.listed: Compiled = costs.graph
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
        totals = self._totals(inputs, batch, size)
        if totals is None:
            return None
        dims = [slot - layout.rank for slot in layout.summed]
        return tuple(part.sum(dims, keepdim=True) if dims else part for part in totals)

    def _totals(self, inputs: tuple[Tensor, ...], batch: tuple[int, ...], size: int) -> Sequence[Tensor] | None:
        """Return the sums for each combination of what stands beside the two variables; None where that is too much."""
        with torch.no_grad():
            found = self._sides(inputs)
            if not pays(self._share(found) * size, size):
                return None
            points = self._points(found, batch, inputs)
            if points is None:
                return None
            join = Join(points[0]._replace(reach=points[0].reach + points[2]), points[1])
        return self._added(join, inputs, batch) if pays(join.total, size) else None

    def _share(self, found: Sequence[Tensor]) -> float:
        """Return what share of the pairs would meet were the points spread evenly: of crowds no list is tried."""
        share: Tensor | float = 1.0
        for place in range(0, len(found) - sum(self._layout.conditions), 6):
            least, most = torch.aminmax(found[place])
            width = 2 * (found[place + 1].mean() + found[place + 4].mean())
            share = share * (width / (most - least + width.abs() + _SMALLEST)).clamp_min(0)
        return float(share)

    def _shape(self, batch: tuple[int, ...], own: int | None = None) -> tuple[int, ...]:
        """Return the shape of what varies with the variables beside the two, and with one of these or none."""
        rest = {self._layout.first, self._layout.second} - {own}
        lengths = self._layout.lengths
        return (*batch, *(1 if slot in rest else lengths.get(slot, 1) for slot in range(self._layout.rank)))

    def _columns(self, values: Sequence[Tensor], batch: tuple[int, ...], slot: int) -> Tensor:
        """Return values that vary with the variable of a slot as (points, values)."""
        shape = self._shape(batch, slot)
        columns = [value.expand(shape).movedim(slot - self._layout.rank, -1).reshape(-1) for value in values]
        return torch.stack(columns, -1)

    def _points(
        self, found: Sequence[Tensor], batch: tuple[int, ...], inputs: Sequence[Tensor]
    ) -> tuple[Side, Side, Tensor] | None:
        """Return the points of both sides, and how far rounding may move a sum along each axis; None if not finite.

        Args:
            found: what the graph of sides gives.
            batch: the shape of the batch.
            inputs: those of the whole.
        """
        layout = self._layout
        if not _are_finite(inputs, layout):
            return None
        count = len(found) - sum(layout.conditions)
        conditions = list(found[count:])
        sides: list[Side] = []
        size = torch.zeros((), dtype=torch.float64, device=found[0].device)
        for number, slot in enumerate((layout.first, layout.second)):
            at, reach, sizes = (
                self._columns(found[3 * number + part : count : 6], batch, slot).double() for part in range(3)
            )
            size = size + sizes.amax(0)
            meets = [conditions.pop(0) for _ in range(layout.conditions[number])]
            chosen = self._columns(meets, batch, slot).bool().all(1).nonzero().flatten() if meets else None
            groups = len(at) // layout.lengths[slot]
            group = (
                torch.arange(groups, device=at.device).repeat_interleave(layout.lengths[slot]) if groups > 1 else None
            )
            sides.append(Side(at, reach, group, chosen))
        if not bool(torch.isfinite(size).all()):
            return None
        return sides[0], sides[1], _ROUNDING * torch.finfo(inputs[0].dtype).eps * size + _SMALLEST

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
        for (_, position), values in zip(sorted(at.items()), self._layout.values, strict=True):
            value = position if values is None else inputs[values][position]
            found += [value, value.to(inputs[0].dtype)]
        return [*found, batch]

    def _added(self, join: Candidates, inputs: Sequence[Tensor], batch: tuple[int, ...]) -> list[Tensor]:
        """Return the sums over listed pairs."""
        layout = self._layout
        one_batch = [self._flat(part, axes, batch) for part, axes in zip(inputs, layout.axes, strict=True)]
        run = recomputed if join.total > BLOCK else _called
        groups, order = self._shape(batch), self._order
        length = layout.lengths[layout.first]
        totals: list[Tensor] | None = None
        for first, second in join.pairs():
            at, place = self._positions(first, second, batch)
            given = self._given(at, place, inputs)
            if order is not None:
                kept = order([*given, *inputs])[0].flatten().nonzero().flatten()
                first, given = first[kept], [part[kept] if len(part) else part for part in given]
            costs = run(self._costs.graph, *[[*given, *one_batch][place] for place in self._costs.places])
            added = [_sums(part, first // length if prod(groups) > 1 else None, len(first), groups) for part in costs]
            totals = added if totals is None else [a + b for a, b in zip(totals, added, strict=True)]
        if totals is None:
            totals = [inputs[0].new_zeros(groups) for _ in range(layout.outputs)]
        return totals

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
