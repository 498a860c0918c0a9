"""Making up worlds: the numbers behind the names that rules read, and which values are tried for each.

A name is what its uses say, as for `asrppl explain`; what they leave open (lengths, ranges) is chosen, and said.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from asrppl.check import Checked, type_program
from asrppl.check.assumed import Lengths, assumed
from asrppl.check.facts import facts_of, nodes
from asrppl.codes import Severity
from asrppl.core.free import FreeName
from asrppl.core.labels import indexed
from asrppl.core.signature import BOX_FIELDS, Entry, Kind
from asrppl.diagnostics import AsrError
from asrppl.syntax import ast
from asrppl.worlds.guesses import Guesses
from asrppl.worlds.invention import Invention

LENGTH = 3
"""Of an axis that nothing tells the length of."""
INTS, REALS = (0, 3), (-3.0, 3.0)
"""Ranges of numbers where the rules mention none."""
SIDE = 50.0
"""Of the canvas that boxes lie on where the rules mention no number."""


_LENGTHS = ("ASR044", "ASR046")
"""Findings that other lengths may mend."""

Kinds = Mapping[str, Literal["int", "real"]]


class InventionError(ValueError):
    """No world can be made up for these rules; the message says why, and what would help."""


def invent(
    checked: Checked,
    lengths: Lengths,
    data: int = 1,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    kinds: Kinds | None = None,
) -> Invention:
    """Return what a world for a file's rules is made of.

    Args:
        checked: the file.
        lengths: of the axes, as for `asrppl explain --lengths`.
        data: how many data to make.
        ranges: by name, in place of those that the rules mention.
        kinds: of numbers whose kind the rules leave open, in place of what they look like.

    Raises:
        InventionError: a name is a function, or no kinds of names fit the rules.
    """
    if not checked.rules:
        raise InventionError("there is no rule to keep, or to break")
    for option, names in (("--lengths", lengths), ("--range", ranges or {}), ("--int or --real", kinds or {})):
        for name in names:
            if name not in checked.free and (option != "--lengths" or name not in _indices(checked)):
                known = ", ".join(checked.free) or "none"
                raise InventionError(f"{option}: the rules have no `{name}`; they have {known}")
    functions = [name for name, free in checked.free.items() if free.shape == "function"]
    if functions:
        raise InventionError(f"`{functions[0]}` is a function that Python gives: no world can be made up for it")
    return _Inventor(checked, dict(lengths), Invention(data), ranges or {}, kinds or {}).made()


def _indices(checked: Checked) -> frozenset[str]:
    """Return the index variables of the rules, which `--lengths` may name, too."""
    facts = [found for rule in checked.rules if (found := facts_of(checked, rule)) is not None]
    binders = [part for found in facts for part in nodes(found.formula) if isinstance(part, ast.Binder)]
    return frozenset(name.text for binder in binders for name in binder.names)


class _Inventor:
    def __init__(
        self,
        checked: Checked,
        lengths: Lengths,
        made: Invention,
        ranges: Mapping[str, tuple[float, float]],
        kinds: Kinds,
    ) -> None:
        facts = [found for rule in checked.rules if (found := facts_of(checked, rule)) is not None]
        self.checked = checked
        self.formulas = [part for found in facts for part in (found.formula, found.where) if part is not None]
        self.lengths = dict(lengths)
        self.ranges = ranges
        self.kinds = kinds
        self.invention = made
        self.guesses = Guesses(checked, self.formulas)
        self.axes: dict[str, tuple[int, ...]] = {}

    def made(self) -> Invention:
        signature, missing, _ = assumed(self.checked, self.formulas, self.lengths)
        for one in missing:
            self.lengths[one.name] = (LENGTH,) * max(self.checked.free[one.name].rank or 1, 1)
            self.invention.said.append(f"{one.entry}: {LENGTH} entries (--lengths {one.name}={LENGTH})")
        laws = [free.name for free in self.checked.free.values() if free.shape in ("distribution", "probabilities")]
        problem: AsrError | None = None
        for finite in ([name for name in laws if self.guesses.listed(name)], laws, []):
            for whole in (True, False):
                entries = self.entries(finite, whole)
                try:
                    type_program(self.checked, signature.of(entries))
                except AsrError as error:
                    problem = problem or error
                    continue
                self.axes = {name: entry.axes for name, entry in entries.items()}
                for name, entry in entries.items():
                    self.name(self.checked.free[name], entry)
                return self.invention
        assert problem is not None
        found = next(found for found in problem.diagnostics if found.severity is Severity.ERROR)
        if found.code in _LENGTHS:
            name = next(name for name, free in self.checked.free.items() if free.rank)
            raise InventionError(f"for these lengths: {found.message} ({found.code}); --lengths {name}=5 says others")
        raise problem

    def entries(self, finite: Sequence[str], whole: bool) -> dict[str, Entry]:
        """Return what the names may be: laws of ``finite`` names of finitely many values, numbers ``whole`` or real."""
        lengths = dict(self.lengths)
        for name in finite:
            rank = self.checked.free[name].rank or 0
            if len(lengths.get(name, ())) != rank + 1:
                known, _, _ = assumed(self.checked, self.formulas, lengths)
                entry = known.get(name)
                lengths[name] = (*(entry.axes if entry is not None else ()), self.guesses.support(name))
        signature, _, _ = assumed(self.checked, self.formulas, lengths)
        found = dict(signature.entries)
        for name, entry in found.items():
            free = self.checked.free[name]
            if entry.kind is Kind.REAL and free.shape == "scalar" and free.kind is None:
                counted = whole and self.guesses.counted(name)
                if self.kinds.get(name, "int" if counted else "real") == "int":
                    found[name] = replace(entry, kind=Kind.INT)
        return found

    # ---- one name

    def name(self, free: FreeName, entry: Entry) -> None:
        made, said = self.invention, self.invention.said
        rank = len(entry.axes)
        if free.shape == "probabilities":
            rank -= 1
            values = entry.axes[-1]
            said.append(f"{indexed(free)}: probabilities of {values} values, point masses and uniform ones")
            self.add(free.name, "value", entry.axes[:-1], lambda: self.law(values))
        elif entry.fields == BOX_FIELDS and free.shape == "box":
            self.box(free, entry)
        elif entry.fields is not None:
            for part in entry.fields:
                low, high = self.range(free.name, REALS)
                self.add(free.name, part, entry.axes, lambda low=low, high=high: made.add("real", low, high))
            said.append(f"{indexed(free)}: records of reals from {_shown(self.range(free.name, REALS))}")
        else:
            if free.draw or free.shape != "distribution":
                self.number(free, entry)
            if free.shape == "distribution":
                self.distribution(free, entry)

    def number(self, free: FreeName, entry: Entry) -> None:
        made = self.invention
        if entry.kind is Kind.BOOL:
            self.add(free.name, "value", entry.axes, lambda: made.add("bool", 0, 1))
        elif entry.kind is Kind.INT:
            low, high = self.range(free.name, INTS)
            low, high = math.floor(low), math.ceil(high)
            if entry.support is not None:
                low, high = min(entry.support), max(entry.support)
            elif free.name not in self.ranges and (length := self.guesses.indexes(free.name, self.axes)) is not None:
                low, high = 0, length - 1
            made.said.append(
                f"{indexed(free)}: integers from {_shown((low, high))} (--range {free.name}={low}..{high})"
            )
            self.add(free.name, "value", entry.axes, lambda: made.add("int", low, high))
        else:
            low, high = self.range(free.name, REALS)
            made.said.append(f"{indexed(free)}: reals from {_shown((low, high))}")
            self.add(free.name, "value", entry.axes, lambda: made.add("real", low, high))

    def distribution(self, free: FreeName, entry: Entry) -> None:
        made = self.invention
        if entry.support is not None:
            values = len(entry.support)
            made.said.append(f"q({indexed(free)}): laws over 0..{values - 1}, point masses and uniform ones")
            self.add(free.name, "probs", entry.axes, lambda: self.law(values))
        else:
            low, high = self.range(free.name, REALS)  # around numbers that may be about its spread, too
            low, high = min(low, REALS[0]), max(high, REALS[1])
            made.said.append(
                f"q({indexed(free)}): Normals with a mean from {_shown((low, high))}, a scale up to {high:g}"
            )
            self.add(free.name, "loc", entry.axes, lambda: made.add("real", low, high))
            self.add(free.name, "scale", entry.axes, lambda: made.add("side", 0.05, max(high, 1.0)))

    def law(self, values: int) -> list[int]:
        start = self.invention.add("law", 0.0, 1.0, values)
        return list(range(start, start + values))

    def box(self, free: FreeName, entry: Entry) -> None:
        made = self.invention
        numbers = self.ranges.get(free.name)
        high = numbers[1] if numbers else max([*self.all_numbers(), 0.0]) or SIDE
        low = numbers[0] if numbers else 0.0

        def row() -> list[int]:
            sides = 1 if entry.squares else 2
            places = [made.add("real", low, high) for _ in "xy"]
            return places + [made.add("side", 0.0, high - low) for _ in range(sides)]

        shape = "squares" if entry.squares else "boxes"
        made.said.append(f"{indexed(free)}: {shape} with centres and sides from {_shown((low, high))}")
        self.add(free.name, "value", entry.axes, row)

    def add(self, name: str, part: str, axes: Sequence[int], leaf: object) -> None:
        def nested(axes: Sequence[int]) -> object:
            return [nested(axes[1:]) for _ in range(axes[0])] if axes else leaf()  # pyright: ignore

        self.invention.layout.setdefault(name, {})[part] = nested((self.invention.data, *axes))

    # ---- ranges

    def all_numbers(self) -> list[float]:
        return [float(number) for numbers in self.guesses.mentioned.values() for number in numbers]

    def range(self, name: str, default: tuple[float, float]) -> tuple[float, float]:
        """Return a range around the numbers that a name is compared with."""
        if name in self.ranges:
            return self.ranges[name]
        numbers = self.guesses.mentioned.get(name, ())
        if not numbers:
            return default
        return (min(0, min(numbers) - 1) if min(numbers) < 0 or default[0] < 0 else 0), max(0, *numbers) + 1


def _shown(numbers: tuple[float, float]) -> str:
    return f"{numbers[0]:g} to {numbers[1]:g}"
