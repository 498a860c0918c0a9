"""The command line as a whole: versions, help, streams, exit status."""

import importlib.metadata
import os
import subprocess
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from asrppl.cli import check, main
from asrppl.diagnostics import AsrError, AsrWarning, Diagnostic

ROOT = Path(__file__).parents[2]
EXAMPLES = "examples/air/asrppl_air/rule_files"


def run(*arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "asrppl", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, **options)


def test_checking_a_file_imports_neither_torch_nor_numpy() -> None:
    code = (
        f"import sys; from asrppl.cli.main import main; status = main(['check', '{EXAMPLES}/overlap.asr']);"
        "print(sorted({'torch', 'numpy', 'pyro', 'tqdm', 'matplotlib'} & set(sys.modules)), file=sys.stderr);"
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "[]\n")


@pytest.mark.parametrize("command", [[], ["check"], ["explain"], ["repl"], ["demo"], ["air"], ["air", "train"]])
def test_help_of_every_command(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main.main([*command, "--help"])
    assert stopped.value.code == 0
    assert "usage: asrppl" in capsys.readouterr().out


@pytest.mark.parametrize("command", [[], ["check"], ["explain"], ["repl"]])
def test_help_teaches_by_examples(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main([*command, "--help"])
    assert f"examples:\n  {' '.join(['asrppl', *(command or ['check'])])}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main.main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"asrppl {import_module('asrppl').__version__}\n"


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([]) == 2
    assert "commands:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (AsrError([Diagnostic("ASR001", "this is wrong")]), 1, "error[ASR001]: this is wrong\n"),
        (
            FileNotFoundError(2, "No such file or directory", "lost.asr"),
            1,
            "asrppl: lost.asr: No such file or directory\n",
        ),
        (OSError("disk trouble"), 1, "asrppl: disk trouble\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_what_stops_a_command_sets_the_status(
    error: BaseException, status: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(file: str, params: object, *, alone: bool) -> None:
        raise error

    monkeypatch.setattr(check, "check_path", stop)
    assert main.main(["check", "any.asr"]) == status
    assert capsys.readouterr().err == message


def test_a_failure_of_our_own_is_called_a_bug_and_says_where_to_report_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(file: str, params: object, *, alone: bool) -> None:
        raise KeyError("frame\x1b[31m")

    monkeypatch.setattr(check, "check_path", fail)
    monkeypatch.delenv("ASRPPL_TRACEBACK", raising=False)
    assert main.main(["check", "any.asr"]) == 70
    first, second, third = capsys.readouterr().err.splitlines()
    assert first == "asrppl: this is a bug of asrppl: KeyError: 'frame\\x1b[31m'"
    assert second.startswith(f"asrppl {import_module('asrppl').__version__}, Python 3.")
    assert third.startswith("Please report it, with what it prints under ASRPPL_TRACEBACK=1: https://")
    assert third.endswith("/issues")

    monkeypatch.setenv("ASRPPL_TRACEBACK", "1")
    assert main.main(["check", "any.asr"]) == 70
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last):\n")
    assert "in fail\n" in said
    assert "Please report it, with the lines above: " in said


def test_where_the_metadata_is_not_there_the_tracker_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(package: str) -> str:
        raise PackageNotFoundError(package)

    def fail(file: str, params: object, *, alone: bool) -> None:
        raise RuntimeError("lost")

    monkeypatch.setattr(check, "check_path", fail)
    known = import_module("asrppl").__version__
    monkeypatch.setattr(importlib.metadata, "metadata", none)
    monkeypatch.setattr(importlib.metadata, "version", none)
    assert main.main(["check", "any.asr"]) == 70
    said = capsys.readouterr().err
    assert said.endswith(": the project's issue tracker\n")
    assert f"\nasrppl {known}, Python" in said


def test_a_warning_that_python_makes_an_error_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warn(file: str, params: object, *, alone: bool) -> None:
        raise AsrWarning(Diagnostic("ASR024", "rules are left out"))

    monkeypatch.setattr(check, "check_path", warn)
    assert main.main(["check", "any.asr"]) == 1
    assert capsys.readouterr().err == "warning[ASR024]: rules are left out\n"


def test_a_closed_pipe_ends_quietly() -> None:
    command = f"{sys.executable} -m asrppl check {f'{EXAMPLES}/overlap.asr ' * 50} | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_output_that_the_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    file = tmp_path / "rules.asr"
    file.write_text("a ≤ 3\n", encoding="utf-8")

    done = run("check", str(file), env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 1
    assert "\\u2264" in done.stdout
    assert done.stderr == ""


def test_explain_says_what_each_rule_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "rules.asr"
    file.write_text("param S = 50\nrule a weight 0 -> S over 10 steps smooth 8: (x[0] <= 1) or x[1] <= 2\nx[0] <= 3\n")
    assert main.main(["explain", str(file), "-p", "S=2"]) == 0
    assert capsys.readouterr().out == (
        "a: weight 0 -> 2 over 10 steps, sample level\n"
        "    x_0 ≤ 1 ∨ x_1 ≤ 2\n"
        "    smooth   8: `or` and `exists` take the power mean\n"
        "    costs    min(max(x_0 − 1, 0), max(x_1 − 2, 0))\n"
        "    reads    x[i]: number\n"
        "    trains   draw by draw, in channel P or S\n"
        "\n"
        "line 3: weight 1, sample level\n"
        "    x_0 ≤ 3\n"
        "    costs    max(x_0 − 3, 0)\n"
        "    reads    x[i]: number\n"
        "    trains   draw by draw, in channel P or S\n"
        "\n"
        "params       S = 2\n"
        "min          of `or`, `exists`: of what nothing can change first, then of whole steps, then amounts\n"
        "channel P    along the paths of draws; S, by the score function, where one that is read has none\n"
    )
    assert main.main(["explain", str(file), "--tree"]) == 0
    tree = capsys.readouterr().out
    assert tree.startswith("Param\n  name: Name text='S'\n  value: Number value=50\nRule\n")
    assert "    operators: '<='\n" in tree


def test_a_long_chain_is_checked_and_explained(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "long.asr"
    chain, total = " and ".join(["b"] * 2_000), " + ".join(["x"] * 2_000)
    file.write_text(f"rule all: {chain}\nrule total: {total} <= 3\n")
    assert main.main(["check", str(file)]) == 0
    assert main.main(["explain", str(file)]) == 0
    # A path may be of any length; what is written of the rules keeps to the width.
    lines = [line for line in capsys.readouterr().out.splitlines() if str(file) not in line]
    out = " ".join(line.strip() for line in lines)
    assert max(map(len, lines)) <= 100
    assert chain.replace("and", "∧") in out
    assert f"{total.replace('*', '·')} ≤ 3" in out
    file.write_text("rule short: " + " and ".join(["b"] * 200))
    assert main.main(["explain", str(file), "--tree"]) == 0
    assert capsys.readouterr().out.count("Name text='b'") == 200


def test_explaining_a_bad_file_shows_its_errors(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "rules.asr"
    file.write_text("a <=\n")
    assert main.main(["explain", str(file)]) == 1
    assert "error[ASR018]" in capsys.readouterr().err
    assert main.main(["explain", str(tmp_path / "none.asr")]) == 1
    assert "No such file" in capsys.readouterr().err
    assert main.main(["explain", str(file), "-p", "S"]) == 2
