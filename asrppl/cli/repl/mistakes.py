"""Errors in what is being typed, while it is."""

from typing import NamedTuple

from asrppl.cli.repl.lines import is_value, wants_more
from asrppl.cli.repl.session import Session
from asrppl.codes import Severity
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.syntax.lines import starts_statement
from asrppl.words import STATEMENTS

_LONGEST = 2_000
"""Characters that are checked at every key."""
_LACKING = ("ASR008", "ASR045")
"""What is not there yet, and may come: an `else`, a use of an index."""


class Mistake(NamedTuple):
    """An error: its place in the text, and what is said of it."""

    start: int
    end: int
    text: str


def mistake_in(session: Session, text: str) -> Mistake | None:
    """Return the first error in a formula, term or statement, unless more of it may mend that.

    What stands at the end is still being typed; values and commands are told when they are done.
    """
    whole = text.rstrip()
    if len(text) > _LONGEST or is_value(text) or whole.startswith((":", "?", "#")) or wants_more(text):
        return None
    for found in _errors(session, whole):
        span = found.span
        if found.code not in _LACKING and span is not None and span.source.text == whole and span.end < len(whole):
            mend = f" ({found.help})" if found.help else ""
            return Mistake(span.start, span.end, f"{found.code}: {found.message}{mend}")
    return None


def _errors(session: Session, text: str) -> list[Diagnostic]:
    try:
        if text.lstrip().split(maxsplit=1)[:1] and text.split(maxsplit=1)[0] in STATEMENTS and starts_statement(text):
            session.verify(text)
        else:
            session.checked(text)
    except AsrError as error:
        return [found for found in error.diagnostics if found.severity is Severity.ERROR]
    return []
