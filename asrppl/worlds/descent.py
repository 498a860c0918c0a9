"""Worlds by descent on the rules' own violations: many starts in one batch, all goals at once.

Reals go down their gradient (Adam, a fading rate); numbers that are no reals are drawn anew now and then, and a draw
is kept where it costs no more. It proves nothing where it fails.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from asrppl.worlds.batched import Compiled
from asrppl.worlds.invention import Invention, Unknown
from asrppl.worlds.judge import Goal, World

STARTS = 64
STEPS = 400
_RATE, _BETAS = 0.03, (0.9, 0.99)
_BREAK = 0.02
"""By how much a rule is to be broken, as a share of the range of the reals."""
_REDRAWN = 3
"""Every so many steps a number that is no real is drawn anew."""
_CANDIDATES = 4
"""Worlds of each goal that the interpreter is shown."""
_LOOKED = 20
"""Every so many steps it is asked whether each goal has a start that arrived."""


@dataclass(slots=True)
class Descended:
    """What came of it.

    Args:
        found: candidates of each goal, worlds that meet it as compiled rules have it; the interpreter is to judge.
        arrived: of each goal, how many of its starts arrived.
        best: of each goal the world that costs least, whether it arrived or not.
    """

    found: dict[Goal, list[World]]
    arrived: dict[Goal, int]
    best: dict[Goal, World]


def descended(
    invention: Invention,
    goals: Sequence[Goal],
    compiled: Compiled,
    seed: int,
    *,
    starts: int = STARTS,
    steps: int = STEPS,
) -> Descended:
    """Descend from ``starts`` random worlds for each goal."""
    walk = _Walk(invention, goals, compiled, torch.Generator().manual_seed(seed), starts)
    for step in range(steps):
        if step % _LOOKED == 0 and bool(walk.arrived().view(len(goals), starts).any(1).all()):
            break
        walk.step(_RATE * (1 - step / steps))
        if walk.discrete and step % _REDRAWN == 0:
            walk.redraw()
    return walk.outcome()


class _Walk:
    def __init__(
        self, invention: Invention, goals: Sequence[Goal], compiled: Compiled, random: torch.Generator, starts: int
    ) -> None:
        self.goals, self.starts, self.compiled, self.random = goals, starts, compiled, random
        reals = [one for one in invention.unknowns if one.what in ("real", "side")]
        self.laws = [one for one in invention.unknowns if one.what == "law"]
        self.discrete = [one for one in invention.unknowns if one.what in ("bool", "int")]
        self.tables = {one.slots.start: torch.tensor(list(one.choices()), dtype=torch.float64) for one in self.discrete}
        self.slots = torch.tensor([slot for one in reals for slot in one.slots], dtype=torch.long)
        low = torch.tensor([one.low for one in reals], dtype=torch.float64)
        self.low, self.span = low, torch.tensor([one.high for one in reals], dtype=torch.float64) - low
        self.sides = torch.tensor([one.what == "side" for one in reals], dtype=torch.bool)
        rows = len(goals) * starts
        self.fixed = torch.zeros(rows, invention.size, dtype=torch.float64)
        for one in self.discrete:
            self.fixed[:, one.slots.start : one.slots.stop] = self._drawn(one, rows)
        # In units of each real's range; of laws the logarithms of their probabilities, about.
        logits = torch.randn(rows, sum(len(one.slots) for one in self.laws), generator=random, dtype=torch.float64)
        place = torch.rand(rows, len(self.slots), generator=random, dtype=torch.float64)
        self.place = torch.cat([place, 3 * logits], 1)
        self.first, self.second = torch.zeros_like(self.place), torch.zeros_like(self.place)
        self.steps = 0
        self.least = _BREAK * float(self.span.mean()) if len(reals) else 0.5
        wanted = [[goal.broken == rule for rule in range(compiled.rules)] for goal in goals]
        self.broken = torch.tensor(wanted, dtype=torch.bool).repeat_interleave(starts, 0)

    def worlds(self, place: Tensor, fixed: Tensor) -> Tensor:
        """Return worlds, (rows, slots)."""
        count = len(self.slots)
        value = self.low + self.span * place[:, :count]
        value = torch.where(self.sides, value.abs(), value)
        found = fixed.index_copy(1, self.slots, value)
        for one in self.laws:
            logits, count = place[:, count : count + len(one.slots)], count + len(one.slots)
            found = found.index_copy(1, torch.tensor(list(one.slots)), logits.softmax(1))
        return found

    def losses(self, costs: Tensor) -> Tensor:
        """Return what each row has left to go: costs of rules to keep, and what the broken one lacks."""
        return torch.where(self.broken, (self.least - costs).clamp_min(0), costs).sum(1)

    def step(self, rate: float) -> None:
        """Take one step of Adam; rows that have arrived stay where they are."""
        if not self.place.shape[1]:
            return
        place = self.place.requires_grad_()
        loss = self.losses(self.compiled.costs(self.worlds(place, self.fixed)))
        (slope,) = torch.autograd.grad(loss.sum(), place) if loss.requires_grad else (torch.zeros_like(place),)
        self.place = place.detach()
        self.steps += 1
        self.first.lerp_(slope, 1 - _BETAS[0])
        self.second.lerp_(slope.square(), 1 - _BETAS[1])
        first, second = self.first / (1 - _BETAS[0] ** self.steps), self.second / (1 - _BETAS[1] ** self.steps)
        self.place = self.place - rate * (loss > 0).detach()[:, None] * first / (second.sqrt() + 1e-12)

    def redraw(self) -> None:
        """Draw one number of each row anew, and keep what costs no more."""
        with torch.no_grad():
            changed = self.fixed.clone()
            which = torch.randint(len(self.discrete), (len(changed),), generator=self.random)
            for number, one in enumerate(self.discrete):
                rows = (which == number).nonzero()[:, 0]
                changed[rows, one.slots.start : one.slots.stop] = self._drawn(one, len(rows))
            both = torch.cat([self.fixed, changed])
            costs = self.compiled.costs(self.worlds(self.place.repeat(2, 1), both))
            now, then = self.losses(costs[: len(changed)]), self.losses(costs[len(changed) :])
            self.fixed = torch.where((then <= now)[:, None], changed, self.fixed)

    def arrived(self) -> Tensor:
        """Whether each row is where it was to go."""
        with torch.no_grad():
            return self.losses(self.compiled.costs(self.worlds(self.place, self.fixed))) <= 0

    def outcome(self) -> Descended:
        with torch.no_grad():
            worlds = self.worlds(self.place, self.fixed)
            costs = self.compiled.costs(worlds)
            losses = self.losses(costs).view(len(self.goals), self.starts)
            # Of those that have arrived, first what breaks its rule by little: it is read more easily.
            by = torch.where(losses > 0, 1e9 * (1 + losses), (costs * self.broken).sum(1).view_as(losses))
        there = worlds.view(len(self.goals), self.starts, -1)
        came = Descended({}, {}, {})
        for number, goal in enumerate(self.goals):
            count = int((losses[number] <= 0).sum())
            order = by[number].argsort(stable=True)[: min(max(count, 1), _CANDIDATES)]
            rows = [self._row(row) for row in there[number, order]]
            came.arrived[goal], came.best[goal] = count, rows[0]
            came.found[goal] = rows[: min(count, _CANDIDATES)]
        return came

    def _row(self, row: Tensor) -> World:
        """Return a row as numbers of their kinds."""
        found: list[bool | int | float] = cast(Any, row).tolist()  # torch does not say of what its lists are
        for one in self.discrete:
            for slot in one.slots:
                value = found[slot]
                found[slot] = bool(value) if one.what == "bool" else int(value) if one.what == "int" else value
        return found

    def _drawn(self, one: Unknown, rows: int) -> Tensor:
        table = self.tables[one.slots.start]
        return table[torch.randint(len(table), (rows,), generator=self.random)]
