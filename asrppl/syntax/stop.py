"""Where the parser stopped, as the hand-written messages look at it."""

import re
from dataclasses import dataclass

from asrppl.diagnostics import Diagnostic, Edit
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

    def found(
        self,
        code: str,
        message: str,
        help: str | None = None,
        span: Span | None = None,
        *,
        edit: tuple[int, int, str] | None = None,
        or_else: tuple[int, int, str] | None = None,
    ) -> Diagnostic:
        """Return an error, at the refused word where no other place is given.

        Args:
            code: of the error.
            message: what is wrong.
            help: the mend, in words.
            span: the place.
            edit: the mend, for a program: a part of the statement's text, and what is to stand there.
            or_else: another mend in its place.
        """
        place = span if span is not None else self.span(self.at, self.at + len(self.token))
        edits = tuple(Edit(self.span(*each[:2]), each[2]) for each in (edit, or_else) if each is not None)
        return Diagnostic(code, message, place, help=help, edits=edits)

    def mended(self, code: str, message: str, text: str, span: Span | None = None) -> Diagnostic:
        """Return an error that is mended by writing ``text`` in its place."""
        place = span if span is not None else self.span(self.at, self.at + len(self.token))
        start = self.piece.start
        edit = (place.start - start, place.end - start, text)
        return self.found(code, message, f"write `{text}`", place, edit=edit)

    def around(self, left: str, start: int, end: int, right: str) -> tuple[int, int]:
        """Return where the operands ``left`` and ``right`` of what stands from ``start`` to ``end`` begin and end."""
        text = self.piece.text
        return len(text[:start].rstrip()) - len(left), text.index(right, end) + len(right)
