"""What rules cost in a world: by the reference interpreter, which has the last word on every world that is shown."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from asrppl.check import Checked
from asrppl.files import Library
from asrppl.reference import Given
from asrppl.source import Source
from asrppl.worlds.data import data_of
from asrppl.worlds.invention import Invention
from asrppl.worlds.watched import NEAR, Watched, everyone

World = Sequence[bool | int | float]
"""A number for each slot of an invention."""
Costs = Sequence[float]
"""What each rule costs, in the order of the file."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is looked for: a world that keeps all rules, or one that breaks rule number ``broken`` alone."""

    broken: int | None = None

    def met(self, costs: Costs) -> bool:
        """Whether a world with these costs is one."""
        return all((cost > NEAR) == (place == self.broken) for place, cost in enumerate(costs))


class Judge:
    """Costs of worlds, one after the other.

    Args:
        source: the rules.
        checked: what they say.
        invention: what worlds are made of.
        params: in place of those that the rules give.
        library: where imports are looked up.

    Raises:
        NotImplementedError: of some rule the interpreter knows no cost (when it is asked for one).
    """

    def __init__(
        self,
        source: Source,
        checked: Checked,
        invention: Invention,
        params: Mapping[str, object],
        library: Library | None,
    ) -> None:
        self.checked = checked
        self.invention = invention
        empty: list[dict[str, Given]] = [{} for _ in range(invention.data)]
        self._watched = everyone(lambda datum: Watched(source, datum, params=params, library=library), empty)

    def costs(self, world: World) -> list[float]:
        """Return what each rule costs, summed over the data; a rule about all data costs what it costs once."""
        data = data_of(self.checked.free, self.invention.values(world))
        # Rules that read nothing read the same of all data.
        values = data.values * (self.invention.data if not data.batch else 1)
        for one, datum in zip(self._watched, values, strict=True):
            one.values = dict(datum)
        found: list[float] = []
        for rule in self.checked.rules:
            asked = self._watched if rule.levels else self._watched[:1]
            found.append(sum(one.outcome(one.rule(rule.name)).cost for one in asked))
        return found

    def rounded(self, world: World, goal: Goal) -> World | None:
        """Return a world with as few digits as meet a goal; None where not even all digits do."""
        least = {
            slot: one.low if one.what == "side" else -math.inf
            for one in self.invention.unknowns
            if one.what in ("real", "side")
            for slot in one.slots
        }
        for digits in (0, 1, 2, 3, 6):
            short = [
                max(round(float(value), digits) + 0.0, least[slot]) if slot in least else value
                for slot, value in enumerate(world)
            ]
            if goal.met(self.costs(short)):
                return short
        return world if goal.met(self.costs(world)) else None


Batched = Callable[[Sequence[World]], Sequence[Costs]]
"""Costs of many worlds at once."""


def one_by_one(judge: Judge) -> Batched:
    """Return the reference interpreter as a function of many worlds."""
    return lambda worlds: [judge.costs(world) for world in worlds]
