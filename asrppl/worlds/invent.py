"""What a world is made of: the numbers behind the names that rules read, and which values are tried for each.

A name is what its uses say, as for `asrppl explain`; what they leave open (lengths, ranges) is chosen, and said.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from asrppl.check import Checked, type_program
from asrppl.check.assumed import Lengths, assumed
from asrppl.check.facts import facts_of, nodes
from asrppl.core.free import FreeName
from asrppl.core.labels import indexed
from asrppl.core.signature import BOX_FIELDS, Entry, Kind
from asrppl.diagnostics import AsrError
from asrppl.syntax import ast

LENGTH = 3
"""Of an axis that nothing tells the length of."""
INTS, REALS = (0, 3), (-3.0, 3.0)
"""Ranges of numbers where the rules mention none."""
SIDE = 50.0
"""Of the canvas that boxes lie on where the rules mention no number."""

What = Literal["bool", "int", "real", "side", "law"]


class InventionError(ValueError):
    """No world can be made up for these rules; the message says why, and what would help."""


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


_ALL_SUBSETS = 5


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


def invent(
    checked: Checked, lengths: Lengths, data: int = 1, ranges: Mapping[str, tuple[float, float]] | None = None
) -> Invention:
    """Return what a world for a file's rules is made of.

    Args:
        checked: the file.
        lengths: of the axes, as for `asrppl explain --lengths`.
        data: how many data to make.
        ranges: by name, in place of those that the rules mention.

    Raises:
        InventionError: a name is a function, or no kinds of names fit the rules.
    """
    functions = [name for name, free in checked.free.items() if free.shape == "function"]
    if functions:
        raise InventionError(f"`{functions[0]}` is a function that Python gives: no world can be made up for it")
    return _Inventor(checked, dict(lengths), Invention(data), ranges or {}).made()


class _Inventor:
    def __init__(
        self, checked: Checked, lengths: Lengths, made: Invention, ranges: Mapping[str, tuple[float, float]]
    ) -> None:
        facts = [found for rule in checked.rules if (found := facts_of(checked, rule)) is not None]
        self.checked = checked
        self.formulas = [part for found in facts for part in (found.formula, found.where) if part is not None]
        self.lengths = dict(lengths)
        self.ranges = ranges
        self.invention = made
        self.mentioned = _mentioned(checked, self.formulas)

    def made(self) -> Invention:
        signature, missing, _ = assumed(self.checked, self.formulas, self.lengths)
        for one in missing:
            self.lengths[one.name] = (LENGTH,) * max(self.checked.free[one.name].rank or 1, 1)
            self.invention.said.append(f"{one.entry}: {LENGTH} entries (--lengths {one.name}={LENGTH})")
        laws = [free.name for free in self.checked.free.values() if free.shape in ("distribution", "probabilities")]
        problem: AsrError | None = None
        for finite in (True, False):
            for whole in (True, False):
                entries = self.entries(laws if finite else [], whole)
                try:
                    type_program(self.checked, signature.of(entries))
                except AsrError as error:
                    problem = problem or error
                    continue
                for name, entry in entries.items():
                    self.name(self.checked.free[name], entry)
                return self.invention
        assert problem is not None
        raise problem

    def entries(self, finite: Sequence[str], whole: bool) -> dict[str, Entry]:
        """Return what the names may be: laws of ``finite`` names of finitely many values, numbers ``whole`` or real."""
        lengths = dict(self.lengths)
        for name in finite:
            rank = self.checked.free[name].rank or 0
            if len(lengths.get(name, ())) != rank + 1:
                known, _, _ = assumed(self.checked, self.formulas, lengths)
                entry = known.get(name)
                lengths[name] = (*(entry.axes if entry is not None else ()), self.support(name))
        signature, _, _ = assumed(self.checked, self.formulas, lengths)
        found = dict(signature.entries)
        for name, entry in found.items():
            free = self.checked.free[name]
            if (
                whole
                and entry.kind is Kind.REAL
                and free.shape == "scalar"
                and free.kind is None
                and self.counted(name)
            ):
                found[name] = replace(entry, kind=Kind.INT)
        return found

    def support(self, name: str) -> int:
        numbers = [int(number) for number in self.mentioned.get(name, ()) if float(number).is_integer()]
        return max([*numbers, 1]) + 2

    def counted(self, name: str) -> bool:
        """Whether a number is compared as ints are: by ``==``, ``!=``, with the elements of a set or a range."""
        numbers = self.mentioned.get(name, ())
        if any(not float(number).is_integer() for number in numbers):
            return False
        for part in _all(self.formulas):
            match part:
                case ast.Chain(operators=operators) if {"==", "!="} & set(operators) and _reads(part, name):
                    return True
                case ast.Member(container=ast.SetLiteral() | ast.Range() | ast.Name()) if _reads(part.value, name):
                    return True
                case ast.Index() if any(_reads(index, name) for index in part.indices) and not _is_mean(part):
                    return True
                case _:
                    pass
        return False

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
            low, high = self.range(free.name, REALS)
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
        return [float(number) for numbers in self.mentioned.values() for number in numbers]

    def range(self, name: str, default: tuple[float, float]) -> tuple[float, float]:
        """Return a range around the numbers that a name is compared with."""
        if name in self.ranges:
            return self.ranges[name]
        numbers = self.mentioned.get(name, ())
        if not numbers:
            return default
        low, high = min(numbers), max(numbers)
        return (min(0, low - 1) if low < 0 or default[0] < 0 else 0), high + 1


def _mentioned(checked: Checked, formulas: Sequence[ast.Expr]) -> dict[str, list[float]]:
    """Return by name the numbers, and params' values, of the comparisons that read it."""
    found: dict[str, list[float]] = {}
    for part in _all(formulas):
        if isinstance(part, ast.Chain | ast.Member | ast.Divergence):
            names = {inner.text for inner in nodes(part) if isinstance(inner, ast.Name)}
            numbers = [float(inner.value) for inner in nodes(part) if isinstance(inner, ast.Number)]
            numbers += [number for name in names for number in _numbers(checked.params.get(name))]
            for name in names & set(checked.free):
                found.setdefault(name, []).extend(numbers)
    for part in _all(formulas):  # `exists k in {1, 3}: q(n)[k] ..`: what an index runs over is a value, too
        if isinstance(part, ast.Quantified | ast.Reduced | ast.Count) and part.binder.domain is not None:
            domain = part.binder.domain
            numbers = [float(inner.value) for inner in nodes(domain) if isinstance(inner, ast.Number)]
            names = [inner.text for inner in nodes(domain) if isinstance(inner, ast.Name)]
            numbers += [number for name in names for number in _numbers(checked.params.get(name))]
            for inner in nodes(part.body):
                law = isinstance(inner, ast.Call) and inner.function.text == "q"
                for name in (read.text for read in nodes(inner) if isinstance(read, ast.Name)) if law else ():
                    found.setdefault(name, []).extend(numbers)
    return found


def _numbers(value: object) -> list[float]:
    if isinstance(value, tuple):
        return [number for part in value for number in _numbers(part)]  # pyright: ignore
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def _all(formulas: Sequence[ast.Expr]) -> Iterator[ast.Node]:
    return (part for formula in formulas for part in nodes(formula))


def _reads(tree: ast.Node, name: str) -> bool:
    return any(isinstance(part, ast.Name) and part.text == name for part in nodes(tree))


def _is_mean(part: ast.Index) -> bool:
    return isinstance(part.base, ast.Name) and part.base.text in ("E", "P")


def _shown(numbers: tuple[float, float]) -> str:
    return f"{numbers[0]:g} to {numbers[1]:g}"
