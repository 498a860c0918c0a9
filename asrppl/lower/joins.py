"""Which pairs of intervals meet along every one of a few axes, without looking at all pairs: a grid, or a sweep.

The last axis is sorted, and each point asks for a range of it. Along the others space is cut into cells as wide as the
longest that two intervals may be apart and still meet, so that a point asks the cells beside its own. With one axis
that is a sweep, with more a grid. Few long intervals do not make all cells wide: points are put into classes by their
length, each power of 4 one, and classes are joined two by two.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 2**21
"""Pairs that are listed at once."""

_CELLS = {1: 2**40, 2: 2**25, 3: 2**17}
"""Cells along an axis, at most, by how many axes a grid has: together with the groups they are numbered in 64 bits."""
_GROUPS = 2**9
"""Groups that these leave room for."""
_ALIKE = 8.0
"""So many times what is usual makes an interval long."""


class Ends(NamedTuple):
    """Intervals of one side along one axis, ``at`` ± ``reach``, flat over groups and index values; float64."""

    at: Tensor
    reach: Tensor

    def of(self, places: Tensor) -> "Ends":
        """Return those at ``places``."""
        return Ends(self.at[places], self.reach[places])


class _Ranges(NamedTuple):
    """Of each asking point (``first``, with repeats) a range of the points of the other side, in their order."""

    first: Tensor
    start: Tensor
    count: Tensor
    order: Tensor


class Join:
    """Pairs of points whose intervals meet along every axis.

    Args:
        first: the asking side, by axis.
        second: the other side.
        groups: of each side, the group of each point, None where there is one group. Points of two groups never meet.
        chosen: of each side, the points that count; None for all.
    """

    def __init__(
        self,
        first: Sequence[Ends],
        second: Sequence[Ends],
        groups: tuple[Tensor, Tensor] | None,
        chosen: tuple[Tensor | None, Tensor | None],
    ) -> None:
        self._first = first
        self._second = second
        self._groups = groups
        self._ranges: list[_Ranges] = []
        sides = [
            torch.arange(len(side[0].at), device=side[0].at.device) if places is None else places
            for side, places in zip((first, second), chosen, strict=True)
        ]
        if all(len(side) for side in sides):
            for own, other in itertools.product(*self._classes(sides[0], sides[1])):
                self._ranges += self._asked(own, other)
        self.total: int = int(torch.stack([found.count.sum() for found in self._ranges]).sum()) if self._ranges else 0

    def _classes(self, *sides: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the points of each side, those of about one length together."""
        ranks: list[Tensor] = []
        for places, all_ends in zip(sides, (self._first, self._second), strict=True):
            rank = torch.zeros(len(places), device=places.device, dtype=torch.float64)
            for ends, own, other in zip(all_ends, self._first, self._second, strict=True):
                usual = own.reach.median() + other.reach.median()
                usual = torch.maximum(usual, (own.reach.max() + other.reach.max()) * 2.0**-20)
                rank = torch.maximum(rank, torch.where(usual > 0, ends.reach[places] / usual, 0.0))
            ranks.append(rank)
        if max(float(rank.max()) for rank in ranks) <= _ALIKE:
            return [sides[0]], [sides[1]]
        found: list[list[Tensor]] = []
        for places, rank in zip(sides, ranks, strict=True):
            power = (rank.clamp_min(_ALIKE).log2() / 2).ceil()
            found.append([places[power == each] for each in power.unique()])
        return found[0], found[1]

    def _asked(self, own: Tensor, other: Tensor) -> Iterator[_Ranges]:
        """Yield what the points ``own`` ask of the points ``other``, a row of cells after the other."""
        mine, theirs = [ends.of(own) for ends in self._first], [ends.of(other) for ends in self._second]
        widths = [float(a.reach.max() + b.reach.max()) for a, b in zip(mine, theirs, strict=True)]
        if min(widths) < 0:
            return
        groups = (None, None) if self._groups is None else (self._groups[0][own], self._groups[1][other])
        own_row, other_row = groups
        *rows, last = range(min(len(mine), 3))
        strides: list[int] = []
        count = _CELLS[len(rows) + 1]
        if groups[0] is not None:  # so many groups are rare, and their cells may be wider
            count = max(1, int(count / max(1.0, (float(groups[0].max()) + 1) / _GROUPS) ** (1 / (len(rows) + 1))))
        for axis in rows:
            low, extent = _extent(mine[axis].at, theirs[axis].at)
            # A hair wider than needed: the number of a cell is rounded.
            width = max(widths[axis] * (1 + 1e-7), extent / count, 1e-300)
            across = int(extent / width) + 3
            cells = [((at - low) / width).long() + 1 for at in (mine[axis].at, theirs[axis].at)]
            own_row = cells[0] if own_row is None else own_row * across + cells[0]
            other_row = cells[1] if other_row is None else other_row * across + cells[1]
            strides = [*[stride * across for stride in strides], 1]
        yield from self._ranged(mine[last], theirs[last], (own_row, other_row), strides, count, own, other)

    def _ranged(
        self,
        mine: Ends,
        theirs: Ends,
        rows: tuple[Tensor | None, Tensor | None],
        strides: list[int],
        count: int,
        own: Tensor,
        other: Tensor,
    ) -> Iterator[_Ranges]:
        low, extent = _extent(mine.at, theirs.at)
        reach = mine.reach + theirs.reach.max()
        width = max(float(reach.max()) / 16, extent / count, 1e-300)
        across = int(extent / width) + 1
        key = ((theirs.at - low) / width).long()
        own_row, other_row = rows
        if other_row is not None:
            key = other_row * across + key
        key, order = key.sort()
        # A point beyond all others of the side is asked for in the last cell: `across` cells are all there are.
        least = ((mine.at - reach - low) / width).clamp(0, across - 1).long()
        most = ((mine.at + reach - low) / width).clamp(0, across - 1).long()
        if own_row is None:
            beside = [(least, most)]
        else:
            moves = [sum(move) for move in itertools.product(*((-stride, 0, stride) for stride in strides))]
            bases = [(own_row + move) * across if move else own_row * across for move in moves]
            beside = [(base + least, base + most) for base in bases]
        for lower, upper in beside:
            start = torch.searchsorted(key, lower)
            end = torch.searchsorted(key, upper, right=True)
            # An interval of negative reach may meet a long one, and is empty beside short ones.
            yield _Ranges(own, start, (end - start).clamp_min(0), other[order])

    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the pairs, as places of both sides, in blocks."""
        for found in self._ranges:
            ends = found.count.cumsum(0)
            total = int(ends[-1])
            if total <= BLOCK:
                yield self._listed(found, slice(None), ends)
                continue
            cuts = torch.arange(BLOCK, total, BLOCK, device=ends.device)
            places = [0, *torch.searchsorted(ends, cuts).unique().tolist(), len(ends)]
            for start, end in itertools.pairwise(places):
                part = slice(start, end)
                yield self._listed(found, part, found.count[part].cumsum(0))

    def _listed(self, found: _Ranges, part: slice, ends: Tensor) -> tuple[Tensor, Tensor]:
        count = found.count[part]
        asking = torch.repeat_interleave(count)
        within = torch.arange(len(asking), device=count.device) + (found.start[part] - ends + count)[asking]
        first, second = found.first[part][asking], found.order[within]
        meet: Tensor | None = None
        for own, other in zip(self._first, self._second, strict=True):
            apart = (own.at[first] - other.at[second]).abs_()
            here = apart < own.reach[first] + other.reach[second]
            meet = here if meet is None else meet.logical_and_(here)
        assert meet is not None
        return first[meet], second[meet]


def _extent(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Return the least of all, and how far they reach from there."""
    ends = [*torch.aminmax(a), *torch.aminmax(b)]
    low, high = min(map(float, ends[::2])), max(map(float, ends[1::2]))
    return low, high - low
