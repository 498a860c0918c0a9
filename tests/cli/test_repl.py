"""`asrppl repl`: what it answers, line by line."""

import io
import sys
from pathlib import Path

import pytest

from asrppl.cli.main import main
from asrppl.cli.repl.lines import logical_lines
from asrppl.literals import LiteralError, parse_value

BOXES = "box = [[10, 10, 8], [14, 12, 8]]"


def piped(text: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    return main(["repl", *arguments])


def test_a_rule_that_does_not_hold_names_the_indices_that_break_it(say) -> None:
    assert say(BOXES, "forall i != j: nonoverlap(box[i], box[j])") == (
        "does not hold: violation 8\n  i=0, j=1: 4\n  i=1, j=0: 4\n"
    )


def test_a_rule_that_holds(say) -> None:
    assert say("box = [[10, 10, 8], [24, 12, 8]]", "forall i != j: nonoverlap(box[i], box[j])") == "holds\n"


def test_the_worst_indices_come_first_and_the_rest_is_counted(say) -> None:
    out = say("x = [1.5, 9.0, 3.0, 4.0, 5.0, 6.0, 7.0]", "forall i: x[i] <= 1")
    assert out.splitlines() == [
        "does not hold: violation 28.5",
        "  i=1: 8",
        "  i=6: 6",
        "  i=5: 5",
        "  i=4: 4",
        "  i=3: 3",
        "  and 2 more",
    ]


def test_conjuncts_are_told_apart(say) -> None:
    assert say("x = [1.0, 5.0]", "forall i: 2 <= x[i] and x[i] <= 4") == (
        "does not hold: violation 2\n  i=0: 1   2 <= x[i]\n  i=1: 1   x[i] <= 4\n"
    )


def test_guards_offsets_and_nested_indices(say) -> None:
    out = say("x = [[1.0, 2.0], [4.0, 3.0]]", "forall i: forall j where i <= 1 and j >= 1: x[i, j] <= x[i, j - 1]")
    assert out == "does not hold: violation 1\n  i=0, j=1: 1\n"


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (["n = 2", "n in {1, 3}"], "does not hold: violation 1"),
        (["n = 3", "n in {1, 3}"], "holds"),
        (["hot = [true, false]", "exists i: hot[i]"], "holds"),
        (["hot = [true, false]", "count i: hot[i] >= 2"], "does not hold: violation 1"),
        ([BOXES, "box[0].x + 2"], "12"),
        ([BOXES, "sum i: box[i].x"], "24"),
        ([BOXES, "box"], "[[10, 10, 8], [14, 12, 8]]"),
        ([BOXES, "box[1]"], "[14, 12, 8]"),
        ([BOXES, "let c[i] = square(box[i].x, box[i].y, 2)", "c[1]"], "x=14, y=12, w=2, h=2"),
        (["2 + 3 * 4"], "14"),
        (["x = -0.5", "abs(x)"], "0.5"),
        (["x = -0.5", "x"], "-0.5"),
        (["if 1 <= 2 then 3 else 4"], "3"),
        (["p = {x: [1, 2], y: [3, 4]}", "site p[i]: (x, y)", "p[1].y - p[0].x"], "3"),
        (["n = [0.25, 0.25, 0.5]", "kl(delta(2) || q(n))"], "0.693147"),
        (["z_0 = 1", "z_1 = 5", "max i: z[i]"], "5"),
        (["let a = 1", "let a = 2", "a"], "2"),
        (["def f(a) = a + 1", "f(2)"], "3"),
    ],
)
def test_answers(say, lines: list[str], answer: str) -> None:
    assert say(*lines) == answer + "\n"


def test_batches_are_shown_by_datum(say) -> None:
    assert say("z = [[1, 2], [3, 4]]", "forall i: z[i] <= 2") == (
        "does not hold: violation [0, 3]\n  [1] i=1: 2\n  [1] i=0: 1\n"
    )


def test_rules_join_the_session_and_wait_for_values(say) -> None:
    rule = "rule apart: forall i != j: nonoverlap(box[i], box[j])"
    assert say(rule) == "apart: waits for a value of box\n"
    assert say(":names") == "rules read: box[i]: box\n"
    assert say(BOXES, ":rules") == (
        "apart (weight 1): does not hold: violation 8\n  i=0, j=1: 4\n  i=1, j=0: 4\ntotal: 8 nats per datum\n"
    )
    assert say("rule apart: box[0].x <= 50") == "apart: holds\n"
    assert say(":rules") == "apart (weight 1): holds\ntotal: 0 nats per datum\n"


def test_params_take_values(say) -> None:
    say("param S = 50", "param L = {1, 3}", "n = 2")
    assert say("n in L") == "does not hold: violation 1\n"
    assert say("L = {2, 4}", "n in L", "S = 8", "S", ":names") == "holds\n8\nparam S = 8\nparam L = {2, 4}\nn = 2\n"
    assert "error[ASR032]" in say("S = {1, 2}")
    assert say("S") == "8\n"


def test_errors_point_into_what_was_typed_and_the_session_goes_on(say) -> None:
    out = say(BOXES, "param S = 3", "forall i: bx[i].x <= S")
    assert out.splitlines() == [
        "error[ASR070]: no value was given for `bx`",
        " --> <input>:1:11",
        "  |",
        "1 | forall i: bx[i].x <= S",
        "  |           ^^^^^",
        "  = help: did you mean `box`?",
        "",
    ]
    assert say("box[0].x <= S") == "does not hold: violation 7\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a <=", "error[ASR018]"),
        ("y == 1 or 3", "error[ASR036]"),
        ("3 + nothing", "error[ASR070]: no value was given for `nothing`\n --> <input>:1:5\n  |\n1 | 3 + nothing\n"),
        (
            "x = import os",
            "error[ASR020]: an import names a file, in quotes\n --> <input>:1:5\n  |\n1 | x = import os\n",
        ),
        ('x = __import__("os").system("true")', "error[ASR013]"),
        ("x = [[1, 2], [3]]", "error: the rows of a list differ in length"),
        ("x = 1e999", "error: a number is not finite"),
        ("x = 'text'", "error: 'text' is not a number"),
        (":nothing", "error: there is no command :nothing"),
        (":load", "error: :load needs"),
        (":load none.asr", "error: none.asr: No such file or directory"),
        ('import "none.asr"', "error[ASR021]"),
        ("rule r: a <= 1 $ 2", "error[ASR001]"),
    ],
)
def test_errors(say, line: str, message: str) -> None:
    assert say("y = 1", line).startswith(message)


def test_the_mean_of_a_value_is_itself(say) -> None:
    assert say("y = 1", "E[y] <= 3") == "holds\n"
    assert say("E[y] <= 0") == "does not hold: violation 1\n"
    assert say("aggregate(y) + P[y == 1]") == "2\n"


def test_a_bad_statement_changes_nothing(say) -> None:
    say("let a = 1", "let b = a + 1")
    assert "error" in say("let a = b")
    assert say("b") == "2\n"
    assert "error[ASR081]" in say("a = 5")
    assert say("a") == "1\n"


def test_loading_and_forgetting(say, tmp_path: Path) -> None:
    file = tmp_path / "rules.asr"
    (tmp_path / "more.asr").write_text("def double(a) = 2 * a\n")
    file.write_text('# rules\nimport "more.asr"\nparam S = 3\nrule small: # why\n  double(x) <= S\n')
    assert say(f":load {file}") == f"{file}: 1 rule\n"
    assert say("x = 2.0", ":rules").startswith("small (weight 1): does not hold: violation 1\n")
    assert say(":reset", ":rules", ":names") == "no rules yet\n"
    (tmp_path / "bad.asr").write_text("rule small: a <=\n")
    assert f"{tmp_path / 'bad.asr'}:1:" in say(f":load {tmp_path / 'bad.asr'}")


def test_piped_input_tries_every_line_and_reports_in_its_status(monkeypatch, capsys) -> None:
    assert piped(f"{BOXES}\n\n# a comment\nforall i != j:\n  nonoverlap(box[i],\nbox[j])\n", monkeypatch) == 0
    assert capsys.readouterr().out.startswith("does not hold: violation 8\n")
    assert piped("a <=\nn = 2\nn\n", monkeypatch) == 1
    captured = capsys.readouterr()
    assert captured.out.endswith("2\n")
    assert captured.err == ""
    assert piped("n = 2\n:quit\na <=\n", monkeypatch) == 0


def test_a_file_to_begin_with(monkeypatch, capsys, tmp_path: Path) -> None:
    file = tmp_path / "rules.asr"
    file.write_text("rule small: x <= 1\n")
    assert piped("x = 3.0\n:rules\n", monkeypatch, str(file)) == 0
    assert capsys.readouterr().out.splitlines()[1] == "small (weight 1): does not hold: violation 2"
    assert piped("", monkeypatch, str(tmp_path / "none.asr")) == 1


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (["a", "b"], ["a", "b"]),
        (["a <=", "  b", "c"], ["a <=\n  b", "c"]),
        (["f(", "a", ")", "c"], ["f(\na\n)", "c"]),
        (["x = [[1,", "2]]"], ["x = [[1,\n2]]"]),
        (["f(", "rule a: b", "x = (", "y = 1", "(", ":quit"], ["f(", "rule a: b", "x = (", "y = 1", "(", ":quit"]),
        (["a", "", "# note", "  + b"], ["a\n\n# note\n  + b"]),
        (["forall i:", "x[i] <= 1", "y"], ["forall i:\n  x[i] <= 1", "y"]),
        (["x =", "3", "a <=", "n = 2"], ["x =\n  3", "a <=", "n = 2"]),
        (["a <=", "", "b"], ["a <=\n", "b"]),
    ],
)
def test_lines_join_as_in_a_file(lines: list[str], joined: list[str]) -> None:
    assert [text for text in logical_lines(lines) if text] == joined


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("-0.5", -0.5),
        ("[true, false]", [True, False]),
        ("[[1, 2],\n [3, 4]]", [[1, 2], [3, 4]]),
        ("{x: [1], y: [true]}", {"x": [1], "y": [True]}),
        ('{"mask": [true], "x": [1]}', {"mask": [True], "x": [1]}),
        ("{1, 3}", {1, 3}),
    ],
)
def test_values(text: str, value: object) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "a", "f()", "1 +", "[1", "'a'", "{1: 2}", "1e400", "9" * 40, "[" * 5000, "1j", "None", "[1, [2]]", "b''"],
)
def test_what_is_no_value(text: str) -> None:
    with pytest.raises(LiteralError):
        parse_value(text)


def test_what_was_said_last_about_a_name_counts(say, tmp_path: Path) -> None:
    assert say("param S = 3", "S = 7", "S <= 5") == "does not hold: violation 2\n"
    assert say("param S = 4", "S <= 5") == "holds\n"
    assert say("n = 4", "let n = 2", "n <= 2", ":names") == "holds\nparam S = 4\nlet n = 2\n"
    (tmp_path / "s.asr").write_text("param S = 9\n")
    assert say("S = 1", f":load {tmp_path / 's.asr'}", "S <= 5").endswith("does not hold: violation 4\n")


def test_a_statement_in_error_keeps_the_values_there_were(say) -> None:
    say("param S = 3", "S = 7", "n = 4")
    assert "error" in say("param S = {")
    assert "error" in say("let n = forall i: i")
    assert say("S", "n") == "7\n4\n"


@pytest.mark.parametrize("name", ["E", "P", "q", "abs", "forall", "in", "true"])
def test_a_value_that_no_rule_could_read_is_refused(say, name: str) -> None:
    assert say(f"{name} = 3").startswith(f"error[ASR081]: `{name}` is a word of the language")
