"""Worked values: what the interpreter says of them (tests/meaning.json has the reasons)."""

from collections.abc import Mapping
from typing import Any

import pytest

from asrppl.reference import Reference
from tests.conformance import MEANING, costs_as_worked_out


@pytest.mark.parametrize("case", MEANING, ids=lambda case: case["text"])
def test_a_rule_costs_what_the_reference_says(case: Mapping[str, Any]) -> None:
    assert costs_as_worked_out(case)


@pytest.mark.parametrize(
    ("text", "values", "triple"),
    [
        # The parts: index variables, constants, params and given names; ints and Booleans; the others.
        ("param S = 2\nforall i in 0..3: i < S", {}, (3, 0, 0)),
        ("given g: int\ng == 4", {"g": 1.0}, (3, 0, 0)),
        ("forall i: a[i] <= 1", {"a": [3, 0]}, (0, 2, 0)),
        ("forall i: a[i] <= x[i]", {"a": [3, 0], "x": [1.0, 1.0]}, (0, 0, 2)),
        ("false", {}, (1, 0, 0)),
        # The first in dictionary order: a mask or a constant is never traded against an amount.
        ("given h: bool\nh and k == 49 or x <= 0", {"h": False, "k": 49, "x": 7.0}, (0, 0, 7)),
        ("x <= 0 or k == 50", {"x": 0.25, "k": 49}, (0, 0, 0.25)),
        # Where no index passes the guard: the one that is nearest to it.
        ("exists i where s[i] > 0.5: x[i] <= 1", {"s": [0.25, 0.4375], "x": [1.0, 3.0]}, (0, 0, 2.0625)),
        ("exists i where s[i] > 0.5: x[i] <= 1", {"s": [0.625, 0.25], "x": [9.0, 1.0]}, (0, 0, 8)),
        ("exists i: u[i] <= 1", {"u": {"value": [0.0], "mask": [False]}}, (1, 0, 0)),
        # Counts: members first, then others, then 1 each.
        ("(count i where b[i]: x[i] <= 1) >= 2", {"b": [True, False], "x": [3.0, 5.0]}, (0, 1, 6)),
        ("(count i where b[i]: x[i] <= 1) >= 4", {"b": [True, False], "x": [3.0, 1.0]}, (2, 1, 2)),
        ("(count i where b[i]: x[i] >= 1) <= 0", {"b": [True, False, True], "x": [1.5, 9.0, 0.0]}, (0, 0, 0.5)),
        # A condition is exact: at a tie it is false.
        ("forall i where s[i] > 0.5: x[i] <= 1", {"s": [0.5], "x": [9.0]}, (0, 0, 0)),
        ("(count i: s[i] > 0.5) + 1 <= 1", {"s": [0.5, 0.75]}, (0, 0, 1)),
        # Undefined: free in a claim, false in a condition either way, and a whole step in a guard that is priced.
        ("not (max i where b[i]: x[i]) <= 1", {"b": [False], "x": [0.0]}, (0, 0, 0)),
        ("x <= (if v[n] <= 1 or not v[n] <= 1 then 5 else 2)", {"x": 4.0, "v": [0.0], "n": 1}, (0, 0, 2)),
        ("exists i where (min j where b[j]: x[j]) > 0: y[i] <= 1", {"b": [False], "x": [0.0], "y": [3.0]}, (1, 0, 2)),
        ("x[n] <= 1", {"x": [5.0], "n": 1}, (0, 0, 0)),
        ("box[0].left >= 1 and box[0].bottom <= 3", {"box": [[2.0, 2.0, 4.0, 4.0]]}, (0, 0, 2)),
        ("(sum i where b[i]: x[i]) <= -1", {"b": [False], "x": [3.0]}, (0, 0, 1)),
        ("(prod i where b[i]: x[i]) <= 0", {"b": [False], "x": [3.0]}, (0, 0, 1)),
        ("x[(argmax i: y[i])] <= 0", {"x": [1.0, 2.0, 3.0], "y": [0.0, 5.0, 5.0]}, (0, 0, 2)),
        # Options.
        ("rule r power 2: k == 5", {"k": 2}, (0, 9, 0)),
        ("rule r margin 0.5: x < 1", {"x": 1.0}, (0, 0, 0.5)),
        ("rule r margin 0.5 power 2: x < 1", {"x": 1.0}, (0, 0, 0.25)),
        ("rule r smooth 1: x <= 0 or y <= 0", {"x": 2.0, "y": 2.0}, (0, 0, 1)),
        ("rule r where b: x <= 0", {"x": 2.0, "b": False}, (0, 0, 0)),
    ],
)  # fmt: skip
def test_the_parts_of_a_violation(text: str, values: dict[str, object], triple: tuple[float, float, float]) -> None:
    (outcome,) = Reference(text, values).violations()
    assert outcome.triple == triple
    assert outcome.cost == sum(triple)


def test_boxes_may_be_columns_fields_or_corners() -> None:
    text = "forall i: box[i].right <= 10 and box[i].w <= 3"
    columns = {"box": [[9.0, 0.0, 4.0, 2.0]]}
    fields = {"box": {"x": [9.0], "y": [0.0], "w": [4.0], "h": [2.0]}}
    corners = {"box": {"x1": [7.0], "y1": [-1.0], "x2": [11.0], "y2": [1.0]}}
    assert [Reference(text, values).violations()[0].graded for values in (columns, fields, corners)] == [2, 2, 2]


def test_an_aggregate_is_taken_over_the_data() -> None:
    data = [{"x": 1.0, "b": True}, {"x": 5.0, "b": True}, {"x": 9.0, "b": False}]

    def cost(text: str) -> float:
        return Reference(text, data[0], data=data).violations()[0].cost

    assert cost("aggregate(x) <= 0") == 5
    assert cost("aggregate(x where b) <= 0") == 3
    assert cost("aggregate(x where x > 10) <= 0") == 0


def test_what_is_declared_is_read_so_or_refused() -> None:
    text = "given g: int\ng == 1"
    assert Reference(text, {"g": 1.0}).violations()[0].holds
    with pytest.raises(ValueError, match=r"`g` is 0.5, and `g` is declared int"):
        Reference(text, {"g": 0.5})


@pytest.mark.parametrize(
    ("operator", "value", "tail"),
    [("and", True, ""), ("or", True, ""), ("+", 0.5, " <= 1000"), ("-", 1, " <= 1"), ("*", 1.0, " <= 1")],
)
def test_a_chain_may_be_as_long_as_a_statement(operator: str, value: float, tail: str) -> None:
    (outcome,) = Reference(f" {operator} ".join(["a"] * 2_000) + tail, {"a": value}).violations()
    assert outcome.holds
