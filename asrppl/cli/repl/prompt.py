"""The session at a terminal: editing, history, completion, colours, errors in place while a line is typed."""

import contextlib
import threading
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout.processors import AfterInput
from prompt_toolkit.lexers import Lexer, PygmentsLexer
from prompt_toolkit.output import Output
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.styles import Style

from asrppl.cli.repl import files
from asrppl.cli.repl.completion import candidates
from asrppl.cli.repl.lines import wants_more
from asrppl.cli.repl.mistakes import Mistake, mistake_in
from asrppl.cli.repl.shell import Repl
from asrppl.commands import printable
from asrppl.folders import state_folder
from asrppl.highlight import AsrLexer

_STYLE = Style.from_dict({"mistake": "underline ansired", "remark": "italic ansired"})
_MARGIN = 8
"""Columns of a line that the prompt takes, and the space before a remark."""
_LOOK = 0.5
"""Seconds between looks at a watched file."""


def interact(repl: Repl) -> int:
    """Prompt for lines until the user leaves; returns the exit status."""
    print("Rules on values. :help says what to type, Tab completes, Ctrl-D leaves.")
    prompt = Prompt(repl)
    prompt.watch()
    while not repl.left:
        try:
            text = prompt.ask()
            with prompt.lock:
                repl.run_all(text)
        except KeyboardInterrupt:  # gives up the line, or the evaluation, not the session
            print("interrupted")
        except EOFError:
            break
    prompt.over.set()
    return 0


class Prompt:
    """A prompt for lines of a session.

    Args:
        repl: the session.
        input, output: other ones than the terminal, for tests.

    Attributes:
        lock: held by who works on the session: the prompt's lines, or what watches a file.
        over: set when the session ends.
    """

    def __init__(self, repl: Repl, *, input: Input | None = None, output: Output | None = None) -> None:
        self.lock: threading.RLock = threading.RLock()
        self.over: threading.Event = threading.Event()
        self._repl = repl
        self._torch: threading.Thread | None = None
        self._seen: tuple[str, Mistake | None] = ("", None)
        self._session: PromptSession[str] = PromptSession(
            multiline=True,
            history=history(),
            auto_suggest=AutoSuggestFromHistory(),
            lexer=_MarkedLexer(self),
            completer=_Completer(repl),
            complete_while_typing=False,
            key_bindings=_keys(),
            prompt_continuation=". ",
            input_processors=[AfterInput(self._remark)],
            style=_STYLE,
            input=input,
            output=output,
        )
        self._session.app.after_render += self._import_torch

    def ask(self) -> str:
        """Return what was typed.

        Raises:
            EOFError: Ctrl-D.
            KeyboardInterrupt: Ctrl-C.
        """
        with patch_stdout(raw=True):  # what a watched file's rules come to is printed above the prompt
            return self._session.prompt("> ")

    def watch(self) -> None:
        """Start to follow the changes of the file that `:watch` names."""
        threading.Thread(target=self._watch, daemon=True).start()

    def mistake(self, text: str) -> Mistake | None:
        """Return the first error in what is being typed, unless more of it may mend that."""
        if self._seen[0] != text:
            self._seen = text, mistake_in(self._repl.session, text)
        return self._seen[1]

    def _watch(self) -> None:
        while not self.over.wait(_LOOK):
            if self._repl.watched is not None:
                with self.lock:
                    files.look(self._repl)

    def _import_torch(self, _: object) -> None:
        """Import torch, which takes seconds, while the user types; what needs it waits for the rest."""
        if self._torch is None:
            self._torch = threading.Thread(target=_import_torch, daemon=True)
            self._torch.start()

    def _remark(self) -> StyleAndTextTuples:
        text = self._session.default_buffer.text
        found = self.mistake(text)
        if found is None:
            return []
        said = printable(found.text)
        room = self._session.output.get_size().columns - len(text.rpartition("\n")[2]) - _MARGIN
        return [("class:remark", f"   {said if len(said) <= room else said[: max(room, 0)] + '…'}")]


def _import_torch() -> None:
    with contextlib.suppress(ImportError):  # (it is told where it is needed)
        from asrppl.cli.repl import evaluation, moves

        assert evaluation
        assert moves


def history() -> History:
    """Return what was typed in earlier sessions; without a folder to keep it in, of this one alone."""
    folder = state_folder()
    return InMemoryHistory() if folder is None else _KeptHistory(folder / "history")


class _KeptHistory(FileHistory):
    """A history that does without its file where that cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        super().__init__(str(path))

    def load_history_strings(self) -> Iterable[str]:
        try:
            yield from super().load_history_strings()
        except OSError:
            return

    def store_string(self, string: str) -> None:
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            super().store_string(string)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        """Take the text if it is whole, or if its last line is empty; else begin another line."""
        buffer = event.current_buffer
        text, at_end = buffer.text, not buffer.document.text_after_cursor.strip()
        if at_end and wants_more(text) and text.rpartition("\n")[2].strip():
            buffer.insert_text("\n  ")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n  ")

    return keys


class _Completer(Completer):
    def __init__(self, repl: Repl) -> None:
        self._repl = repl

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        for found in candidates(self._repl.session, document.text_before_cursor):
            yield Completion(found.text, -found.replaces, display_meta=printable(found.about))


class _MarkedLexer(Lexer):
    """Colours of the language, and a mark on what is wrong."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._colours = PygmentsLexer(AsrLexer, sync_from_start=True)

    def lex_document(self, document: Document):
        coloured = self._colours.lex_document(document)
        found = self._prompt.mistake(document.text)
        if found is None:
            return coloured
        (row, start), (last, end) = (document.translate_index_to_position(at) for at in (found.start, found.end))
        stop = end if last == row else len(document.lines[row])

        def line(number: int) -> StyleAndTextTuples:
            pieces = coloured(number)
            return _marked(pieces, start, max(stop, start + 1)) if number == row else pieces

        return line


def _marked(pieces: StyleAndTextTuples, start: int, stop: int) -> StyleAndTextTuples:
    found: StyleAndTextTuples = []
    at = 0
    for piece in pieces:
        for character in piece[1]:
            style = f"{piece[0]} class:mistake" if start <= at < stop else piece[0]
            found.append((style, character))
            at += 1
    return found
