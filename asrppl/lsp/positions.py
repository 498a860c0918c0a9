"""Places as the protocol has them: lines from 0, and columns in the units that client and server agreed on."""

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping

from lsprotocol.types import Position, PositionEncodingKind, Range

from asrppl.source import Span

_UNITS: Mapping[str, Callable[[str], int]] = {
    PositionEncodingKind.Utf8: lambda text: len(text.encode("utf-8", "surrogatepass")),
    PositionEncodingKind.Utf16: lambda text: len(text.encode("utf-16-le", "surrogatepass")) // 2,
    PositionEncodingKind.Utf32: len,
}


class Places:
    """Turns offsets of one text into positions, and back.

    The protocol ends lines at ``\\r`` too, where rules have no such line.

    Args:
        text: the text.
        encoding: what columns count: ``utf-16`` unless client and server agreed on another.
    """

    def __init__(self, text: str, encoding: str) -> None:
        self._text = text
        self._starts = [0, *(found.end() for found in re.finditer(r"\r\n|\n|\r", text))]
        self._units = _UNITS[PositionEncodingKind(encoding)]

    def position(self, offset: int) -> Position:
        """Return where the character number ``offset`` is."""
        line = bisect_right(self._starts, offset) - 1
        return Position(line, self._units(self._text[self._starts[line] : offset]))

    def offset(self, position: Position) -> int:
        """Return which character is at ``position``: beyond its line's end the end, inside a character that."""
        if position.line >= len(self._starts):
            return len(self._text)
        start = self._starts[position.line]
        end = self._starts[position.line + 1] if position.line + 1 < len(self._starts) else len(self._text)
        line = self._text[start:end].rstrip("\r\n")
        units = 0
        for at, character in enumerate(line):
            units += self._units(character)
            if units > position.character:
                return start + at
        return start + len(line)

    def range(self, span: Span) -> Range:
        """Return where ``span`` is."""
        return Range(self.position(span.start), self.position(span.end))
