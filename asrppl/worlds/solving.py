"""Worlds by z3: it finds real equalities and packings that no descent does, and proves where there are none."""

import itertools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asrppl.check import Checked
from asrppl.files import Library
from asrppl.reference import Given
from asrppl.source import Source
from asrppl.worlds.invention import Invention
from asrppl.worlds.judge import Goal, World
from asrppl.worlds.symbolic import Refusing
from asrppl.worlds.translated import Translated
from asrppl.worlds.unknown import Unknown, z3
from asrppl.worlds.watched import everyone

_SUBSETS = 200
"""Sets of rules that are tried one by one for a smallest conflict."""
_PATIENCE = 4
"""For how many questions' time they are tried."""


@dataclass(slots=True)
class Solved:
    """What z3 made of one goal.

    Args:
        world: that meets it; None where there is none, or none was found in time.
        proved: whether there is none, whatever the values.
        problem: why it is not known.
    """

    world: World | None = None
    proved: bool = False
    problem: str = ""


@dataclass(slots=True)
class Solver:
    """The rules as formulas.

    Raises:
        Untranslatable: one says what is not translated.
    """

    source: Source
    checked: Checked
    invention: Invention
    params: Mapping[str, object]
    library: Library | None
    seed: int = 0
    seconds: float = 15.0
    _terms: list[Any] = field(default_factory=list[Any])
    _domain: list[Any] = field(default_factory=list[Any])
    _ranges: list[Any] = field(default_factory=list[Any])
    _side: list[Any] = field(default_factory=list[Any])
    _rules: list[Any] = field(default_factory=list[Any])

    def __post_init__(self) -> None:
        self._terms = [None] * self.invention.size
        for one in self.invention.unknowns:
            for slot in one.slots:
                self._declare(one.what, slot, one.low, one.high)
            if one.what == "law":
                self._domain.append(z3.Sum([self._terms[slot] for slot in one.slots]) == 1)
        data = everyone(lambda values: Translated(self.source, values, self.params, self.library), self._data())
        for rule in self.checked.rules:
            asked = data if rule.levels else data[:1]
            parts = [one.holds(one.rule(rule.name)) for one in asked if isinstance(one, Translated)]
            self._rules.append(z3.And(*parts))
        self._side = [part for one in data if isinstance(one, Translated) for part in one.side]

    def _declare(self, what: str, slot: int, low: float, high: float) -> None:
        match what:
            case "bool":
                self._terms[slot] = z3.If(z3.Bool(f"v{slot}"), z3.RealVal(1), z3.RealVal(0))
            case "int":
                whole = z3.Int(f"v{slot}")
                self._terms[slot] = z3.ToReal(whole)
                self._ranges += [whole >= math.floor(low), whole <= math.ceil(high)]
            case _:
                real = z3.Real(f"v{slot}")
                self._terms[slot] = real
                self._domain += [real >= 0] if what in ("side", "law") else []
                self._ranges += [real >= low, real <= high]

    def _data(self) -> list[dict[str, Given]]:
        """Return the values of each datum, with unknowns in the slots."""
        decider = Refusing()
        unknown = [Unknown(decider, term) for term in self._terms]
        kinds = {slot: one.what for one in self.invention.unknowns for slot in one.slots}

        def filled(nested: object) -> object:
            return [filled(inner) for inner in nested] if isinstance(nested, list) else unknown[nested]  # pyright: ignore

        def laws(nested: Any) -> object:
            if isinstance(nested[0], list):
                return [laws(inner) for inner in nested]
            return dict(enumerate(filled(nested)))  # pyright: ignore

        found: list[dict[str, Given]] = []
        for datum in range(self.invention.data):
            values: dict[str, Given] = {}
            for name, parts in self.invention.layout.items():
                here: dict[str, Any] = {part: nested[datum] for part, nested in parts.items()}  # pyright: ignore
                what = kinds[_first(here)]
                kind = what if what in ("bool", "int") else "real"
                probs = laws(here.pop("probs")) if "probs" in here else None
                value = filled(here.pop("value")) if "value" in here else None
                fields = {part: filled(nested) for part, nested in here.items() if part not in ("loc", "scale")}
                values[name] = Given(kind, value, fields, None, probs)
            found.append(values)
        return found

    def solve(self, goal: Goal) -> Solved:
        """Look for a world: first with values in the ranges that were chosen, then with any."""
        wanted = [rule if place != goal.broken else z3.Not(rule) for place, rule in enumerate(self._rules)]
        came = Solved()
        for ranges in (self._ranges, []):
            answer, model = self._ask([*ranges, *wanted])
            if answer == "sat":
                return Solved(self._world(model))
            came = Solved(proved=answer == "unsat", problem="" if answer == "unsat" else f"z3: {answer}")
        return came

    def conflict(self) -> tuple[tuple[int, ...], bool]:
        """Return a set of rules that no world keeps together, where all of them are, and whether none is smaller.

        Small sets are tried first, as long as they are few and time is left; then rules are left out one by one.
        """
        count, until = len(self._rules), time.monotonic() + _PATIENCE * self.seconds
        sets = (chosen for size in range(1, count + 1) for chosen in itertools.combinations(range(count), size))
        certain = True
        for chosen in itertools.islice(sets, _SUBSETS):
            if time.monotonic() > until:
                break
            answer = self._together(chosen)
            if answer == "unsat":
                return chosen, certain
            certain = certain and answer == "sat"
        left = list(range(count))
        for place in range(count):
            rest = [other for other in left if other != place]
            if self._together(rest) == "unsat":
                left = rest
        return tuple(left), False

    def _together(self, rules: Sequence[int]) -> str:
        return self._ask([self._rules[place] for place in rules])[0]

    def _ask(self, wanted: Sequence[Any]) -> tuple[str, Any]:
        solver = z3.Solver()
        solver.set("timeout", int(1000 * self.seconds))
        solver.set("random_seed", self.seed)
        solver.add(*self._domain, *self._side, *wanted)
        started = time.monotonic()
        answer = str(solver.check())
        if answer == "unknown":
            late = time.monotonic() - started >= 0.9 * self.seconds
            return (f"no answer in {self.seconds:g} s" if late else f"{solver.reason_unknown()}"), None
        return answer, solver.model() if answer == "sat" else None

    def _world(self, model: Any) -> World:
        found: list[bool | int | float] = [0] * self.invention.size
        for one in self.invention.unknowns:
            for slot in one.slots:
                value = model.eval(self._terms[slot], model_completion=True)
                if z3.is_algebraic_value(value):
                    value = value.approx(20)
                number = float(value.as_fraction())
                found[slot] = bool(number) if one.what == "bool" else int(number) if one.what == "int" else number
        return found


def _first(parts: Mapping[str, Any]) -> int:
    nested: Any = next(iter(parts.values()))
    while isinstance(nested, list):
        nested = nested[0]  # pyright: ignore
    return int(nested)  # pyright: ignore
