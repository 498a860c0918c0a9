"""The standard library's definitions: each is parsed when it is first used, since most files use one or two."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from asrppl.check.expand.values import DefDefinition, Module
from asrppl.diagnostics import Sink
from asrppl.source import Source
from asrppl.syntax import ast
from asrppl.syntax.lines import Piece, cut
from asrppl.syntax.parse import parse_statement

_NAME = re.compile(r"def[ \t]+(\w+)")


class _Standard(Mapping[str, DefDefinition]):
    def __init__(self, sources: list[Source]) -> None:
        self._places: dict[str, tuple[Module, Piece]] = {}
        self._parsed: dict[str, DefDefinition] = {}
        for source in sources:
            module = Module(source, ast.File(source, ()), standard=self)
            for piece in cut(source, Sink()):
                name = _NAME.match(piece.text)
                assert name is not None, piece.text
                self._places[name[1]] = module, piece

    def __getitem__(self, name: str) -> DefDefinition:
        if name not in self._parsed:
            module, piece = self._places[name]
            statement = parse_statement(piece, module.source, sink := Sink())
            assert isinstance(statement, ast.Def), [finding.message for finding in sink.found]
            self._parsed[name] = DefDefinition(statement, module)
        return self._parsed[name]

    def __contains__(self, name: object) -> bool:
        return name in self._places  # what is only asked for is not parsed

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@cache
def standard_definitions() -> Mapping[str, DefDefinition]:
    """Return the standard library's ``def``s by name."""
    library = sorted((files("asrppl") / "stdlib").iterdir(), key=lambda file: file.name)
    return _Standard(
        [Source(f"<stdlib>/{file.name}", file.read_text(encoding="utf-8"), imported=True) for file in library]
    )
