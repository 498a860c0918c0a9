"""What editors are answered: the server is started as they start it, and spoken to over standard input and output."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_lsp
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig, LanguageClient

LIBRARY = "# How near two boxes are.\ndef near(a: box, b: box, eps) = abs(a.x - b.x) <= eps\n"
MAIN = """\
import "library.asr"
# größe 🙂
param m = 3  # größe 🙂
let gap[k] = x[k] - x[k + 1]
rule r weight 3: forall i: gap[i] <= m
rule s: forall i != j: near(box[i], box[j], eps: m)
"""
MARKDOWN = [types.MarkupKind.Markdown, types.MarkupKind.PlainText]
SHOWN = types.TextDocumentClientCapabilities(
    hover=types.HoverClientCapabilities(content_format=MARKDOWN),
    completion=types.CompletionClientCapabilities(
        completion_item=types.ClientCompletionItemOptions(documentation_format=MARKDOWN)
    ),
)
WATCHING = types.WorkspaceClientCapabilities(
    did_change_watched_files=types.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True)
)
pytestmark = pytest.mark.asyncio
COMMAND = [sys.executable, "-m", "asrppl", "lsp", "--stdio"]


@pytest_lsp.fixture(config=ClientServerConfig(server_command=COMMAND), scope="function")
async def client(lsp_client: LanguageClient, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[None]:
    """A client that counts columns in the units of the parameter; one that does not say counts in UTF-16."""
    units = getattr(request, "param", None)
    encodings = None if units is None else [types.PositionEncodingKind(units)]
    general = types.GeneralClientCapabilities(position_encodings=encodings)
    watched: list[types.Registration] = []

    @lsp_client.feature(types.CLIENT_REGISTER_CAPABILITY)
    def register(asked: types.RegistrationParams) -> None:
        watched.extend(asked.registrations)

    answer = await lsp_client.initialize_session(
        types.InitializeParams(
            capabilities=types.ClientCapabilities(
                general=general, text_document=SHOWN if units == "utf-16" else None, workspace=WATCHING
            ),
            workspace_folders=[types.WorkspaceFolder(tmp_path.as_uri(), "rules")],
        )
    )
    assert answer.capabilities.position_encoding == (units or "utf-16")
    yield
    assert [each.method for each in watched] == [types.WORKSPACE_DID_CHANGE_WATCHED_FILES]
    await lsp_client.shutdown_session()


class Editor:
    """Files that are open, and places in them by what stands there, in the units that were agreed on."""

    def __init__(self, client: LanguageClient, folder: Path, encoding: str) -> None:
        self.client = client
        self.folder = folder
        self.encoding = encoding
        self.texts: dict[str, str] = {}

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    async def open(self, name: str, text: str) -> list[types.Diagnostic]:
        self.texts[name] = text
        item = types.TextDocumentItem(self.uri(name), "asr", 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return await self.found(name)

    async def write(self, name: str, text: str) -> list[types.Diagnostic]:
        self.texts[name] = text
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(2, self.uri(name)),
                [types.TextDocumentContentChangeWholeDocument(text)],
            )
        )
        return await self.found(name)

    async def found(self, name: str) -> list[types.Diagnostic]:
        async with asyncio.timeout(60):  # it may have something to say of other files first
            while self.uri(name) not in self.client.diagnostics:
                await self.client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        return list(self.client.diagnostics.pop(self.uri(name)))

    def units(self, text: str) -> int:
        return (
            len(text.encode(f"{self.encoding}-le" if self.encoding != "utf-8" else "utf-8"))
            // {
                "utf-8": 1,
                "utf-16": 2,
                "utf-32": 4,
            }[self.encoding]
        )

    def at(self, name: str, said: str) -> dict[str, object]:
        return {"text_document": types.TextDocumentIdentifier(self.uri(name)), "position": self.position(name, said)}

    def position(self, name: str, said: str, *, end: bool = False) -> types.Position:
        """Return where `said` begins (or ends) in a file."""
        text = self.texts[name]
        offset = text.index(said) + (len(said) if end else 0)
        line = text.count("\n", 0, offset)
        return types.Position(line, self.units(text[text.rfind("\n", 0, offset) + 1 : offset]))

    def text_at(self, name: str, place: types.Range) -> str:
        lines = self.texts[name].split("\n")
        offsets = []
        for position in (place.start, place.end):
            line = lines[position.line]
            column = next(at for at in range(len(line) + 1) if self.units(line[:at]) == position.character)
            offsets.append(sum(len(each) + 1 for each in lines[: position.line]) + column)
        return self.texts[name][slice(*offsets)]

    def edited(self, edits: dict[str, list[types.TextEdit]]) -> dict[str, str]:
        """Return what the files are after these edits."""
        after = dict(self.texts)
        for name in self.texts:
            for edit in sorted(edits.get(self.uri(name), []), key=lambda edit: edit.range.start, reverse=True):
                lines = after[name].split("\n")
                begin, end = edit.range.start, edit.range.end
                first, last = lines[begin.line], lines[end.line]
                cut = [
                    next(at for at in range(len(s) + 1) if self.units(s[:at]) == p.character)
                    for s, p in ((first, begin), (last, end))
                ]
                lines[begin.line : end.line + 1] = [first[: cut[0]] + edit.new_text + last[cut[1] :]]
                after[name] = "\n".join(lines)
        return after


@pytest.fixture
def editor(client: LanguageClient, tmp_path: Path, request: pytest.FixtureRequest) -> Editor:
    (tmp_path / "library.asr").write_text(LIBRARY, encoding="utf-8")
    (tmp_path / "main.asr").write_text(MAIN, encoding="utf-8")
    given = getattr(request.node, "callspec", None)
    made = Editor(client, tmp_path, "utf-16" if given is None else given.params["client"])
    made.texts["library.asr"] = LIBRARY
    return made


@pytest.mark.parametrize("client", ["utf-8", "utf-16", "utf-32"], indirect=True)
async def test_an_editor_is_answered(editor: Editor) -> None:
    client = editor.client
    assert await editor.open("main.asr", MAIN) == []

    # Mistakes as they are typed, after characters of one, two and four bytes.
    wrong = MAIN + "rule t: (#größe 🙂\n x[0] <= 3) && (y <= 2)  # größe 🙂\n"
    (found,) = await editor.write("main.asr", wrong)
    assert (found.code, found.severity, found.source) == ("ASR004", types.DiagnosticSeverity.Error, "asrppl")
    assert editor.text_at("main.asr", found.range) == "&&"
    if found.code_description is not None:  # its address is in what is known of an installed package
        assert found.code_description.href.endswith(
            "/diagnostics.md#asr004-an-operator-as-other-languages-write-it--for----"
        )
    assert found.message == "`&&` is not an operator here\nhelp: write `and`"
    context = types.CodeActionContext([found])
    document = types.TextDocumentIdentifier(editor.uri("main.asr"))
    (action,) = await client.text_document_code_action_async(types.CodeActionParams(document, found.range, context))
    assert isinstance(action, types.CodeAction)
    assert action.title == "write `and`"
    assert editor.edited(action.edit.changes)["main.asr"] == wrong.replace("&&", "and")

    # While a statement is broken, the rest is known from before.
    told = await client.text_document_hover_async(types.HoverParams(**editor.at("main.asr", "gap[i]")))
    assert "let gap[k] = x[k] - x[k + 1]" in told.contents.value
    broken = MAIN + "rule t: 🙂 gap[0] <= "
    await editor.write("main.asr", broken)
    after = types.CompletionParams(document, editor.position("main.asr", broken, end=True))
    items = await client.text_document_completion_async(after)
    assert {"gap", "m", "near", "nonoverlap", "box"} <= {item.label for item in items}
    assert await editor.write("main.asr", MAIN) == []

    told = await client.text_document_hover_async(types.HoverParams(**editor.at("main.asr", "m = 3")))
    assert editor.text_at("main.asr", told.range) == "m"
    assert told.contents.value.replace("\n\n", "\n") in (
        "```asr\nparam m = 3\n```\nconstant integer\ngröße 🙂",
        "param m = 3\nconstant integer\ngröße 🙂",
    )
    assert ("```" in told.contents.value) == (editor.encoding == "utf-16")  # that client shows Markdown
    told = await client.text_document_hover_async(types.HoverParams(**editor.at("main.asr", "<= m")))
    assert told.contents.value.endswith("costs max(gap_i − m, 0)")

    home = await client.text_document_definition_async(types.DefinitionParams(**editor.at("main.asr", "near(")))
    assert (home.uri, editor.text_at("library.asr", home.range)) == (editor.uri("library.asr"), "near")
    asked = types.ReferenceParams(**editor.at("main.asr", "m)"), context=types.ReferenceContext(True))
    uses = await client.text_document_references_async(asked)
    assert [editor.text_at("main.asr", use.range) for use in uses] == ["m", "m", "m"]
    symbols = await client.text_document_document_symbol_async(types.DocumentSymbolParams(document))
    assert [symbol.name for symbol in symbols] == ["m", "gap", "r", "s"]


async def test_a_name_is_changed_in_all_files_or_not_at_all(editor: Editor) -> None:
    client = editor.client
    await editor.open("main.asr", MAIN)
    place = editor.at("main.asr", "near(")
    assert (
        editor.text_at("main.asr", await client.text_document_prepare_rename_async(types.PrepareRenameParams(**place)))
        == "near"
    )
    done = await client.text_document_rename_async(types.RenameParams(**place, new_name="close_by"))
    assert editor.edited(done.changes) == {
        "main.asr": MAIN.replace("near", "close_by"),
        "library.asr": LIBRARY.replace("near(", "close_by("),
    }
    with pytest.raises(JsonRpcException, match="`gap` is defined twice"):
        await client.text_document_rename_async(types.RenameParams(**place, new_name="gap"))
    with pytest.raises(JsonRpcException, match="what the guide, or Python, calls it"):
        await client.text_document_prepare_rename_async(types.PrepareRenameParams(**editor.at("main.asr", "box[i]")))


async def test_files_are_put_in_order_and_imports_are_followed(editor: Editor) -> None:
    client = editor.client
    await editor.open("main.asr", MAIN + "rule t:x[0]<=3# größe 🙂\n")
    document = types.TextDocumentIdentifier(editor.uri("main.asr"))
    asked = types.DocumentFormattingParams(document, types.FormattingOptions(4, True))
    edits = await client.text_document_formatting_async(asked)
    assert editor.edited({document.uri: edits})["main.asr"] == MAIN + "rule t: x[0] <= 3  # größe 🙂\n"

    # What is typed in another file counts before it is saved.
    await editor.open("library.asr", LIBRARY)
    await editor.found("main.asr")
    await editor.write("library.asr", LIBRARY.replace("near", "beside"))
    (found,) = await editor.found("main.asr")
    assert "arguments of `near` have no names" in found.message
    assert editor.text_at("main.asr", found.range) == "eps"
    await editor.write("library.asr", LIBRARY + "def far(a) = a.x <\n")
    (found,) = await editor.found("main.asr")
    assert found.message.startswith("library.asr, line 3: the statement ends where a term belongs")
    assert editor.text_at("main.asr", found.range) == '"library.asr"'
    assert [each.location.uri for each in found.related_information or ()] == [editor.uri("library.asr")]


async def test_a_file_that_changes_on_disk_is_looked_at_again(editor: Editor) -> None:
    assert await editor.open("main.asr", MAIN) == []
    (editor.folder / "library.asr").unlink()
    gone = types.FileEvent(editor.uri("library.asr"), types.FileChangeType.Deleted)
    editor.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([gone]))
    found = await editor.found("main.asr")
    assert 'there is no file "library.asr"' in [each.message for each in found]


async def test_a_text_that_was_never_saved_is_checked_too(editor: Editor) -> None:
    document = types.TextDocumentItem("untitled:Untitled-1", "asr", 1, "rule r: x <= 1 &\n")
    editor.client.text_document_did_open(types.DidOpenTextDocumentParams(document))
    await editor.client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    assert [found.code for found in editor.client.diagnostics[document.uri]] == ["ASR004"]
