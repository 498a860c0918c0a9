"""Text → tree: one statement at a time, so that all of a file's syntax errors come at once."""

from dataclasses import dataclass

from lark.exceptions import UnexpectedInput

from asrppl.diagnostics import Diagnostic, Sink
from asrppl.source import Source, Span
from asrppl.syntax import ast
from asrppl.syntax.build import build
from asrppl.syntax.grammar import parser
from asrppl.syntax.lines import MAX_ERRORS, Piece, cut
from asrppl.syntax.messages import explain, misread, sign_first


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file's tree and its syntax errors; statements that have errors are left out of the tree."""

    file: ast.File
    diagnostics: tuple[Diagnostic, ...]


def parse_file(source: Source) -> Parsed:
    """Parse a rule file. Never raises on bad text: what is wrong with it is among the diagnostics, by position.

    Work and memory grow linearly with the text, and lengths and nesting have limits (ASR014 to ASR016).
    """
    sink = Sink()
    statements: list[ast.Statement] = []
    for piece in cut(source, sink):
        if len(sink.found) >= MAX_ERRORS:
            break
        statement = parse_statement(piece, source, sink)
        if statement is not None:
            statements.append(statement)
    found = sorted(sink.found, key=_position)
    if len(found) > MAX_ERRORS:
        found = found[:MAX_ERRORS]
    if len(found) == MAX_ERRORS:
        last = found[-1].span
        place = Span(source, last.end, last.end) if last is not None else None
        found.append(Diagnostic("ASR017", f"there are too many syntax errors; the first {MAX_ERRORS} are shown", place))
    return Parsed(ast.File(source, tuple(statements)), tuple(found))


def parse_statement(piece: Piece, source: Source, sink: Sink) -> ast.Statement | None:
    """Parse one statement of ``source``; None where it is in error, which is then in ``sink``."""
    if piece.text[0] in "+-":
        sink.found.append(sign_first(piece, source))
        return None
    try:
        tree = parser().parse(piece.text)
    except UnexpectedInput as error:
        sink.found.append(explain(error, piece, source))
        return None
    wrong = misread(piece, source)
    if wrong is not None:
        sink.found.append(wrong)
        return None
    return build(tree, source, piece.start, sink)


def _position(diagnostic: Diagnostic) -> int:
    return diagnostic.span.start if diagnostic.span is not None else 0
