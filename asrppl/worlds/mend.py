"""The cheapest mend: of the numbers that a broken instance reads, the one that has to change least for it to be kept.

A violation falls along its slope until it is 0, or where it has none at once: Newton's steps, then ever longer ones, in
both directions; what they found is halved back to where it is just enough. Nothing is said that was not tried.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import cast

from asrppl.reference.readings import Violation
from asrppl.worlds.instances import Place, total
from asrppl.worlds.watched import NEAR, Cell, Watched

MOST_CELLS = 60
"""Numbers that are tried; a mean over thousands is not mended by one of them."""

MOST_TRIES = 1_500
"""Of an instance: how often it is asked what it costs with another number."""

_NEWTON, _STRIDES, _HALVINGS = 12, 12, 45
_ROOM, _FINE = 1e-4, 1e-6
"""By which share a number may move farther than it has to, for fewer digits; how finely that is known."""
_ONE_BY_ONE = 10
"""Whole steps up to here are tried one by one."""
_SIDES = ("w", "h", "size")

Number = bool | int | float
Costs = Callable[[Number], float]
"""What the instance costs with another number in a cell."""


@dataclass(frozen=True, slots=True)
class Change:
    """One number put in place of another.

    Args:
        cell: where it stands; the cell of a law, whose probability or parameter it is.
        old: what it is.
        new: what it would be.
        put: what the cell would hold.
        of: which number of a law: "[2]", ".loc".
        taken: the value that its probability is taken from.
    """

    cell: Cell
    old: Number
    new: Number
    put: object
    of: str = ""
    taken: float | None = None

    @property
    def by(self) -> float:
        """How far it moves; a Boolean moves by 1."""
        return abs(self.new - self.old)


def cheapest(watched: Watched, reading: Violation, place: Place) -> list[Change]:
    """Return the least changes of one number, given ones left alone, with each of which a broken instance is kept."""
    with watched.noting() as noted:
        place.cost(watched, reading)
    found: list[Change] = []
    tries = _Tries(watched, reading, place)
    for cell in list(noted)[:MOST_CELLS]:
        if cell.name not in watched.declared:
            most = min((change.by for change in found), default=math.inf)
            found += (_of_law if cell.field == "probs" else _of)(tries, cell, most + NEAR)
    least = min((change.by for change in found), default=0.0)
    return [change for change in found if change.by <= least * (1 + _ROOM) + NEAR]


@dataclass(slots=True)
class _Tries:
    """What an instance costs with another number in a cell; after too many tries, nothing is kept any more."""

    watched: Watched
    reading: Violation
    place: Place
    left: int = MOST_TRIES

    def of(self, cell: Cell, new: object) -> float:
        self.left -= 1
        if self.left < 0 or (cell.field in _SIDES and cast(float, new) < 0):
            return math.inf
        with self.watched.changed(cell, new):
            return total(self.place.cost(self.watched, self.reading))


def _of(tries: _Tries, cell: Cell, most: float) -> list[Change]:
    old = tries.watched.value(cell)
    if not isinstance(old, bool | int | float):
        return []

    def costs(new: Number) -> float:
        return tries.of(cell, new)

    if isinstance(old, bool):
        return [Change(cell, old, not old, not old)] if costs(not old) <= NEAR else []
    return [Change(cell, old, new, new) for new in _both_ways(costs, old, most)]


def _of_law(tries: _Tries, cell: Cell, most: float) -> list[Change]:
    law = tries.watched.value(cell)
    if isinstance(law, NormalDist):
        return [*_of_parameter(tries, cell, law, "loc", most), *_of_parameter(tries, cell, law, "scale", most)]
    shares = cast(Mapping[float, float], law)
    found: list[Change] = []
    for giver, taker in itertools.permutations(shares, 2):
        if shares[giver] > 0:
            found += _of_share(tries, cell, shares, giver, taker, min([most, *(change.by for change in found)]))
    return found


def _of_share(
    tries: _Tries, cell: Cell, shares: Mapping[float, float], giver: float, taker: float, most: float
) -> list[Change]:
    """Return how much probability has to go from one value to another."""

    def moved(much: float) -> dict[float, float]:
        return {**shares, giver: shares[giver] - much, taker: shares[taker] + much}

    def costs(much: Number) -> float:
        return tries.of(cell, moved(much)) if 0 <= much <= shares[giver] else math.inf

    much = _along(costs, 0.0, 1, min(most, shares[giver]))
    if much is None:
        return []
    return [Change(cell, shares[taker], shares[taker] + much, moved(much), f"[{taker:g}]", giver)]


def _of_parameter(tries: _Tries, cell: Cell, law: NormalDist, parameter: str, most: float) -> list[Change]:
    def moved(new: float) -> NormalDist:
        return NormalDist(new, law.stdev) if parameter == "loc" else NormalDist(law.mean, new)

    def costs(new: Number) -> float:
        return tries.of(cell, moved(new)) if parameter == "loc" or new > 0 else math.inf

    old = law.mean if parameter == "loc" else law.stdev
    return [Change(cell, old, new, moved(new), f".{parameter}") for new in _both_ways(costs, old, most)]


def _both_ways(costs: Costs, old: int | float, most: float) -> Iterator[int | float]:
    """Yield the nearest number above at which it is kept, and that below where it is no farther."""
    above = _along(costs, old, 1, most)
    if above is not None:
        yield above
        most = min(most, above - old)
    below = _along(costs, old, -1, most)
    if below is not None:
        yield below


def _along(costs: Costs, old: int | float, sign: int, most: float) -> int | float | None:
    """Return the nearest number in one direction at which it is kept, as far as steps and halving find it."""
    whole = isinstance(old, int)
    far = next((step for step in _steps(costs, old, sign, most) if abs(step) <= most and kept(costs, old + step)), None)
    if far is None:
        return None
    near: int | float = 0
    if not whole and not kept(costs, old + (1 - _FINE) * far):  # a slope has led just there
        near = (1 - _FINE) * far
    for _ in range(_HALVINGS):
        middle = (near + far) // 2 if whole else (near + far) / 2
        if middle in (near, far) or (not whole and abs(far - near) <= _FINE * abs(far)):
            break
        near, far = (near, middle) if kept(costs, old + middle) else (middle, far)
    if whole and abs(far - near) > 1:
        far = near + sign
    return old + far if whole else _rounded(costs, old, far)


def kept(costs: Costs, new: Number) -> bool:
    """Whether it is kept with a number."""
    return costs(new) <= NEAR


def _steps(costs: Costs, old: int | float, sign: int, most: float) -> Iterator[int | float]:
    """Yield how far to go: where the slope says that the violation is 0, ever farther, at last as far as is of use.

    (What leads to exactly 1 of a probability is such a last step.)
    """
    whole = isinstance(old, int)
    little = 1 if whole else 1e-6 * max(1.0, abs(old))
    step: int | float = 0
    first = here = costs(old)
    for _ in range(_NEWTON):
        slope = (costs(old + step + sign * little) - here) / little
        if not slope < -1e-9 or not math.isfinite(here):
            break
        step += sign * (math.ceil(here / -slope) if whole else here / -slope)
        if abs(step) > most:
            break
        yield step
        here = costs(old + step)
    if whole:
        yield from (sign * step for step in range(1, _ONE_BY_ONE))
    unit = 1 if whole else max(min(first, 1e6), 1e-3) / 4
    for power in range(_STRIDES):
        yield sign * unit * 4**power
    if math.isfinite(most):
        yield sign * (math.floor(most) if whole else most)


def _rounded(costs: Costs, old: float, step: float) -> float:
    """Return the new number with as few digits as are enough, no farther than it has to go."""
    new = old + step
    room = abs(step) * (1 + _ROOM) + NEAR
    for digits in range(13):
        unit = 10.0**-digits
        for candidate in (round(new, digits), math.floor(new / unit) * unit, math.ceil(new / unit) * unit):
            short = round(candidate, digits)
            if abs(short - old) <= room and kept(costs, short):
                return short
    return new
