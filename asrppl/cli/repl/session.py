"""What a REPL session knows: statements, params, values; and what a typed rule or term comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from asrppl.bind.bound import Bound
from asrppl.bind.values import bind_values
from asrppl.check.params import ParamValue
from asrppl.codes import Severity
from asrppl.core.families import members
from asrppl.core.free import FreeName
from asrppl.core.typed import AtMost
from asrppl.diagnostics import AsrError, Diagnostic, Note
from asrppl.files import Folder
from asrppl.lower.instances import Instance, instances, value_of
from asrppl.program import Program
from asrppl.source import Source, Span
from asrppl.suggest import did_you_mean
from asrppl.syntax import ast, parse_file
from asrppl.words import CLOSED_NAMES, KEYWORDS

INPUT = "<input>"
_PROBE = "the_value"  # what a term is compared with, to have it typed


@dataclass(frozen=True, slots=True)
class SessionStatement:
    """A statement of the session."""

    kind: type[ast.Statement]
    name: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule comes to at the session's values: its violation by datum, and the instances that break it."""

    name: str
    violation: Tensor
    broken: list[Instance]
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(slots=True)
class Session:
    """Statements and values; every change is checked as a whole, and left out if it does not fit."""

    folder: Path
    entries: list[SessionStatement] = field(default_factory=list[SessionStatement])
    values: dict[str, object] = field(default_factory=dict[str, object])
    params: dict[str, ParamValue] = field(default_factory=dict[str, ParamValue])

    # ---- statements

    def load(self, source: Source, folder: Path) -> list[str]:
        """Add the statements of a file; returns the names of its rules.

        Raises:
            AsrError: the file, or the session with it, has errors.
        """
        before = Program(source, library=Folder(source.name, folder))
        added = [_entry(statement) for statement in parse_file(source).file.statements]
        entries = self._with(added)
        self._program(entries, self._params_without(added), folder)
        self.entries, self.folder = entries, folder
        self._forget_values(added)
        return [rule.name for rule in before.rules]

    def add(self, text: str) -> tuple[SessionStatement, tuple[Diagnostic, ...]]:
        """Add one statement, in place of an earlier one of the same name; returns it, and warnings about it.

        Raises:
            AsrError: it has errors, or other statements have with it.
        """
        parsed = parse_file(Source(INPUT, text))
        if parsed.diagnostics:
            raise AsrError(parsed.diagnostics)
        entry = _entry(parsed.file.statements[0])
        entries = self._with([entry])
        params = self._params_without([entry])
        program = self._checked([other for other in entries if other is not entry], entry.text, params)
        self.entries = entries
        self._forget_values([entry])
        warnings = _at_input(program.diagnostics, program.source, entry.text)
        # A definition is typed before what uses it.
        return entry, tuple(warning for warning in warnings if warning.code != "ASR055")

    def set(self, name: str, value: object) -> None:
        """Give a name a value; a param of the session takes it as its own.

        Raises:
            AsrError: it is a param and the value does not suit it, or the session or the language defines the name.
        """
        if name in CLOSED_NAMES or name in KEYWORDS:
            message = f"`{name}` is a word of the language: no rule could read the value"
            raise AsrError([Diagnostic("ASR081", message, help="take another name")])
        for entry in self.entries:
            if entry.name != name or entry.kind is ast.Rule or entry.kind is ast.Site:
                continue
            if entry.kind is not ast.Param:
                word = entry.kind.__name__.lower()
                message = f"`{name}` is defined by a `{word}` of the session"
                raise AsrError([Diagnostic("ASR081", message, help=f"type `{word} {name} = ...` to change it")])
            given = cast(ParamValue, sorted(cast(set[float], value)) if isinstance(value, set) else value)
            params = {**self.params, name: given}
            self._program(self.entries, params, self.folder)
            self.params = params
            return
        self.values[name] = value

    def _params_without(self, added: list[SessionStatement]) -> dict[str, ParamValue]:
        """Return the values given to params, but for those that ``added`` states anew."""
        stated = {entry.name for entry in added if entry.kind is ast.Param}
        return {name: value for name, value in self.params.items() if name not in stated}

    def _forget_values(self, added: list[SessionStatement]) -> None:
        """Drop the values of names that ``added`` defines: what was said last counts."""
        self.params = self._params_without(added)
        for entry in added:
            if entry.name is not None and _space(entry) == "definition":
                self.values.pop(entry.name, None)

    def program(self) -> Program:
        """Return the whole session as a program."""
        return self._program(self.entries, self.params, self.folder)

    # ---- values

    def evaluate(self, text: str) -> Outcome:
        """Return what a formula comes to.

        Raises:
            AsrError: it has errors, or reads names without a value.
        """
        program = self._checked(self._definitions(), text, self.params)
        return self._outcome(program, len(program.rules) - 1, text)

    def outcome(self, entry: SessionStatement) -> Outcome | AsrError:
        """Return what a rule of the session comes to, or why it cannot be told."""
        try:
            program = self._checked(self._definitions(), entry.text, self.params)
            return self._outcome(program, len(program.rules) - 1, entry.text)
        except AsrError as error:
            return error

    def value(self, text: str) -> Tensor:
        """Return the value of a term, of the batch's shape.

        Raises:
            AsrError: it has errors, or reads names without a value.
        """
        # Compared with a name of its own, the term is typed and lowered like any other.
        probing = f"{text} >= {_PROBE}"
        program = self._checked(self._definitions(), probing, self.params, shown=text)
        bound = self._bind(program, {_PROBE: 0.0}, probing, shown=text)
        try:
            means = program.means(bound)
            (rule,) = means.rules.rules
        except AsrError as error:
            raise _moved(error, program.source, probing, text) from None
        if not isinstance(rule.formula, AtMost):
            raise AsrError([Diagnostic("ASR037", "this is not a number", _whole(text))])
        return value_of(rule.formula.right, means.settled(bound))

    def _outcome(self, program: Program, place: int, text: str) -> Outcome:
        bound = self._bind(program, {}, text)
        try:
            means = program.means(bound)
            rule = means.rules.rules[place]
            violation = means.violations(bound)[rule.name]
        except AsrError as error:
            raise _moved(error, program.source, text) from None
        warnings = _at_input(program.warnings(bound.signature), program.source, text)
        broken = instances(rule, means.settled(bound)) if bool((violation > 0).any()) else []
        return Outcome(rule.name, violation, broken, tuple(warnings))

    def _bind(self, program: Program, more: Mapping[str, object], text: str, shown: str | None = None) -> Bound:
        given: dict[str, object] = dict(more)
        for name, free in program.free.items():
            for known in (name, *members(free, self.values).values()):
                if known in self.values:
                    given[known] = _as_given(free, self.values[known])
        try:
            return bind_values(program.free, given)
        except AsrError as error:
            moved = _moved(error, program.source, text, shown)
            raise AsrError(self._mended(diagnostic) for diagnostic in moved.diagnostics) from None

    def _mended(self, diagnostic: Diagnostic) -> Diagnostic:
        """Return a missing value's error with a mend that suits the REPL."""
        if diagnostic.code != "ASR070":
            return diagnostic
        name = diagnostic.fields["name"]
        return replace(diagnostic, help=did_you_mean(name, self.values) or f"give it one: {name} = ...")

    # ---- texts

    def _definitions(self) -> list[SessionStatement]:
        return [entry for entry in self.entries if entry.kind is not ast.Rule]

    def _with(self, added: list[SessionStatement]) -> list[SessionStatement]:
        entries = list(self.entries)
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
        text = "\n".join(entry.text for entry in entries)
        names = {entry.name for entry in entries if entry.kind is ast.Param}
        # A param that is no longer there keeps its value for when it comes back.
        kept = {name: value for name, value in params.items() if name in names or not entries}
        return Program(Source(INPUT, text), kept, library=Folder(INPUT, folder))

    def _checked(
        self, entries: list[SessionStatement], text: str, params: Mapping[str, ParamValue], shown: str | None = None
    ) -> Program:
        """Return the program of ``entries`` and, last, ``text``; errors are moved to where they are in ``shown``."""
        last = SessionStatement(ast.Rule, None, text)
        try:
            return self._program([*entries, last], params, self.folder)
        except AsrError as error:
            source = Source(INPUT, "\n".join(entry.text for entry in [*entries, last]))
            raise _moved(error, source, text, shown) from None


def _entry(statement: ast.Statement) -> SessionStatement:
    name = None if isinstance(statement, ast.Import) else statement.name
    return SessionStatement(type(statement), name.text if name is not None else None, statement.span.text)


def _space(entry: SessionStatement) -> str:
    """Return in which space of names an entry's name lies: rules, sites and definitions do not clash."""
    return entry.kind.__name__ if entry.kind in (ast.Rule, ast.Site) else "definition"


def _as_given(free: FreeName, value: object) -> object:
    """Return a value as binding takes it.

    The numbers of a box are reals, however they are typed; a list of probabilities becomes a distribution where
    one is read.
    """
    if free.shape == "box":
        return _as_reals(value)
    if free.shape != "distribution" or not isinstance(value, list):
        return value
    probabilities = torch.tensor(value, dtype=torch.get_default_dtype())
    if probabilities.ndim == 0 or bool((probabilities < 0).any()) or bool((probabilities.sum(-1) <= 0).any()):
        message = f"`q({free.name})` takes a list of probabilities, those of 0, 1, 2 and so on"
        raise AsrError([Diagnostic("ASR075", message)])
    return torch.distributions.Categorical(probabilities)


def _as_reals(value: object) -> object:
    if isinstance(value, dict):
        return {name: _as_reals(part) for name, part in cast(dict[str, object], value).items()}
    if isinstance(value, list | tuple):
        return [_as_reals(part) for part in cast(list[object], value)]
    return float(value) if isinstance(value, int) else value


# ---- places: a statement is checked below all others, and shown as it was typed


def _whole(text: str) -> Span:
    return Span(Source(INPUT, text), 0, len(text))


def _at_input(found: tuple[Diagnostic, ...], source: Source, text: str) -> list[Diagnostic]:
    """Return the findings about ``text``, the last statement of ``source``, at their places in it."""
    start = len(source.text) - len(text)
    return [
        _move(diagnostic, source, start, text)
        for diagnostic in found
        if diagnostic.span is not None and diagnostic.span.source == source and diagnostic.span.start >= start
    ]


def _moved(error: AsrError, source: Source, text: str, shown: str | None = None) -> AsrError:
    """Return ``error`` with its errors at their places in what was typed, warnings left out."""
    start = len(source.text) - len(text)
    errors = [found for found in error.diagnostics if found.severity is Severity.ERROR]
    return AsrError(_move(diagnostic, source, start, shown or text) for diagnostic in errors)


def _move(diagnostic: Diagnostic, source: Source, start: int, text: str) -> Diagnostic:
    typed = Source(INPUT, text)

    def move(span: Span | None) -> Span | None:
        if span is None or span.source != source:
            return span
        if span.end <= start:  # in an earlier statement
            return replace(span, source=Source("<session>", source.text))
        first = min(max(span.start - start, 0), len(text))
        return Span(typed, first, max(first, min(span.end - start, len(text))))

    notes = tuple(Note(note.message, move(note.span)) for note in diagnostic.notes)
    return replace(diagnostic, span=move(diagnostic.span), notes=notes)
