"""`asrppl repl`: its commands."""

import os
import re
from pathlib import Path

import pytest

from asrppl.cli.repl.commands import COMMANDS
from asrppl.cli.repl.picture import Box, frame_of, text_picture
from asrppl.cli.repl.session import Session
from asrppl.cli.repl.shell import Repl

BOXES = "box = [[10, 10, 8], [14, 12, 8]]"
APART = "forall i != j: nonoverlap(box[i], box[j])"


@pytest.fixture
def repl(tmp_path: Path) -> Repl:
    return Repl(Session(tmp_path))


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], repl: Repl):
    def say(*lines: str) -> str:
        capsys.readouterr()
        for line in lines:
            repl.run(line)
        return capsys.readouterr().out

    return say


def test_help_lists_every_command(say) -> None:
    said = say(":help")
    assert all(f":{command.usage}" in said and command.help in said for command in COMMANDS.values())
    assert say(":h") == say(":?") == said
    assert max(map(len, said.splitlines())) <= 110


def test_a_command_without_its_colon_is_known(say) -> None:
    for text in ("quit", "exit", "help", "why apart", "load rules.asr", "explain x < 2"):
        assert say(text) == f"error: a command begins with a colon: `:{text}`\n"
    assert say("why <= 3").startswith("error[ASR070]")
    assert say("names = 2", "names <= 3", "names") == "holds\n2\n"


def test_rules_have_weights_and_a_total(say) -> None:
    say(
        "x = 3.0",
        "rule low weight 2: x <= 1",
        "rule high weight 0 -> 10 over 5 steps: x >= 4",
        "rule sure hard: x <= 0",
    )
    assert say(":rules").splitlines() == [
        "low (weight 2): does not hold: violation 2",
        "high (weight 0 -> 10 over 5 steps): does not hold: violation 1",
        "sure (hard): does not hold: violation 3",
        "total: 14 nats per datum; hard rules have no weight",
    ]
    say("rule more: y <= 1")
    assert say(":rules").endswith("total: 14 nats per datum, without 1 that waits; hard rules have no weight\n")


def test_undo_takes_back_one_change_after_the_other(say) -> None:
    say("x = 1", "x = 2", "let a = x", "param S = 3", "S = 4", "a <= 3", ":reset")
    assert say(":undo", "S") == "4\n"
    assert say(":undo", "S") == "3\n"
    say(":undo", ":undo")
    assert say(":undo", "x") == "1\n"
    say("let a = b + (", "x = ", "forall i: (")  # (errors change nothing)
    assert say(":undo", ":names") == ""
    assert say(":undo") == "error: there is nothing to take back\n"


def test_the_gradient_is_that_of_the_penalty(say) -> None:
    assert say(BOXES, ":grad " + APART) == "penalty 8\nd/d box = [[2, 0, 1], [-2, 0, 1]]\n"
    assert say("x = [1.0, 4.0]", "rule r weight 3: forall i: x[i] <= 1", ":grad").endswith(
        "penalty 9\nd/d x = [0, 3]\n"
    )
    assert say("p = {a: 2.0, b: 5.0}", "site p: (a, b)", ":grad p.a + p.b <= 1") == "penalty 6\nd/d p = {a: 1, b: 1}\n"
    assert say("n = 3", ":grad n <= 1").startswith("error: no value that is read can move; n: whole numbers")
    assert "x stays: a law stands for it\n" in say("x ~ normal(0, 1)", "y = 1.0", ":grad x + y <= 0")
    assert say(":grad nothing <= 1").startswith("error[ASR070]: no value was given for `nothing`\n --> <input>:1:1\n")


def test_values_descend_to_where_the_rule_holds(say) -> None:
    said = say(BOXES, APART, ":descend").splitlines()
    said = said[said.index("  i=1, j=0: 4") + 1 :]
    assert re.fullmatch(r"penalty 8 -> 0 in \d+ steps", said[0])
    assert said[1] == "box = [[8.4, 10, 7.2], [15.6, 12, 7.2]]"
    assert "before:" in said
    assert "after:" in said
    assert say(APART) == "holds\n"
    assert say(":undo", "box") == "[[10, 10, 8], [14, 12, 8]]\n"
    assert say("x = 3.0", ":descend x == 1", "x").startswith("penalty 2 -> 0 in")
    assert float(say("x")) == pytest.approx(1)


def test_a_descent_of_rules_that_stand_against_each_other_ends_at_their_best(say) -> None:
    say("x = 0.5", "rule low weight 2: x <= 0", "rule high: x >= 1")
    assert re.match(r"penalty 1\.5 -> 1(\.0\d*)? in", say(":descend"))


def test_boxes_are_drawn(say, tmp_path: Path) -> None:
    assert say(":plot") == "error: no formula was typed yet: type one, or give one to the command\n"
    assert say("x = 1", "x <= 1", ":plot").endswith(
        "error: there are no boxes to draw: no rule reads one that has a value\n"
    )
    say(BOXES, APART)
    assert "┌0" in say(":plot")
    say(":descend")
    assert say(f":plot {tmp_path / 'boxes.svg'}") == f"{tmp_path / 'boxes.svg'}: 2 boxes\n"
    picture = (tmp_path / "boxes.svg").read_text()
    assert picture.count("<title>box[") == 4  # before, and after
    assert say(":plot boxes.png").startswith("error: boxes.png: the picture is an SVG file")


def test_a_picture_in_lines() -> None:
    boxes = {"box[0]": Box(10, 10, 20, 20), "b": Box(20, 20, 20, 20)}
    lines = text_picture(boxes, frame_of([*boxes.values()]), ascii_only=True)
    assert lines[0].startswith("+0---")
    assert lines[-1].endswith("---+")
    assert all(line.isascii() for line in lines)
    assert max(map(len, lines)) <= 56


def test_what_a_thing_is(say) -> None:
    assert say(BOXES, f":type {APART}") == "formula of sample level; reads box[i]: box\n"
    assert say(":type box[0].x + 1") == "number of sample level; reads box[i]: box\n"
    assert say(":type square(1, 2, 3)") == "box of population level\n"
    assert say(":type E[y] <= 1") == "formula of posterior level; reads y: number\n"
    assert say(":type box") == "2 × 3 integers\n"
    assert say(f"rule apart: {APART}", ":type box").endswith("2 × 3 integers; rules read box[i]: box\n")
    assert say("?nonoverlap").startswith("def nonoverlap(a: box, b: box)\n    formula\n")
    assert say("?forall") == "forall i: φ\n    φ holds for every i: costs the sum of all violations\n"
    assert say("param S = 3", "?S") == "param S = 3\n    constant integer\n"
    assert say("?box").startswith("box: 2 × 3 integers, [[10, 10, 8], [14, 12, 8]]\nbox[i]\n    box, sample level\n")
    assert say(":doc ASR036") == say(":explain ASR036")
    assert say("?nonoverlp") == "error: nothing is known of `nonoverlp`; did you mean `nonoverlap`?\n"


def test_a_rule_is_explained_as_mathematics_and_as_code(say) -> None:
    said = say("x = [1.0, 2.0]", "rule low weight 3: forall i: x[i] <= 1", ":explain low")
    assert "∀ i: x_i ≤ 1" in said
    assert "low: weight 3, sample level" in said
    assert "def forward(self, x)" in say(":code low")
    assert "ASR036" in say(":explain asr036")
    assert say(":explain asr999") == "error: there is no code ASR999\n"


@pytest.mark.parametrize("command", ["type", "explain", "code", "why", "example", "grad", "descend"])
def test_what_is_no_rule_has_nothing_to_tell(say, command: str) -> None:
    assert say(f":{command}") == "error: no formula was typed yet: type one, or give one to the command\n"
    for text in ("param S = 3", "# nothing"):
        assert say(f":{command} {text}").startswith("error: this is about a formula, or a rule")
    assert say(f":{command} x <=").startswith("error[ASR018]")


def test_why_and_examples(say) -> None:
    say(BOXES)
    assert "mend: box[0].x from 10 to 6 (by 4), and the rule holds" in say(APART, ":why")
    assert "error: :why is about values, and `x` has draws" in say("x ~ normal(0, 1)", ":why x <= 1")
    assert "does not hold" in say("n = [0.2, 0.8]", ":why q(n)[0] >= 0.5")
    said = say("k = 5", ":example k in {1, 3}")
    assert re.search(r"keeps all rules \(enumeration\)\n  k = [13]\n", said)


def test_a_watched_file_is_loaded_again_when_it_changes(say, tmp_path: Path) -> None:
    file = tmp_path / "r.asr"
    file.write_text("rule low: x <= 1\n")
    assert say("x = 3.0", f":watch {file}").splitlines()[1] == "low (weight 1): does not hold: violation 2"
    assert say("x") == "3\n"
    file.write_text("rule low weight 5: x <= 2\n")
    os.utime(file, ns=(1, 1))
    assert say("x").splitlines() == [
        f"{file}: 1 rule",
        "low (weight 5): does not hold: violation 1",
        "total: 5 nats per datum",
        "3",
    ]
    file.write_text("rule low: x <=\n")
    os.utime(file, ns=(2, 2))
    assert say("x").startswith("error[ASR018]")
    assert say(":rules").startswith("low (weight 5)")
    assert say(":watch off") == f"{file} is no longer watched\n"
    assert say(":watch") == "error: no file is watched: :watch FILE\n"


def test_a_file_that_is_loaded_again_replaces_what_it_said(say, tmp_path: Path) -> None:
    file = tmp_path / "r.asr"
    file.write_text("param S = 1\nrule low: x <= S\nrule old: x <= 0\n")
    say("x = 3.0", f":load {file}", "rule own: x >= 0")
    file.write_text("param S = 2\nrule low: x <= S\n")
    say(":reload")
    assert [line.partition(" ")[0] for line in say(":rules").splitlines()] == ["low", "own", "total:"]
    assert say("S") == "2\n"


def test_a_session_is_saved_as_a_rule_file(say, tmp_path: Path) -> None:
    say("param S = 1", "param v = [1, 2]", "param L = {1, 3}", "S = 1/3", "v = [3, 4.5]", "x = 2.0")
    say("rule low: x <= S # why", "let a = x")
    file = tmp_path / "saved.asr"
    assert say(f":save {file}") == f"{file}: 5 statements; values are not in it: x\n"
    assert file.read_text() == (
        f"param S = {1 / 3!r}\nparam v = [3, 4.5]\nparam L = {{1, 3}}\nrule low: x <= S\nlet a = x\n"
    )
    assert say(":reset", f":load {file}", "x = 2.0", ":rules").count("low (weight 1)") == 1
    assert say(":save").startswith("error: :save needs")
    assert say(f":save {tmp_path / 'no' / 'folder.asr'}").startswith("error: ")


def test_a_terminal_shows_the_way_of_a_descent(say, monkeypatch: pytest.MonkeyPatch) -> None:
    say(BOXES)
    monkeypatch.setattr("time.sleep", lambda _: None)
    plain = say(f":descend {APART}", ":undo")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    shown = say(f":descend {APART}")
    first, *way, last = re.split("\x1b\\[\\d+A\r\x1b\\[J", shown)
    assert first.startswith(plain.partition("after:\n")[0])
    assert len(way) >= 20
    assert last == plain.partition("after:\n")[2]


def test_boxes_of_a_table_have_the_indices_that_rules_give_them(say, tmp_path: Path) -> None:
    say("box = [[[10, 10, 8], [34, 12, 8]], [[10, 40, 8], [34, 40, 8]]]", "rule r: forall i, j: box[i, j].x <= 40")
    drawn = say(":plot")
    assert all(label in drawn for label in ("0, 0", "0, 1", "1, 0", "1, 1"))
    say(f":plot {tmp_path / 'boxes.svg'}")
    assert "<title>box[1, 0]</title>" in (tmp_path / "boxes.svg").read_text()
