"""All worlds of finitely many: the first that meets each goal, and which rules go together."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from asrppl.worlds.invention import Invention
from asrppl.worlds.judge import Batched, Costs, Goal, World
from asrppl.worlds.watched import NEAR

CHUNK = 8192


@dataclass(slots=True)
class Enumerated:
    """What came of looking at all worlds.

    Args:
        found: a world for each goal that was met.
        count: of the worlds.
        kept: the sets of rules that some world keeps, by number.
        best: the world that costs least, with its costs.
    """

    found: dict[Goal, World] = field(default_factory=dict["Goal", "World"])
    count: int = 0
    kept: set[frozenset[int]] = field(default_factory=set[frozenset[int]])
    best: tuple[World, Costs] | None = None


def worlds_of(invention: Invention) -> Iterator[tuple[bool | int | float, ...]]:
    """Yield all worlds."""
    for choice in itertools.product(*(list(unknown.choices()) for unknown in invention.unknowns)):
        yield tuple(itertools.chain.from_iterable(choice))


def enumerated(invention: Invention, goals: Sequence[Goal], costs: Batched) -> Enumerated:
    """Look at all worlds; stop where every goal is met."""
    came = Enumerated()
    worlds = worlds_of(invention)
    while chunk := list(itertools.islice(worlds, CHUNK)):
        for world, cost in zip(chunk, costs(chunk), strict=True):
            came.count += 1
            kept = frozenset(place for place, one in enumerate(cost) if one <= NEAR)
            if kept not in came.kept:
                came.kept.add(kept)
                for goal in goals:
                    if goal.met(cost):
                        came.found[goal] = world
            if came.best is None or sum(cost) < sum(came.best[1]):
                came.best = world, cost
        if len(came.found) == len(goals):
            break
    return came


def smallest_conflict(rules: int, kept: set[frozenset[int]]) -> tuple[int, ...] | None:
    """Return a smallest set of rules that no world keeps together, given all sets that worlds keep."""
    for size in range(1, rules + 1):
        for chosen in itertools.combinations(range(rules), size):
            if not any(set(chosen) <= one for one in kept):
                return chosen
    return None
