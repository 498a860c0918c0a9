"""`asrppl why`: values on the command line and in files, and what is said of those that cannot be read."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asrppl.cli.main import main

RULES = "param most = 1\nrule low: forall i: x[i] <= most\nrule rising: forall i: x[i] <= x[i + 1]\n"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("rules.asr").write_text(RULES)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["why", "rules.asr", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_a_rule_that_breaks_is_told_of_and_one_that_holds_is_named(run: Run) -> None:
    status, out, _ = run("-v", "x=[0, 3]")
    assert status == 1
    assert out.splitlines() == [
        "low: does not hold, violation 2 (2 discrete)",
        "  i=1: x[1] <= most costs 2",
        "    reads x[1] = 3",
        "    mend: x[1] from 3 to 1 (by 2), and the rule holds",
        "rising: holds",
    ]
    assert run("-v", "x=[0, 3]", "-p", "most=3")[0] == 0


def test_values_come_from_json_and_from_numpy_and_those_typed_count(run: Run) -> None:
    Path("x.json").write_text(json.dumps({"x": [0.0, 3.0]}))
    np.savez("x.npz", x=np.array([0.0, 3.0]))
    assert run("--values", "x.json")[1] == run("--values", "x.npz")[1]
    assert run("--values", "x.json", "-v", "x=[0, 1]")[0] == 0


def test_a_batch_is_told_of_datum_by_datum(run: Run) -> None:
    _, out, _ = run("-v", "x=[[0, 1], [0, 3]]", "--rule", "low")
    assert [line for line in out.splitlines() if not line.startswith(" ")] == [
        "low [0]: holds",
        "low [1]: does not hold, violation 2 (2 discrete)",
    ]


def test_plain_data_on_request(run: Run) -> None:
    status, out, _ = run("-v", "x=[0, 3]", "--json")
    low, rising = json.loads(out)
    assert (status, low["rule"], low["violation"], rising["holds"]) == (1, "low", 2, True)
    assert low["instances"][0]["mend"] == {"entry": "x[1]", "old": 3, "new": 1, "left": 0, "breaks": [], "taken": ""}


def test_only_the_worst_instances_are_shown(run: Run) -> None:
    _, out, _ = run("-v", "x=[2, 3, 4, 5]", "--rule", "low", "--most", "1")
    assert "i=3: x[3] <= most costs 4" in out
    assert out.splitlines()[-1] == "  and 3 more"


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("-v", "x"), 2, "-v x: expected NAME=VALUE"),
        (("-v", "x=[1, [2]]"), 2, "-v x=[1, [2]]: the rows of a list differ in length"),
        (("-v", "x=import os"), 2, "a value is a number"),
        (("--values", "none.json"), 2, "none.json: No such file or directory"),
        (("--values", "bad.json"), 2, "bad.json: no JSON: "),
        (("--values", "list.json"), 2, "list.json: expected an object of values by name"),
        (("--values", "bad.npz"), 2, "bad.npz: no arrays that NumPy saved by name"),
        (("--values", "text.json"), 1, "error[ASR072]: the value of `x` has an entry that is no number: 'one'"),
        (("-v", "x=[1]", "-v", "y=2"), 1, "error[ASR071]"),
        ((), 1, "error[ASR070]: no value was given for `x`"),
        (("-v", "x=[1]", "--rule", "lw"), 2, "asrppl why: there is no rule `lw`; did you mean `low`?"),
        (("-v", "x=[1]", "-p", "least=2"), 1, "error[ASR031]"),
    ],
)
def test_what_cannot_be_read_is_said_with_a_mend(run: Run, arguments: tuple[str, ...], status: int, says: str) -> None:
    Path("bad.json").write_text("{")
    Path("list.json").write_text("[1]")
    Path("text.json").write_text('{"x": ["one"]}')
    Path("bad.npz").write_text("no zip")
    found, _, err = run(*arguments)
    assert (found, says in err) == (status, True), err


def test_rules_that_cannot_be_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["why", str(tmp_path / "none.asr")]) == 1
    assert "none.asr: No such file or directory" in capsys.readouterr().err
