"""A world: its numbers, which values are tried for each, and how names are made of them."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

_ALL_SUBSETS = 5
"""Values of a law up to which uniform ones over all sets are tried; beyond, over pairs and all."""

What = Literal["bool", "int", "real", "side", "law"]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A number of a world, or the probabilities of a law, which are one choice.

    Args:
        what: ``side`` is a real that is not negative.
        slots: where its numbers stand in a world.
        low: the least that is tried.
        high: the largest.
    """

    what: What
    slots: range
    low: float
    high: float

    @property
    def count(self) -> float:
        """How many values are tried: infinitely many of a real."""
        match self.what:
            case "bool":
                return 2
            case "int":
                return int(self.high) - int(self.low) + 1
            case "law":
                return sum(1 for _ in self.choices())
            case _:
                return math.inf

    def choices(self) -> Iterator[tuple[bool | int | float, ...]]:
        """Yield the values of its slots; of a law, point masses first, then uniform ones over ever more values."""
        match self.what:
            case "bool":
                yield from ((False,), (True,))
            case "int":
                yield from ((value,) for value in range(int(self.low), int(self.high) + 1))
            case "law":
                values = len(self.slots)
                for size in range(1, values + 1):
                    if size in (1, 2, values) or values <= _ALL_SUBSETS:
                        for chosen in itertools.combinations(range(values), size):
                            yield tuple(1 / size if value in chosen else 0.0 for value in range(values))
            case _:
                raise TypeError("a real has too many values to list")


@dataclass(slots=True)
class Invention:
    """The names of a world.

    Args:
        data: how many data there are.
        unknowns: its numbers.
        layout: by name, and by part of its value, the slots in nested lists, one a datum at the outermost.
        said: what was chosen, a sentence each.
    """

    data: int
    unknowns: list[Unknown] = field(default_factory=list[Unknown])
    layout: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    said: list[str] = field(default_factory=list[str])

    @property
    def size(self) -> int:
        """How many numbers a world has."""
        return self.unknowns[-1].slots.stop if self.unknowns else 0

    @property
    def worlds(self) -> float:
        """How many worlds there are, as far as their values can be listed."""
        return math.prod(unknown.count for unknown in self.unknowns)

    def add(self, what: What, low: float, high: float, slots: int = 1) -> int:
        """Add a number; return its first slot."""
        start = self.size
        self.unknowns.append(Unknown(what, range(start, start + slots), low, high))
        return start

    def values(self, world: Sequence[object]) -> dict[str, object]:
        """Return a world as `why` and `Program.violations` read it: by name, nested lists of numbers."""

        def filled(nested: object) -> object:
            if isinstance(nested, list):
                return [filled(inner) for inner in cast(list[object], nested)]
            return world[cast(int, nested)]

        found: dict[str, object] = {}
        for name, parts in self.layout.items():
            known = {part: filled(nested) for part, nested in parts.items()}
            if self.data == 1:
                known = {part: cast(list[object], nested)[0] for part, nested in known.items()}
            found[name] = next(iter(known.values())) if list(known) in (["value"], ["probs"]) else known
        return found
