"""`example`: the worlds that it shows are what it says, by every engine; and it claims no more than it has proved."""

from typing import Any

import pytest

from asrppl.check import check_file
from asrppl.diagnostics import AsrError
from asrppl.literals import parse_value
from asrppl.program import parse
from asrppl.source import Source
from asrppl.syntax import parse_file
from asrppl.worlds import why
from asrppl.worlds.example import MOST_WORLDS, example
from asrppl.worlds.invent import InventionError, invent
from asrppl.worlds.picture import svg
from asrppl.worlds.shown import Example
from asrppl.worlds.wording import example_lines

pytestmark = pytest.mark.filterwarnings("ignore::asrppl.AsrWarning")

OVERLAP = """
rule apart: forall i != j: nonoverlap(box[i], box[j])
rule framed: forall i: inside(box[i], frame(0, 0, 20, 20))
rule sized: forall i: box[i].size >= 6
"""
PACKED = OVERLAP.replace(">= 6", "== 10")  # four of them fill the frame


def made(text: str, **options: Any) -> Example:
    return example(Source("<rules>", text), **options)


def verify(text: str, found: Example) -> None:
    """What is shown is so: by `why`, and by the compiled rules."""
    program = parse(text)
    for shown in (found.keeps, *found.breaks):
        if shown.values is None:
            continue
        broken = {one.rule for one in why(text, shown.values, shown=0) if not one.holds}
        assert broken == ({shown.rule} if shown.rule else set())
        if not any("probs" in str(value) for value in shown.values.values()) and "q(" not in text:
            for rule, violation in program.violations(shown.values).items():
                assert bool((violation > 1e-5).any()) == (rule == shown.rule)


def hows(found: Example) -> list[str]:
    return [shown.how for shown in (found.keeps, *found.breaks)]


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have engines' packages not be there."""

    def hide(*names: str) -> None:
        from importlib.util import find_spec

        hidden = "asrppl.worlds.example.find_spec"
        monkeypatch.setattr(hidden, lambda name: None if name in names else find_spec(name))

    return hide


# ---- enumeration


def test_finite_names_are_gone_through() -> None:
    text = "rule odd: n in {1, 3}\nrule big: n >= 2\nrule on: b implies n == 1"
    found = made(text)
    verify(text, found)
    assert hows(found) == ["enumeration"] * 4
    assert found.keeps.values == {"n": 3, "b": False}
    assert found.said == ("n: integers from 0 to 4 (--range n=0..4)",)


def test_laws_are_point_masses_and_uniform_ones_over_a_small_data_set() -> None:
    text = "rule sure: exists k in {1, 3}: q(n)[k] >= 1\nrule even: tv(uniform({1, 3}), aggregate(q(n))) <= 0"
    found = made(text, data=2)
    verify(text, found)
    assert found.keeps.values == {"n": [[0, 1, 0, 0, 0], [0, 0, 0, 1, 0]]}
    (one,) = made("rule sure: exists k in {1, 3}: q(n)[k] >= 1", data=1).breaks
    assert one.values is not None


def test_without_torch_fewer_worlds_are_gone_through(without: Any) -> None:
    without("torch", "z3")
    text = "rule odd: n in {1, 3}\nrule big: n >= 2"
    assert hows(made(text)) == ["enumeration"] * 3
    many = made("forall i: n[i] <= n[i + 1]", lengths={"n": (8,)})
    assert MOST_WORLDS // 100 < 4**8
    assert many.keeps.values is None
    assert many.keeps.how == "z3 might know, and is not installed: pip install 'asrppl[solve]'"


def test_all_booleans_are_a_proof(without: Any) -> None:
    without("z3")
    found = made("rule p: a\nrule q: not a or b\nrule r: not b\nrule s: c")
    assert found.conflict == ("p", "q", "r")
    assert found.smallest
    assert found.keeps.proved
    assert [shown.proved for shown in found.breaks] == [False, False, False, True]
    assert "These rules stand against each other: p, q and r (no smaller set does)" in list(example_lines(found))


def test_integers_within_a_range_are_no_proof(without: Any) -> None:
    without("z3")
    found = made("given n: int\nrule p: n >= 2\nrule q: n <= 1")
    assert found.conflict == ()
    assert not found.keeps.proved
    assert found.keeps.how.startswith("none among all 4 worlds; z3 might know")
    assert found.keeps.nearest == {"n": 1}
    assert "least broken: p by 1" in list(example_lines(found))


def test_rules_that_read_nothing_have_one_world() -> None:
    assert made("1 <= 2", data=2).keeps.values == {}
    never = made("2 <= 1", data=2)
    assert (never.keeps.proved, never.keeps.how, never.conflict) == (True, "the rules read nothing", ("line 1",))


# ---- printed


def test_what_is_printed_is_the_world_that_was_checked() -> None:
    """A real that happens to be whole must not come back as an integer, of which `x < 0` asks more."""
    text = "rule r: x < 0 and y < x\nrule s: x >= 0"
    lines = list(example_lines(made(text)))
    printed = [line.split(" = ") for line in lines[lines.index("keeps all rules (z3)") + 1 :][:2]]
    assert printed == [["  x", "0.0"], ["  y", "0.0"]]
    assert all(one.holds for one in why(text, {name.strip(): parse_value(value) for name, value in printed}))


# ---- ranges


def test_indices_and_divisors_are_no_sizes() -> None:
    assert made("nonoverlap(box[0], box[1])").said == ("box[i]: boxes with centres and sides from 0 to 50",)
    assert made("x[7] / 100 <= 3", lengths={"x": (8,)}).said == ("x[i]: reals from 0 to 4",)


# ---- descent


def test_boxes_go_down_their_own_violations(without: Any) -> None:
    without("z3")
    found = made(OVERLAP, lengths={"box": (3,)})
    verify(OVERLAP, found)
    assert hows(found) == ["descent"] * 4


def test_the_same_seed_makes_the_same_worlds() -> None:
    first, again, other = (made(OVERLAP, lengths={"box": (3,)}, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_draws_that_are_no_reals_are_drawn_anew(without: Any) -> None:
    without("z3")
    text = "rule r: forall i: b[i] implies x[i] >= 2\nrule s: (count i: b[i]) >= 2"
    found = made(text, lengths={"x": (4,), "b": (4,)})
    verify(text, found)
    assert hows(found) == ["descent"] * 3


def test_laws_between_point_masses_and_uniform_ones_are_found(without: Any) -> None:
    without("z3")
    text = "rule most: q(n)[0] >= 0.7\nrule some: q(n)[1] >= 0.2"
    found = made(text)
    verify(text, found)
    assert found.keeps.how == "descent"


def test_aggregates_are_taken_over_the_data_of_a_world(without: Any) -> None:
    without("z3")
    text = (
        "given sex: int\n"
        "rule parity: abs(aggregate(E[s] where sex == 0) - aggregate(E[s] where sex == 1)) <= 0.05\n"
        "rule high: aggregate(E[s]) >= 1\nrule both: aggregate(E[sex]) == 0.5"
    )
    found = made(text, data=4, ranges={"sex": (0, 1)})
    verify(text, found)
    assert found.keeps.how == "descent"


# ---- z3


def test_what_no_descent_finds_z3_does() -> None:
    found = made(PACKED, lengths={"box": (4,)})
    verify(PACKED, found)
    assert found.keeps.how == "z3"


def test_without_z3_nothing_is_claimed_of_a_packing(without: Any) -> None:
    without("z3")
    found = made(PACKED, lengths={"box": (4,)})
    assert found.keeps.values is None
    assert not found.keeps.proved
    assert found.keeps.how.startswith("none found in 64 starts; z3 might know")
    assert found.keeps.nearest is not None
    assert any(line.startswith("least broken: ") for line in example_lines(found))


def test_z3_proves_a_smallest_conflict_whatever_the_values() -> None:
    found = made("rule a: x <= 1\nrule b: y >= x\nrule c: x >= 2\nrule d: y <= 9")
    assert found.conflict == ("a", "c")
    assert found.keeps.how == "z3 proves that there is none"
    five = made(PACKED, lengths={"box": (5,)})
    assert five.conflict == ("apart", "framed", "sized")


def test_a_rule_that_follows_from_the_others_is_broken_by_no_world() -> None:
    found = made("rule a: x >= 3\nrule b: x >= 2")
    assert [shown.proved for shown in found.breaks] == [False, True]
    assert "no world breaks b alone: z3 proves that there is none" in list(example_lines(found))


def test_z3_keeps_a_margin() -> None:
    found = made("rule a margin 0.5: x < y\nrule b: y == 1.5", lengths={})
    verify("rule a margin 0.5: x < y\nrule b: y == 1.5", found)
    assert found.keeps.how == "z3"
    x = found.keeps.values["x"] if found.keeps.values else 9.0
    assert isinstance(x, float)
    assert x <= 1.0


def test_rounding_is_no_conflict() -> None:
    text = (
        "param p = 0.1\nparam s = 0.2\nrule a: x == p + s\nrule b: x == 0.3\nrule c: y * 3 == 1\nrule d: x + y >= 0.5"
    )
    found = made(text)  # 0.1 + 0.2 is not 0.3 in floating point, and no third is a third
    verify(text, found)
    assert (found.conflict, found.keeps.how) == ((), "z3")
    against = made(text + "\nrule e: x >= 0.30001")
    assert against.conflict in (("a", "e"), ("b", "e"))


def test_z3_looks_beyond_the_ranges() -> None:
    kinds = {"n": "int", "m": "int"}
    found = made("rule a: n == 1000 * m\nrule b: m >= 1", ranges={"n": (0, 3), "m": (0, 3)}, kinds=kinds)
    assert found.keeps.values == {"n": 1000, "m": 1}


def test_what_is_not_translated_is_said() -> None:
    found = made("exp(x) <= -1", lengths={})
    assert found.keeps.how.startswith("none found in 64 starts; z3 is not asked: ")
    assert found.conflict == ()


# ---- what is made up


def invented(text: str, **options: Any) -> Any:
    return invent(check_file(parse_file(Source("<rules>", text)).file, {}, library=None), {}, **options)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("forall i: b[i] or x[i] <= 7", "b[i]: 3 entries (--lengths b=3)"),
        ("x <= 7", "x: reals from 0 to 8"),
        ("x >= -2", "x: reals from -3 to 1"),
        ("given n: int\nn <= 7", "given n: integers from 0 to 8 (--range n=0..8)"),
        ("param L = {1, 3}\nn in L", "n: integers from 0 to 4 (--range n=0..4)"),
        ("(sum i: w[i]) == 1", "w[i]: reals from 0 to 2"),
        ("forall i != j: k[i] != k[j]", "k[i]: integers from 0 to 3 (--range k=0..3)"),
        ("forall i: a[b[i]] <= 2", "b[i]: integers from 0 to 2 (--range b=0..2)"),
        ("param S = 40\ninside(box[0], frame(0, 0, S, S))", "box[i]: boxes with centres and sides from 0 to 40"),
        ("entropy(q(k)) <= 1 and q(k)[2] >= 0.1", "q(k): laws over 0..3, point masses and uniform ones"),
        ("sd(q(z)) <= 0.1", "q(z): Normals with a mean from -3 to 3, a scale up to 3"),
    ],
)
def test_what_is_chosen_is_said(text: str, said: str) -> None:
    assert any(said.removeprefix("given ") in line for line in invented(text).said), invented(text).said


def test_a_function_cannot_be_made_up() -> None:
    with pytest.raises(InventionError, match="`f` is a function"):
        made("f(x) <= 1")


def test_without_rules_there_is_nothing_to_look_for() -> None:
    with pytest.raises(InventionError, match="there is no rule"):
        made("param S = 3")


def test_a_family_that_the_interpreter_does_not_know_is_refused() -> None:
    with pytest.raises((InventionError, AsrError)):
        made("mean(gamma(x, 1)) <= 1")


def test_a_picture_has_a_panel_for_each_world_and_datum() -> None:
    found = made(OVERLAP, lengths={"box": (2,)}, data=2)
    picture = svg(found)
    assert picture is not None
    assert picture.count('font-size="12"') == 2 * 4
    assert picture.count("<title>box[1]</title>") == 2 * 4
    assert svg(made("n == 1")) is None
