"""From what the rules say of themselves to what the protocol has for it."""

import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path

from lsprotocol import types
from pygls.uris import from_fs_path

from asrppl.assist.analysis import Analysis
from asrppl.assist.complete import Item, ItemKind
from asrppl.assist.describe import Description, signature
from asrppl.codes import CODES, Severity
from asrppl.diagnostics import Diagnostic, Edit
from asrppl.lsp.positions import Places
from asrppl.project import address
from asrppl.source import Source, Span
from asrppl.syntax import ast

_SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
}
_ITEMS: dict[ItemKind, types.CompletionItemKind] = {
    "word": types.CompletionItemKind.Operator,
    "statement": types.CompletionItemKind.Keyword,
    "option": types.CompletionItemKind.Keyword,
    "function": types.CompletionItemKind.Function,
    "index": types.CompletionItemKind.Variable,
    "param": types.CompletionItemKind.Constant,
    "let": types.CompletionItemKind.Variable,
    "guide": types.CompletionItemKind.Reference,
    "field": types.CompletionItemKind.Field,
    "type": types.CompletionItemKind.TypeParameter,
    "file": types.CompletionItemKind.File,
}
PlacesOf = Callable[[Source], Places]
"""The places of a text, in the columns of the client."""


def uri_of(source: Source) -> str | None:
    """Return the address of a text; None where it lies in no file of its own, as the library of a zip does."""
    name = source.name
    if name.startswith("<stdlib>/"):
        path = Path(str(files("asrppl") / "stdlib" / name.removeprefix("<stdlib>/")))
        return from_fs_path(str(path)) if path.is_file() else None
    return from_fs_path(name) if Path(name).is_absolute() else name


def location(span: Span, places: PlacesOf) -> types.Location | None:
    """Return where ``span`` is."""
    uri = uri_of(span.source)
    return None if uri is None else types.Location(uri, places(span.source).range(span))


def diagnostic(found: Diagnostic, main: Source, places: PlacesOf) -> types.Diagnostic:
    """Return a finding as the file ``main`` shows it: one of an imported file stands where that is imported."""
    span = found.span
    message = found.message if found.help is None else f"{found.message}\nhelp: {found.help}"
    related = [(note.message, note.span) for note in found.notes]
    if span is not None and span.source != main:
        line, _ = span.source.position(span.start)
        message = f"{Path(span.source.name).name}, line {line}: {message}"
        related.insert(0, ("here", span))
        span = import_of(span.source, main)
    shown = [(text, location(place, places)) for text, place in related if place is not None]
    return types.Diagnostic(
        range=places(main).range(span if span is not None else Span(main, 0, 0)),
        message=message,
        severity=_SEVERITIES[found.severity],
        code=found.code,
        code_description=_page(found.code),
        source="asrppl",
        tags=[types.DiagnosticTag.Unnecessary] if found.code == "ASR055" else None,
        related_information=[types.DiagnosticRelatedInformation(at, text) for text, at in shown if at is not None],
    )


@cache
def _page(code: str) -> types.CodeDescription | None:
    """Return where a code is explained: the heading of its section, as GitHub makes an anchor of it."""
    home = address("Homepage")
    heading = re.sub(r"[^\w\- ]", "", f"{code}: {CODES[code].title}".lower()).replace(" ", "-")
    return None if home is None else types.CodeDescription(f"{home}/blob/main/docs/diagnostics.md#{heading}")


def import_of(source: Source, main: Source) -> Span:
    """Return the line of ``main`` that imports a file, its start where that comes by another file."""
    at = main.text.find(f'"{Path(source.name).name}"')
    if at < 0:
        return Span(main, 0, 0)
    return Span(main, at, main.text.index('"', at + 1) + 1)


def text_edits(edits: Iterable[Edit], places: PlacesOf) -> dict[str, list[types.TextEdit]]:
    """Return edits by the address of their file."""
    found: dict[str, list[types.TextEdit]] = {}
    for edit in edits:
        uri = uri_of(edit.span.source)
        if uri is not None:
            range = places(edit.span.source).range(edit.span)
            found.setdefault(uri, []).append(types.TextEdit(range, edit.text))
    return found


def hover(found: Description, places: Places, kind: types.MarkupKind) -> types.Hover:
    """Return a description: the language, in colour where the client can, and then a line each."""
    if kind is types.MarkupKind.PlainText:
        text = "\n".join((found.code, *found.lines))
    else:
        lines = "\n\n".join(line.replace("\n", "  \n") for line in found.lines)
        text = f"```asr\n{found.code}\n```\n{lines}"
    return types.Hover(types.MarkupContent(kind, text), places.range(found.span))


def completion(item: Item, place: int, kind: types.MarkupKind) -> types.CompletionItem:
    """Return an item; ``place`` keeps the order that they came in."""
    doc = types.MarkupContent(kind, item.doc) if item.doc and kind is types.MarkupKind.Markdown else item.doc or None
    return types.CompletionItem(
        label=item.text, kind=_ITEMS[item.kind], detail=item.detail or None, documentation=doc, sort_text=f"{place:04}"
    )


def outline(analysis: Analysis, places: Places) -> list[types.DocumentSymbol]:
    """Return the statements of a file that have a name; a rule without one goes by its line."""
    found: list[types.DocumentSymbol] = []
    for statement in analysis.file.statements:
        if isinstance(statement, ast.Import):
            continue
        name = statement.name
        line, _ = statement.span.source.position(statement.span.start)
        found.append(
            types.DocumentSymbol(
                name=f"line {line}" if name is None else name.text,
                detail=signature(statement) if isinstance(statement, ast.Def) else type(statement).__name__.lower(),
                kind=_SYMBOLS[type(statement)],
                range=places.range(statement.span),
                selection_range=places.range(statement.span if name is None else name.span),
            )
        )
    return found


_SYMBOLS: dict[type[ast.Statement], types.SymbolKind] = {
    ast.Param: types.SymbolKind.Constant,
    ast.Given: types.SymbolKind.Field,
    ast.Site: types.SymbolKind.Field,
    ast.Let: types.SymbolKind.Variable,
    ast.Def: types.SymbolKind.Function,
    ast.Rule: types.SymbolKind.Event,
}
