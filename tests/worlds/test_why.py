"""`why`: worked examples. No torch is needed, nor imported."""

import subprocess
import sys
from typing import Any

import pytest

from asrppl.check import check_file
from asrppl.diagnostics import AsrError
from asrppl.source import Source
from asrppl.syntax import parse_file
from asrppl.worlds import Mend, Why, why
from asrppl.worlds.data import lengths_of
from asrppl.worlds.wording import lines_of

pytestmark = pytest.mark.filterwarnings("ignore::asrppl.AsrWarning")

FALLS_BACK = "no index passes its guard"


def only(text: str, given: dict[str, object], **options: Any) -> Why:
    (one,) = why(text, given, **options)
    return one


def test_the_active_branch_is_first_in_dictionary_order_and_not_the_smallest_sum() -> None:
    one = only("x <= 0 or n == 1", {"x": 9.0, "n": 2})
    assert [(branch.text, branch.violation, branch.active) for branch in one.instances[0].branches] == [
        ("x <= 0", 9, True),  # whole steps are never bargained away against an amount
        ("n == 1", 1, False),
    ]
    assert one.parts == (0, 0, 9)


def test_the_cheapest_single_number_is_moved_by_no_more_than_it_takes() -> None:
    mend = only("3 * x + y <= 1", {"x": 1.0, "y": 1.0}).instances[0].mend
    assert mend is not None
    assert (mend.entry, mend.new, mend.by) == ("x", 0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "given", "entry", "new"),
    [
        ("x == 3", {"x": 10.0}, "x", 3.0),  # only one number does: along the slope
        ("x ^ 2 >= 2", {"x": 1.0}, "x", 1.41422),  # where halving ends, with few digits
        ("x * x >= 4", {"x": 0.0}, "x", 2.0),  # no slope there
        ("n in {1, 30}", {"n": 20}, "n", 30),
        ("mod(n, 4) == 3", {"n": 4}, "n", 3),
        ("a and n == 2", {"a": False, "n": 2}, "a", True),
        ("P[x >= 2] <= 0.1", {"x": 3.0}, "x", 1.9999),
        ("given g\nx <= g", {"x": 3.0, "g": 1.0}, "x", 1.0),  # data stay
        ("box[0].left >= 2", {"box": [[3.0, 0.0, 4.0]]}, "box[0].x", 4.0),
        ("(sum i: w[i]) == 1", {"w": [0.5, 0.2]}, "w[0]", 0.8),
    ],
)
def test_mends(text: str, given: dict[str, object], entry: str, new: object) -> None:
    mend = only(text, given).instances[0].mend
    assert mend is not None
    assert (mend.entry, mend.new, mend.left) == (entry, new, pytest.approx(0, abs=1e-9))


@pytest.mark.parametrize(
    ("text", "given", "mend"),
    [
        ("q(n)[1] >= 0.5", {"n": [0.8, 0.2]}, Mend("q(n)[1]", 0.2, 0.5, 0.0, (), "q(n)[0]")),
        ("mean(q(n)) >= 1.5", {"n": [0.5, 0.0, 0.5]}, Mend("q(n)[2]", 0.5, 0.75, 0.0, (), "q(n)[0]")),
        ("kl(delta(1) || q(n)) <= 0", {"n": [0.5, 0.5, 0]}, Mend("q(n)[1]", 0.5, 1.0, 0.0, (), "q(n)[0]")),
        ("sd(q(z)) <= 0.1", {"z": {"loc": 0.0, "scale": 1.0}}, Mend("q(z).scale", 1.0, 0.1, 0.0)),
    ],
)
def test_mends_of_laws_move_probability_or_a_parameter(text: str, given: dict[str, object], mend: Mend) -> None:
    (instance,) = only(text, given).instances
    assert instance.mend == mend


def test_of_two_ways_out_of_a_law_the_shorter_is_taken() -> None:
    text = "forall d: kl(q(z[d]) || normal(0, 1)) >= 0.5"  # without a slope where it stands
    mend = only(text, {"z": {"loc": [0.0], "scale": [1.0]}}).instances[0].mend
    assert mend is not None
    assert (mend.entry, mend.new) == ("q(z[0]).scale", pytest.approx(0.3977, abs=1e-3))  # 1.7738 is farther


def test_a_mend_says_what_else_it_breaks() -> None:
    low, high = why("rule low: x <= 1\nrule high: x >= 2", {"x": 2.0})
    assert low.instances[0].mend is not None
    assert low.instances[0].mend.breaks == ("high",)
    assert high.holds


def test_what_nothing_can_change_has_no_mend() -> None:
    instance = only("given g\nforall i: g[i] <= 1", {"g": [0.0, 3.0]}).instances[0]
    assert (instance.at, instance.parts, instance.mend) == ((("i", 1),), (2, 0, 0), None)
    assert instance.note == "it reads only what nothing can change"


def test_no_box_is_given_a_negative_side() -> None:
    assert only("box[0].w <= -1 and box[0].h >= 0", {"box": [[0.0, 0.0, 2.0, 2.0]]}).instances[0].mend is None


def test_an_exists_whose_guard_nobody_passes_says_so() -> None:
    assert only("exists i where x[i] >= 5: x[i] <= 9", {"x": [1.0]}).instances[0].note == FALLS_BACK


def test_leading_axes_are_a_batch_and_a_rule_about_all_data_is_told_once() -> None:
    found = why("rule each: x <= 1\nrule all: aggregate(x) <= 1", {"x": [0.0, 4.0, 0.5]})
    assert [(one.rule, one.datum, one.holds) for one in found] == [
        ("each", (0,), True),
        ("each", (1,), False),
        ("each", (2,), True),
        ("all", (), False),
    ]
    assert found[1].instances[0].reads == (("x", 4.0),)  # of its own datum
    mend = found[-1].instances[0].mend
    assert mend is not None
    assert (mend.entry, mend.by) == ("x of datum 0", pytest.approx(1.5))


def test_a_mend_at_one_datum_may_break_a_rule_at_another() -> None:
    text = "rule near: x >= aggregate(x) - 0.5\nrule big: aggregate(x) >= 4"
    (big,) = [one for one in why(text, {"x": [3.0, 3.0]}) if not one.holds]
    mend = big.instances[0].mend
    assert mend is not None
    assert (mend.entry, mend.new, mend.breaks) == ("x of datum 0", 5.0, ("near",))


def test_where_rules_ask_nothing() -> None:
    first, second = why("given on: bool\nrule r where on: x <= 1", {"on": [True, False], "x": [3.0, 3.0]})
    assert (first.applies, first.holds) == (True, False)
    assert (second.applies, second.holds) == (False, True)
    assert list(lines_of(second)) == ["r [1]: holds, since it asks nothing here"]


@pytest.mark.parametrize(
    ("text", "given", "code", "says"),
    [
        ("x <= 1", {}, "ASR070", "no value was given for `x`"),
        ("x <= 1", {"x": 1, "xx": 2}, "ASR071", "did you mean `x`?"),
        ("x[0] <= 1", {"x": 1}, "ASR073", "`x` needs 1 axis, and its value has 0"),
        ("x[0] <= 1", {"x": [[1], [2, 3]]}, "ASR073", "differ in length"),
        ("x <= 1", {"x": "one"}, "ASR072", "no number: 'one'"),
        ("x <= 1", {"x": float("nan")}, "ASR072", "an entry that is not finite: nan"),
        ("given b: bool\nb", {"b": 2}, "ASR072", "`b` is declared bool"),
        ("box[0].x <= 1", {"box": [[1, 2]]}, "ASR072", "4 columns"),
        ("forall i: x[i] <= y[i]", {"x": [1], "y": [1, 2]}, "ASR046", "entries"),
        ("x <= y", {"x": [1, 2], "y": [1, 2, 3]}, "ASR073", "batches"),
        ("x <=", {"x": 1}, "ASR018", ""),
    ],
)
def test_values_that_do_not_fit_are_refused_with_a_mend(
    text: str, given: dict[str, object], code: str, says: str
) -> None:
    with pytest.raises(AsrError, match="(?s)" + code) as raised:
        why(text, given)
    assert says in str(raised.value)


def test_neither_torch_nor_numpy_is_imported() -> None:
    code = (
        "import sys; from asrppl.worlds import why; from asrppl.worlds.wording import lines_of;"
        "print(*lines_of(why('x <= 1', {'x': 3.0})[0]), sep='\\n');"
        "sys.exit(bool({'torch', 'numpy', 'pyro', 'z3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "line 1: does not hold, violation 2 (2 graded)",
        "  x <= 1 costs 2",
        "    reads x = 3",
        "    mend: x from 3 to 1 (by 2), and the rule holds",
    ]


def test_worlds_are_made_up_where_there_is_neither_torch_nor_z3() -> None:
    code = (
        "import sys; sys.modules.update(torch=None, numpy=None, pyro=None, z3=None);"
        "from asrppl.source import Source; from asrppl.worlds.example import example;"
        "from asrppl.worlds.wording import example_lines;"
        "print(*example_lines(example(Source('<rules>', 'n in {1, 3}'))), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "made up: n: integers from 0 to 4 (--range n=0..4)",
        "",
        "keeps all rules (enumeration)",
        "  n = 1",
        "",
        "breaks line 1 alone, by 1 (enumeration)",
        "  n = 0",
    ]


def test_lengths_of_values_are_those_of_the_axes_that_rules_index() -> None:
    text = "forall i: box[i].w <= 1 and q(n[i])[0] <= 1 and z[i] <= 1 and e[i] <= 1 and r[i].x <= r[i].speed"
    free = check_file(parse_file(Source("<rules>", text)).file, {}, library=None).free
    values = {"box": [[[1, 2, 3]] * 2] * 5, "n": [[0.5, 0.5]] * 4, "z_0": 1, "z_1": 2, "e": [], "r": {"x": [1, 2, 3]}}
    assert lengths_of(free, values) == {"box": (2,), "n": (4,), "z": (2,)}
