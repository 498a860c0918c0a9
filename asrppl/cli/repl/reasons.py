"""`:why` and `:example`: what breaks a rule and mends it, and worlds that keep the rules, or break one."""

import dataclasses
from typing import TYPE_CHECKING, cast

from asrppl.cli.repl.laws import Law
from asrppl.cli.repl.places import ReplError, moved
from asrppl.cli.repl.registry import Command, subject
from asrppl.commands import printable
from asrppl.core.free import FreeName
from asrppl.diagnostics import AsrError
from asrppl.files import Kept
from asrppl.worlds import why as why_of
from asrppl.worlds.data import given_to, lengths_of
from asrppl.worlds.wording import example_lines, lines_of

if TYPE_CHECKING:
    from asrppl.cli.repl.shell import Repl

_SECONDS = 5.0
"""That z3 has for a question."""


def why(repl: "Repl", text: str) -> None:
    """Print which instances break a rule, by how much, and the one number that mends each."""
    from asrppl.cli.repl.evaluation import bound_of

    formula = subject(repl, text)
    program, _ = bound_of(repl.session, formula)  # what lacks a value, or does not fit, is told as elsewhere
    name = program.rules[-1].name
    given = repl.session.values
    values = {known: _plain(free, given[known]) for known, free in given_to(program.free, given).items()}
    try:
        params, library = program.to_dict()["params"], Kept(program.files)
        found = why_of(program.source, values, params, library=library, only=[name])
    except AsrError as error:
        raise moved(error, program.source, formula) from None
    for one in found:
        shown = dataclasses.replace(one, rule=" ".join(formula.split())) if one.rule.startswith("line ") else one
        for line in lines_of(shown):
            print(printable(line))


def _plain(free: FreeName, value: object) -> object:
    """Return a value as `why` takes it: a law where only the law is read."""
    drawn = isinstance(value, dict) and "draws" in value
    if drawn or (isinstance(value, Law) and free.draw):
        raise ReplError(f":why is about values, and `{free.name}` has draws: give it one, {free.name} = ...")
    if not isinstance(value, Law):
        return cast(object, value)
    if value.family == "categorical":
        return value.parameters[0]
    if value.family == "normal":
        return dict(zip(("loc", "scale"), value.parameters, strict=True))
    raise ReplError(f":why knows laws of finitely many values and normal ones, and `{free.name}` has another")


def example(repl: "Repl", text: str) -> None:
    """Print a world that keeps a rule (or all of the session's), and for each one that breaks it alone."""
    from asrppl.worlds.example import example as example_of
    from asrppl.worlds.invent import InventionError

    session = repl.session
    if text or not session.rules():
        formula = subject(repl, text)
        program = session.checked(formula)
    else:
        formula, program = "", session.program()
    lengths = lengths_of(program.free, session.values)
    try:
        params, library = program.to_dict()["params"], Kept(program.files)
        found = example_of(program.source, params, library=library, lengths=lengths, seconds=_SECONDS)
    except AsrError as error:
        raise moved(error, program.source, formula) from None
    except InventionError as error:
        raise ReplError(str(error)) from None
    for line in example_lines(found):
        print(printable(line))


COMMANDS = {
    "why": Command("why [RULE]", "which instances break it, by how much, and what mends each", why, "formula"),
    "example": Command("example [RULE]", "values that keep it, and others that break it", example, "formula"),
}
