"""All commands of the REPL."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from asrppl.cli.repl import about, docs, files, guides, reasons, training
from asrppl.cli.repl.places import ReplError
from asrppl.cli.repl.registry import Command
from asrppl.cli.repl.show import show_value
from asrppl.commands import printable
from asrppl.core.labels import indexed, type_of
from asrppl.literals import exact
from asrppl.syntax import ast

if TYPE_CHECKING:
    from asrppl.cli.repl.shell import Repl

_FORMS = {
    "NAME = VALUE": "give a name a value: 1/3, 2 * x, [[10, 10, 8], [14, 12, 8]], {x: [1, 2], y: [3, 4]}",
    "NAME ~ LAW": "give a name a law: normal(0, 1), or the probabilities of 0, 1, 2: [0.2, 0.5, 0.3]",
    "FORMULA": "does it hold? its violation, and the indices that break it",
    "TERM": "its value",
    "STATEMENT": "param, given, let, def, site, rule, import: in place of one of the same name",
}


def _help(repl: "Repl", _: str) -> None:
    rows = {**_FORMS, "?NAME": "what a word, a function or a name of the session is"}
    rows |= {f":{command.usage}": command.help for command in COMMANDS.values()}
    for usage, text in rows.items():
        print(f"{usage:<17}{text}")


def _names(repl: "Repl", _: str) -> None:
    session = repl.session
    program = session.program()
    for entry in session.entries:
        if entry.kind is ast.Param and entry.name is not None:
            is_list = entry.text.partition("=")[2].lstrip().startswith("[")
            print(f"param {entry.name} = {exact(program.params[entry.name], is_list=is_list)}")
    for name, value in session.values.items():
        sign = "~" if type(value).__name__ == "Law" else "="
        print(printable(f"{name} {sign} {show_value(value)}"))
    for entry in session.entries:
        if entry.kind in (ast.Let, ast.Def, ast.Site, ast.Given):
            print(printable(entry.text))
    missing = [free for name, free in program.free.items() if name not in session.values]
    if missing:
        print("rules read: " + ", ".join(f"{indexed(free)}: {type_of(free)}" for free in missing))


def _rules(repl: "Repl", _: str) -> None:
    repl.print_rules()


def _undo(repl: "Repl", _: str) -> None:
    if not repl.session.undo():
        raise ReplError("there is nothing to take back")


def _reset(repl: "Repl", _: str) -> None:
    repl.session.reset()
    repl.last = repl.start = None


def _quit(repl: "Repl", _: str) -> None:
    repl.left = True


COMMANDS: Mapping[str, Command] = {
    "names": Command("names", "the session's names and values, and what its rules still need", _names),
    "rules": Command("rules", "what each rule comes to, with its weight, and the total", _rules),
    **docs.COMMANDS,
    **about.COMMANDS,
    **reasons.COMMANDS,
    **training.COMMANDS,
    **files.COMMANDS,
    **guides.COMMANDS,
    "undo": Command("undo", "take back the last change", _undo),
    "reset": Command("reset", "forget everything", _reset),
    "help": Command("help", "this list", _help),
    "quit": Command("quit", "leave (or Ctrl-D)", _quit),
}
SHORT: Mapping[str, str] = {"h": "help", "?": "help", "q": "quit", "exit": "quit"}
