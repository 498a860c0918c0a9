"""Corners that generated programs led to: what each costs, compiled and as the reference interpreter has it."""

from collections.abc import Iterator

import pytest
import torch

from asrppl.program import parse
from asrppl.reference import Reference

pytestmark = pytest.mark.filterwarnings("ignore::asrppl.AsrWarning")

X = {"x": [3.0, 0.0]}
U = {"u": {"value": [5.0, 6.0, 7.0], "mask": [False, True, True]}}
Q = {"probs": [[0.5, 0.5], [0.25, 0.75]]}
CONSTANTS = "param on = true\nparam off = false\n"


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    """What reads no real is computed in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def tensor(value: object) -> object:
    if not isinstance(value, dict):
        return torch.tensor(value)
    if "probs" in value:
        return torch.distributions.Categorical(torch.tensor(value["probs"]))
    return {part: torch.tensor(nested) for part, nested in value.items()}


def tensors(values: dict[str, object]) -> dict[str, object]:
    return {name: tensor(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("text", "values", "cost"),
    [
        # What is missing of a count costs 1 each, and nothing beside that: of at most -1, over nothing, under a power.
        ("(count j in 0..2 where j > 2: n in {0, 2}) <= n - 1", {"n": 0}, 1),
        ("(count j in 0..2 where x[j] > 9: x[j] <= 0) <= -1", {"x": [1.0, 2.0, 3.0]}, 1),
        ("rule r power 2: (count i where x[i + 3] > 0: x[i] <= 1) == 5", X, 5),
        # It counts in the part of the bound: a bound that is drawn can mend it.
        ("(count i in 0..1: x[i] <= 9) >= n or off and x[0] <= 2", {**X, "n": 4, "off": True}, 1),
        ("(count i in 0..1: x[i] <= 9) >= n or k == 9", {**X, "n": 4, "k": 8}, 1),
        ("(count i in 0..1: x[i] <= 9) >= 4 or k == 9", {**X, "k": 4}, 5),
        # Outside its axis, in a guard further in, an entry has no mask to ask: i = 0 is there, and its guard false.
        ("forall i in 0..2: exists j where u[i - 1] > x[j]: x[j] >= 5", {**U, "x": [0.0, 1.0, 2.0]}, 7),
        ("exists i where u[n] > x[i]: x[i] >= 8", {**U, "x": [1.0, 1.0, 0.0], "n": 3}, 8),
        ("forall i: x[i] <= u[a[i]]", {**U, "x": [9.0, 9.0, 9.0], "a": [1, 3, 0]}, 3),
        # Along an axis that others index, an entry outside is undefined; by the index itself, it is skipped.
        ("exists i in 0..1: m[i, n] <= -1", {"m": [[0.0, 1.0], [2.0, 3.0]], "n": 2}, 0),
        ("exists i in 0..1: m[2 * i, n] <= -1", {"m": [[0.0, 1.0], [2.0, 3.0]], "n": 1}, 2),
        # The same of a distribution.
        ("forall i in 0..1: (count j where tv(q(k[i - 1]) || delta(0)) <= 1: x[j] >= 1) >= 1", {"k": Q, **X}, 1),
        # What constants settle is not read: these comparisons are decided or discrete, and come first.
        (f"{CONSTANTS}(if on or x[0] > 0 then 1 else 2) == 4 or k == 9", {**X, "k": 3}, 6),
        (f"{CONSTANTS}(sum i where off and x[i] > 0: 2) == 4 or k == 9", {**X, "k": 3}, 6),
        # A guard that is priced is priced whole.
        (f"{CONSTANTS}exists i where off and x[i] > 5: x[i] >= 9", X, 1 + 2 + 6),
    ],
)
def test_a_corner_costs(text: str, values: dict[str, object], cost: float) -> None:
    (outcome,) = Reference(text, values).violations()
    program = parse(text)
    (found,) = program.violations(tensors({name: values[name] for name in program.free})).values()
    assert (outcome.cost, float(found)) == (cost, cost)


DATA: list[dict[str, object]] = [
    {"x": 1.0, "b": True, "u": {"value": [1.0, 2.0], "mask": [True, False]}},
    {"x": 5.0, "b": True, "u": {"value": [4.0, 7.0], "mask": [False, True]}},
    {"x": 9.0, "b": False, "u": {"value": [3.0, 6.0], "mask": [True, True]}},
]


@pytest.mark.parametrize(
    ("rule", "costs"),
    [
        ("aggregate(x) <= 0", [5, 5, 5]),
        ("aggregate(x where b) <= 0", [3, 3, 3]),
        ("aggregate(x where x > 10) <= 0", [0, 0, 0]),
        ("x <= aggregate(x)", [0, 0, 4]),
        ("aggregate(u[0]) <= 0", [2, 2, 2]),
        # What a datum does not have is left out, and stands for no other datum's.
        ("forall i: aggregate(u[i]) <= 0", [8.5, 8.5, 8.5]),
        ("forall i: aggregate(x where u[i] > 2) <= u[i]", [8, 0, 7]),
        ("forall i in 0..1: aggregate((max j where u[j] > x: u[j])) <= i", [13, 13, 13]),
    ],
)
def test_an_aggregate_costs(rule: str, costs: list[float]) -> None:
    text = f"given x\ngiven b: bool\ngiven u\nrule r: {rule}"
    program = parse(text)
    columns: dict[str, object] = {name: [datum[name] for datum in DATA] for name in ("x", "b")}
    columns["u"] = {part: [datum["u"][part] for datum in DATA] for part in ("value", "mask")}  # pyright: ignore
    found = program.violations(tensors({name: columns[name] for name in program.free}))["r"].expand(3)
    assert found.tolist() == pytest.approx(costs)
    assert [Reference(text, datum, data=DATA).violations()[0].cost for datum in DATA] == pytest.approx(costs)
