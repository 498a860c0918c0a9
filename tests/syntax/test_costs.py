"""What `explain` says that a claim costs is what it costs: put back into the language, it has the same violation."""

import pytest

from asrppl.reference import Reference
from asrppl.source import Source
from asrppl.syntax import ast, format_expression, parse_file
from asrppl.syntax.costs import cost_of
from asrppl.syntax.mathematics import unicode_mathematics

VALUES = [
    {"x": [3.0, 0.5, -1.25], "y": [0.25, 2.5, 1.0], "n": 2, "b": True, "c": False, "g": [1, 0, 1]},
    {"x": [0.0, 0.75, 2.0], "y": [1.5, -2.0, 2.0], "n": 3, "b": False, "c": False, "g": [0, 1, 1]},
    {"x": [-3.0, 9.5, 1.0], "y": [4.0, 0.0, -1.0], "n": -4, "b": True, "c": True, "g": [1, 1, 0]},
]
CLAIMS = [
    "x[0] <= y[0] < x[1]",
    "x[0] >= 1 and y[1] > 0 and 0 <= x[2]",
    "x[0] == y[0]",
    "not (x[0] <= y[0] <= 1)",
    "x[0] in [0, 1]",
    "x[0] not in [0, 1]",
    "x[0] in [0, inf] and x[1] in [-inf, 0]",
    "n in {1, 3, 7}",
    "n in 0..2",
    "n not in 0..2",
    "n != 2",
    "not (n == 3)",
    "b and not c",
    "true and not false",
    "x[0] <= 1 or y[0] <= 1 or x[1] <= 0",
    "not (x[0] <= 1 or y[0] <= 1)",
    "x[0] <= 1 implies y[0] <= 1",
    "not (x[0] <= 1 implies y[0] <= 1)",
    "x[0] <= 1 iff y[0] <= 1",
    "not (x[0] <= 1 iff y[0] <= 1)",
    "forall i: x[i] <= y[i]",
    "forall i != j: abs(x[i] - x[j]) >= 1 or y[i] <= y[j]",
    "forall i where g[i] == 1: x[i] <= 1",
    "exists i where g[i] == 1: x[i] <= -1",
    "exists i: forall j: x[i] <= y[j]",
    "not exists i: x[i] <= y[i]",
    "(sum i: x[i]) <= (max i: y[i])",
]


def formula(text: str) -> ast.Expr:
    (rule,) = parse_file(Source("rules.asr", f"rule r: {text}")).file.statements
    assert isinstance(rule, ast.Rule)
    return rule.formula


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("options", ["", "power 2", "margin 0.5", "margin 0.5 power 3"])
def test_a_cost_is_what_the_claim_costs(claim: str, options: str, values: dict[str, object]) -> None:
    parts = options.split()
    given = {name: float(value) for name, value in zip(parts[::2], parts[1::2], strict=True)}
    cost = format_expression(cost_of(formula(claim), **given))
    (asked,) = Reference(f"rule r {options}: {claim}", values).violations()
    (shown,) = Reference(f"rule r: ({cost}) <= 0", values).violations()
    assert shown.cost == pytest.approx(asked.cost)


@pytest.mark.parametrize(
    ("claim", "cost"),
    [
        ("kl(q(a) || q(b)) <= 0", "max(KL(q(a) ‖ q(b)), 0)"),
        ("n in L", "min_(e ∈ L) |n − e|"),
        ("e in L", "min_(e′ ∈ L) |e − e′|"),
        ("near(a, b)", "cost(near(a, b))"),
        ("not near(a, b)", "cost(¬near(a, b))"),
        ("ok and ok[i]", "cost(ok) + cost(ok_i)"),
        ("f(a)", "1 − f(a)"),
        ("(count i: x[i] <= 1) >= 2", "cost(#{i: x_i ≤ 1} ≥ 2)"),
        ("(count i: x[i] <= 1) not in 0..2", "cost(#{i: x_i ≤ 1} ∉ {0, …, 2})"),
    ],
)
def test_costs_as_they_are_shown(claim: str, cost: str) -> None:
    assert unicode_mathematics(cost_of(formula(claim), is_def=lambda name: name in ("near", "ok"))) == cost
