"""Commands of other packages: found through their entry points, and unable to break our own."""

import argparse
import importlib.metadata
from importlib.metadata import EntryPoint

import pytest

from asrppl.cli import main
from asrppl.commands import Commands

NUMBER = "examples/air/asrppl_air/rule_files/number.asr"


def hello(commands: Commands) -> None:
    def run(arguments: argparse.Namespace) -> int:
        print("hello")
        return 0

    commands.add_parser("hello", help="greet").set_defaults(run=run)


def broken(commands: Commands) -> None:
    raise RuntimeError("100 % broken")


def failing(commands: Commands) -> None:
    def run(arguments: argparse.Namespace) -> int:
        raise RuntimeError("after a day")

    commands.add_parser("failing").set_defaults(run=run)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    found = [
        EntryPoint(name, f"{__name__}:{value}", "asrppl.commands")
        for name, value in (("hello", "hello"), ("sorry", "broken"), ("check", "broken"), ("failing", "failing"))
    ]
    loaded = {"hello": hello, "broken": broken, "failing": failing}
    monkeypatch.setattr(EntryPoint, "load", lambda entry: loaded[entry.value.partition(":")[2]])
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: found)


@pytest.mark.usefixtures("installed")
def test_a_command_of_another_package_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["hello"]) == 0
    assert capsys.readouterr().out == "hello\n"


@pytest.mark.usefixtures("installed")
def test_a_broken_one_is_named_where_it_is_asked_for_and_leaves_ours_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["sorry", "--now", "please"]) == 1
    assert "RuntimeError: 100 % broken" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main.main(["--help"])
    assert "100 % broken" in capsys.readouterr().out
    assert main.main(["check", NUMBER]) == 0


@pytest.mark.usefixtures("installed")
def test_one_that_fails_is_its_packages_bug_and_its_traceback_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["failing"]) == 70
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last):\n")
    assert "this is a bug of tests: RuntimeError: after a day\n" in said.replace(__name__.partition(".")[0], "tests")
    assert said.endswith("Please report it, with the lines above: the project's issue tracker\n")


def test_the_papers_commands_come_through_entry_points(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["--help"])
    assert {"air", "demo"} <= set(capsys.readouterr().out.split())
