"""Commands of the REPL: what `:help` lists and Tab completes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from asrppl.cli.repl.places import ReplError
from asrppl.syntax import ast

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
        ReplError: nothing was typed yet.
    """
    if not text and repl.last is None:
        raise ReplError("no formula was typed yet: type one, or give one to the command")
    if not text:
        return repl.last or ""
    rule = rule_named(repl, text)
    return text if rule is None else rule.text


def name_of(kind: type[ast.Statement]) -> str:
    """Return the word that a statement begins with."""
    return kind.__name__.lower()
