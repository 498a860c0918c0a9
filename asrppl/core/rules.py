"""Typed rules: a formula with the options of its rule."""

from dataclasses import dataclass, field

from asrppl.core.signature import Level
from asrppl.core.typed import Formula, Variable
from asrppl.source import Span


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rule's weight, nats per datum: ``start``, and linearly to ``end`` from step ``since`` to ``steps``."""

    start: float
    end: float
    steps: int
    since: int = 0

    def at(self, step: int) -> float:
        """Return the weight at ``step`` (from 0)."""
        if step >= self.steps:
            return self.end
        share = max(0, step - self.since) / (self.steps - self.since)
        return self.start + (self.end - self.start) * share

    @property
    def constant(self) -> bool:
        """Whether the weight never changes."""
        return self.steps == 0 or self.start == self.end

    @property
    def off(self) -> bool:
        """Whether the weight is 0 for good, so that nothing of the rule need be evaluated."""
        return self.constant and self.end == 0


@dataclass(frozen=True, slots=True)
class TypedRule:
    """A rule: ``hard`` is None for a weighted one, else the ε it has to hold within; ``power`` is of each amount.

    ``datum`` is the variable at its head that runs over the data plate, where each instance reads one datum: the rule
    is then about one datum, and its violation varies over that plate.
    """

    name: str
    formula: Formula
    weight: Schedule
    hard: float | None
    smooth: float | None
    margin: float
    power: float
    span: Span = field(compare=False, repr=False)
    datum: Variable | None = None

    @property
    def levels(self) -> frozenset[Level]:
        """What the rule's violation varies with."""
        return self.formula.levels


@dataclass(frozen=True, slots=True)
class TypedProgram:
    """All rules of a program, typed against one signature."""

    rules: tuple[TypedRule, ...]
