"""A rule with its definitions written out means what the rule means."""

import pytest

from asrppl.check import Checked, check_file
from asrppl.check.facts import facts_of
from asrppl.check.unfolded import unfolded
from asrppl.reference import Reference
from asrppl.source import Source
from asrppl.syntax import ast, format_expression, parse_file

BOXES = [
    {"x": 1.0, "y": 2.0, "w": 3.0, "h": 1.0},
    {"x": 2.5, "y": 2.25, "w": 1.0, "h": 2.0},
    {"x": 8.0, "y": 0.5, "w": 2.0, "h": 4.0},
]
VALUES: dict[str, object] = {
    "box": {field: [box[field] for box in BOXES] for field in "xywh"},
    "z": [0.5, -1.0, 3.0],
    "i": 2.0,
}


def check(text: str) -> Checked:
    parsed = parse_file(Source("rules.asr", text))
    checked = check_file(parsed.file, {}, library=None)
    found = [*parsed.diagnostics, *checked.diagnostics]
    assert all(diagnostic.severity.name != "ERROR" for diagnostic in found), found[0].message
    return checked


def written(text: str) -> list[str]:
    checked = check(text)
    found = [unfolded(checked, rule.formula) for rule in checked.rules]
    return [format_expression(formula) for formula in found if formula is not None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("let a = z[0] + 1\na <= 2", "z[0] + 1 <= 2"),
        ("let a[i] = z[i] + 1\nforall j: a[j + 1] <= 2", "forall j: z[j + 1] + 1 <= 2"),
        ("def f(a, b) = a <= b\nf(b: z[0], a: 1)", "1 <= z[0]"),
        ("def f(g, a) = g(a)\ndef h(a) = a <= 1\nf(h, z[0])", "z[0] <= 1"),
        # An argument keeps its own index, and a name of the guide its meaning.
        ("def f(a) = forall i: a <= z[i]\nforall i: f(z[i])", "forall i: forall i′: z[i] <= z[i′]"),
        ("def f(a) = forall i: a <= z[i]\nf(i)", "forall i′: i <= z[i′]"),
        # Boxes that the rules make have the fields that they were made with.
        ("param S = 5\nz[0] <= frame(0, 0, S, S).right", "z[0] <= S / 2 + S / 2"),
        ("square(1, z[0], size: z[1]).size <= 3", "z[1] <= 3"),
        ("box(1, 2, z[0], 4).bottom <= 3", "2 + 4 / 2 <= 3"),
    ],
)
def test_what_is_written_out(text: str, expected: str) -> None:
    assert written(text) == [expected]


@pytest.mark.parametrize(
    "rule",
    [
        "forall i != j: nonoverlap(box[i], box[j])",
        "forall i: inside(box[i], frame(0, 0, 4, 4))",
        "forall i, j where i < j: iou(box[i], box[j]) <= 0.1 and distance(box[i], box[j]) >= 4",
        "let area[k] = box[k].w * box[k].h\nexists k: area[k] <= z[k]",
        "def below(a: formula, c) = a or z[0] <= c\nbelow(not touches(box[0], box[1]), -3)",
    ],
)
def test_what_is_written_out_costs_the_same(rule: str) -> None:
    (expected,) = Reference(rule, {name: VALUES[name] for name in check(rule).free}).violations()
    (text,) = written(rule)
    (found,) = Reference(text.replace("′", "_"), {name: VALUES[name] for name in check(rule).free}).violations()
    assert found.cost == pytest.approx(expected.cost)
    assert expected.cost > 0


def test_what_expands_to_too_much_is_left() -> None:
    doubled = "\n".join(f"def d{n}(a) = d{n - 1}(a) + d{n - 1}(a)" for n in range(1, 12))
    checked = check(f"def d0(a) = a\n{doubled}\nd3(z[0]) <= 1")
    assert unfolded(checked, checked.rules[0].formula) is not None
    (huge,) = parse_file(Source("rules.asr", "d11(d11(z[0])) <= 1")).file.statements
    assert isinstance(huge, ast.Rule)
    assert unfolded(checked, huge.formula) is None


def facts(text: str):
    checked = check(text)
    found = facts_of(checked, checked.rules[0])
    assert found is not None
    return found


def test_what_a_rule_reads() -> None:
    found = facts("given g: bool\nparam c = 2\nrule r where g: forall i: f(z[i]) <= c and box[i].w <= len(y)")
    assert found.reads == ["g", "f", "z", "box", "y"]
    assert not found.means
    assert facts("kl(delta(1) || q(n)) <= 0").laws == ["n"]


def test_the_means_that_a_rule_reads() -> None:
    found = facts("given g: int\nforall d: aggregate(E[z[d]] where g == 1) <= E[y] + E[y] + aggregate(mean(q(w)))")
    told = [(format_expression(mean.term), mean.draws, mean.data, mean.indices) for mean in found.means]
    assert told == [
        ("aggregate(E[z[d]] where g == 1)", True, True, ("d",)),
        ("E[y]", True, False, ()),
        ("aggregate(mean(q(w)))", False, True, ()),
    ]


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("forall i where z[i] > 0: y[i] <= 1", ["z"]),
        ("forall i where detach(z[i]) > 0: y[i] <= 1", []),
        ("given z[i]\nforall i where z[i] > 0: y[i] <= 1", []),
        ("forall i: P[z[i] > 0] <= 1", []),
        ("rule r where z > 0: y <= 1", ["z"]),
        ("(if z > 0 then 1 else y) <= 0.5", ["z"]),
        ("(count i: z[i] <= 0) >= 1", []),
        ("(count i: z[i] <= 0) * y <= 1", ["z"]),
        ("(count i where z[i] > y: w[i] <= 0) >= 1", ["z", "y"]),
    ],
)
def test_what_conditions_choose_by(text: str, choices: list[str]) -> None:
    assert facts(text).choices == choices


def test_strict_comparisons_and_counts_of_claims() -> None:
    assert facts("z < 1").strict
    assert not facts("rule r where y < 1: z <= 1").strict
    assert facts("(count i: z[i] <= 0) in 1..2").counts
    assert not facts("E[(count i: z[i] <= 0)] <= 2").counts
