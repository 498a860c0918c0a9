"""The language server: what a client asks, put to `asrppl.assist`, and what it answers."""

import asyncio
from pathlib import Path
from typing import Literal, Protocol

from lsprotocol import types
from pygls.capabilities import get_capability
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from asrppl import __version__
from asrppl.assist.analysis import Analysis
from asrppl.assist.complete import complete
from asrppl.assist.describe import describe
from asrppl.assist.rename import RenameError, renamable, rename
from asrppl.assist.symbols import Occurrence
from asrppl.diagnostics import Edit
from asrppl.lsp import convert
from asrppl.lsp.documents import Documents
from asrppl.lsp.positions import Places
from asrppl.source import Source
from asrppl.syntax.layout import LayoutError, tidy

_PAUSE = 0.1
"""Seconds without a key after which a file is checked."""


class Asked(Protocol):
    """What all questions about a place have."""

    text_document: types.TextDocumentIdentifier
    position: types.Position


class Server(LanguageServer):
    """A server with its documents. Texts are handed over whole: the positions in them are counted here."""

    def __init__(self) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            "asrppl", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full
        )
        self.documents: Documents = Documents()
        self._waiting: dict[str, asyncio.TimerHandle] = {}

    def analysis(self, document: types.TextDocumentIdentifier) -> Analysis:
        """Return what is known of a file."""
        return self.documents.analysis(name_of(document.uri))

    def places(self, source: Source) -> Places:
        """Return the places of a text, in the columns that the client counts."""
        encoding = self.workspace.position_encoding or types.PositionEncodingKind.Utf16
        return Places(source.text, encoding)

    def markup(
        self,
        field: Literal[
            "text_document.hover.content_format", "text_document.completion.completion_item.documentation_format"
        ],
    ) -> types.MarkupKind:
        """Return how texts are marked up: in Markdown where the client says that it shows it."""
        kinds = get_capability(self.client_capabilities, field) or ()
        return types.MarkupKind.Markdown if types.MarkupKind.Markdown in kinds else types.MarkupKind.PlainText

    def at(self, asked: Asked) -> tuple[Analysis, int]:
        """Return a file and the offset that is asked about."""
        analysis = self.analysis(asked.text_document)
        return analysis, self.places(analysis.source).offset(asked.position)

    def named_at(self, asked: Asked) -> Occurrence | None:
        """Return the name that is asked about."""
        analysis, offset = self.at(asked)
        return analysis.at(offset)

    def folders(self) -> list[Path]:
        """Return the folders that the client has open."""
        paths = [to_fs_path(folder.uri) for folder in self.workspace.folders.values()]
        return [Path(path) for path in paths if path is not None]

    def around(self, found: Occurrence, name: str) -> dict[str, Analysis]:
        """Return the files that may name what is named, from the file ``name``."""
        home = found.symbol.home
        return self.documents.around(name if home is None else home.source.name, self.folders())

    def check_soon(self, name: str) -> None:
        """Check a file when nobody has typed for a moment."""
        if name in self._waiting:
            self._waiting[name].cancel()
        self._waiting[name] = asyncio.get_running_loop().call_later(_PAUSE, self.check, name)

    def check(self, name: str) -> None:
        """Check a file and those that import it, and send what was found."""
        self._waiting.pop(name, None)
        if name in self.documents.names:
            for each in (name, *self.documents.importers(name)):
                self.send(each)

    def send(self, name: str) -> None:
        """Send what was found in a file that is open."""
        analysis = self.documents.analysis(name)
        uri = convert.uri_of(analysis.source)
        if uri is not None:
            found = [convert.diagnostic(each, analysis.source, self.places) for each in analysis.diagnostics]
            self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found))


def name_of(uri: str) -> str:
    """Return what messages call a file: its path, or its address where it has none."""
    path = to_fs_path(uri)
    return uri if path is None else Path(path).as_posix()


def make_server() -> Server:
    """Return the server, with all that it answers."""
    server = Server()
    _follow(server)
    _tell(server)
    _change(server)
    return server


def _follow(server: Server) -> None:
    """Follow the texts as they are edited."""

    @server.feature(types.INITIALIZED)
    def ready(ls: Server, asked: types.InitializedParams) -> None:
        """Ask to be told when files change on disk: they may be imported."""
        field = "workspace.did_change_watched_files.dynamic_registration"
        if get_capability(ls.client_capabilities, field):
            watched = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher("**/*.asr")])
            asking = types.Registration("watch", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, watched)
            ls.client_register_capability(types.RegistrationParams([asking]))

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(ls: Server, asked: types.DidOpenTextDocumentParams) -> None:
        name = name_of(asked.text_document.uri)
        ls.documents.put(name, asked.text_document.text)
        ls.check(name)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(ls: Server, asked: types.DidChangeTextDocumentParams) -> None:
        name = name_of(asked.text_document.uri)
        ls.documents.put(name, asked.content_changes[-1].text)
        ls.check_soon(name)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(ls: Server, asked: types.DidCloseTextDocumentParams) -> None:
        ls.documents.drop(name_of(asked.text_document.uri))
        ls.text_document_publish_diagnostics(types.PublishDiagnosticsParams(asked.text_document.uri, []))

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def changed_on_disk(ls: Server, asked: types.DidChangeWatchedFilesParams) -> None:
        ls.documents.forget()
        for name in ls.documents.names:
            ls.send(name)


def _tell(server: Server) -> None:
    """Answer what only reads."""

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(ls: Server, asked: types.HoverParams) -> types.Hover | None:
        analysis, offset = ls.at(asked)
        found = describe(analysis, offset)
        good = ls.documents.good(analysis.source.name)
        if found is None and good is not None and not analysis.whole:  # as far as the text is the same
            same = good.source.text[:offset] == analysis.source.text[:offset]
            found = describe(good, offset) if same else None
        kind = ls.markup("text_document.hover.content_format")
        return None if found is None else convert.hover(found, ls.places(analysis.source), kind)

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=[".", '"']))
    def completions(ls: Server, asked: types.CompletionParams) -> list[types.CompletionItem]:
        analysis, offset = ls.at(asked)
        name = analysis.source.name
        found = complete(analysis, offset, good=ls.documents.good(name), library=ls.documents.library(name))
        kind = ls.markup("text_document.completion.completion_item.documentation_format")
        return [convert.completion(item, place, kind) for place, item in enumerate(found)]

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def definition(ls: Server, asked: types.DefinitionParams) -> types.Location | None:
        found = ls.named_at(asked)
        home = None if found is None else found.symbol.home
        return None if home is None else convert.location(home, ls.places)

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    def references(ls: Server, asked: types.ReferenceParams) -> list[types.Location]:
        found = ls.named_at(asked)
        if found is None:
            return []
        files = ls.around(found, name_of(asked.text_document.uri)).values()
        uses = [use for file in files for use in file.uses(found.symbol)]
        wanted = [use.span for use in uses if asked.context.include_declaration or not use.defines]
        return [place for place in (convert.location(span, ls.places) for span in wanted) if place is not None]

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    def highlights(ls: Server, asked: types.DocumentHighlightParams) -> list[types.DocumentHighlight]:
        analysis, offset = ls.at(asked)
        found, places = analysis.at(offset), ls.places(analysis.source)
        uses = () if found is None else analysis.uses(found.symbol)
        return [types.DocumentHighlight(places.range(use.span)) for use in uses]

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def outline(ls: Server, asked: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        analysis = ls.analysis(asked.text_document)
        return convert.outline(analysis, ls.places(analysis.source))


def _change(server: Server) -> None:
    """Answer with changes of the text."""

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    def prepare_rename(ls: Server, asked: types.PrepareRenameParams) -> types.Range:
        analysis, offset = ls.at(asked)
        try:
            return ls.places(analysis.source).range(renamable(analysis, offset).span)
        except RenameError as error:
            raise JsonRpcInvalidParams(str(error)) from None

    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    def renamed(ls: Server, asked: types.RenameParams) -> types.WorkspaceEdit:
        analysis, offset = ls.at(asked)
        try:
            found = renamable(analysis, offset)
            files = ls.around(found, analysis.source.name)
            spans = rename(files, found.symbol, asked.new_name, lambda texts: ls.documents.again(files, texts))
        except RenameError as error:
            raise JsonRpcInvalidParams(str(error)) from None
        edits = [Edit(span, asked.new_name) for places in spans.values() for span in places]
        return types.WorkspaceEdit(changes=convert.text_edits(edits, ls.places))

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def formatted(ls: Server, asked: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        source = ls.analysis(asked.text_document).source
        try:
            text = tidy(source)
        except LayoutError:
            return None  # what is wrong is shown already
        places = ls.places(source)
        whole = types.Range(places.position(0), places.position(len(source.text)))
        return [] if text == source.text else [types.TextEdit(whole, text)]

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])
    )
    def actions(ls: Server, asked: types.CodeActionParams) -> list[types.CodeAction]:
        analysis = ls.analysis(asked.text_document)
        places = ls.places(analysis.source)
        start, end = places.offset(asked.range.start), places.offset(asked.range.end)
        found: list[types.CodeAction] = []
        for each in analysis.diagnostics:
            span = each.span
            if span is None or span.source != analysis.source or span.end < start or end < span.start:
                continue
            for edit in each.edits:
                found.append(
                    types.CodeAction(
                        title=f"write `{edit.text.strip()}`" if edit.text.strip() else f"remove `{edit.span.text}`",
                        kind=types.CodeActionKind.QuickFix,
                        diagnostics=[convert.diagnostic(each, analysis.source, ls.places)],
                        is_preferred=len(each.edits) == 1,
                        edit=types.WorkspaceEdit(changes=convert.text_edits([edit], ls.places)),
                    )
                )
        return found
