"""Colour: on a terminal, unless it is not wanted."""

import io
import re
from pathlib import Path

import pytest

from asrppl.cli.color import colored, show
from asrppl.cli.main import main
from asrppl.diagnostics import Diagnostic, Note, render
from asrppl.source import Source, Span


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_auto_is_a_terminal_that_has_it_and_a_user_who_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert colored("auto", Terminal())
    assert not colored("auto", io.StringIO())
    monkeypatch.setenv("NO_COLOR", "")  # empty is as if it were not there
    assert colored("auto", Terminal())
    monkeypatch.setenv("NO_COLOR", "0")  # any text is a no
    assert not colored("auto", Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not colored("auto", Terminal())


def test_what_is_asked_for_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert colored("always", io.StringIO())
    monkeypatch.delenv("NO_COLOR")
    assert not colored("never", Terminal())


def test_colours_are_all_that_is_added() -> None:
    source = Source("a\x1b[5m.asr", "rule r:\n\tn == 1 or 3 \x1b[31m\n")
    span = Span(source, 9, 15)
    found = Diagnostic(
        "ASR001", "this is \x1b[1mwrong", span, "write it so", (Note("as said here", Span(source, 0, 4)),)
    )
    plain = show(found, "never")
    assert "\x1b" not in plain
    assert plain.replace("\ufffd", "\x1b") == render(found)
    painted = show(found, "always")
    assert re.sub(r"\x1b\[\d+m", "", painted) == plain
    assert set(re.findall(r"\x1b\[(\d+)m([^\x1b]*)\x1b\[0m", painted)) == {
        ("31", "error"),
        ("1", "[ASR001]"),
        ("31", "^^^^^^"),
        ("31", "^^^^"),
        ("36", "help: write it so"),
    }


def test_commands_take_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.asr"
    file.write_text("a <= <= 3\n")
    for command in ("check", "fmt", "explain"):
        assert main([command, str(file), "--color", "always"]) == 1
        said = "".join(capsys.readouterr())
        assert "\x1b[31merror\x1b[0m\x1b[1m[ASR001]\x1b[0m" in said
        assert main([command, str(file)]) == 1
        assert "\x1b" not in "".join(capsys.readouterr())
    file.write_text("let unused = 1\na <= 3\n")
    assert main(["check", str(file), "--color", "always"]) == 0
    assert "\x1b[33mwarning\x1b[0m" in capsys.readouterr().out
