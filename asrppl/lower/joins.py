"""Which pairs of intervals meet along every one of a few axes, without looking at all pairs: a grid, or a sweep.

The last axis is sorted, and each point asks for a range of it. Along the others space is cut into cells as wide as the
longest that two intervals may be apart and still meet, so that a point asks the cells beside its own. With one axis
that is a sweep, with more a grid. Few long intervals do not make all cells wide: points are put into classes by their
length, each power of 4 one, and classes are joined two by two.
"""

import itertools
from collections.abc import Iterator
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
_NARROWEST = 1e-300


class Side(NamedTuple):
    """Points with an interval along each axis.

    Args:
        at: middles of the intervals, ``(points, axes)``, float64.
        reach: half of their lengths, the same.
        group: of each point, None where there is one group. Points of two groups never meet.
        chosen: the points that count; None for all.
    """

    at: Tensor
    reach: Tensor
    group: Tensor | None = None
    chosen: Tensor | None = None

    def of(self, places: Tensor) -> "Side":
        """Return the points at ``places``."""
        return Side(self.at[places], self.reach[places], None if self.group is None else self.group[places])


class Join:
    """Pairs of points of one group whose intervals meet along every axis: ``total`` may, and `pairs` do."""

    def __init__(self, first: Side, second: Side) -> None:
        self._first = first
        self._second = second
        # Each point `asking` asks for a range of the points in `_order`: from `_start`, `_count` of them.
        asking: list[Tensor] = []
        start: list[Tensor] = []
        count: list[Tensor] = []
        order: list[Tensor] = []
        known = 0
        for own, other in itertools.product(*self._classes()):
            if not (len(own) and len(other)):
                continue
            ordered, own_order, ranges = _ranges(first.of(own), second.of(other))
            own = own[own_order]
            for least, most in ranges:
                asking.append(own)
                start.append(least + known)
                count.append((most - least).clamp_min_(0))  # an interval of negative reach may be empty
            order.append(other[ordered])
            known += len(other)
        self.total: int = 0
        if asking:
            self._asking, self._start, self._count, self._order = map(torch.cat, (asking, start, count, order))
            self._ends = self._count.cumsum(0)
            self.total = int(self._ends[-1])

    def _classes(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return the points of each side, those of about one length together."""
        sides = (self._first, self._second)
        places = [
            torch.arange(len(side.at), device=side.at.device) if side.chosen is None else side.chosen for side in sides
        ]
        longest = self._first.reach.amax(0) + self._second.reach.amax(0)
        shortest = self._first.reach.amin(0) + self._second.reach.amin(0)
        if bool((longest <= _ALIKE * shortest).all()):
            return [places[0]], [places[1]]
        usual = self._first.reach.median(0).values + self._second.reach.median(0).values
        usual = torch.maximum(usual, longest * 2.0**-20)
        found: list[list[Tensor]] = []
        for side, own in zip(sides, places, strict=True):
            if not len(own):
                return [], []
            rank = torch.where(usual > 0, side.reach[own] / usual, 0.0).amax(1)
            power = (rank.clamp_min(_ALIKE).log2() / 2).ceil()
            least, most = int(power.min()), int(power.max())
            found.append([own[power == each] for each in range(least, most + 1)])
        return found[0], found[1]

    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the pairs, as places of both sides, in blocks."""
        if not self.total:
            return
        cuts: list[int] = []
        if self.total > BLOCK:
            inside = torch.arange(BLOCK, self.total, BLOCK, device=self._ends.device)
            cuts = sorted({int(place) for place in torch.searchsorted(self._ends, inside)})
        for start, end in itertools.pairwise([0, *cuts, len(self._ends)]):
            yield self._listed(slice(start, end))

    def _listed(self, part: slice) -> tuple[Tensor, Tensor]:
        count = self._count[part]
        before = count.cumsum(0) - count
        asking = torch.repeat_interleave(count)
        within = (self._start[part] - before)[asking] + torch.arange(len(asking), device=count.device)
        first, second = self._asking[part][asking], self._order[within]
        own, other = self._first, self._second
        apart = own.at.index_select(0, first).sub_(other.at.index_select(0, second)).abs_()
        reach = own.reach.index_select(0, first).add_(other.reach.index_select(0, second))
        meet = (apart < reach).all(1).nonzero().flatten()
        return first[meet], second[meet]


def _ranges(own: Side, other: Side) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]:
    """Return orders of the points ``other`` and ``own``, and ranges, for each row of cells that are asked for.

    A range is a first and a last place in the former, for each of the latter: neighbours, so that what one asks for
    is at hand when the next does.
    """
    low = torch.minimum(own.at.amin(0), other.at.amin(0))
    extents = [float(each) for each in torch.maximum(own.at.amax(0), other.at.amax(0)) - low]
    longest = other.reach.amax(0)
    widths = [float(each) for each in own.reach.amax(0) + longest]
    if min(widths) < 0:
        nothing = torch.arange(0, device=low.device)
        return nothing, nothing, []
    *rows, last = range(min(len(widths), 3))
    cells = float(_CELLS[last + 1])
    own_row, other_row = own.group, other.group
    if own_row is not None:  # so many groups are rare, and their cells may be wider
        cells = max(1.0, cells / max(1.0, (float(own_row.max()) + 1) / _GROUPS) ** (1 / (last + 1)))
    strides: list[int] = []
    for axis in rows:
        # A hair wider than needed: the number of a cell is rounded.
        width = max(widths[axis] * (1 + 1e-7), extents[axis] / cells, _NARROWEST)
        across = int(extents[axis] / width) + 3
        mine, theirs = [((side.at[:, axis] - low[axis]) / width).long() + 1 for side in (own, other)]
        own_row = mine if own_row is None else own_row * across + mine
        other_row = theirs if other_row is None else other_row * across + theirs
        strides = [*[stride * across for stride in strides], 1]
    # Along the last axis a cell is a sixteenth as wide: it is all that a range is longer than it need be.
    width = max(widths[last] / 16, extents[last] / cells, _NARROWEST)
    across = int(extents[last] / width) + 1
    key = ((other.at[:, last] - low[last]) / width).long()
    if other_row is not None:
        key = key.add_(other_row, alpha=across)
    key, order = key.sort()
    asking = order
    if not torch.equal(own.at, other.at):
        own_key = ((own.at[:, last] - low[last]) / width).long()
        asking = (own_key if own_row is None else own_key.add_(own_row, alpha=across)).argsort()
    own_row = None if own_row is None else own_row[asking]
    middle, reach = own.at[asking, last] - low[last], own.reach[asking, last] + longest[last]
    least = ((middle - reach) / width).clamp_(0, across - 1).long()
    most = ((middle + reach) / width).clamp_(0, across - 1).long()
    found: list[tuple[Tensor, Tensor]] = []
    for moves in itertools.product(*((-stride, 0, stride) for stride in strides)):
        base = 0 if own_row is None else (own_row + sum(moves)) * across
        found.append((torch.searchsorted(key, least + base), torch.searchsorted(key, most + base, right=True)))
    return order, asking, found
