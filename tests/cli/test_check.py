"""`asrppl check`."""

import io
import json
import sys
from pathlib import Path

import pytest

from asrppl.cli.main import main

EXAMPLES = Path(__file__).parents[2] / "examples" / "air" / "asrppl_air" / "rule_files"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str | bytes) -> str:
        Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
        return name

    return write


def test_a_good_file_lists_rules_and_what_it_expects(write, capsys: pytest.CaptureFixture[str]) -> None:
    text = "rule near weight 2: forall i != j: nonoverlap(box[i], box[j])\nrule few smooth 8: n <= f(1, 2)\n"
    name = write("a.asr", text + "forall k in 0..2: kl(delta(k) || q(m)) <= 1\n")
    assert main(["check", name]) == 0
    assert capsys.readouterr().out == (
        "  near    weight 2, sample level\n"
        "  few     weight 1, sample level\n"
        "  line 3  weight 1, sample level\n"
        "expects from the guide: box[i]: box, n: number, f(i, j): function, m: distribution\n"
        "a.asr: 3 rules, no errors\n"
    )


def test_the_examples_have_neither_errors_nor_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *map(str, sorted(EXAMPLES.glob("*.asr")))]) == 0
    assert "warning" not in capsys.readouterr().out


def test_syntax_and_name_errors_come_together_in_order(write, capsys: pytest.CaptureFixture[str]) -> None:
    name = write("bad.asr", "a <=\nrule r: n == 1 or 3\nb $ 3\n")
    assert main(["check", name]) == 1
    out = capsys.readouterr().out
    places = [line for line in out.splitlines() if "-->" in line]
    assert [place.split(":")[1] for place in places] == ["1", "2", "3"]
    assert out.endswith("bad.asr: no rules, 3 errors\n") or out.endswith("bad.asr: 1 rule, 3 errors\n")


def test_warnings_do_not_fail(write, capsys: pytest.CaptureFixture[str]) -> None:
    name = write("w.asr", "param S = 3\nSS <= 3\n")
    assert main(["check", name]) == 0
    out = capsys.readouterr().out
    assert "warning[ASR058]" in out
    assert out.endswith("w.asr: 1 rule, no errors, 2 warnings\n")


def test_warnings_fail_where_the_check_is_strict(write, capsys: pytest.CaptureFixture[str]) -> None:
    warned, fine = write("w.asr", "param S = 3\nSS <= 3\n"), write("fine.asr", "a <= 3\n")
    assert main(["check", "--strict", fine]) == 0
    assert main(["check", "--strict", fine, warned]) == 1
    assert "error" not in capsys.readouterr().out.replace("no errors", "")


def test_files_that_cannot_be_read_are_named_and_the_others_checked(write, tmp_path: Path, capsys) -> None:
    good, binary = write("good.asr", "a <= 3\n"), write("binary.asr", b"a <= 3 # \xff\n")
    (tmp_path / "folder.asr").mkdir()
    assert main(["check", "none.asr", binary, "folder.asr", good]) == 1
    captured = capsys.readouterr()
    assert captured.err == (
        "asrppl check: none.asr: No such file or directory\n"
        "asrppl check: binary.asr: not UTF-8 text: byte 9 cannot be read\n"
        "asrppl check: folder.asr: there is no .asr file in this folder or below it\n"
    )
    assert captured.out.endswith("good.asr: 1 rule, no errors\nin all: 1 rule, no errors, 3 files not read\n")


def test_json(write, capsys: pytest.CaptureFixture[str]) -> None:
    good = write("good.asr", "\nrule r weight 0 -> 5 over 9 steps: box[1].x <= 3\n")
    bad = write("bad.asr", "a <=\n")
    assert main(["check", good, bad, "none.asr", "--format", "json"]) == 1
    written = json.loads(capsys.readouterr().out)
    assert list(written) == ["schema", "files"]
    assert written["schema"] == 1
    first, second, third = written["files"]
    assert first == {
        "file": "good.asr",
        "error": None,
        "diagnostics": [],
        "expects": [{"name": "box", "rank": 1, "type": "box", "line": 2, "column": 36}],
        "rules": [
            {"name": "r", "weight": 5, "start": 0, "since": 0, "steps": 9, "hard": None, "level": "sample", "line": 2},
        ],
    }
    (found,) = second["diagnostics"]
    assert (found["code"], found["severity"], found["line"], found["column"]) == ("ASR018", "error", 1, 5)
    assert third["error"] == "No such file or directory"


def test_params(write, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = write("1.asr", "param S = 50\na <= S\n"), write("2.asr", "param L = {1, 3}\nn in L\n")
    assert main(["check", first, "-p", "S=64"]) == 0
    assert main(["check", first, second, "-p", "S=64", "--param", "L=2,4"]) == 0
    capsys.readouterr()
    assert main(["check", first, "-p", "T=64"]) == 1
    assert "error[ASR031]" in capsys.readouterr().out
    assert main(["check", first, second, "-p", "T=64"]) == 1
    assert "none of the files has a param `T`" in capsys.readouterr().err
    assert main(["check", first, "-p", "S"]) == 2


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a <=\n")))
    assert main(["check", "-"]) == 1
    assert "--> <stdin>:1:5" in capsys.readouterr().out


def test_a_file_cannot_write_escapes_to_the_terminal(write, capsys: pytest.CaptureFixture[str]) -> None:
    name = write("esc.asr", "a $ 3 # \x1b[31m \u202e\n")
    assert main(["check", name]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "# \ufffd[31m \ufffd" in out


def test_what_is_given_is_said_to_be(write, capsys: pytest.CaptureFixture[str]) -> None:
    name = write("a.asr", "given lab: bool\ngiven g\nrule r where lab power 2: x <= g\n")
    assert main(["check", name]) == 0
    assert "expects from the guide: lab: given Boolean, x: number, g: given number" in capsys.readouterr().out
    assert main(["explain", name]) == 0
    assert (
        "    where    lab: of other data it asks nothing\n    power    2: of every amount\n" in capsys.readouterr().out
    )
