"""Commands that say what something is: `:type`, `:explain`, `:code`."""

import contextlib
import re
from typing import TYPE_CHECKING

from asrppl.check import Checked, check_file
from asrppl.cli.explained import Explanation, Style
from asrppl.cli.lengths import code_of
from asrppl.cli.repl.places import ReplError
from asrppl.cli.repl.registry import Command, subject
from asrppl.cli.repl.types import value_type
from asrppl.commands import printable
from asrppl.core.labels import indexed, level_name, type_of
from asrppl.diagnostics import AsrError
from asrppl.explanations import explanations
from asrppl.files import Kept
from asrppl.program import Program
from asrppl.syntax import parse_file

if TYPE_CHECKING:
    from asrppl.cli.repl.shell import Repl


def type_(repl: "Repl", text: str) -> None:
    """Print what kind of thing a formula or term is, what it varies with, and what it reads."""
    from asrppl.cli.repl.shell import is_term

    session = repl.session
    if text in session.values:
        free = session.program().free.get(text)
        read = "" if free is None else f"; rules read {indexed(free)}: {type_of(free)}"
        print(printable(f"{value_type(session.values[text])}{read}"))
        return
    text = subject(repl, text)
    try:
        program = session.checked(text)
        print(printable(f"formula of {level_name(program.rules[-1].levels)} level{_reads(program)}"))
        return
    except AsrError as error:
        if not is_term(text, error):
            raise
        failed = error
    for what, probe in (("number", text), ("box", f"{text}.w")):
        with contextlib.suppress(AsrError):
            program = session.checked(f"{probe} >= 0", shown=text)
            print(printable(f"{what} of {level_name(program.rules[-1].levels)} level{_reads(program)}"))
            return
    raise failed


def _reads(program: Program) -> str:
    free = [f"{indexed(free)}: {type_of(free)}" for free in program.free.values()]
    return f"; reads {', '.join(free)}" if free else ""


def explain(repl: "Repl", text: str) -> None:
    """Print a rule as mathematics, what it costs, reads and trains; or what a code means."""
    if re.fullmatch(r"(?i)asr\d+", text):
        _print_code(text.upper())
        return
    program = repl.session.checked(subject(repl, text))
    explanation = Explanation(_checked(program), Style())
    for line in explanation.rule(program.rules[-1]):
        print(printable(line))
    for line in explanation.notes():
        print(printable(line))


def _print_code(code: str) -> None:
    found = explanations().get(code)
    if found is None:
        raise ReplError(f"there is no code {code}")
    print(found.plain())


def _checked(program: Program) -> Checked:
    """Return what the checker found of a program's text."""
    return check_file(parse_file(program.source).file, program.to_dict()["params"], library=Kept(program.files))


def code(repl: "Repl", text: str) -> None:
    """Print the Python function that a rule becomes at the session's values."""
    from asrppl.cli.repl.evaluation import bound_of

    program, bound = bound_of(repl.session, subject(repl, text))
    print(printable(code_of(program.typed(bound.signature).rules[-1], bound.signature)), end="")


COMMANDS = {
    "type": Command("type [TERM]", "what kind of thing it is, what it varies with and reads", type_, "formula"),
    "explain": Command("explain [RULE]", "as mathematics, and what it costs; or what ASR036 means", explain, "formula"),
    "code": Command("code [RULE]", "the Python function that it becomes", code, "formula"),
}
