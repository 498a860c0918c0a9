"""Rules as a torch module: the same numbers as `Program.violations`, through torch's own transforms."""

import pytest
import torch
from torch import Tensor, nn

import asrppl

RULES = """
rule apart weight 2: forall i != j: nonoverlap(box[i], box[j])
rule wide weight 0 -> 4 over 10 steps: forall i where box[i].w > 3: box[i].x <= top
rule centred: aggregate(box[0].x) <= 0.3
"""


@pytest.fixture
def values() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"box": 3 * torch.randn(5, 6, 4, generator=generator), "top": torch.tensor(0.5)}


SHAPES = {"box": (None, 6, 4), "top": ()}


def same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value)


def test_a_module_returns_what_the_program_does(values: dict[str, Tensor]) -> None:
    program = asrppl.parse(RULES)
    module = program.module(SHAPES)
    same(module(**values), program.violations(values))
    same(module(values["box"], top=values["top"]), program.violations(values))
    doubles = {name: value.double() for name, value in values.items()}
    same(module(**doubles), program.violations(doubles))
    more = {"box": values["box"].expand(3, 2, 5, 6, 4)[:, :, :, :, :3], "top": values["top"]}  # squares
    same(program.module({"box": (None, None, None, 6, 3), "top": ()})(**more), program.violations(more))


def test_its_penalty_follows_the_schedule_and_trains(values: dict[str, Tensor]) -> None:
    program = asrppl.parse(RULES)
    module = program.module(SHAPES, penalty=True)
    for step in (0, 5, 20):
        torch.testing.assert_close(module.at(step)(**values), program.penalty(values, step=step))
    leaves = [values["box"].clone().requires_grad_() for _ in range(2)]
    module.at(5)(leaves[0], values["top"]).backward()
    program.penalty({**values, "box": leaves[1]}, step=5).backward()
    torch.testing.assert_close(leaves[0].grad, leaves[1].grad)
    assert nn.Sequential(module).state_dict() == {}  # nothing of it is in a checkpoint


def test_it_compiles_without_a_break_with_gradients(values: dict[str, Tensor]) -> None:
    """Inductor writes kernels for what `aot_eager` runs; the graph is the same."""
    program = asrppl.parse(RULES)
    module = program.module(SHAPES, penalty=True).at(5)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    found, wanted = (values["box"].clone().requires_grad_() for _ in range(2))
    compiled(found, values["top"]).backward()
    module(wanted, values["top"]).backward()
    torch.testing.assert_close(found.grad, wanted.grad)
    before = compiled(values["box"], values["top"])
    module.at(10)  # a step of the schedule compiles nothing anew: weights are a buffer
    assert compiled(values["box"], values["top"]) > before


def test_it_is_exported_for_batches_of_any_size(values: dict[str, Tensor]) -> None:
    program = asrppl.parse(RULES)
    batches = ({0: torch.export.Dim("batch")}, None)
    exported = torch.export.export(program.module(SHAPES), tuple(values.values()), dynamic_shapes=(batches,))
    twice = {**values, "box": torch.cat([values["box"], values["box"] + 1])}
    same(exported.module()(*twice.values()), program.violations(twice))


def test_it_is_vectorised_with_gradients_of_each_entry(values: dict[str, Tensor]) -> None:
    program = asrppl.parse(RULES).without("centred")
    module = program.module(SHAPES)
    box, top = values["box"], values["top"]
    same(torch.vmap(module, in_dims=(0, None))(box, top), program.violations(values))
    each = torch.vmap(torch.func.grad(lambda one: module(one, top)["apart"]))(box)
    leaf = box.clone().requires_grad_()
    program.violations({"box": leaf, "top": top})["apart"].sum().backward()
    torch.testing.assert_close(each, leaf.grad)


def test_a_loop_over_parts_goes_through_them_too() -> None:
    """All triples of 64 objects in 64 data are more than are held at once."""
    program = asrppl.parse("rule far: forall i, j, k: x[i] + x[j] <= x[k] + 4")
    module = program.module({"x": (None, 64)})
    assert any("Chunked" in type(part).__name__ for part in _plan_modules(module))
    x = torch.linspace(-1.0, 1.5, 128).reshape(2, 64)
    same(torch.vmap(module)(x), program.violations({"x": x}))
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    same(compiled(x), program.violations({"x": x}))


def _plan_modules(module: nn.Module) -> list[nn.Module]:
    return list(module._means._plan.module.modules())  # type: ignore[union-attr, attr-defined]


def test_whole_numbers_are_said_by_a_tensor() -> None:
    program = asrppl.parse("rule one: k == 1 or k == 3")
    k = torch.tensor([0, 1, 5])
    same(program.module({"k": k[:1]})(k), program.violations({"k": k}))


def test_probabilities_are_tensors_too() -> None:
    program = asrppl.parse("rule near: kl(categorical(p) || categorical(r)) <= 0.01")
    values = {"p": torch.tensor([[0.2, 0.8], [0.5, 0.5]]), "r": torch.tensor([0.5, 0.5])}
    same(program.module({"p": (None, 2), "r": (2,)})(**values), program.violations(values))


@pytest.mark.parametrize(
    ("rule", "shapes", "error", "says"),
    [
        ("x <= y", {"x": ()}, asrppl.AsrError, "no value was given for `y`"),
        ("x <= 1", {"x": (), "z": ()}, asrppl.AsrError, "`z`, which no rule reads"),
        ("forall i: x[i] <= 1", {"x": (2, None)}, ValueError, "only batch axes may be None; the last 1"),
        ("forall i: x[i] <= 1", {"x": ()}, asrppl.AsrError, "has 1 index"),
        ("mean(q(x)) <= 1", {"x": (2,)}, asrppl.AsrError, "needs a distribution"),
        ("forall i: w[i] <= 1", {"w_0": (), "w_1": ()}, ValueError, "one of several numbered names"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(rule: str, shapes: dict, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        asrppl.parse(rule).module(shapes)


def test_a_hard_rule_has_no_penalty() -> None:
    program = asrppl.parse("rule r hard: x <= 1")
    assert program.module({"x": ()})(torch.tensor(3.0)) == {"r": torch.tensor(2.0)}
    with pytest.raises(asrppl.AsrError, match="a hard rule has no weight"):
        program.module({"x": ()}, penalty=True)


def test_tensors_that_do_not_fit_are_refused(values: dict[str, Tensor]) -> None:
    module = asrppl.parse(RULES).module(SHAPES)
    with pytest.raises(ValueError, match=r"`box` has shape \(5, 5, 4\), and the module was made for \(…, 6, 4\)"):
        module(values["box"][:, :5], values["top"])
    with pytest.raises(TypeError, match="one tensor for each of: box, top"):
        module(values["box"])
    with pytest.raises(TypeError, match="no tensor for `top`"):
        module(values["box"], tip=values["top"])
