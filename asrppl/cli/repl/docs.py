"""`:doc` and `?`: what a word, a function, or a name of the session is."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from asrppl.assist.analysis import Analysis, analyse
from asrppl.assist.describe import describe, describe_definition, signature
from asrppl.assist.vocabulary import VOCABULARY
from asrppl.check.standard import standard_definitions
from asrppl.cli.repl.places import ReplError
from asrppl.cli.repl.registry import Command
from asrppl.cli.repl.show import show_value
from asrppl.cli.repl.types import value_type
from asrppl.commands import printable
from asrppl.explanations import explanations
from asrppl.files import Kept
from asrppl.suggest import did_you_mean

if TYPE_CHECKING:
    from asrppl.cli.repl.session import Session
    from asrppl.cli.repl.shell import Repl


_OURS = ("param", "let", "def", "rule", "guide")


@cache
def docs() -> Mapping[str, str]:
    """Return what each word of the language and each function of the library is, in one line."""
    words = {name: f"{word.form}: {word.text}" for name, word in VOCABULARY.items()}
    return words | {name: signature(found.node) for name, found in standard_definitions().items()}


def doc(repl: "Repl", name: str) -> None:
    """Print what a name is."""
    if not name:
        raise ReplError("of what? ?nonoverlap says what `nonoverlap` is; Tab completes names")
    from asrppl.cli.repl.commands import COMMANDS

    command = COMMANDS.get(name.removeprefix(":")) if name.startswith(":") else None
    if command is not None:
        print(f":{command.usage}\n    {command.help}")
        return
    lines = [*_of_session(repl.session, name), *_of_language(repl.session, name)]
    if not lines and (found := explanations().get(name.upper())) is not None:
        lines = [found.plain()]
    if not lines:
        known = {*VOCABULARY, *standard_definitions(), *repl.session.values, *repl.session.program().free}
        help = did_you_mean(name, known) or ":names lists the session's names"
        raise ReplError(f"nothing is known of `{name}`; {help}")
    for line in lines:
        print(printable(line))


def _of_language(session: "Session", name: str) -> list[str]:
    word = VOCABULARY.get(name)
    if word is not None:
        return [word.form, f"    {word.text}"]
    definition = standard_definitions().get(name)
    if definition is None:
        return []
    return [signature(definition.node), *_indented(describe_definition(_analysis(session), definition))]


def _of_session(session: "Session", name: str) -> list[str]:
    """Return what a name of the session is: its value, and what its rules and definitions say of it."""
    lines: list[str] = []
    if name in session.values:
        value = session.values[name]
        lines.append(f"{name}: {value_type(value)}, {show_value(value)}")
    analysis = _analysis(session)
    ours = (each for each in analysis.occurrences if each.symbol.name == name and each.symbol.kind in _OURS)
    place = next(ours, None)
    found = None if place is None else describe(analysis, place.span.start)
    return lines if found is None else [*lines, found.code, *_indented(found.lines)]


def _indented(lines: tuple[str, ...]) -> list[str]:
    return ["    " + part for line in lines for part in line.split("\n")]


def _analysis(session: "Session") -> Analysis:
    program = session.program()
    return analyse(program.source, library=Kept(program.files), params=program.to_dict()["params"])


COMMANDS = {"doc": Command("doc NAME", "what a word, a function or a name is; ?NAME for short", doc, "word")}
