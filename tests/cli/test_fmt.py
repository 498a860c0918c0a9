"""`asrppl fmt` on files."""

import io
import os
import stat
from pathlib import Path

import pytest

from asrppl.cli.main import main


def test_files_are_put_in_order_in_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = tmp_path / "a.asr", tmp_path / "b.asr"
    a.write_text("x<=1\n")
    b.write_text("y <= 1\n")
    a.chmod(0o640)
    assert main(["fmt", str(a), str(b)]) == 0
    assert capsys.readouterr().out == "1 file changed, 1 in order already\n"
    assert a.read_text() == "x <= 1\n"
    assert stat.S_IMODE(a.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["a.asr", "b.asr"]


def test_check_and_diff_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.asr"
    file.write_text("x<=1")
    assert main(["fmt", "--check", str(file)]) == 1
    assert capsys.readouterr().out == f"{file}: not in order\n1 file would change, 0 in order already\n"
    assert main(["fmt", "--diff", str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[3:] == ["-x<=1", "\\ no line end", "+x <= 1"]
    assert file.read_text() == "x<=1"


def test_standard_input_goes_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x<=1 # \xc3\xa9\n")))
    assert main(["fmt", "-"]) == 0
    assert capsys.readouterr().out == "x <= 1  # é\n"


def test_a_file_with_errors_is_left_alone_and_the_others_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = tmp_path / "bad.asr", tmp_path / "good.asr"
    bad.write_text("x <= <= 1\n")
    good.write_text("x<=1\n")
    assert main(["fmt", str(bad), str(good), str(tmp_path / "none.asr")]) == 1
    said = capsys.readouterr()
    assert "error[ASR001]" in said.out
    assert said.out.endswith("1 file changed, 0 in order already, 2 with errors\n")
    assert "none.asr: No such file" in said.err
    assert bad.read_text() == "x <= <= 1\n"


def test_a_link_and_a_byte_order_mark_stay(tmp_path: Path) -> None:
    file, link = tmp_path / "a.asr", tmp_path / "link.asr"
    file.write_bytes(b"\xef\xbb\xbfx<=1\n")
    link.symlink_to(file)
    assert main(["fmt", str(link)]) == 0
    assert link.is_symlink()
    assert file.read_bytes() == b"\xef\xbb\xbfx <= 1\n"
