"""What Tab offers: commands, files; in rules what `asrppl.assist` does, and the session's values with types."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, cast

from asrppl.assist.analysis import Analysis, analyse
from asrppl.assist.complete import complete
from asrppl.assist.context import Place, place_at
from asrppl.cli.repl.commands import COMMANDS
from asrppl.cli.repl.docs import docs
from asrppl.cli.repl.laws import FAMILIES
from asrppl.cli.repl.places import INPUT
from asrppl.cli.repl.session import Session
from asrppl.cli.repl.types import value_type
from asrppl.files import Folder
from asrppl.source import Source

_COMMAND = re.compile(r":(\w*)")
_ARGUMENT = re.compile(r":(\w+)\s+(.*)", re.DOTALL)
_ASKED = re.compile(r"(?:\?|:doc\s+)(\w*)")
_VALUE = re.compile(r"\s*\w+\s*(=(?!=)|~)(.*)", re.DOTALL)
_ENDS = {"load": (".asr", ".npz", ".json"), "watch": (".asr",), "save": (".asr",), "plot": (".svg",), "guide": (".py",)}
_PARTS = ("mask", "value", "draws")
"""What a record of a value may have beside its fields."""


class Candidate(NamedTuple):
    """A text that may be meant, how many characters before the cursor it takes the place of, and what it is."""

    text: str
    replaces: int
    about: str = ""


def candidates(session: Session, before: str) -> list[Candidate]:
    """Return what may be meant at the end of ``before``, the likeliest first."""
    if (found := _COMMAND.fullmatch(before)) is not None:
        return list(_matching(found.group(1), {name: command.help for name, command in COMMANDS.items()}))
    if (found := _ASKED.fullmatch(before)) is not None:
        return list(_matching(found.group(1), {**docs(), **_values(session)}))
    if (found := _ARGUMENT.fullmatch(before)) is not None:
        command = COMMANDS.get(found.group(1))
        if command is not None and command.takes == "file":
            return list(_files(session.folder, found.group(2), _ENDS[found.group(1)]))
        if command is None or command.takes == "nothing":
            return []
        rules = {rule.name: "rule" for rule in session.rules() if rule.name is not None}
        here = _matching(found.group(2), rules) if found.group(2).isidentifier() or not found.group(2) else ()
        return [*here, *_of_rules(session, found.group(2))]
    if (found := _VALUE.fullmatch(before)) is not None:
        law = re.fullmatch(r"\s*(\w*)", found.group(2)) if found.group(1) == "~" else None
        if law is not None:
            return list(_matching(law.group(1), {name: docs().get(name, "a law") for name in FAMILIES}))
        return _of_rules(session, f"({found.group(2)}")  # (a bracket, since no statement begins there)
    return _of_rules(session, before)


def _of_rules(session: Session, before: str) -> list[Candidate]:
    """Return what may stand in a rule: what the session's statements and its values say."""
    library = Folder(INPUT, session.folder)
    program = session.program()
    text = f"{program.source.text}\n{before}"
    good = analyse(program.source, library=library)
    here = analyse(Source(INPUT, text), library=library)
    place = place_at(here.source, len(text))
    length = len(place.prefix)
    if place.wants == "file":
        return list(_files(session.folder, place.prefix, (".asr",)))
    found: dict[str, Candidate] = {}
    if place.wants in ("statement", "operand"):
        found = {each.text: each for each in _matching(place.prefix, _values(session))}
    if place.wants == "field":
        found = {each.text: each for each in _matching(place.prefix, _fields(session, place, good))}
    if not (place.wants == "field" and found):
        for item in complete(here, len(text), good=good, library=library):
            about = ": ".join(filter(None, (item.detail, item.doc.replace("\n", " "))))
            found.setdefault(item.text, Candidate(item.text, length, about))
    return list(found.values())


def _values(session: Session) -> dict[str, str]:
    return {name: value_type(value) for name, value in session.values.items()}


def _fields(session: Session, place: Place, known: Analysis) -> Mapping[str, str]:
    """Return the fields of a record that was given by them, where no statement says which it has."""
    value = session.values.get(place.base)
    if not isinstance(value, dict) or place.base in known.checked.sites:
        return {}
    return {part: f"of {place.base}" for part in cast(dict[str, object], value) if part not in _PARTS}


def _matching(prefix: str, known: Mapping[str, str]) -> Iterator[Candidate]:
    for name in sorted(known, key=str.lower):
        if name.startswith(prefix):
            yield Candidate(name, len(prefix), known[name])


def _files(folder: Path, typed: str, ends: Iterable[str]) -> Iterator[Candidate]:
    """Yield the files and folders that a path may go on to."""
    above, slash, prefix = typed.rpartition("/")
    try:
        inside = sorted((folder / (above + slash)).iterdir())
    except OSError:
        return
    for path in inside:
        hidden = path.name.startswith(".") and not prefix.startswith(".")
        if path.name.startswith(prefix) and not hidden and (path.is_dir() or path.suffix in ends):
            yield Candidate(path.name + ("/" if path.is_dir() else ""), len(prefix), "folder" if path.is_dir() else "")
