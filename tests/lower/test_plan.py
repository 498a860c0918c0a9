"""What a plan is: one graph, shared subexpressions, any dtype and device, picklable, compiled without a break."""

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from pyro.ops.provenance import ProvenanceTensor, get_provenance
from torch import Tensor, fx
from torch.distributions import Categorical

from asrppl.bind.bound import Bound
from asrppl.bind.values import bind_values
from asrppl.diagnostics import AsrError
from asrppl.lower import Plan, lower
from asrppl.program import parse
from tests.lower.helpers import compile_rule, violation

# Odd rules on purpose: what is warned of is tested elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::asrppl.AsrWarning")

RULES = """
rule apart: forall i != j: nonoverlap(box[i], box[j])
rule framed smooth 2: forall i: inside(box[i], frame(0, 0, 50, 50)) or box[i].x <= 3
rule counted: (count i: box[i].x <= 20) >= n
rule spread: exists i: forall j where i != j: abs(box[i].x - box[j].x) >= 40
rule number: exists k in {1, 3}: kl(delta(k) || q(m)) <= 0
rule balanced: kl(uniform({1, 3}) || q(m)) <= 0
rule static: forall i in 0..2: i <= 1
rule mapped: forall i: f(box[i].x) <= n
"""
LOOPED = {"elements": 4, "bound": 4 * 4}


def _values(dtype: torch.dtype = torch.float32) -> dict[str, object]:
    g = torch.Generator().manual_seed(0)
    return {
        "box": (torch.rand((4, 6, 3), generator=g, dtype=dtype) * 40).requires_grad_(),
        "n": torch.tensor([1, 2, 3, 7]),
        "m": Categorical(logits=torch.randn((4, 4), generator=g, dtype=dtype)),
        "f": _halved,
    }


def _halved(x: Tensor) -> Tensor:
    return x / 2


def _plan(**options: int) -> tuple[Plan, Bound]:
    return compile_rule(RULES, _values(), **options)


def _same(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        torch.testing.assert_close(left[name], right[name])


@pytest.mark.parametrize("again", [lambda p: pickle.loads(pickle.dumps(p)), copy.deepcopy], ids=["pickle", "deepcopy"])
@pytest.mark.parametrize("options", [{}, LOOPED], ids=["dense", "loops"])
def test_a_copied_plan_gives_the_same(again: Callable[[Plan], Plan], options: dict[str, int]) -> None:
    plan, bound = _plan(**options)
    _same(again(plan)(bound.tensors, bound.functions), plan(bound.tensors, bound.functions))


@pytest.mark.parametrize("options", [{}, LOOPED], ids=["dense", "loops"])
def test_torch_compile_finds_no_graph_break(options: dict[str, int]) -> None:
    plan, bound = _plan(**options)
    tensors = {key: part.detach().requires_grad_(part.is_floating_point()) for key, part in bound.tensors.items()}
    compiled = torch.compile(plan, backend="eager", fullgraph=True)
    found = compiled(tensors, bound.functions)
    _same(found, plan(tensors, bound.functions))
    assert all(found[name].requires_grad for name in found if name != "static")


@pytest.mark.parametrize("options", [{}, LOOPED], ids=["dense", "loops"])
def test_the_dtype_is_that_of_the_inputs(options: dict[str, int]) -> None:
    plan, bound = _plan(**options)
    single = plan(bound.tensors, bound.functions)
    assert {value.dtype for value in single.values()} == {torch.float32}
    doubled = bind_values(parse(RULES).free, _values(torch.float64))
    double = plan(doubled.tensors, doubled.functions)
    assert {value.dtype for value in double.values()} == {torch.float64}
    again = plan(bound.tensors, bound.functions)  # the constants in float32 are still there
    _same(single, again)


def test_constants_have_the_precision_of_the_inputs() -> None:
    x = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    assert torch.get_default_dtype() is torch.float32
    assert float(violation("rule r: forall i: x[i] * 0.1 <= 0", {"x": x})) == 1.0 * 0.1 + 2.0 * 0.1
    assert float(violation("rule r: forall i: x[i] <= [0.1, 0.2][i]", {"x": x})) == (1 - 0.1) + (2 - 0.2)


def test_ints_and_booleans_alone_work_in_the_default_dtype() -> None:
    found = violation("rule r: forall i: b[i] implies a[i] <= 2", {"b": [True, False, True], "a": [5, 6, 1]})
    assert found.dtype == torch.get_default_dtype()
    assert float(found) == 1.0  # a present 5 exceeds 2 by 3; making it absent costs 1


def test_constants_follow_the_device_of_the_inputs() -> None:
    plan, bound = _plan(**LOOPED)
    there = {key: tensor.to("meta") for key, tensor in bound.tensors.items()}
    assert {value.device.type for value in plan(there, bound.functions).values()} == {"meta"}


def test_shapes_are_those_of_the_batch() -> None:
    plan, bound = _plan()
    shapes = {name: tuple(value.shape) for name, value in plan(bound.tensors, bound.functions).items()}
    assert shapes == {
        "apart": (4,),
        "framed": (4,),
        "counted": (4,),
        "spread": (4,),
        "number": (4,),
        "balanced": (4,),
        "static": (),
        "mapped": (4,),
    }


def test_loops_give_the_values_and_gradients_of_the_dense_plan() -> None:
    for name in ("apart", "framed", "counted", "spread", "mapped"):
        results: list[tuple[Tensor, Tensor]] = []
        for options in ({}, LOOPED):
            values = _values(torch.float64)
            plan, bound = compile_rule(RULES, values, **options)
            found = plan(bound.tensors, bound.functions)[name]
            boxes = values["box"]
            assert isinstance(boxes, Tensor)
            results.append((found, torch.autograd.grad(found.sum(), boxes)[0]))
        torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("options", [{}, LOOPED], ids=["dense", "looped"])
def test_the_code_computes_what_the_graph_says(options: dict[str, int]) -> None:
    plan, bound = compile_rule(RULES, _values(torch.float64), **options)
    inputs = [bound.functions[k] if isinstance(k, str) else bound.tensors[k].double() for k in plan.arguments]
    written, traced = plan.module(*inputs), fx.GraphModule(plan.module, plan.module.graph)(*inputs)
    assert len(written) == len(plan.rules)
    for one, other in zip(written, traced, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_value_that_is_read_once_has_no_line_of_its_own_but_none_is_long() -> None:
    plan, _ = compile_rule(f"rule r: {' + '.join(f'exp(x[{i}])' for i in range(40))} <= 1", {"x": [0.5] * 40})
    calls = [line.count("(") for line in plan.code.splitlines()[1:]]
    assert len(calls) < 40
    assert max(calls) < 30


def test_what_two_rules_share_is_computed_once() -> None:
    one, _ = compile_rule("rule a: forall i: exp(x[i]) <= 1", {"x": [1.0, 2.0]})
    two, _ = compile_rule(
        "rule a: forall i: exp(x[i]) <= 1\nrule b: forall k: exp(x[k]) <= 1 and exp(x[k]) >= 0.5", {"x": [1.0, 2.0]}
    )
    assert one.code.count("exponential(") == 1
    assert two.code.count("exponential(") == 1


def test_constants_are_folded() -> None:
    plan, bound = compile_rule("rule r: forall i, j in 0..9: (i - j) ^ 2 <= 100 and sqrt(4) <= 2 * 1", {})
    assert len(plan.module.graph.nodes) == 2  # a constant, and the output
    assert float(plan(bound.tensors)["r"]) == 0


def test_squares_share_their_sides() -> None:
    plan, _ = compile_rule("rule r: forall i != j: nonoverlap(box[i], box[j])", {"box": torch.rand(2, 5, 3)})
    assert set(plan.inputs) == {("box", "x"), ("box", "y"), ("box", "w")}
    assert plan.code.count("relu(") == 1
    rectangles, _ = compile_rule("rule r: forall i != j: nonoverlap(box[i], box[j])", {"box": torch.rand(2, 5, 4)})
    assert ("box", "h") in rectangles.inputs


def test_rules_that_are_off_for_good_are_left_out() -> None:
    text = "rule a weight 0: forall i: x[i] <= 1\nrule b weight 0 -> 1 over 10 steps: forall i: x[i] <= 1"
    program = parse(text)
    typed = program.typed(bind_values(program.free, {"x": [1.0]}).signature)
    assert lower(typed, skip_off=True).rules == ("b",)
    assert lower(typed).rules == ("a", "b")


@pytest.mark.parametrize("options", [{}, LOOPED], ids=["dense", "loops"])
def test_provenance_passes_through(options: dict[str, int]) -> None:
    plan, bound = _plan(**options)
    tracked = {key: ProvenanceTensor(tensor.detach(), frozenset({key[0]})) for key, tensor in bound.tensors.items()}
    found = {name: set(get_provenance(value)) for name, value in plan(tracked, bound.functions).items()}
    assert found == {
        "apart": {"box"},
        "framed": {"box"},
        "counted": {"box", "n"},
        "spread": {"box"},
        "number": {"m"},
        "balanced": {"m"},
        "static": set(),
        "mapped": {"box", "n"},
    }


def test_a_function_that_mixes_values_is_refused() -> None:
    with pytest.raises(AsrError, match="act on each value by itself"):
        violation("rule r: forall i: f(x[i]) <= 1", {"x": [1.0, 2.0], "f": lambda x: x.sum()})
    with pytest.raises(AsrError, match="`f` returned a float, not a tensor"):
        violation("rule r: forall i: f(x[i]) <= 1", {"x": [1.0, 2.0], "f": lambda x: 1.0})


def test_accesses_take_the_axes_they_name() -> None:
    m = torch.arange(9.0).reshape(3, 3)
    for formula, exact in {
        "forall i: m[i, i] <= 0": 0 + 4 + 8,
        "forall i: m[i, i + 1] <= 0": 1 + 5,
        "forall i, j: m[j, i] * (i + 10 * j) <= 0": sum(
            m[j, i].item() * (i + 10 * j) for i in range(3) for j in range(3)
        ),
        "forall j: m[2, j] <= 0": 6 + 7 + 8,
        "forall i in {0, 2}: m[i, 1] <= 0": 1 + 7,
        "m[1, 2] <= 0": 5,
        "forall i: (sum j where j != i: m[i, j]) <= 0": 36 - 12,
    }.items():
        assert float(violation(f"rule r: {formula}", {"m": m})) == exact, formula


def test_batch_axes_broadcast_from_the_right() -> None:
    x, y = torch.rand(5, 1, 3), torch.rand(4, 3)
    found = violation("rule r: forall i: x[i] + y[i] <= 0", {"x": x, "y": y})
    torch.testing.assert_close(found, (x + y).sum(-1))


@pytest.mark.parametrize("name", ["torch", "operator", "lambda_", "self", "class", "dict", "inf"])
def test_any_name_of_a_value_makes_a_graph(name: str) -> None:
    rule = f"rule r: forall i: {name}[i] <= 1 and {name}_x <= 2 and p[i].u + p[i].v <= {name}_x"
    values = {name: [3.0, 0.0], f"{name}_x": 1.0, "p": {"u": [0.0, 0.0], "v": [0.0, 0.0]}, "p_u": 5.0}
    assert float(violation(rule + " and p_u <= 4", values)) == 2 + 2


def test_loops_have_second_derivatives_and_keep_inputs_apart() -> None:
    text = "rule r: forall i: (sum j: (x[i] - y[j]) ^ 4) <= -1"
    seconds: list[Tensor] = []
    for options in ({}, LOOPED):
        x = torch.tensor([[0.1, 0.2, 0.7, 0.3, 0.5]], dtype=torch.float64, requires_grad=True)
        result = violation(text, {"x": x, "y": x**2}, **options)  # y is computed from x
        (first,) = torch.autograd.grad(result.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x)
        seconds += [first, second]
    torch.testing.assert_close(seconds[:2], seconds[2:])


def test_parameters_inside_a_bound_function_get_gradients_through_loops() -> None:
    weight = torch.tensor(2.0, requires_grad=True)
    result = violation("rule r: forall i: f(x[i]) <= 0", {"x": torch.ones(4, 9), "f": lambda x: x * weight}, **LOOPED)
    result.sum().backward()
    assert weight.grad is not None
    assert float(weight.grad) == 36


@pytest.mark.parametrize("bound", [2**22, 1])  # dense, and in parts
def test_a_guard_of_a_nested_binder_that_looks_outside_the_axis_is_false_there(bound: int) -> None:
    program = parse("forall i: (sum j where hot[i + 1]: x[i] * o[j]) <= 1")
    values = {
        "hot": torch.tensor([True, True, False]),
        "x": torch.tensor([1.0, 2.0, 30.0]),
        "o": torch.tensor([1.0, 2.0]),
    }
    bound_values = bind_values(program.free, values)
    typed = program.typed(bound_values.signature)
    plan = lower(typed, signature=bound_values.signature, bound=bound)
    # i = 0: hot[1], so 1 * 3 - 1; i = 1: not hot[2]; i = 2: outside.
    assert plan(bound_values.tensors, bound_values.functions)["line 1"] == 2


def test_what_no_output_needs_is_not_in_the_graph() -> None:
    box = {"x": [1.0, 2.0], "y": [0.0, 1.0], "w": [1.0, 2.0], "h": [1.0, 2.0]}
    plan, bound = compile_rule(
        "rule apart: nonoverlap(box[0], box[1])\nrule never: 1 <= 2 or sqrt(z) <= 3", {"box": box, "z": 4.0}
    )
    left = [node for node in plan.module.graph.nodes if not node.users and node.op not in ("placeholder", "output")]
    assert left == []
    assert plan(bound.tensors, bound.functions)["never"] == 0
