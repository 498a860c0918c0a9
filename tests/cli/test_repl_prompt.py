"""`asrppl repl` at a terminal: keys, history, and torch, which nobody waits for."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from asrppl.cli.repl.prompt import Prompt, history, interact
from asrppl.cli.repl.session import Session
from asrppl.cli.repl.shell import Repl


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASRPPL_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    with create_pipe_input() as keys:
        yield keys


@pytest.fixture
def prompt(keys: PipeInput, tmp_path: Path) -> Prompt:
    return Prompt(Repl(Session(tmp_path)), input=keys, output=DummyOutput())


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("n = 2\r", "n = 2"),
        ("forall i != j:\rx[i] <= x[j]\r", "forall i != j:\n  x[i] <= x[j]"),
        ("f(a,\rb)\r", "f(a,\n  b)"),
        ("a <=\r\r", "a <=\n  "),  # an empty line ends it, and the error is told
        ("\x1b[200~n = 2\nm = 3\nforall i:\n  x[i] <= 1\x1b[201~\r", "n = 2\nm = 3\nforall i:\n  x[i] <= 1"),  # pasted
        ("a\x1b\rb\r", "a\n  b"),
        ("x <= 1 foo <=\x01 \r", " x <= 1 foo <="),  # (with an error to mark)
    ],
)
def test_keys(prompt: Prompt, keys: PipeInput, typed: str, text: str) -> None:
    keys.send_text(typed)
    assert prompt.ask() == text


def test_what_was_pasted_is_done_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Repl(Session(tmp_path)).run_all("n = 2\nm = n + 1\nforall i in 0..1:\n  i <= m\nm")
    assert capsys.readouterr().out.splitlines()[-1] == "3"


def test_history_lasts(prompt: Prompt, keys: PipeInput, state: Path, tmp_path: Path) -> None:
    keys.send_text("n = 2\r")
    prompt.ask()
    assert "+n = 2" in (state / "history").read_text()
    later = Prompt(Repl(Session(tmp_path)), input=keys, output=DummyOutput())
    keys.send_text("\x1b[A\r")  # up
    assert later.ask() == "n = 2"


def test_a_history_that_cannot_be_kept_stops_nobody(
    keys: PipeInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ASRPPL_STATE", str(tmp_path / "file" / "state"))  # no folder can be made there
    prompt = Prompt(Repl(Session(tmp_path)), input=keys, output=DummyOutput())
    keys.send_text("n = 2\r")
    assert prompt.ask() == "n = 2"
    monkeypatch.setattr("asrppl.cli.repl.prompt.state_folder", lambda: None)
    assert isinstance(history(), InMemoryHistory)


def test_control_keys(prompt: Prompt, keys: PipeInput) -> None:
    keys.send_text("n = \x03")
    with pytest.raises(KeyboardInterrupt):
        prompt.ask()
    keys.send_text("\x04")
    with pytest.raises(EOFError):
        prompt.ask()


def test_a_session_goes_on_until_it_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["n = [1,\n 2]", KeyboardInterrupt, "n", "a <=", ":quit"])

    def ask(_: Prompt) -> str:
        answer = next(answers)
        if isinstance(answer, str):
            return answer
        raise answer

    monkeypatch.setattr(Prompt, "ask", ask)
    assert interact(Repl(Session(tmp_path))) == 0
    assert "interrupted\n[1, 2]\nerror[ASR018]" in capsys.readouterr().out


WITHOUT_TORCH = """
import sys
from pathlib import Path
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from asrppl.cli.main import main
from asrppl.cli.repl.prompt import Prompt
from asrppl.cli.repl.session import Session
from asrppl.cli.repl.shell import Repl

def heavy():
    return {"torch", "pyro", "numpy", "z3"} & set(sys.modules)

repl = Repl(Session(Path.cwd()))
for line in ("n = 2", "let a = n", "param S = 3", ":names", "?nonoverlap", ":type n + 1", ":help"):
    assert repl.run(line)
    assert not heavy(), line
with create_pipe_input() as keys:
    prompt = Prompt(repl, input=keys, output=DummyOutput())
    assert not heavy()
    shown = []
    prompt._session.app.before_render += lambda _: shown.append(not heavy())
    keys.send_text("n\\r")
    assert prompt.ask() == "n"
    assert shown[0]
    prompt._torch.join()
assert "torch" in sys.modules
"""


def test_the_prompt_does_not_wait_for_torch() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH], check=True, capture_output=True, timeout=300)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
def test_tab_in_a_pseudo_terminal(tmp_path: Path) -> None:
    import pty

    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover (a process of its own)
        os.environ |= {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "NO_COLOR": "1"}
        os.chdir(tmp_path)
        os.execv(sys.executable, [sys.executable, "-m", "asrppl", "repl"])
    until(terminal, b">")
    os.write(terminal, b"width = 2\r")
    until(terminal, b"\x1b[?2004h")  # the next prompt takes pasted text
    os.write(terminal, b":na\t")
    until(terminal, b"names")
    os.write(terminal, b"\r")
    until(terminal, b"width = 2\r\n")
    os.write(terminal, b"wid\t")
    until(terminal, b"width")
    os.write(terminal, b"\r")
    until(terminal, b"2\r\n")
    os.write(terminal, b":quit\r")
    until(terminal, b"")
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def until(terminal: int, wanted: bytes) -> None:
    """Read what is shown until there is something; of nothing to the end."""
    said = b""
    while not (wanted and wanted in said):
        ready, _, _ = select.select([terminal], [], [], 60)
        assert ready, f"{wanted!r} is not in {said!r}"
        try:
            part = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other side is gone
            part = b""
        said += part
        if not part:
            break
    assert wanted in said
