"""Places of findings: a statement is checked below all others of the session, and shown as it was typed."""

from dataclasses import replace

from asrppl.codes import Severity
from asrppl.diagnostics import AsrError, Diagnostic, Note
from asrppl.source import Source, Span

INPUT = "<input>"


class ReplError(ValueError):
    """What was typed cannot be done; the message says why."""


def whole(text: str) -> Span:
    """Return the place that is all of what was typed."""
    return Span(Source(INPUT, text), 0, len(text))


def at_input(found: tuple[Diagnostic, ...], source: Source, text: str) -> tuple[Diagnostic, ...]:
    """Return the findings about ``text``, the last statement of ``source``, at their places in it."""
    start = len(source.text) - len(text)
    return tuple(
        _move(diagnostic, source, start, text)
        for diagnostic in found
        if diagnostic.span is not None and diagnostic.span.source == source and diagnostic.span.start >= start
    )


def moved(error: AsrError, source: Source, text: str, shown: str | None = None) -> AsrError:
    """Return ``error`` with its errors at their places in what was typed, warnings left out.

    Args:
        error: of a source whose last statement is ``text``.
        source: that source.
        text: the last statement.
        shown: what was typed, where it is only the beginning of ``text``.
    """
    start = len(source.text) - len(text)
    errors = [found for found in error.diagnostics if found.severity is Severity.ERROR]
    return AsrError(_move(diagnostic, source, start, shown or text) for diagnostic in errors)


def within(error: AsrError, part: str, typed: str) -> AsrError:
    """Return the errors about a part of what was typed at their places in all of it."""
    start = typed.find(part)
    if start < 0:
        return error

    def move(span: Span | None) -> Span | None:
        if span is None or span.source.text != part:
            return span
        return Span(Source(INPUT, typed), span.start + start, span.end + start)

    return AsrError(
        replace(
            found,
            span=move(found.span),
            notes=tuple(Note(note.message, move(note.span)) for note in found.notes),
        )
        for found in error.diagnostics
    )


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
