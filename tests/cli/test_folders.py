"""A folder on the command line stands for the rule files below it."""

from pathlib import Path

import pytest

from asrppl.cli.arguments import chosen
from asrppl.cli.main import main


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("rules/b.asr", "rules/a/z.asr", "rules/.git/old.asr", "rules/.kept.asr", "rules/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x<=1\n")
    (tmp_path / "empty" / ".venv").mkdir(parents=True)
    (tmp_path / "empty" / ".venv" / "c.asr").write_text("x<=1\n")


@pytest.mark.usefixtures("rules")
def test_all_rule_files_below_it_sorted_and_nothing_hidden() -> None:
    assert chosen(["rules"]) == [("rules/a/z.asr", None), ("rules/b.asr", None)]
    assert chosen(["rules/b.asr", "none.asr", "-"]) == [("rules/b.asr", None), ("none.asr", None), ("-", None)]
    assert chosen(["."]) == chosen(["rules"])


@pytest.mark.usefixtures("rules")
def test_a_hidden_folder_that_is_named_is_meant() -> None:
    assert chosen(["rules/.git"]) == [("rules/.git/old.asr", None)]


@pytest.mark.usefixtures("rules")
def test_check_and_fmt_take_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "rules"]) == 0
    assert capsys.readouterr().out.endswith("in all: 2 rules, no errors\n")
    assert main(["fmt", "rules"]) == 0
    assert capsys.readouterr().out == "2 files changed, 0 in order already\n"
    assert Path("rules/a/z.asr").read_text() == "x <= 1\n"
    assert Path("rules/.git/old.asr").read_text() == "x<=1\n"


@pytest.mark.usefixtures("rules")
@pytest.mark.parametrize("command", ["check", "fmt"])
def test_one_without_rules_is_an_error_and_the_others_count(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "empty", "rules"]) == 1
    said = capsys.readouterr()
    assert said.err == f"asrppl {command}: empty: there is no .asr file in this folder or below it\n"
    assert {"check": "in all: 2 rules, no errors, 1 file not read\n", "fmt": "1 with errors\n"}[command] in said.out


@pytest.mark.usefixtures("rules")
def test_one_that_cannot_be_listed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "rules/a")

    monkeypatch.setattr("os.scandir", refuse)
    assert chosen(["rules"]) == [("rules/a", "Permission denied")]


@pytest.mark.usefixtures("rules")
def test_explain_takes_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "rules"]) == 1
    assert capsys.readouterr().err == "asrppl explain: rules: Is a directory\n"
