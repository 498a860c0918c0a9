"""A rule file as it stands, with all that is asked of it: its tree, what was found, which name means what."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pygments.token import Name, Whitespace

from asrppl.assist.symbols import Occurrence, Symbol, meant_by, occurrences_in
from asrppl.check import Checked, check_file
from asrppl.check.params import ParamValue
from asrppl.diagnostics import Diagnostic, in_order
from asrppl.files import Library
from asrppl.highlight import AsrLexer
from asrppl.source import Source, Span
from asrppl.syntax import ast, parse_file


@dataclass(frozen=True)
class Analysis:
    """A rule file that was parsed and checked, errors or not.

    Args:
        source: its text.
        file: its tree, without the statements that cannot be read.
        checked: what the checker found.
        diagnostics: of syntax and of meaning, in order; those of imported files among them.
        whole: whether all statements could be read.
    """

    source: Source
    file: ast.File
    checked: Checked
    diagnostics: tuple[Diagnostic, ...]
    whole: bool

    @cached_property
    def occurrences(self) -> tuple[Occurrence, ...]:
        """The names in the file, in order."""
        return occurrences_in(self.file, self.checked)

    def at(self, offset: int) -> Occurrence | None:
        """Return the name at ``offset``, or the one that ends there.

        In a statement that cannot be read it is what the word means elsewhere in the file.
        """
        around = [found for found in self.occurrences if found.span.start <= offset <= found.span.end]
        if around or self.whole:
            return around[-1] if around else None
        return self._word_at(offset)

    def _word_at(self, offset: int) -> Occurrence | None:
        before = ""
        for start, kind, text in AsrLexer().get_tokens_unprocessed(self.source.text):
            end = start + len(text)
            if start <= offset <= end and kind in Name and before != ".":
                called = self.source.text[end:].lstrip(" \t").startswith("(")
                symbol = meant_by(text, self.file.source, self.checked, called=called)
                return None if symbol is None else Occurrence(Span(self.source, start, end), symbol)
            before = before if kind in Whitespace else text
        return None

    def uses(self, symbol: Symbol) -> tuple[Occurrence, ...]:
        """Return where the file names a symbol."""
        return tuple(found for found in self.occurrences if found.symbol == symbol)

    def statement_at(self, offset: int) -> ast.Statement | None:
        """Return the statement that ``offset`` stands in."""
        around = [each for each in self.file.statements if each.span.start <= offset <= each.span.end]
        return around[-1] if around else None


def analyse(source: Source, *, library: Library | None, params: Mapping[str, ParamValue] | None = None) -> Analysis:
    """Parse and check a rule file; what is wrong with it is among the diagnostics."""
    parsed = parse_file(source)
    checked = check_file(parsed.file, params or {}, library=library)
    diagnostics = in_order((*parsed.diagnostics, *checked.diagnostics))
    return Analysis(source, parsed.file, checked, diagnostics, whole=not parsed.diagnostics)


_COMMENT = re.compile(r"[ \t]*#[ \t]?(.*?)[ \t\r]*$")


def comment_of(span: Span) -> str:
    """Return what the comment says that belongs to a statement: at the end of its first line, or right above it.

    Of `def`s in a row, the comment above them is of all.
    """
    source = span.source
    number, column = source.position(span.start)
    rest = source.line(number)[column - 1 :]
    if '"' not in rest and (found := re.search(r"#[ \t]?(.*?)[ \t\r]*$", rest)):
        return found[1]
    lines: list[str] = []
    above = number - 1
    while above > 0 and rest.startswith("def") and re.match(r"def\b|[ \t]+[^ \t#\r]", source.line(above)):
        above -= 1
    while above > 0 and (found := _COMMENT.match(source.line(above))):
        lines.insert(0, found[1])
        above -= 1
    return "\n".join(lines)
