"""Commands of the REPL: what `:help` lists and Tab completes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from asrppl.cli.repl.places import INPUT, ReplError
from asrppl.source import Source
from asrppl.syntax import ast, parse_file

if TYPE_CHECKING:
    from asrppl.cli.repl.session import SessionStatement
    from asrppl.cli.repl.shell import Repl

Takes = Literal["nothing", "file", "formula", "word"]
"""What stands behind a command, for those who complete it."""


class Command(NamedTuple):
    """A command: what it is called with (behind the colon), what it does in words, and in fact."""

    usage: str
    help: str
    run: "Callable[[Repl, str], None]"
    takes: Takes = "nothing"


def rule_named(repl: "Repl", name: str) -> "SessionStatement | None":
    """Return the session's rule of a name."""
    return next((rule for rule in repl.session.rules() if rule.name == name), None)


def subject(repl: "Repl", text: str) -> str:
    """Return the formula or rule that a command is about: what is typed, a rule by its name, or what was typed last.

    Raises:
        ReplError: nothing was typed yet, or what is typed is another statement.
    """
    if not text and repl.last is None:
        raise ReplError("no formula was typed yet: type one, or give one to the command")
    if not text:
        return repl.last or ""
    rule = rule_named(repl, text)
    if rule is not None:
        return rule.text
    parsed = parse_file(Source(INPUT, text))
    if not parsed.diagnostics and [type(statement) for statement in parsed.file.statements] != [ast.Rule]:
        raise ReplError("this is about a formula, or a rule: give one, or the name of one")
    return text
