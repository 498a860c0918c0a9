"""`asrppl example`: what it prints can be typed again, and draws; arguments that make no sense are refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from asrppl.cli.main import main

RULES = "rule odd: n in {1, 3}\nrule big: n >= 2\n"
BOXES = "rule apart: nonoverlap(box[0], box[1])\nrule sized: forall i: box[i].size == 4\n"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(text: str, *arguments: str) -> tuple[int, str, str]:
        Path("rules.asr").write_text(text)
        try:
            status = main(["example", "rules.asr", *arguments])
        except SystemExit as left:
            status = int(left.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_worlds_are_printed_as_why_reads_them(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(BOXES)
    assert status == 0
    worlds = [line.strip().replace(" = ", "=", 1) for line in out.splitlines() if line.startswith("  box")]
    assert len(worlds) == 3
    broken: list[list[str]] = []
    for world in worlds:
        main(["why", "rules.asr", "-v", world])
        said = capsys.readouterr().out.splitlines()
        broken.append([line.partition(":")[0] for line in said if "does not hold" in line])
    assert broken == [[], ["apart"], ["sized"]]


def test_rules_against_each_other_have_status_1(run: Run) -> None:
    status, out, _ = run("rule a: x <= 1\nrule b: x >= 2\n")
    assert status == 1
    assert "These rules stand against each other: a and b (no smaller set does)" in out
    assert "never holds" in run("x ^ 2 <= -1\n")[1]


def test_plain_data_on_request(run: Run) -> None:
    _, out, _ = run(RULES, "--json")
    found = json.loads(out)
    assert found["keeps"]["values"] == {"n": 3}
    assert [(one["rule"], one["values"]) for one in found["breaks"]] == [("odd", {"n": 2}), ("big", {"n": 1})]


def test_boxes_are_drawn(run: Run) -> None:
    status, _, _ = run(BOXES, "--plot", "worlds.svg")
    assert status == 0
    assert Path("worlds.svg").read_text().startswith("<svg ")


@pytest.mark.parametrize(
    ("text", "arguments", "status", "says"),
    [
        (RULES, ("--plot", "worlds.svg"), 2, "--plot draws boxes, and there is no world with one"),
        (BOXES, ("--plot", "worlds.png"), 2, "a picture is an .svg file"),
        (RULES, ("--range", "n=3..1"), 2, "expected NAME=LOW..HIGH"),
        (RULES, ("--range", "m=0..1"), 2, "--range: the rules have no `m`; they have n"),
        (RULES, ("--lengths", "m=3"), 2, "--lengths: the rules have no `m`; they have n"),
        (RULES, ("--seconds", "-1"), 2, "expected seconds, more than 0"),
        (RULES, ("--int", "m"), 2, "--int or --real: the rules have no `m`; they have n"),
        (RULES, ("--data", "0"), 2, "expected a number of data, 1 or more"),
        ("f(x) <= 1\n", (), 2, "`f` is a function that Python gives"),
        ("x <=\n", (), 1, "error[ASR018]"),
    ],
)
def test_what_makes_no_sense_is_refused(
    run: Run, text: str, arguments: tuple[str, ...], status: int, says: str
) -> None:
    found, _, err = run(text, *arguments)
    assert (found, says in err) == (status, True), err
