"""`asrppl fmt`: a rule file's text with its white space put in order, and nothing else.

Tokens and comments stay what they are and come in the order they came. Lines end where they ended, but for those that
are too long, which are broken. Rules without a name are called by their line: above one, no line is broken.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from asrppl.diagnostics import Diagnostic, Sink
from asrppl.source import Source
from asrppl.syntax import ast
from asrppl.syntax.grammar import parser
from asrppl.syntax.lines import Piece, cut, starts_statement
from asrppl.syntax.parse import parse_file

WIDTH = 100
"""A line is broken where it is longer, and where it can be."""

_STEP = "    "
_COMMENT = re.compile(r'"[^"\r\n]*"|(?P<comment>#[^\r\n]*)')
_OPENERS, _CLOSERS = frozenset({"LPAR", "LSQB", "LBRACE", "COUNTED"}), frozenset({"RPAR", "RSQB", "RBRACE"})
_OPERANDS = frozenset({"NAME", "NUMBER", "TRUTH", "STRING", *_CLOSERS})
_NO_SPACE_BEFORE = frozenset({"COMMA", "COLON", "DOT", "DOTS", *_CLOSERS})
_NO_SPACE_AFTER = frozenset({"DOT", "DOTS", *_OPENERS - {"COUNTED"}})
_BREAKS = ({"IFF"}, {"IMPLIES"}, {"OR"}, {"AND"}, {"WHERE", "THEN", "ELSE"}, {"COMPARE"}, {"PLUS", "MINUS"}, {"TIMES"})
"""Before which tokens a line may be broken, the loosest first."""
_LOOSENESS = {kind: place + 1 for place, kinds in enumerate(_BREAKS) for kind in kinds}
_AFTER = {"COLON": 0, "BECOMES": 0, "COMMA": len(_BREAKS) + 1}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    first: bool  # of its statement
    unary: bool = False


@dataclass(slots=True)
class _Line:
    """A line of the file: its tokens and its comment.

    Args:
        tokens: on it.
        comment: at its end, or alone.
        inside: whether it stands between the first and the last line of a statement.
        indented: whether it was, in the file.
    """

    tokens: list[_Token] = field(default_factory=list["_Token"])
    comment: str = ""
    inside: bool = False
    indented: bool = False


class LayoutError(Exception):
    """The text has errors of syntax, which come first."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("\n\n".join(str(found) for found in diagnostics))
        self.diagnostics = diagnostics


def tidy(source: Source) -> str:
    """Return the text of a rule file in order: the same tokens and comments, the same names of rules.

    >>> print(tidy(Source("rules", "rule low :x[ i ]<=-1   and y>2# why")), end="")
    rule low: x[i] <= -1 and y > 2  # why

    Raises:
        LayoutError: the text has errors of syntax.
    """
    parsed = parse_file(source)
    if parsed.diagnostics:
        raise LayoutError(parsed.diagnostics)
    held = _last_named_by_its_line(source, parsed.file)
    writer = _Writer()
    for number, line in enumerate(_lines(source, cut(source, Sink())), start=1):
        writer.write(line, breaks=number >= held)
    end = "\r\n" if "\r\n" in source.text.partition("\n")[0] + "\n" else "\n"
    return "".join(line + end for line in _with_comments(writer.written))


def _last_named_by_its_line(source: Source, file: ast.File) -> int:
    """Return the line of the last rule that has no name, 0 where all have one."""
    bare = (each.span.start for each in file.statements if isinstance(each, ast.Rule) and each.name is None)
    return max((source.position(start)[0] for start in bare), default=0)


def _lines(source: Source, pieces: Iterable[Piece]) -> list[_Line]:
    texts = source.text.removeprefix("\ufeff").split("\n")
    if texts[-1].strip() == "":
        texts.pop()
    lines = [_Line(indented=text[:1] in (" ", "\t")) for text in texts]
    for text, line in zip(texts, lines, strict=True):
        found = next((each for each in _COMMENT.finditer(text) if each["comment"]), None)
        line.comment = "" if found is None else found["comment"].rstrip()
    for piece in pieces:
        last: int | None = None
        for token in _tokens(piece):
            number = source.position(token.start)[0] - 1
            for between in range(number if last is None else last, number):
                lines[between].inside = True
            last = number
            lines[number].tokens.append(token)
    return lines


def _tokens(piece: Piece) -> Iterator[_Token]:
    before = ""
    for token in parser().parse_interactive(piece.text).iter_parse():
        text = "(count" if token.type == "COUNTED" else str(token)
        unary = token.type == "MINUS" and before not in _OPERANDS
        yield _Token(token.type, text, piece.start + (token.start_pos or 0), first=not before, unary=unary)
        before = token.type


class _Writer:
    """Lines as they are to be, each with its comment.

    What goes on with a statement is indented by a step, and by another for every bracket that is open and for every
    line that ended in a colon (and left no bracket open) whose body is not at its end.
    """

    def __init__(self) -> None:
        self.written: list[tuple[str, str]] = []
        self._open: list[str] = []  # "(" and ":", in the statement

    def write(self, line: _Line, *, breaks: bool) -> None:
        """Write a line, as one or as several."""
        rest = line.tokens
        if not rest:
            indent = self._indent() if line.inside else _STEP * line.indented
            self.written.append(("", f"{indent}{line.comment}" if line.comment else ""))
        while rest:
            first = rest[0].first
            if first:
                self._open = []
            closing = next((at for at, token in enumerate(rest) if token.kind not in _CLOSERS), len(rest))
            for _ in range(closing):
                self._close()
            indent = "" if first else self._indent()
            at = _break(rest, len(indent)) if breaks else None
            head, rest = rest[:at], [] if at is None else rest[at:]
            around = len(self._open)
            for token in head[closing:]:
                if token.kind in _OPENERS:
                    self._open.append("(")
                elif token.kind in _CLOSERS:
                    self._close()
            if head[-1].kind == "COLON" and not first and len(self._open) <= around:
                self._open.append(":")
            self.written.append((indent + _joined(head), "" if rest else line.comment))

    def _indent(self) -> str:
        return _STEP * (1 + len(self._open))

    def _close(self) -> None:
        while self._open and self._open.pop() != "(":
            pass


def _with_comments(lines: list[tuple[str, str]]) -> Iterator[str]:
    """Yield lines with their comments; those of lines in a row begin in one column."""
    column = 0
    for at, (text, comment) in enumerate(lines):
        if not text or not comment:
            column = 0
        elif not column:
            block = takewhile(all, lines[at:])
            column = max(len(each) for each, _ in block) + 2
        yield f"{text:{column}}{comment}" if comment else text


def _joined(tokens: list[_Token]) -> str:
    parts: list[str] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if before is not None and _spaced(before, token):
            parts.append(" ")
        parts.append(token.text)
    return "".join(parts)


def _spaced(before: _Token, token: _Token) -> bool:
    if token.kind in _NO_SPACE_BEFORE or before.kind in _NO_SPACE_AFTER or before.unary:
        return False
    return token.kind not in ("LPAR", "LSQB") or before.kind not in _OPERANDS


def _break(tokens: list[_Token], indent: int) -> int | None:
    """Return where a line that is too long is broken best: outside of brackets, and where it binds least."""
    text = _joined(tokens)
    if indent + len(text) <= WIDTH:
        return None
    best: tuple[int, int, int] | None = None
    depth = 0
    for at in range(1, len(tokens)):
        before, token = tokens[at - 1], tokens[at]
        depth += (before.kind in _OPENERS) - (before.kind in _CLOSERS)
        if indent + len(_joined(tokens[:at])) > WIDTH:
            break
        loose = _AFTER.get(before.kind, _LOOSENESS.get(token.kind))
        if loose is None or token.unary or starts_statement(_STEP + _joined(tokens[at : at + 2])):
            continue
        if best is None or (depth, loose, -at) < best:
            best = depth, loose, -at
    return None if best is None else -best[2]
