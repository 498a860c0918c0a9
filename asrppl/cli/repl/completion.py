"""What Tab offers: commands, files, words, the library, the session's names with their types, fields."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, cast

from asrppl.cli.repl.commands import COMMANDS
from asrppl.cli.repl.docs import docs
from asrppl.cli.repl.laws import FAMILIES
from asrppl.cli.repl.session import Session
from asrppl.cli.repl.types import value_type
from asrppl.core.free import FreeNames
from asrppl.core.labels import indexed, type_of
from asrppl.core.signature import BOX_FIELDS, EDGES
from asrppl.syntax import ast
from asrppl.words import STATEMENTS

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z|\Z")
_COMMAND = re.compile(r":(\w*)")
_ARGUMENT = re.compile(r":(\w+)\s+(.*)", re.DOTALL)
_IMPORT = re.compile(r'\s*import\s+"([^"]*)')
_FIELD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[[^\][]*\])?\.([A-Za-z0-9_]*)")
_ENDS = {"load": (".asr", ".npz"), "watch": (".asr",), "save": (".asr",), "plot": (".svg",)}
_OF_BOXES = (*BOX_FIELDS, "size", *EDGES)


class Candidate(NamedTuple):
    """A text that may be meant, how many characters before the cursor it takes the place of, and what it is."""

    text: str
    replaces: int
    about: str = ""


def candidates(session: Session, before: str) -> list[Candidate]:
    """Return what may be meant at the end of ``before``, in the order of the alphabet."""
    found = _COMMAND.fullmatch(before)
    if found is not None:
        return list(_matching(found.group(1), {name: command.help for name, command in COMMANDS.items()}))
    if (found := _ARGUMENT.fullmatch(before)) is not None and (command := COMMANDS.get(found.group(1))) is not None:
        if command.takes == "nothing":
            return []
        if command.takes == "file":
            return list(_files(session.folder, found.group(2), _ENDS[found.group(1)]))
        if command.takes == "formula" and re.fullmatch(r"\w*", found.group(2)):
            rules = {rule.name: "rule" for rule in session.rules() if rule.name is not None}
            return list(_matching(found.group(2), {**_names(session, ""), **rules}))
    if (found := _IMPORT.fullmatch(before)) is not None:
        return list(_files(session.folder, found.group(1), (".asr",)))
    if (found := _tail(_FIELD, before)) is not None:
        return list(_matching(found.group(2), dict.fromkeys(_fields(session, found.group(1)), "field")))
    word = _WORD.search(before)
    start = before[: word.start()] if word is not None else before
    return list(_matching(word.group() if word is not None else "", _names(session, start)))


def _tail(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """Return the match that reaches to the end of a text."""
    return re.search(f"(?:{pattern.pattern})\\Z", text)


def _matching(prefix: str, known: Mapping[str, str]) -> Iterator[Candidate]:
    for name in sorted(known, key=str.lower):
        if name.startswith(prefix):
            yield Candidate(name, len(prefix), known[name])


def _files(folder: Path, typed: str, ends: Iterable[str]) -> Iterator[Candidate]:
    """Yield the files and folders that a path may go on to."""
    above, _, prefix = typed.rpartition("/")
    try:
        inside = sorted(((folder / above) if above or not typed.startswith("/") else Path("/")).iterdir())
    except OSError:
        return
    for path in inside:
        hidden = path.name.startswith(".") and not prefix.startswith(".")
        if path.name.startswith(prefix) and not hidden and (path.is_dir() or path.suffix in ends):
            yield Candidate(path.name + ("/" if path.is_dir() else ""), len(prefix), "folder" if path.is_dir() else "")


def _fields(session: Session, name: str) -> Iterable[str]:
    """Return the fields of a name: those of its record, or of a box."""
    value = session.values.get(name)
    free = session.program().free.get(name)
    if free is not None and free.fields is not None and free.shape != "box":
        return free.fields
    for entry in session.entries:
        if entry.kind is ast.Site and entry.name == name and (found := re.search(r":\s*\(([^)]*)\)", entry.text)):
            return [field.strip() for field in found.group(1).split(",")]
    if isinstance(value, dict):
        return [part for part in cast(dict[str, object], value) if part not in ("mask", "value", "draws")] or _OF_BOXES
    return _OF_BOXES


def _names(session: Session, start: str) -> dict[str, str]:
    """Return the names that may stand behind ``start``, with what they are."""
    if start.rstrip().endswith("~"):
        return dict.fromkeys(FAMILIES, "law")
    found = dict(docs())
    if start.strip() and "\n" not in start:  # a statement begins its line
        found = {name: about for name, about in found.items() if name not in STATEMENTS}
    program = session.program()
    found |= {name: f"rules read it: {type_of(free)}" for name, free in program.free.items()}
    found |= {entry.name: _about(entry.kind) for entry in session.definitions() if entry.name is not None}
    found |= {name: _type(name, value, program.free) for name, value in session.values.items()}
    return found


def _about(kind: type[ast.Statement]) -> str:
    return f"{kind.__name__.lower()} of the session"


def _type(name: str, value: object, free: FreeNames) -> str:
    """Return what a value is, in words."""
    read = free.get(name)
    known = type_of(read) if read is not None else ""
    if read is not None and known not in ("number", ""):
        return f"{indexed(read)}: {known}"
    return value_type(value)
