"""What the commands print."""

from collections.abc import Iterable, Sequence

from asrppl.check import RuleInfo
from asrppl.commands import printable
from asrppl.core.signature import Level
from asrppl.core.typed import FreeName, Schedule
from asrppl.diagnostics import Diagnostic, Severity, render

_LEVELS = {
    frozenset({Level.DRAW, Level.DATUM}): "sample",
    frozenset({Level.DATUM}): "posterior",
    frozenset({Level.DRAW}): "global",
    frozenset[Level](): "population",
}
_SHAPES = {"scalar": "number", "bool": "Boolean", "int": "integer", "real": "real"}


def print_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Print each, with an empty line after it."""
    for diagnostic in diagnostics:
        print(printable(render(diagnostic)), end="\n\n")


def count_errors(diagnostics: Sequence[Diagnostic]) -> tuple[int, int]:
    """Return how many are errors, and how many warnings."""
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    return errors, len(diagnostics) - errors


def counted(number: int, what: str) -> str:
    """Return "1 rule", "2 rules", "no rules"."""
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def level(rule: RuleInfo) -> str:
    """Return what the level of a rule is called, from what its violation varies with."""
    return _LEVELS[rule.levels]


def weight(rule: RuleInfo) -> str:
    """Return a rule's weight as its file writes it."""
    if rule.hard is not None:
        return f"hard within {rule.hard:g}" if rule.hard else "hard"
    schedule: Schedule = rule.weight
    if schedule.constant:
        return f"weight {schedule.end:g}"
    since = f"{schedule.since}.." if schedule.since else ""
    return f"weight {schedule.start:g} -> {schedule.end:g} over {since}{schedule.steps} steps"


def indexed(free: FreeName) -> str:
    """Return an expected name with as many indices, or arguments, as its uses give it."""
    letters = ("i", "j", "k", "l", "m", "n")
    indices = [letters[place] if place < len(letters) else f"i{place}" for place in range(free.rank or 0)]
    if free.shape == "function":
        return f"{free.name}({', '.join(indices)})"
    return f"{free.name}[{', '.join(indices)}]" if indices else free.name


def type_of(free: FreeName) -> str:
    """Return an expected name's type in words."""
    if free.shape == "record" and free.fields is not None:
        return f"({', '.join(free.fields)})"
    if free.shape == "distribution" and free.draw:
        return "value and distribution"
    return _SHAPES.get(free.shape, free.shape)
