"""Tracked means and multipliers of one rule: what it remembers from step to step.

The largest of μ g over 0 <= μ <= w is w max(g, 0), so that of a weighted rule problem (11) of the paper is a saddle
point: the parameters go down, and each multiplier goes up along its comparison,

    μ ← clip(μ + κ/s² · ĝ, 0, w),    ĝ = G(m̂) + c (m_batch − m̂),    m̂ an average at rate max(1/t, 0.02).

Of a `hard` rule w is infinite, and that is problem (10). s² is the variance of Σ c ψ over draws and data: to move a
mean by g costs at least g²/(2 s²) nats, and so μ does not depend on the units of the rule. A hinge on m̂ is no solver:
it turns on and off with the noise of m̂, and settles where that noise is, not where the constraint is.

An average over many calls comes late to where a guide that learns fast has gone, and a multiplier that begins at 0
comes late to a large weight, and late from one. So each mean and comparison has a second average, over a few calls.
Where it is further from the first than noise takes it, it is the mean; and a comparison of a weighted rule that it
says to be violated beyond noise has its whole weight, one that holds beyond noise none. Within noise the slow ones
decide. (Without this AIR ended, with its rule on the number of objects at weight 100, at an accuracy of 0.75 after
3,500 steps.)

A mean of what the model enumerates answers to its multiplier in the same step. With the whole weight it would go to and
fro, so a comparison that reads one has its multiplier alone, in longer steps: the second derivative of its dual by way
of that mean is at most s². (A mixture whose share is held below 0.4 E[w], at weight 100: in steps 500 to 750 it is off
by .054 with the whole weight and by .032 with short steps; with longer ones by .001 from step 250 on.)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from asrppl.infer.estimate.evaluation import Evaluation, Leaf
from asrppl.infer.estimate.met import Met

RATE = 0.02
"""The least weight of a batch in a tracked mean."""

DATUM_RATE = 0.05
"""The least weight of a visit in a datum's own mean."""

KAPPA = 0.01
"""The step of multipliers, in nats for a comparison that is off by its own standard deviation."""

QUICK = 0.1
"""That step of a comparison that reads means which answer to it at once: those of what the model enumerates."""

RECENT = 0.2
"""The least weight of a call in the average over a few calls."""

CERTAIN = 3.0
"""How many standard deviations of that average are certain."""

CAP = 100.0
"""The most that a hard rule pulls with: μ s, in nats for each standard deviation."""

PATIENCE = 2000
"""After so many steps a hard rule's violation should have fallen."""

_SPREAD_RATE = 0.01
_NOISE_RATE = 0.1
_DECAY = 0.9995
_TINY = 1e-30
_ALIKE = 1e-4
"""Instances of a comparison have one unit: where two sides are still equal, the others tell what is a large step."""
_EQUAL = 1e-6
"""What a hard comparison may be off by and hold: where all begins equal, rounding alone."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which data a batch holds: ``index`` along the axis ``dim`` of the batch, of ``size`` in all.

    Where it holds all of them in their order (``whole``), rows are neither gathered nor scattered.
    """

    dim: int
    index: Tensor
    size: int
    whole: bool = False

    def take(self, table: Tensor) -> Tensor:
        """Return the rows of the batch's data, the table itself where it is whole."""
        return table if self.whole else table.index_select(self.dim, self.index)

    def put(self, table: Tensor, rows: Tensor) -> None:
        """Put the rows of the batch's data, as they were taken and then written to, back into a table."""
        if rows is not table:
            table.index_copy_(self.dim, self.index, rows)

    def table(self, rows: Tensor) -> Tensor:
        """Return a table of zeros for rows such as these."""
        shape = list(rows.shape)
        shape[self.dim] = self.size
        return rows.new_zeros(shape)


class Multipliers:
    """What one rule remembers.

    Args:
        hard: the ε that each comparison of a hard rule may be off by; None for a weighted rule.
    """

    def __init__(self, hard: float | None) -> None:
        self.hard = hard
        self.calls: int = 0
        self.means: dict[Leaf, Tensor] = {}
        self.multipliers: dict[str, Tensor] = {}
        self.spreads: dict[str, Tensor] = {}
        self.reach: dict[str, Tensor] = {}  # the largest |g| of late beyond noise: a scale where nothing spreads
        self.cotangents: dict[Leaf, Tensor] = {}  # of rules on draws and of means within means
        self.recent: dict[Leaf | str, Tensor] = {}  # means and comparisons, over a few calls
        self.noise: dict[Leaf | str, Tensor] = {}  # their variance from call to call
        self.last: dict[Leaf | str, Tensor] = {}
        self.visits: Tensor | None = None  # of each datum
        self.together: dict[str, Tensor] = {}  # multipliers of mean violations, where data are not told apart
        self._violations: dict[str, Tensor] = {}  # of late
        self.looked_back: tuple[float, float] = (math.inf, 0.0)  # that and the pull, some thousand steps ago
        self.stuck: bool = False
        self.quick: frozenset[str] = frozenset()  # comparisons with means that answer in the same step
        self._clock: Tensor | None = None
        self._met = Met()
        self._equal: Tensor = torch.ones(())  # the rate at which all calls weigh the same
        self._runs: list[tuple[Evaluation, Place | None]] = []

    # ---- what a run reads

    def means_at(self, place: Place | None, about_data: frozenset[str]) -> dict[Leaf, Tensor]:
        """Return the tracked means, of moments ``about_data`` those of the batch's data (none where it is unknown)."""
        found = self._met.means | _at(self.means, place, about_data)
        for leaf in found.keys() & self.recent.keys():
            apart = (self.recent[leaf] - found[leaf]).abs() > self._band(leaf)
            found[leaf] = torch.where(apart, self.recent[leaf], found[leaf])
        return found

    def cotangents_at(self, place: Place | None, about_data: frozenset[str]) -> dict[Leaf, Tensor]:
        """Return the tracked cotangents, likewise."""
        return self._met.cotangents | _at(self.cotangents, place, about_data)

    def slopes_at(self, weight: float | Tensor, place: Place | None, about_data: frozenset[str]) -> dict[str, Tensor]:
        """Return ν = μ / w of each comparison, of a hard rule μ."""
        kept = {(name, ""): multiplier for name, multiplier in self.multipliers.items()}
        found = {name: self._slope(each, weight) for (name, _), each in _at(kept, place, about_data).items()}
        if self.hard is None:
            for name in found.keys() & self.recent.keys():
                if name not in self.quick:
                    found[name] = (found[name] + self._beyond(name)).clamp(0, 1)
        return found

    def shared(self, name: str) -> Tensor | None:
        """Return the one multiplier of a hard comparison of data that are not told apart."""
        return self.together.get(name, torch.zeros(())) if self.hard is not None else None

    def _slope(self, multiplier: Tensor, weight: float | Tensor) -> Tensor:
        if self.hard is not None:
            return multiplier
        if not isinstance(weight, Tensor):
            return multiplier.clamp(0, weight) / weight if weight > 0 else torch.zeros_like(multiplier)
        return (multiplier / weight.clamp_min(_TINY)).clamp(0, 1)

    # ---- what a run leaves

    def add(self, evaluation: Evaluation, place: Place | None) -> None:
        """Keep what a run of this call has found."""
        self._runs.append((evaluation, place))

    def meet(self, evaluation: Evaluation) -> None:
        """Let later runs read what this one says of what is not tracked yet."""
        self._met.add(evaluation)

    def forget(self, *, ahead: bool) -> None:
        """Leave out what the runs of a call have found that was no training step, or came ahead of one."""
        self._runs = []
        if ahead:
            self._met.settle()
        else:
            self._met = Met()

    def advance(self, weight: float | Tensor, about_data: frozenset[str]) -> None:
        """Go one training step on: of what is ``about_data``, for the data of the runs."""
        runs, self._runs, self._met = self._runs, [], Met()
        if not runs:
            return
        self.calls += 1
        first = runs[0][0]
        self._tick(next(iter(first.estimates.values()), first.violation))
        whole = [leaf for leaf in first.estimates if leaf[0] not in about_data]
        for leaf in whole:
            value = _mean([run.estimates[leaf] for run, _ in runs])
            _average(self.means, leaf, value, self._rate(RATE))
            self._follow(leaf, value)
        for leaf in [leaf for leaf in first.cotangents if leaf[0] not in about_data]:
            _average(self.cotangents, leaf, _mean([run.cotangents[leaf] for run, _ in runs]), self._rate(RATE))
        for name in first.excess if self.calls > 1 else ():  # at first g was taken at each run's own mean
            if name not in about_data:
                found = [run.excess[name] for run, _ in runs]
                value = _mean([excess + mean for excess, mean, _ in found])
                moved = _mean([mean for _, mean, _ in found])
                spread = (_mean([square for _, _, square in found]) - moved.square()).clamp_min(0)
                counted = [run.counted[name] for run, _ in runs if name in run.counted]
                self._follow(name, value)
                reach = (value.abs() - CERTAIN * self.noise[name].sqrt()).clamp_min(0)
                reach = torch.where(spread > 0, reach, value.abs())  # without draws no change is noise
                scale = self._scale(name, spread, reach)
                if name not in self.multipliers:
                    self.multipliers[name] = torch.zeros_like(value)
                self._climb(self.multipliers[name], name, value, scale, weight, _mean(counted) if counted else None)
        if self.hard is not None and self.multipliers:
            self._look_back(runs)
        for run, place in runs if about_data else ():
            if place is not None:
                self._visit(run, place, weight, about_data)
            elif self.hard is not None:
                self._visit_all(run, about_data)

    def _tick(self, like: Tensor) -> None:
        """Count a call where the tensors are: a step that a CUDA graph repeats does not come by here in Python."""
        if self._clock is None:
            self._clock = torch.full((), float(self.calls - 1), device=like.device)
        self._clock += 1
        self._equal = self._clock.reciprocal()

    def _rate(self, least: float) -> Tensor:
        return self._equal.clamp_min(least)

    def _follow(self, key: Leaf | str, value: Tensor) -> None:
        """Keep what a value is over a few calls, and how noisy it is: by how much two calls in a row differ."""
        change = value - self.last.get(key, value)
        _average(self.noise, key, change.square() / 2, self._rate(_NOISE_RATE))
        _average(self.recent, key, value, self._rate(RECENT))
        _keep(self.last, key, value)

    def _band(self, key: Leaf | str) -> Tensor:
        """Return how far noise takes the average over a few calls."""
        return CERTAIN * (self.noise[key] * (RECENT / (2 - RECENT))).sqrt().clamp_min(_TINY)

    def _beyond(self, name: str) -> Tensor:
        """Return 1 where a comparison is violated for certain, −1 where it holds for certain, 0 within noise."""
        apart = self.recent[name] / self._band(name)
        return (apart.abs() - 1).clamp(0, 1) * apart.sign()

    def _look_back(self, runs: list[tuple[Evaluation, Place | None]]) -> None:
        """Notice a rule that does not come to hold: its multipliers rise, and its violation does not fall."""
        each = [[run.amount(name).sum() for name in run.excess] for run, _ in runs]
        wrong = _mean([found[0] if len(found) == 1 else torch.stack(found).sum() for found in each])
        _average(self._violations, "all", wrong, _SPREAD_RATE)
        if self.calls % PATIENCE:  # no device is waited for in between
            return
        violation = float(self._violations["all"])
        pull = max(float((kept * self._scale_of(name).sqrt()).max()) for name, kept in self.multipliers.items())
        before, pulled = self.looked_back
        self.looked_back = violation, pull
        short = violation > (self.hard or 0.0) + 1e-6
        self.stuck = self.calls > PATIENCE and short and violation > 0.9 * before and pull > pulled + 1

    def _visit_all(self, run: Evaluation, about_data: frozenset[str]) -> None:
        """Update what data that are not told apart have together: their mean violation is to be 0."""
        for name, (_, _, square) in run.excess.items():
            if name in about_data:
                plates = tuple(range(-run.plates, 0))
                value = run.amount(name).mean(plates, keepdim=True)
                scale = self._scale(name, square.mean(plates, keepdim=True), value)  # as `_visit` may have begun it
                value, scale = value.mean(plates), scale.mean(plates)
                if name not in self.together:
                    self.together[name] = torch.zeros_like(value)
                self._climb(self.together[name], name, value, scale, 0.0)

    def _visit(self, run: Evaluation, place: Place, weight: float | Tensor, about_data: frozenset[str]) -> None:
        """Update the rows of a batch's data."""
        if self.visits is None:
            self.visits = torch.zeros(place.size, device=place.index.device)
        visits = (self.visits if place.whole else self.visits[place.index]).add_(1)
        if not place.whole:
            self.visits[place.index] = visits
        rate = visits.reciprocal().clamp_min_(DATUM_RATE)
        if place.dim < -1:
            rate = rate.reshape((-1, *(1,) * (-place.dim - 1)))
        for tables, values in ((self.means, run.estimates), (self.cotangents, run.cotangents)):
            for leaf, mean in values.items():
                if leaf[0] in about_data:
                    if leaf not in tables:
                        tables[leaf] = place.table(mean)
                    rows = place.take(tables[leaf])
                    place.put(tables[leaf], rows.lerp_(mean, rate.to(mean.dtype)))
        plates = tuple(range(-run.plates, 0))
        for name, (excess, mean, square) in run.excess.items():
            if name in about_data:
                value = excess + mean
                worst = run.amount(name).square().mean(plates, keepdim=True).sqrt_()
                scale = self._scale(name, square.mean(plates, keepdim=True), worst)
                if name not in self.multipliers:
                    self.multipliers[name] = place.table(value)
                rows = place.take(self.multipliers[name])
                self._climb(rows, name, value, scale, weight, run.counted.get(name))
                place.put(self.multipliers[name], rows)

    def _climb(
        self,
        multiplier: Tensor,
        name: str,
        value: Tensor,
        scale: Tensor,
        weight: float | Tensor,
        counted: Tensor | None = None,
    ) -> None:
        """Let a multiplier go a step up its comparison, in place, where the formula asks for that."""
        kappa = QUICK if name in self.quick else KAPPA
        if self.hard is not None:
            value = value - self.hard
            value = torch.where(value.abs() > _EQUAL, value, 0.0)
        if counted is not None:
            value = value * (counted > 0)
        multiplier.addcdiv_(value, scale, value=kappa)
        # So many steps come to no more, by the scale that is known by now: at first it may have been next to nothing.
        assert self._clock is not None
        most = (kappa * self._clock).clamp_max_(CAP).to(multiplier.dtype) / scale.sqrt()
        if self.hard is None:
            most = most.clamp_max(torch.as_tensor(weight, dtype=multiplier.dtype, device=multiplier.device))
        torch.minimum(multiplier.clamp_min_(0), most, out=multiplier)

    def _scale(self, name: str, spread: Tensor, reach: Tensor) -> Tensor:
        """Return the square of what is a large step of a comparison, with what a call says of it."""
        _average(self.spreads, name, spread, self._rate(_SPREAD_RATE))
        if name in self.reach:
            known = self.reach[name].mul_(_DECAY)
            torch.maximum(known, reach, out=known)
        else:
            self.reach[name] = reach.detach().clone()
        return self._scale_of(name)

    def _scale_of(self, name: str) -> Tensor:
        scale = torch.addcmul(self.spreads[name], self.reach[name], self.reach[name]).clamp_min_(_TINY)
        return torch.maximum(scale, _ALIKE * scale.amax()) if scale.dim() else scale

    # ---- state

    def state_dict(self) -> dict[str, Any]:
        """Return all of it as plain data and tensors."""
        return {
            "calls": self.calls,
            "visits": None if self.visits is None else self.visits.clone(),
            "looked_back": self.looked_back,
            **{name: {_text(key): kept.clone() for key, kept in table.items()} for name, table in self._tables()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken, in the tensors that are there: a CUDA graph has their addresses."""
        self.calls = int(state["calls"])
        self.visits = None if state["visits"] is None else state["visits"].clone()
        self.looked_back = tuple(state["looked_back"])
        for name, table in self._tables():
            for text, kept in state[name].items():
                _keep(table, _key(text), kept)
        self._rewind(state)
        self._runs, self._met = [], Met()

    def forget_all(self) -> None:
        """Begin anew, in the tensors that are there."""
        self.calls, self.visits = 0, None
        self.looked_back = math.inf, 0.0
        self._rewind({"multipliers": {}, "together": {}, "recent": {}})
        self._runs, self._met = [], Met()

    def _rewind(self, state: Mapping[str, Any]) -> None:
        tables = dict(self._tables())
        for name in ("multipliers", "together", "recent"):
            for key in tables[name].keys() - {_key(text) for text in state[name]}:
                tables[name][key].zero_()
        if self._clock is not None:  # at 0 calls, the first values take the place of all averages
            self._clock.fill_(float(self.calls))

    def _tables(self) -> list[tuple[str, dict[Any, Tensor]]]:
        return [
            ("means", self.means),
            ("cotangents", self.cotangents),
            ("multipliers", self.multipliers),
            ("spreads", self.spreads),
            ("reach", self.reach),
            ("together", self.together),
            ("recent", self.recent),
            ("noise", self.noise),
            ("last", self.last),
            ("violations", self._violations),
        ]


def _text(key: Leaf | str) -> str:
    return key if isinstance(key, str) else "\n".join(key)


def _key(text: str) -> Leaf | str:
    name, newline, kind = text.partition("\n")
    return (name, kind) if newline else name


def _at(kept: Mapping[Leaf, Tensor], place: Place | None, about_data: frozenset[str]) -> dict[Leaf, Tensor]:
    found: dict[Leaf, Tensor] = {}
    for leaf, mean in kept.items():
        if leaf[0] not in about_data:
            found[leaf] = mean
        elif place is not None:
            found[leaf] = place.take(mean)
    return found


_Key = TypeVar("_Key")


def _keep(table: dict[_Key, Tensor], key: _Key, value: Tensor) -> None:
    """Put a value where the one before was: a CUDA graph has its addresses.

    A run with other plates around it may have an axis of length 1 more or less.
    """
    if key in table and table[key].numel() == value.numel():
        table[key].copy_(value.reshape(table[key].shape))
    else:
        table[key] = value.detach().clone()


def _average(table: dict[_Key, Tensor], key: _Key, value: Tensor, rate: Tensor | float) -> None:
    if key in table:
        known = table[key]  # a loaded one may have another dtype
        known.lerp_(value.detach().to(known.dtype), rate.to(known.dtype) if isinstance(rate, Tensor) else rate)
    else:
        table[key] = value.detach().clone()


def _mean(values: list[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else torch.stack(values).mean(0)
