"""Where the parser stopped, as the hand-written messages look at it."""

import re
from dataclasses import dataclass

from asrppl.diagnostics import Diagnostic
from asrppl.source import Source, Span
from asrppl.syntax.lines import Piece

COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!=", "="})
WORD = re.compile(r'"[^"]*"|[A-Za-z_][A-Za-z0-9_]*|[0-9][A-Za-z0-9_.]*|<=|>=|==|!=|->|\.\.|\|\||\S')


@dataclass(frozen=True, slots=True)
class Stop:
    """Where the parser stopped: the statement's words, which of them it refused, and what it would have taken."""

    source: Source
    piece: Piece
    at: int  # in the statement's text
    token: str  # "" at the statement's end
    before: tuple[tuple[str, int], ...]  # the words before, with their places
    accepts: frozenset[str]

    @property
    def previous(self) -> str:
        """The word before the place, "" at the statement's start."""
        return self.before[-1][0] if self.before else ""

    def span(self, start: int, end: int) -> Span:
        """Return the place in the file of a part of the statement's text."""
        return Span(self.source, self.piece.start + start, self.piece.start + end)

    def found(self, code: str, message: str, help: str | None = None, span: Span | None = None) -> Diagnostic:
        """Return an error, at the refused word where no other place is given."""
        place = span if span is not None else self.span(self.at, self.at + len(self.token))
        return Diagnostic(code, message, place, help=help)
