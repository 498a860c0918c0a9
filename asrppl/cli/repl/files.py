"""Commands about files: `:load`, `:reload`, `:watch`, `:save`."""

from pathlib import Path
from typing import TYPE_CHECKING

from asrppl.cli.output import counted
from asrppl.cli.repl.places import ReplError
from asrppl.cli.repl.registry import Command
from asrppl.cli.repl.types import value_type
from asrppl.cli.report import read_source
from asrppl.cli.values import ValuesError, read_values
from asrppl.commands import printable
from asrppl.files import unreadable, write_whole
from asrppl.literals import LiteralError, exact, verify
from asrppl.syntax import ast

if TYPE_CHECKING:
    from asrppl.cli.repl.shell import Repl


def load(repl: "Repl", name: str) -> None:
    """Add the statements of a rule file, or the values of an .npz or .json file."""
    if not name:
        raise ReplError(":load needs the name of a file")
    if name.endswith((".npz", ".json")):
        _load_values(repl, name)
        return
    try:
        source, folder = read_source(name)
    except (OSError, UnicodeDecodeError) as error:
        raise ReplError(f"{name}: {unreadable(error)}") from None
    rules = repl.session.load(source, folder or Path.cwd())
    repl.loaded = name
    print(printable(f"{name}: {counted(len(rules), 'rule')}"))


def _load_values(repl: "Repl", name: str) -> None:
    try:
        values = read_values(Path(name))
    except ValuesError as error:
        raise ReplError(str(error)) from None
    for key, value in values.items():
        if not key.isidentifier() or not key.isascii():
            raise ReplError(f"{name}: `{key}` is no name that rules can write")
        try:
            verify(value)
        except LiteralError as error:
            raise ReplError(f"{name}: {key}: {error}") from None
    repl.session.set_all(values)
    shown = (f"{key} ({value_type(value)})" for key, value in values.items())
    print(printable(f"{name}: {', '.join(shown) or 'no values'}"))


def reload(repl: "Repl", _: str) -> None:
    """Load the file again that was loaded last."""
    if repl.loaded is None:
        raise ReplError("no file was loaded yet: :load FILE")
    load(repl, repl.loaded)


def watch(repl: "Repl", name: str) -> None:
    """Load a file, say what its rules come to, and do so again whenever it changes."""
    if name in ("off", ""):
        if repl.watched is None:
            raise ReplError("no file is watched: :watch FILE")
        print(printable(f"{repl.watched} is no longer watched" if name else f"{repl.watched} is watched"))
        repl.watched = repl.watched if not name else None
        return
    load(repl, name)
    repl.watched, repl.changed = name, stamp(name)
    repl.print_rules()


def stamp(name: str) -> object:
    """Return what tells one state of a file from another."""
    try:
        found = Path(name).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def look(repl: "Repl") -> bool:
    """Load the watched file again if it has changed; returns whether it had."""
    name = repl.watched
    if name is None or (now := stamp(name)) == repl.changed or now is None:
        return False
    repl.changed = now
    if repl.attempt(lambda: load(repl, name)):
        repl.attempt(repl.print_rules)
    return True


def save(repl: "Repl", name: str) -> None:
    """Write the session's statements as a rule file, params with the values that they have."""
    if not name:
        raise ReplError(":save needs the name of a file")
    given, params = repl.session.params, repl.session.program().params
    lines: list[str] = []
    for entry in repl.session.entries:
        text = entry.text
        if entry.kind is ast.Param and entry.name in given:
            is_list = text.partition("=")[2].lstrip().startswith("[")
            text = f"param {entry.name} = {exact(params[entry.name], is_list=is_list)}"
        lines.append(text + "\n")
    try:
        write_whole(Path(name), "".join(lines).encode())
    except OSError as error:
        raise ReplError(f"{name}: {unreadable(error)}") from None
    unsaved = f"; values are not in it: {', '.join(repl.session.values)}" if repl.session.values else ""
    print(printable(f"{name}: {counted(len(lines), 'statement')}{unsaved}"))


COMMANDS = {
    "load": Command("load FILE", "add the statements of a rule file, or values from .npz or .json", load, "file"),
    "reload": Command("reload", "load the last file again", reload),
    "watch": Command("watch FILE", "load a file, and again whenever it changes (:watch off ends that)", watch, "file"),
    "save": Command("save FILE", "write the session's statements as a rule file", save, "file"),
}
