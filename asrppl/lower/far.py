"""Sums over all pairs of what far ones cost, as of `abs(u[i] - u[j]) <= eps`: sorted, and added up as they come.

Σ max(a_i − b_j, 0) over all pairs takes a sort: with b in order, what a_i costs is known from how many of the b are
below it, and from what the largest of those costs. Pairs that rounding could put on either side of 0 are listed, and
the rule's own program says what they cost.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from asrppl.lower.listed import Inner, Layout, Listed, pays


class Distant(Listed):
    """A sum over pairs of hinges of differences.

    Args:
        dense, sides, costs, order, layout: as of `Listed`; before all else ``sides`` gives the ends.
        bounded: whether there are ends, whose sum may not be above 0.
        half: whether pairs are meant in one order only.
    """

    def __init__(
        self,
        dense: Inner,
        sides: Inner,
        costs: Inner,
        order: Inner | None,
        layout: Layout,
        *,
        bounded: bool,
        half: bool,
    ) -> None:
        super().__init__(dense, sides, costs, order, layout)
        self._bounded = bounded
        self._half = half

    def _totals(self, inputs: tuple[Tensor, ...], batch: tuple[int, ...], size: int) -> Sequence[Tensor] | None:
        layout = self._layout
        found = self._sides(inputs)
        count = 2 if self._bounded else 0
        ends, found = found[:count], found[count:]
        with torch.no_grad():
            if self._bounded and float(ends[0].max() + ends[1].max()) > 0:
                return None
            points = self._points(found, batch, inputs)
            if points is None:
                return None
            *sides, slack = points
            slots = layout.first, layout.second
            hinges: list[Hinge] = []
            for number in range(len(slack)):
                a, b = (
                    _only(side.at[:, number], side.chosen, away).reshape(-1, layout.lengths[slot])
                    for side, slot, away in zip(sides, slots, (-torch.inf, torch.inf), strict=True)
                )
                hinges.append(Hinge(a, b, slack[number]))
            listed = Borderline(hinges)
            if not pays(listed.total, size):
                return None
        (total,) = self._added(listed, inputs, batch)
        for number, hinge in enumerate(hinges):
            first, second = (
                self._columns([found[6 * number + 3 * k]], batch, slot).reshape(-1, layout.lengths[slot])
                for k, slot in enumerate(slots)
            )
            # The value is as it was added up, in double precision; the slopes are numbers of pairs.
            slopes = (hinge.above.to(first.dtype) * (first - first.detach())).sum(1)
            slopes = slopes - (hinge.below.to(second.dtype) * (second - second.detach())).sum(1)
            own = (hinge.value.to(first.dtype) + slopes).reshape(total.shape)
            total = total + (own / 2 if self._half else own)
        return [total]


def _only(at: Tensor, chosen: Tensor | None, away: float) -> Tensor:
    if chosen is None:
        return at
    found = torch.full_like(at, away)
    found[chosen] = at[chosen]
    return found


class Hinge:
    """Σ (a_i − b_j) over the pairs with b_j < a_i − slack, by group, and what is near 0.

    ``value`` has the sums, (groups,); ``above`` and ``below`` of each a, of each b, how many pairs these are.

    Args:
        a: (groups, points), float64; −inf of those that are left out.
        b: the same of the other side, with inf.
        slack: at least 0.
    """

    def __init__(self, a: Tensor, b: Tensor, slack: Tensor) -> None:
        self._a, self._b, self._slack = a.flatten(), b.flatten(), slack
        b, order = b.sort(-1)
        self._order = order
        count = torch.searchsorted(b, a - slack)
        self.above: Tensor = count
        self._near = (torch.searchsorted(b, a + slack, right=True) - count).flatten()
        self._near[self._a == -torch.inf] = 0
        # What the k lowest b lack to the highest of them: sums of numbers that are at least 0, so that none cancel.
        steps = torch.arange(1, b.shape[1], device=b.device) * b.diff(dim=-1)
        lacking = torch.nn.functional.pad(steps, (1, 0)).cumsum(-1)
        last = (count - 1).clamp_min(0)
        cost = lacking.gather(-1, last) + count * (a - b.gather(-1, last))
        self.value: Tensor = torch.where(count > 0, cost, 0.0).sum(-1)
        numbers = torch.zeros(b.shape[0], b.shape[1] + 1, dtype=torch.int64, device=b.device)
        numbers = numbers.scatter_add_(1, count, torch.ones_like(count))
        beyond = numbers.flip(-1).cumsum(-1).flip(-1)[:, 1:]
        self.below: Tensor = torch.zeros_like(beyond).scatter_(1, order, beyond)
        self.total: int = int(self._near.sum())

    def pairs(self) -> tuple[Tensor, Tensor]:
        """Return the pairs with abs(a_i − b_j) <= slack, as places in the flat sides."""
        groups, length = self._order.shape
        first = torch.repeat_interleave(self._near)
        start = self.above.flatten() - self._near.cumsum(0) + self._near
        within = torch.arange(len(first), device=first.device) + start[first]
        group = first // self.above.shape[1] * length if groups > 1 else 0
        return first, self._order.flatten()[within + group] + group

    def holds(self, first: Tensor, second: Tensor) -> Tensor:
        """Return whether pairs are among those."""
        a, b = self._a[first], self._b[second]
        return (b >= a - self._slack) & (b <= a + self._slack)


class Borderline:
    """The pairs that are within rounding of 0, of any of the hinges."""

    def __init__(self, hinges: Sequence[Hinge]) -> None:
        self._hinges = hinges
        self.total: int = sum(hinge.total for hinge in hinges)

    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield them, each once."""
        for number, hinge in enumerate(self._hinges):
            first, second = hinge.pairs()
            for before in self._hinges[:number]:
                kept = ~before.holds(first, second)
                first, second = first[kept], second[kept]
            yield first, second
