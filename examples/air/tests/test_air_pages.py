"""Training commands in the pages run, in a short form."""

import shlex
from pathlib import Path

import pytest

from asrppl.cli import main as command_line
from tests.test_docs import blocks

SHORT = [
    "--settings",
    "13",
    "--methods",
    "air-asr",
    "--seeds",
    "0",
    "--epochs",
    "0.005",
    "--jobs",
    "1",
    "--device",
    "cpu",
    "--out",
    "runs",
    "--results",
    "results",
]


def shortened(words: list[str]) -> list[str] | None:
    """A training command with few steps, one run and no download; None for what trains and reads nothing."""
    match words:
        case ["make", "demo"]:
            return ["demo", "--steps", "3", "--out", "demo"]
        case ["asrppl", "air", "reproduce", target, *_]:
            return ["air", "reproduce", "table1" if target == "all" else target, *SHORT]
        case ["asrppl", "air", "tables", *_]:
            return ["air", "tables"]
        case _:
            return None


@pytest.mark.parametrize("page", ["README.md", "examples/air/README.md"])
def test_training_commands_run_in_a_short_form(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line for language, block in blocks(page) if language == "sh" for line in block.splitlines()]
    found = [shortened(shlex.split(line, comments=True)) for line in lines]
    commands = [list(words) for words in dict.fromkeys(tuple(words) for words in found if words is not None)]
    assert commands
    for words in commands:
        assert command_line.main(words) == 0, words
