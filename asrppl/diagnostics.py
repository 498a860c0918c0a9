"""Diagnostics as data, and the one renderer that prints them."""

import inspect
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from typing import Literal, ParamSpec, TypeVar

from asrppl.codes import CODES, Severity
from asrppl.notebook import styled
from asrppl.source import Span


@dataclass(frozen=True, slots=True)
class Note:
    """A remark that goes with a diagnostic, at a place of its own (say, the call that a ``def`` was expanded for)."""

    message: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """A mend that a program can make: ``text`` in the place of what stands at ``span``."""

    span: Span
    text: str


def replacing(span: Span, *texts: str) -> tuple[Edit, ...]:
    """Return the edits that write one of ``texts`` at ``span``."""
    return tuple(Edit(span, text) for text in texts)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about rules, as data.

    >>> with warnings.catch_warnings(action="ignore"):
    ...     (finding,) = asrppl.parse("let unused = 3\\nx <= 1").diagnostics
    >>> finding.code, finding.severity.value, finding.message
    ('ASR055', 'warning', '`unused` is never used')
    >>> finding.span.text, finding.to_json()["line"]
    ('unused', 1)

    Args:
        code: stable, ``ASR`` and three digits, registered in asrppl/codes.py; `asrppl explain CODE` says what it means.
        message: what is wrong, one sentence without the final full stop.
        span: where; None for a finding that has no place in a file (a Python call).
        help: the mend, where there is one ("did you mean `size`?").
        notes: further places that explain the finding.
        data: the typed values that it carries, name by name as its code lists them; `fields` has them as a mapping.
        edits: mends that a program can make, each by itself; the likeliest first.
    """

    code: str
    message: str
    span: Span | None = None
    help: str | None = None
    notes: tuple[Note, ...] = ()
    data: tuple[tuple[str, str], ...] = ()
    edits: tuple[Edit, ...] = ()

    def __post_init__(self) -> None:
        known = CODES[self.code].fields
        if tuple(name for name, _ in self.data) != known:
            raise TypeError(f"a finding {self.code} has the fields {known}, and was given {self.data}")

    @property
    def severity(self) -> Severity:
        """How bad it is: that of its code."""
        return CODES[self.code].severity

    @property
    def fields(self) -> dict[str, str]:
        """The typed values that it carries, by the names that its code lists: ``{"name": "box"}``."""
        return dict(self.data)

    def to_json(self) -> dict[str, object]:
        """Return the diagnostic as plain data: lines and columns count from 1, ends are exclusive."""
        data: dict[str, object] = {
            "code": self.code,
            "severity": self.severity.value,
            "message": self.message,
            "help": self.help,
            "fields": self.fields,
            **_place(self.span),
        }
        data["notes"] = [{"message": note.message, **_place(note.span)} for note in self.notes]
        data["edits"] = [{"text": edit.text, **_place(edit.span)} for edit in self.edits]
        return data


def _place(span: Span | None) -> dict[str, object]:
    if span is None:
        return {"file": None, "line": None, "column": None, "end_line": None, "end_column": None}
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    return {
        "file": span.source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }


_WIDTH = 110
"""How much of a line is shown around its caret: one long comment is not to fill the screen."""


Part = Literal["plain", "severity", "code", "carets", "help"]
"""What a piece of a rendered finding is, for who shows them apart."""


def _snippet(span: Span, gutter: int) -> Iterator[tuple[Part, str]]:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    text = span.source.line(line)
    if end_line != line:  # a span over several lines is marked to the end of its first
        end_column = len(text) + 1
    start = 0 if len(text) <= _WIDTH else min(max(column - 1 - _WIDTH // 3, 0), len(text) - _WIDTH)
    shown = text[start : start + _WIDTH]
    before, after = "…" if start else "", "…" if start + _WIDTH < len(text) else ""
    pad = " " * gutter
    yield "plain", f"\n{pad}--> {span.source.name}:{line}:{column}\n{pad} |\n{line:>{gutter}} | {before}{shown}{after}"
    column, end_column = column - start, min(end_column - start, len(shown) + 1)
    # Tabs are kept in front of the caret, so that it stands under its character at any tab width.
    margin = " " * len(before) + "".join("\t" if character == "\t" else " " for character in shown[: column - 1])
    yield "plain", f"\n{pad} | {margin}"
    yield "carets", "^" * max(1, end_column - column)


def parts(diagnostic: Diagnostic) -> Iterator[tuple[Part, str]]:
    """Yield the pieces of `render`, in order, each with what it is."""
    yield "severity", diagnostic.severity.value
    yield "code", f"[{diagnostic.code}]"
    yield "plain", f": {diagnostic.message}"
    spans = [span for span in (diagnostic.span, *(note.span for note in diagnostic.notes)) if span is not None]
    gutter = max((len(str(span.source.position(span.start)[0])) for span in spans), default=1)
    pad = " " * gutter
    if diagnostic.span is not None:
        yield from _snippet(diagnostic.span, gutter)
    for note in diagnostic.notes:
        yield "plain", f"\n{pad} = note: {note.message}"
        if note.span is not None:
            yield from _snippet(note.span, gutter)
    if diagnostic.help is not None:
        yield "plain", f"\n{pad} = "
        yield "help", f"help: {diagnostic.help}"


def render(diagnostic: Diagnostic) -> str:
    """Return the diagnostic as text: code and message, place, source line with carets, mend and notes."""
    return "".join(text for _, text in parts(diagnostic))


def html(found: Iterable[Diagnostic]) -> str:
    """Return findings as HTML, for a notebook."""

    def pieces(diagnostic: Diagnostic) -> str:
        bad = "#d03030" if diagnostic.severity is Severity.ERROR else "#b07800"
        styles = {
            "severity": f"color: {bad}; font-weight: bold",
            "code": "font-weight: bold",
            "carets": f"color: {bad}",
        }
        styles["help"] = "color: #2878c8"
        return "".join(styled(text, styles.get(part)) for part, text in parts(diagnostic))

    return f"<pre>{'<br><br>'.join(map(pieces, found))}</pre>"


def in_order(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return findings in the one order that there is: without a place first, then by file and place.

    The file that was asked for comes before those that it imports.
    """

    def key(diagnostic: Diagnostic) -> tuple[bool, bool, str, int, str]:
        span = diagnostic.span
        if span is None:
            return False, False, "", 0, diagnostic.code
        return True, span.source.imported, span.source.name, span.start, diagnostic.code

    return tuple(sorted(found, key=key))


class AsrError(ValueError):
    """The one exception that rules raise: about their text, their values, or how they fit a model and guide.

    >>> try:
    ...     asrppl.parse("n == 1 or 3")
    ... except asrppl.AsrError as error:
    ...     print(error)
    error[ASR036]: a formula is needed here, and this is a number
     --> <rules>:1:11
      |
    1 | n == 1 or 3
      |           ^
      = help: did you mean `n in {1, 3}`?

    Args:
        diagnostics: all findings of the stage that failed, errors and warnings: by file, then place.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = in_order(diagnostics)
        super().__init__("\n\n".join(render(diagnostic) for diagnostic in self.diagnostics))

    def __reduce__(self) -> tuple[type["AsrError"], tuple[tuple[Diagnostic, ...]]]:
        return type(self), (self.diagnostics,)

    def __repr__(self) -> str:
        return f"AsrError({', '.join(diagnostic.code for diagnostic in self.diagnostics)})"

    def _repr_html_(self) -> str:
        return html(self.diagnostics)


class AsrWarning(UserWarning):
    """A finding that does not stop anything, as a Python warning: a rule that costs nothing, a name that nothing uses.

    Raised once for a text, and once for what its names are bound to; `Program.diagnostics` and
    `RegularizedELBO.bindings` have the findings as data. `asrppl explain CODE` says what each means::

        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     program = asrppl.parse("rule wide: abs(x) >= 0")
        >>> caught[0].category.__name__, caught[0].message.diagnostic.code
        ('AsrWarning', 'ASR057')

    Args:
        diagnostic: the finding.
    """

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        super().__init__(render(diagnostic))

    def __reduce__(self) -> tuple[type["AsrWarning"], tuple[Diagnostic]]:
        return type(self), (self.diagnostic,)


def warn_of(found: Iterable[Diagnostic]) -> None:
    """Raise a Python warning for each finding that is one, in the name of whoever called the public API."""
    package = os.path.join(os.path.dirname(__file__), "")
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    for diagnostic in found:
        if diagnostic.severity is Severity.WARNING:
            warnings.warn(AsrWarning(diagnostic), stacklevel=level)


P = ParamSpec("P")
R = TypeVar("R")


def public(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` as users call it: an `AsrError` in it shows its text, not the frames that led to it."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except AsrError as error:
            raise error.with_traceback(None) from error.__cause__

    return call


@dataclass(slots=True)
class Sink:
    """Collects findings, so that all of a file's errors come at once."""

    found: list[Diagnostic] = field(default_factory=list[Diagnostic])
    _known: set[Diagnostic] = field(default_factory=set[Diagnostic])  # the first of them: some are put in without `add`
    _read: int = 0

    def add(
        self,
        code: str,
        span: Span | None,
        message: str,
        *,
        help: str | None = None,
        notes: tuple[Note, ...] = (),
        edits: tuple[Edit, ...] = (),
        **data: str,
    ) -> None:
        """Note a finding, an error or a warning as its code says; the same one at the same place is kept once."""
        diagnostic = Diagnostic(code, message, span, help, notes, tuple(data.items()), edits)
        self._known.update(self.found[self._read :])
        if diagnostic not in self._known:
            self.found.append(diagnostic)
        self._read = len(self.found)
        self._known.add(diagnostic)

    @property
    def failed(self) -> bool:
        """Whether an error was noted."""
        return any(diagnostic.severity is Severity.ERROR for diagnostic in self.found)

    def raise_if_failed(self) -> None:
        """Raise `AsrError` with everything found if any of it is an error."""
        if self.failed:
            raise AsrError(self.found)
