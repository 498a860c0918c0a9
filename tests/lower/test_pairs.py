"""Pairs that are listed: the same value and gradient as on the dense grid, and which way is taken when."""

import copy
import pickle

import pytest
import torch
from torch import Tensor

import asrppl
from asrppl.core.separation import flattened, operands, way_of
from asrppl.core.typed import Every
from tests.lower.helpers import compile_rule
from tests.pair_rules import compare, ways

pytestmark = pytest.mark.filterwarnings("ignore::asrppl.AsrWarning")

APART = "rule r: forall i != j: nonoverlap(box[i], box[j])"
ALIKE = "rule r: forall i != j: abs(box[i].size - box[j].size) <= 3"


def scene(length: int, *batch: int, seed: int = 0) -> Tensor:
    """Squares of side 11 to 15 that cover three tenths of a scene."""
    g = torch.Generator().manual_seed(seed)
    side = 13 * (length / 0.3) ** 0.5
    at = torch.rand((*batch, length, 2), generator=g, dtype=torch.float64) * side
    return torch.cat([at, 11 + 4 * torch.rand((*batch, length, 1), generator=g, dtype=torch.float64)], -1)


def both(text: str, boxes: Tensor, *, few: int = 4) -> tuple[list[int], list[tuple[Tensor, Tensor]]]:
    """Return how many pairs each call listed at most, and value and gradient, densely and with pairs listed."""
    found: list[tuple[Tensor, Tensor]] = []
    calls: list[list[int]] = []
    for dense in (10**18, 10_000):
        with ways(dense, few) as taken:
            calls.append(taken)
            given = boxes.clone().requires_grad_()
            plan, bound = compile_rule(text, {"box": given}, elements=max(1, boxes[..., 0, 0].numel()))
            value = plan(bound.tensors)["r"]
            found.append((value.detach(), torch.autograd.grad(value.sum(), given)[0]))
    return calls[-1], found


@pytest.mark.parametrize("start", range(0, 90, 15))
def test_generated_rules_give_what_the_grid_does(start: int) -> None:
    found = [compare(seed) for seed in range(start, start + 15)]
    assert [verdict for verdict in found if verdict not in ("listed", "dense")] == []
    assert found.count("listed") >= 8


@pytest.mark.parametrize("text", [APART, ALIKE], ids=["near", "far"])
@pytest.mark.parametrize("batch", [(), (4,)], ids=["one", "batch"])
def test_large_scenes_are_listed_and_exact(text: str, batch: tuple[int, ...]) -> None:
    taken, (dense, listed) = both(text, scene(300, *batch))
    assert len(taken) == 1
    torch.testing.assert_close(listed, dense, rtol=1e-12, atol=1e-12)
    assert float(dense[0].sum()) > 0


@pytest.mark.parametrize("text", [APART, ALIKE], ids=["near", "far"])
def test_single_precision_is_as_exact_as_the_grid(text: str) -> None:
    _, (dense, listed) = both(text, scene(300).float())
    torch.testing.assert_close(listed, dense, rtol=1e-5, atol=1e-3)


def test_few_pairs_are_listed_where_one_box_is_as_large_as_the_scene() -> None:
    boxes = scene(2000)
    boxes[7, 2] = boxes[..., :2].max()
    taken, (dense, listed) = both(APART, boxes)
    torch.testing.assert_close(listed, dense, rtol=1e-12, atol=1e-12)
    assert taken[0] < 20_000  # of four million


def test_small_grids_and_crowds_are_dense() -> None:
    taken, _ = both(APART, scene(99))
    assert taken == []
    taken, (dense, listed) = both(APART, scene(120) * torch.tensor([0.01, 0.01, 1.0]))
    assert taken == []
    torch.testing.assert_close(listed, dense, rtol=0, atol=0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("text", [APART, ALIKE], ids=["near", "far"])
def test_what_is_not_finite_is_dense(text: str, bad: float) -> None:
    boxes = scene(200)
    boxes[3, 2] = bad
    taken, (dense, listed) = both(text, boxes)
    assert taken == []
    torch.testing.assert_close(listed, dense, rtol=0, atol=0, equal_nan=True)
    assert not bool(torch.isfinite(dense[0]))


def test_compilers_and_vmap_see_the_grid_alone() -> None:
    boxes = scene(120, 2)
    with ways(10_000, 4) as taken:
        plan, bound = compile_rule(APART, {"box": boxes}, elements=2)
        exact = plan(bound.tensors)["r"]
        assert len(taken) == 1
        compiled = torch.compile(plan, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(bound.tensors, {})["r"], exact)
        names = list(bound.tensors)
        mapped = torch.func.vmap(lambda *parts: plan(dict(zip(names, parts, strict=True)))["r"])
        torch.testing.assert_close(mapped(*bound.tensors.values()), exact)
        assert len(taken) == 1


def test_copies_list_pairs_too() -> None:
    boxes = scene(120)
    with ways(10_000, 4) as taken:
        plan, bound = compile_rule(APART, {"box": boxes}, elements=1)
        for again in (pickle.loads(pickle.dumps(plan)), copy.deepcopy(plan)):
            torch.testing.assert_close(again(bound.tensors)["r"], plan(bound.tensors)["r"])
    assert len(taken) == 4
    assert "# pairs_0, listed" in plan.code


def test_a_second_derivative_is_that_of_the_grid() -> None:
    text = "rule r power 3: forall i != j: distance(box[i], box[j]) >= 14"
    found: list[Tensor] = []
    for dense in (10**18, 1):
        with ways(dense, 0):
            boxes = scene(30).requires_grad_()
            plan, bound = compile_rule(text, {"box": boxes}, elements=1)
            (first,) = torch.autograd.grad(plan(bound.tensors)["r"], boxes, create_graph=True)
            found.append(torch.autograd.grad(first.square().sum(), boxes)[0])
    torch.testing.assert_close(found[1], found[0])
    assert float(found[0].abs().max()) > 0


def test_many_listed_pairs_are_recomputed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asrppl.lower.joins.BLOCK", 500)
    monkeypatch.setattr("asrppl.lower.listed.BLOCK", 500)
    taken, (dense, listed) = both(APART, scene(300, 2))
    assert taken[0] > 1000
    torch.testing.assert_close(listed, dense, rtol=1e-12, atol=1e-12)


def test_what_a_listed_pair_reduces_over_is_never_looped() -> None:
    text = "rule r: forall i != j: abs(x[i] - x[j]) >= 1 or (sum l: m[i, l]) <= 3"
    g = torch.Generator().manual_seed(0)
    values: dict[str, object] = {
        "x": torch.rand(40, generator=g, dtype=torch.float64) * 30,
        "m": torch.rand(40, 9, generator=g, dtype=torch.float64),
    }
    plan, bound = compile_rule(text, values, elements=1)
    with ways(1, 0) as taken:
        looped, _ = compile_rule(text, values, elements=1, bound=4)
        torch.testing.assert_close(looped(bound.tensors)["r"], plan(bound.tensors)["r"])
    assert len(taken) == 1


@pytest.mark.parametrize("head", ["forall i != j", "forall i: forall j where i < j"])
def test_that_a_rule_asks_something_of_pairs_is_known_without_a_grid(head: str) -> None:
    plan, _ = compile_rule(f"rule r: {head}: nonoverlap(box[i], box[j])", {"box": scene(40)}, shares=True)
    assert plan.speaking == ()
    plan, bound = compile_rule("rule r: forall i != j in {1}: x[i] <= x[j]", {"x": [1.0, 2.0]}, shares=True)
    assert [bool(share) for share in plan.evaluate(bound.tensors)[1].values()] == [False]


def test_more_pairs_than_a_grid_may_have_are_taken_where_few_cost() -> None:
    boxes = scene(12_000)
    value = asrppl.parse(APART).violations({"box": boxes})["r"]
    assert float(value) > 0
    with pytest.raises(asrppl.AsrError, match="more than 100,000,000 combinations"):
        asrppl.parse("rule r: forall i != j: box[i].x * box[j].x <= 1").violations({"box": boxes})


@pytest.mark.parametrize(
    ("claim", "way"),
    [
        ("nonoverlap(a[i], a[j])", "2 axes"),
        ("abs(a[i].x - a[j].x) >= 3", "1 axis"),
        ("not touches(a[i], a[j])", "2 axes"),
        ("left_of(a[i], a[j]) or left_of(a[j], a[i]) or above(a[i], a[j]) or above(a[j], a[i])", "2 axes"),
        ("distance(a[i], a[j]) >= 5", "2 axes"),
        ("overlap_area(a[i], a[j]) <= 0", "2 axes"),
        ("iou(a[i], a[j]) <= 0.1", "2 axes"),
        ("i == j or nonoverlap(a[i], a[j]) or a[i].x <= 2", "2 axes"),
        ("abs(a[i].x - a[j].x) <= 3", "far"),
        ("in_row(a[i], a[j], 2)", "far"),
        ("a[i].x - a[j].x <= 3", "grid"),  # with i != j: a value may be far from itself
        ("distance(a[i], a[j]) <= 5", "grid"),
        ("overlap_area(a[i], a[j]) >= 1", "grid"),
        ("iou(a[i], a[j]) <= -0.1", "grid"),
        ("left_of(a[i], a[j])", "grid"),
        ("a[i].x * a[j].x <= 1", "grid"),
        ("abs(a[i].x - a[j].x) >= 3 and a[i].x + a[j].y >= 2", "1 axis, grid"),
        ("f(a[i].x) or nonoverlap(a[i], a[j])", "grid"),  # what Python bound may be anything
    ],
)
def test_the_way_follows_from_the_formula(claim: str, way: str) -> None:
    program = asrppl.parse(f"rule r: forall i != j: {claim}")
    values: dict[str, object] = {"a": scene(4), "f": lambda x: x > 0}
    plan, bound = compile_rule(program.source.text, {name: values[name] for name in program.free})
    del plan
    formula = program.typed(bound.signature).rules[0].formula
    assert isinstance(formula, Every)
    words = {None: "grid", "far": "far", "1": "1 axis", "2": "2 axes"}
    found = [way_of(part) for part in operands(flattened(formula))]
    kinds = [None if pairs is None else "far" if pairs.far is not None else str(len(pairs.axes)) for pairs in found]
    assert ", ".join(words[kind] for kind in kinds) == way
