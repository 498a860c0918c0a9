"""What a REPL session knows: statements, params, values. It is checked as a file is, and needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, cast

from asrppl.check.params import ParamValue
from asrppl.cli.repl.places import INPUT, at_input, moved
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.files import Folder
from asrppl.program import Program
from asrppl.source import Source
from asrppl.syntax import ast, parse_file
from asrppl.words import CLOSED_NAMES, KEYWORDS

_KEPT = 200
"""Changes that `undo` takes back."""


@dataclass(frozen=True, slots=True)
class SessionStatement:
    """A statement of the session; ``origin`` is the file that it was loaded from."""

    kind: type[ast.Statement]
    name: str | None
    text: str
    origin: str | None = None


class _State(NamedTuple):
    folder: Path
    entries: list[SessionStatement]
    values: dict[str, object]
    params: dict[str, ParamValue]


@dataclass(slots=True)
class Session:
    """Statements and values; every change is checked as a whole, and left out if it does not fit."""

    folder: Path
    entries: list[SessionStatement] = field(default_factory=list[SessionStatement])
    values: dict[str, object] = field(default_factory=dict[str, object])
    params: dict[str, ParamValue] = field(default_factory=dict[str, ParamValue])
    _before: list[_State] = field(default_factory=list[_State])

    # ---- changes, and back

    def undo(self) -> bool:
        """Take back the last change; returns whether there was one."""
        if not self._before:
            return False
        self.folder, self.entries, self.values, self.params = self._before.pop()
        return True

    def reset(self) -> None:
        """Forget all statements and values."""
        self._keep()
        self.entries, self.values, self.params = [], {}, {}

    def _keep(self) -> None:
        """Remember what there is, so that `undo` finds it: called before each change, which makes new containers."""
        self._before.append(_State(self.folder, self.entries, dict(self.values), self.params))
        del self._before[:-_KEPT]

    # ---- statements

    def load(self, source: Source, folder: Path) -> list[str]:
        """Add the statements of a file, in place of those it had before; returns the names of its rules.

        Raises:
            AsrError: the file, or the session with it, has errors.
        """
        before = Program(source, library=Folder(source.name, folder))
        added = [_entry(statement, source.name) for statement in parse_file(source).file.statements]
        entries = self._with(added)
        self._program(entries, self._params_without(added), folder)
        self._keep()
        self.entries, self.folder = entries, folder
        self._forget_values(added)
        return [rule.name for rule in before.rules]

    def add(self, text: str) -> tuple[SessionStatement, tuple[Diagnostic, ...]]:
        """Add one statement, in place of an earlier one of the same name; returns it, and warnings about it.

        Raises:
            AsrError: it has errors, or other statements have with it.
        """
        entry, entries, program = self.verify(text)
        self._keep()
        self.entries = entries
        self._forget_values([entry])
        warnings = at_input(program.diagnostics, program.source, entry.text)
        # A definition is typed before what uses it.
        return entry, tuple(warning for warning in warnings if warning.code != "ASR055")

    def verify(self, text: str) -> tuple[SessionStatement, list[SessionStatement], Program]:
        """Return one statement, the session's statements with it, and the program that these make.

        Raises:
            AsrError: as `add` does; nothing is added.
        """
        parsed = parse_file(Source(INPUT, text))
        if parsed.diagnostics:
            raise AsrError(parsed.diagnostics)
        entry = _entry(parsed.file.statements[0])
        entries = self._with([entry])
        others = [other for other in entries if other is not entry]
        return entry, entries, self.checked(entry.text, others, self._params_without([entry]))

    def set(self, name: str, value: object) -> None:
        """Give a name a value; a param of the session takes it as its own.

        Raises:
            AsrError: it is a param and the value does not suit it, or the session or the language defines the name.
        """
        self.set_all({name: value})

    def set_all(self, values: Mapping[str, object]) -> None:
        """Give names values, as one change (errors as `set` has them)."""
        taken = {name: value for name, value in values.items() if self._is_param(name)}
        given = {name: cast(ParamValue, _in_order(value)) for name, value in taken.items()}
        params = {**self.params, **given}
        if given:
            self._program(self.entries, params, self.folder)
        self._keep()
        self.params = params
        self.values = {**self.values, **{name: value for name, value in values.items() if name not in taken}}

    def _is_param(self, name: str) -> bool:
        """Whether a name that is to have a value is a param; raises `AsrError` for one that may have none."""
        if name in CLOSED_NAMES or name in KEYWORDS:
            message = f"`{name}` is a word of the language: no rule could read the value"
            raise AsrError([Diagnostic("ASR081", message, help="take another name")])
        for entry in self.entries:
            if entry.name == name and entry.kind is ast.Param:
                return True
            if entry.name == name and entry.kind in (ast.Let, ast.Def):
                word = entry.kind.__name__.lower()
                message = f"`{name}` is defined by a `{word}` of the session"
                raise AsrError([Diagnostic("ASR081", message, help=f"type `{word} {name} = ...` to change it")])
        return False

    def _params_without(self, added: list[SessionStatement]) -> dict[str, ParamValue]:
        """Return the values given to params, but for those that ``added`` states anew."""
        stated = {entry.name for entry in added if entry.kind is ast.Param}
        return {name: value for name, value in self.params.items() if name not in stated}

    def _forget_values(self, added: list[SessionStatement]) -> None:
        """Drop the values of names that ``added`` defines: what was said last counts."""
        self.params = self._params_without(added)
        defined = {entry.name for entry in added if _space(entry) == "definition"}
        self.values = {name: value for name, value in self.values.items() if name not in defined}

    # ---- what is asked of it

    def program(self) -> Program:
        """Return the whole session as a program."""
        return self._program(self.entries, self.params, self.folder)

    def rules(self) -> list[SessionStatement]:
        """Return the session's rules."""
        return [entry for entry in self.entries if entry.kind is ast.Rule]

    def definitions(self) -> list[SessionStatement]:
        """Return all statements but the rules."""
        return [entry for entry in self.entries if entry.kind is not ast.Rule]

    def checked(
        self,
        text: str,
        entries: list[SessionStatement] | None = None,
        params: Mapping[str, ParamValue] | None = None,
        shown: str | None = None,
    ) -> Program:
        """Return the program of ``entries`` (without: the definitions) and, last, ``text``.

        Raises:
            AsrError: it has errors, which are moved to where they are in ``shown``, what was typed.
        """
        last = SessionStatement(ast.Rule, None, text)
        entries = [*(self.definitions() if entries is None else entries), last]
        try:
            return self._program(entries, self.params if params is None else params, self.folder)
        except AsrError as error:
            raise moved(error, Source(INPUT, _text(entries)), text, shown) from None

    # ---- texts

    def _with(self, added: list[SessionStatement]) -> list[SessionStatement]:
        names = {(_space(entry), entry.name) for entry in added if entry.name is not None}
        origins = {entry.origin for entry in added} - {None}
        kept = [
            entry
            for entry in self.entries
            if entry.origin not in origins or (entry.name is not None and (_space(entry), entry.name) in names)
        ]
        entries = list(kept)
        for entry in added:
            # In the place of the old one: params are to come before the params that use them.
            key = _space(entry), entry.name
            places = [place for place, other in enumerate(entries) if (_space(other), other.name) == key]
            if entry.name is not None and places:
                entries[places[0]] = entry
            else:
                entries.append(entry)
        return entries

    def _program(self, entries: list[SessionStatement], params: Mapping[str, ParamValue], folder: Path) -> Program:
        names = {entry.name for entry in entries if entry.kind is ast.Param}
        # A param that is no longer there keeps its value for when it comes back.
        kept = {name: value for name, value in params.items() if name in names or not entries}
        return Program(Source(INPUT, _text(entries)), kept, library=Folder(INPUT, folder))


def _text(entries: list[SessionStatement]) -> str:
    return "\n".join(entry.text for entry in entries)


def _entry(statement: ast.Statement, origin: str | None = None) -> SessionStatement:
    name = None if isinstance(statement, ast.Import) else statement.name
    return SessionStatement(type(statement), name.text if name is not None else None, statement.span.text, origin)


def _space(entry: SessionStatement) -> str:
    """Return in which space of names an entry's name lies: rules, sites, givens and definitions do not clash."""
    return entry.kind.__name__ if entry.kind in (ast.Rule, ast.Site, ast.Given) else "definition"


def _in_order(value: object) -> object:
    return sorted(cast(set[float], value)) if isinstance(value, set) else value
