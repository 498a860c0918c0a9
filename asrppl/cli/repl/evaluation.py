"""What rules and terms come to at a session's values: the half of the REPL that needs torch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from asrppl.bind.bound import Bound
from asrppl.bind.values import bind_values
from asrppl.cli.repl.given import given_for
from asrppl.cli.repl.places import at_input, moved, whole
from asrppl.cli.repl.session import Session
from asrppl.cli.repl.show import MANY
from asrppl.core.signature import Kind, Level
from asrppl.core.typed import AtMost
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.lower.instances import Instance, instances, plain, value_of
from asrppl.program import Program
from asrppl.suggest import did_you_mean
from asrppl.worlds.data import given_to

_PROBE = "the_value"  # what a term is compared with, to have it typed


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule comes to at the session's values.

    Args:
        name: of the rule.
        violation: over what it varies with.
        broken: the instances that break it; none where it varies with much.
        over: what it varies with, in a word.
        warnings: about the rule.
    """

    name: str
    violation: Tensor
    broken: list[Instance]
    over: str
    warnings: tuple[Diagnostic, ...] = ()


def outcome(session: Session, text: str) -> Outcome:
    """Return what a formula or a rule comes to.

    Raises:
        AsrError: it has errors, or reads names without a value.
    """
    program, bound = bound_of(session, text)
    try:
        means = program.means(bound)
        rule = means.rules.rules[-1]
        violation = means.violations(bound)[rule.name]
    except AsrError as error:
        raise moved(error, program.source, text) from None
    warnings = at_input(program.warnings(bound.signature), program.source, text)
    shown = violation.numel() <= MANY and bool((violation > 0).any())
    broken = instances(rule, means.settled(bound)) if shown else []
    drawn = any(Level.DRAW in entry.levels for _, entry in bound.signature.entries)
    over = "draws and data" if drawn and bound.plates else "draws" if drawn else "data"
    return Outcome(rule.name, violation, broken, over, warnings)


def bound_of(session: Session, text: str) -> tuple[Program, Bound]:
    """Return the program of the definitions and a formula or rule, and the values bound to its names.

    Raises:
        AsrError: it has errors, or reads names without a value.
    """
    program = session.checked(text)
    return program, _bind(session, program, {}, text)


def value(session: Session, text: str) -> object:
    """Return the value of a term, in nested lists where it has batch axes.

    Raises:
        AsrError: it has errors, or reads names without a value.
    """
    # Compared with a name of its own, the term is typed and lowered like any other.
    probing = f"{text} >= {_PROBE}"
    program = session.checked(probing, shown=text)
    bound = _bind(session, program, {_PROBE: torch.zeros((), dtype=torch.float64)}, probing, shown=text)
    try:
        means = program.means(bound)
        (rule,) = means.rules.rules
    except AsrError as error:
        raise moved(error, program.source, probing, text) from None
    if not isinstance(rule.formula, AtMost):
        raise AsrError([Diagnostic("ASR037", "this is not a number", whole(text))])
    term = rule.formula.right
    found = value_of(term, means.settled(bound))
    return plain(found.round().long() if term.kind is Kind.INT else found)


def truth(session: Session, text: str) -> object:
    """Return whether a formula holds as a condition: exactly, in nested lists where it has batch axes.

    Raises:
        AsrError: it has errors, or reads names without a value.
    """
    bound_of(session, text)  # its errors are about the text, not about what is made of it
    return _as_truth(value(session, f"if {text} then 1 else 0"))


def _as_truth(found: object) -> object:
    if isinstance(found, list):
        return [_as_truth(part) for part in cast(list[object], found)]
    return bool(found)


def values_of(program: Program, values: Mapping[str, object]) -> dict[str, Any]:
    """Return a session's values as binding takes them, those that the program reads (`given_for`).

    Raises:
        AsrError: one is a law, or draws, that do not fit to what is read.
    """
    return given_for(given_to(program.free, values), values)


def _bind(session: Session, program: Program, more: Mapping[str, object], text: str, shown: str | None = None) -> Bound:
    try:
        return bind_values(program.free, {**values_of(program, session.values), **more})
    except AsrError as error:
        raise mended(moved(error, program.source, text, shown), session) from None


def mended(error: AsrError, session: Session) -> AsrError:
    """Return an error with mends for missing values that suit the REPL."""

    def mend(found: Diagnostic) -> Diagnostic:
        if found.code != "ASR070":
            return found
        name = found.fields["name"]
        return replace(found, help=did_you_mean(name, session.values) or f"give it one: {name} = ...")

    return AsrError(map(mend, error.diagnostics))
