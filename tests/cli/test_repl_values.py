"""`asrppl repl`: values as expressions, records, masks, laws, draws and data, and files of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from asrppl.cli.repl.values import split


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (["x = 1/3", "x"], "0.333333"),
        (["x = 1/3", "3 * x == 1"], "holds"),  # in double precision
        (["x = 1.5", "y = 2 * x", "y"], "3"),
        (["n = 2", "m = n + 1", "m in {1, 3}"], "holds"),
        (["n = 2", "m = n + 1", "m < 4"], "holds"),
        (["x = 1", "y = [x, 2 *]"], "error"),
        (["x = 1", "y = [x, [2, 3 * x]]", "y"], "error"),
        (["x = 1", "y = [[x, 2], [2 * x + 0, 4]]", "y"], "[[1, 2], [2, 4]]"),
        (["v = [1, 2, 3]", "w = 2 * v", "w"], "[2, 4, 6]"),
        (["v = [1, 2, 3]", "w = v", "w[1]"], "2"),
        (["n = 2", "b = n in {1, 3}", "b"], "false"),
        (["x = [1, 2, 3]", "b = x < 2", "b"], "[true, false, false]"),
        (["a = 1", "s = {a, 1 + 2}", "s"], "{1, 3}"),
        (["a = 1/2", "p = {x: a, y: 2 * a}", "p"], "{x: 0.5, y: 1}"),
        (["c = square(1, 2, 3)", "c.left"], "-0.5"),
        (["z = max(1, 2) # the larger", "z"], "2"),
        (["x = {value: [1.0, 5.0], mask: [true, false]}", "forall i: x[i] <= 2"], "holds"),
        (["box = {x: [1, 9], y: [1, 9], size: [2, 2]}", "forall i != j: nonoverlap(box[i], box[j])"], "holds"),
        (["let a = 2", "x = a + 1", "let a = 5", "x"], "3"),
    ],
)
def test_values_are_expressions(say, lines: list[str], answer: str) -> None:
    said = say(*lines)
    assert said.startswith("error") if answer == "error" else said == answer + "\n"


def test_an_error_in_a_value_is_shown_in_the_whole_line(say) -> None:
    assert say("x = 1", "y = [x, 2 * nothing]").startswith(
        "error[ASR070]: no value was given for `nothing`\n --> <input>:1:13\n  |\n1 | y = [x, 2 * nothing]\n"
    )


def test_data_are_leading_axes(say) -> None:
    say("x = [1.0, 4.0, 9.0]", "g = [0, 1, 1]")
    assert say("aggregate(x)") == "4.66667\n"
    assert say("aggregate(x where g == 1)") == "6.5\n"
    assert say("x <= 2") == "does not hold: violation [0, 2, 7]\n"


def test_draws_are_a_first_axis(say) -> None:
    say("z = {draws: [[0.0, 1.0], [1.0, 3.0]]}")
    assert say("E[z[1]]") == "2\n"
    assert say("P[z[0] <= 0.5]") == "0.5\n"
    assert say("z[1] <= 2") == "does not hold: violation [0, 1]\n"


def test_probabilities_make_exact_means(say) -> None:
    assert say("n ~ [0.2, 0.8]") == "n ~ [0.2, 0.8]: 10,000 draws where its values are read\n"
    assert say("P[n == 1]") == "0.8\n"
    assert say("kl(delta(1) || q(n))") == "0.223144\n"
    assert say("n") == "[0.2, 0.8]\n"
    assert say("on ~ [0.25, 0.75]", "P[on and n == 1]").endswith("0.6\n")
    assert say(":names") == "n ~ [0.2, 0.8]\non ~ [0.25, 0.75]\n"


def test_a_law_with_a_family_is_exact_where_only_the_law_is_read(say) -> None:
    say("s = 2.0", "x ~ normal(1, s)")
    assert say("mean(q(x)) + sd(q(x))") == "3\n"
    assert say("cdf(q(x), 1)") == "0.5\n"
    assert say("kl(q(x) || normal(1, 2)) <= 0") == "holds\n"


def test_values_of_a_law_are_draws_the_same_each_time(say) -> None:
    say("x ~ normal(0, 1)", "y ~ normal(0, 1)")
    assert float(say("E[x]")) == pytest.approx(0, abs=0.05)
    assert float(say("P[x <= 1]")) == pytest.approx(0.8413, abs=0.02)
    assert abs(float(say("E[x * y]"))) < 0.05  # other draws for each name
    assert say("E[x]") == say("E[x]")
    shown = say("x <= 0")
    assert shown.startswith("does not hold: violation 0.")
    assert " on average over 10,000 draws; kept by " in shown
    assert " on average over 10,000, from -" in say("2 * x")


def test_draws_of_whole_numbers_and_truth_values_are_such(say) -> None:
    say("b ~ [0.3, 0.7]", "g ~ poisson(3)")
    shown = say("b implies 1 <= 0")
    assert float(shown.partition("violation ")[2].split()[0]) == pytest.approx(0.7, abs=0.03)
    assert float(say("P[g < 4]")) == pytest.approx(0.6472, abs=0.03)
    over = float(say("g < 4").partition("violation ")[2].split()[0])  # of ints a < b is a + 1 <= b: E max(g - 3, 0)
    assert over == pytest.approx(0.672, abs=0.05)
    assert say("g", ":names") == "poisson(3)\nb ~ [0.3, 0.7]\ng ~ poisson(3)\n"


def test_laws_have_index_axes_and_data(say) -> None:
    say("x ~ normal([0, 1], 1)", "n ~ [[0.2, 0.8], [0.5, 0.5]]")
    assert say("mean(q(x[1]))") == "1\n"
    assert float(say("P[x[0] <= x[1]]")) == pytest.approx(0.7602, abs=0.03)
    assert say("P[n == 1]") == "[0.8, 0.5]\n"
    assert say("forall i: P[n[i] == 1] <= 0.5") == "does not hold: violation 0.3\n  i=0: 0.3\n"
    assert say("aggregate(q(n))[1]") == "0.65\n"
    assert say("d = {draws: [0.0, 3.0]}", "y ~ normal(0, 1)", "E[d]").endswith("1.5\n")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x ~ norml(0, 1)", "error: there is no law norml; did you mean `normal`?"),
        ("x ~ normal(0)", "error: `normal` takes 2 numbers (loc, scale), and has 1"),
        ("x ~ normal(0, 0)", "error: the scale of `normal` lies above 0"),
        ("x ~ uniform(2, 1)", "error: `uniform(low, high)` has no such parameters"),
        ("x ~ 3", "error: a law is normal(0, 1)"),
        ("x ~ [0.5, -1]", "error: the law of a whole number is a list of probabilities"),
        ("q ~ [0.5, 0.5]", "error[ASR081]"),
        ("x ~ normal(nothing, 1)", "error[ASR070]: no value was given for `nothing`\n --> <input>:1:12\n"),
    ],
)
def test_what_is_no_law(say, line: str, message: str) -> None:
    assert say(line).startswith(message)


def test_values_from_files(say, tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", box=np.array([[10.0, 10, 8], [14, 12, 8]]), n=np.array(3))
    assert say(f":load {tmp_path / 'v.npz'}") == f"{tmp_path / 'v.npz'}: box (2 × 3 reals), n (integer)\n"
    assert say("forall i != j: nonoverlap(box[i], box[j])").startswith("does not hold: violation 8\n")
    (tmp_path / "v.json").write_text(json.dumps({"n": 4, "on": [True]}))
    assert say(f":load {tmp_path / 'v.json'}", "n").endswith("n (integer), on (1 Booleans)\n4\n")
    (tmp_path / "bad.json").write_text('{"n": "text"}')
    assert say(f":load {tmp_path / 'bad.json'}").endswith("bad.json: n: 'text' is not a number\n")
    (tmp_path / "bad.npz").write_text("no archive")
    assert say(f":load {tmp_path / 'bad.npz'}").startswith("error: ")
    assert say(":undo", "n") == "3\n"


@pytest.mark.parametrize(
    ("text", "parts"),
    [("", []), ("a, b", ["a", "b"]), ("f(a, b), [c, d],", ["f(a, b)", "[c, d]"]), ("{x: 1, y: 2}", ["{x: 1, y: 2}"])],
)
def test_commas_outside_of_brackets_split(text: str, parts: list[str]) -> None:
    assert split(text) == parts


def test_draws_of_a_guide_come_from_a_file(say, tmp_path: Path) -> None:
    np.savez(tmp_path / "draws.npz", z=np.array([[0.0, 1.0], [1.0, 3.0]]))
    assert say(f":load {tmp_path / 'draws.npz'}", "z = {draws: z}", "E[z[1]]").endswith("\n2\n")
