"""What the commands print."""

from collections.abc import Iterable, Sequence

from asrppl.check import RuleInfo
from asrppl.cli.color import When, show
from asrppl.codes import Severity
from asrppl.core.labels import level_name, weight_text
from asrppl.diagnostics import Diagnostic


def print_diagnostics(diagnostics: Iterable[Diagnostic], color: When = "auto") -> None:
    """Print each, with an empty line after it."""
    for diagnostic in diagnostics:
        print(show(diagnostic, color), end="\n\n")


def count_errors(diagnostics: Sequence[Diagnostic]) -> tuple[int, int]:
    """Return how many are errors, and how many warnings."""
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    return errors, len(diagnostics) - errors


def counted(number: int, what: str, several: str | None = None) -> str:
    """Return "1 rule", "2 rules", "no rules"."""
    return f"{number or 'no'} {what if number == 1 else several or what + 's'}"


def level(rule: RuleInfo) -> str:
    """Return what the level of a rule is called, from what its violation varies with."""
    return level_name(rule.levels)


def weight(rule: RuleInfo) -> str:
    """Return a rule's weight as its file writes it."""
    return weight_text(rule.weight, rule.hard)
