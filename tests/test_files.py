"""Rule files are read in one way, wherever they are read: encodings, line ends, and what is no file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import asrppl
from asrppl.cli.main import main
from asrppl.diagnostics import render
from asrppl.files import MAX_BYTES

BAD = "rule first: n == 1 or 3\n\nrule second: x <= \n"


def places(path: Path) -> list[tuple[str, int, int]]:
    with pytest.raises(asrppl.AsrError) as error:
        asrppl.load(path)
    data = [diagnostic.to_json() for diagnostic in error.value.diagnostics]
    return [(str(found["code"]), int(str(found["line"])), int(str(found["column"]))) for found in data]


def test_byte_order_marks_and_line_ends_change_no_finding(tmp_path: Path) -> None:
    texts = {"plain": BAD.encode(), "crlf": BAD.replace("\n", "\r\n").encode(), "no_end": BAD.rstrip("\n").encode()}
    texts["bom"] = b"\xef\xbb\xbf" + texts["plain"]
    found = {}
    for name, text in texts.items():
        (tmp_path / f"{name}.asr").write_bytes(text)
        found[name] = places(tmp_path / f"{name}.asr")
    assert found["plain"] == [("ASR036", 1, 23), ("ASR018", 3, 18)]
    assert found["crlf"] == found["plain"] == found["no_end"] == found["bom"]
    (tmp_path / "bom.asr").write_bytes(b"\xef\xbb\xbfrule low: x <= 1\n")
    assert [rule.name for rule in asrppl.load(tmp_path / "bom.asr").rules] == ["low"]


@pytest.fixture
def no_files(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    """What is no rule file, with the words for it."""
    (tmp_path / "folder.asr").mkdir()
    os.mkfifo(tmp_path / "pipe.asr")
    (tmp_path / "large.asr").write_bytes(b"#" * (MAX_BYTES + 1))
    (tmp_path / "bytes.asr").write_bytes(b"rule \xff")
    (tmp_path / "device.asr").symlink_to("/dev/zero")
    return {
        "folder": (tmp_path / "folder.asr", "Is a directory"),
        "pipe": (tmp_path / "pipe.asr", "is a pipe, not a file"),
        "large": (tmp_path / "large.asr", "is larger than 1,000,000 bytes"),
        "bytes": (tmp_path / "bytes.asr", "not UTF-8 text: byte 5 cannot be read"),
        "device": (tmp_path / "device.asr", "is a device, not a file"),
        "nothing": (tmp_path / "nothing.asr", "No such file or directory"),
    }


@pytest.mark.parametrize("kind", ["folder", "pipe", "large", "bytes", "device", "nothing"])
def test_what_is_no_file_is_refused_at_once_and_everywhere_in_the_same_words(
    kind: str, no_files: dict[str, tuple[Path, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    path, words = no_files[kind]
    with pytest.raises((OSError, asrppl.AsrError), match=words):
        asrppl.load(path)
    assert main(["explain", str(path)]) == 1
    assert words in capsys.readouterr().err
    done = subprocess.run(
        [sys.executable, "-m", "asrppl", "repl"], input=f":load {path}\n", capture_output=True, text=True, timeout=60
    )
    assert words in done.stdout
    if kind not in ("nothing", "device"):  # which have words of their own: a link leads out of the folder
        (path.parent / "main.asr").write_text(f'import "{path.name}"\nx <= 1\n')
        with pytest.raises(asrppl.AsrError, match=words):
            asrppl.load(path.parent / "main.asr")


def test_standard_input_that_is_no_text_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "asrppl", "check", "-"], input=b"rule \xff", capture_output=True, timeout=60
    )
    assert done.returncode == 1
    assert b"not UTF-8 text: byte 5 cannot be read" in done.stderr


def test_a_long_line_is_cut_around_its_caret(tmp_path: Path) -> None:
    path = tmp_path / "long.asr"
    path.write_text(
        f"rule a: x <= 1 or 3  # {'long ' * 50_000}\nrule b:\t\t{'x + ' * 100}y <= 1 or 3 # {'tail ' * 100}\n"
    )
    with pytest.raises(asrppl.AsrError) as error:
        asrppl.load(path)
    assert len(error.value.diagnostics) >= 2
    for diagnostic in error.value.diagnostics:
        lines = render(diagnostic).split("\n")
        (number,) = (number for number, line in enumerate(lines) if line.strip(" |\t").startswith("^"))
        assert len(lines[number - 1]) <= 120
        # The caret stands under what it marks, whatever was cut.
        assert diagnostic.span is not None
        assert lines[number - 1][lines[number].index("^")] == diagnostic.span.text[0]


def test_values_that_are_quoted_are_short() -> None:
    with pytest.raises(asrppl.AsrError) as error:
        asrppl.parse("param S = 1\nx <= S", S=list(range(1_000_000)))
    assert len(str(error.value)) < 300


def test_bytes_that_are_no_text_spoil_their_line_of_a_session_and_not_the_rest() -> None:
    typed = b"x = 1\n\xff <= 1\nx <= 1\n"
    done = subprocess.run([sys.executable, "-m", "asrppl", "repl"], input=typed, capture_output=True, timeout=60)
    assert b"Traceback" not in done.stderr
    assert done.stdout.rstrip().endswith(b"holds")
    assert done.returncode == 1


def test_standard_input_is_not_read_beyond_what_a_file_may_have() -> None:
    command = [sys.executable, "-m", "asrppl", "check", "-"]
    done = subprocess.run(command, input=b"#" * (MAX_BYTES + 1), capture_output=True, timeout=60)
    assert done.returncode == 1
    assert b"is larger than 1,000,000 bytes" in done.stderr


def test_findings_come_in_one_order_whoever_reports_them(tmp_path: Path) -> None:
    (tmp_path / "a.asr").write_text("let early = zeta + 1\nlet late = beta\n")
    (tmp_path / "z.asr").write_text('import "a.asr"\nrule one: early <= gamma\nrule two: alpha <= late\n')
    program = asrppl.load(tmp_path / "z.asr")
    with pytest.raises(asrppl.AsrError) as error:  # of binding, which goes through names in an order of its own
        program.violations({"nobody": 1.0})
    found = [
        (Path(diagnostic.span.source.name).name, diagnostic.span.text) if diagnostic.span else None
        for diagnostic in error.value.diagnostics
    ]
    assert found == [None, ("z.asr", "gamma"), ("z.asr", "alpha"), ("a.asr", "zeta"), ("a.asr", "beta")]
