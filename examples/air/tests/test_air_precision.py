"""bfloat16 matrix products: close to float32's, and only the factors of large products change."""

import pyro
import pytest
import torch
from pyro.infer import TraceEnum_ELBO

import asrppl
from asrppl_air.model import Guide, Model
from asrppl_air.networks import linear
from asrppl_air.options import TrainOptions
from asrppl_air.settings import AIRSettings

ROUNDING = 2.0**-8  # relative error of a bfloat16 number, with its eight bits


def _pair(inward: int, outward: int, *, bias: bool = True) -> tuple[torch.nn.Linear, torch.nn.Linear]:
    exact = linear(inward, outward, "float32", bias=bias)
    rounded = linear(inward, outward, "bfloat16", bias=bias)
    rounded.load_state_dict(exact.state_dict())
    return exact, rounded


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("leading", [(), (5,), (2, 5), (4, 1, 5), (0,)])
def test_value_and_gradients_of_a_large_layer_are_float32_and_close_to_exact(leading, bias):
    torch.manual_seed(0)
    layers = _pair(400, 300, bias=bias)
    data, weights = torch.randn(*leading, 400), torch.randn(*leading, 300)
    found = []
    for layer in layers:
        x = data.clone().requires_grad_()
        value = layer(x)
        (value * weights).sum().backward()
        found.append([value.detach(), x.grad, *(parameter.grad for parameter in layer.parameters())])
    for exact, rounded in zip(*found, strict=True):
        assert rounded.dtype == torch.float32
        assert rounded.shape == exact.shape
        assert (rounded - exact).norm() <= ROUNDING * exact.norm()
    if data.numel():
        assert not torch.equal(found[0][0], found[1][0])  # the factors were rounded


def test_a_large_layer_in_float64_keeps_its_type():
    layer = linear(400, 300, "bfloat16").double()
    value = layer(torch.randn(5, 400, dtype=torch.float64))
    value.sum().backward()
    assert value.dtype == layer.weight.grad.dtype == torch.float64


def test_small_layers_are_exact():
    torch.manual_seed(0)
    exact, rounded = _pair(256, 64)
    x = torch.randn(5, 256)
    assert torch.equal(exact(x), rounded(x))


def _step(precision, images):
    torch.manual_seed(0)
    settings = AIRSettings(objects=2, precision=precision)
    model, guide = Model(settings), Guide(settings)
    rules = "rule apart: forall i != j: nonoverlap(box[i], box[j])\nrule few: kl(uniform({0, 2}) || q(n)) <= 0"
    elbo = asrppl.regularize(model, guide, rules, elbo=TraceEnum_ELBO(max_plate_nesting=1))
    with pyro.validation_enabled(False):
        elbo.loss(model, guide, images)
        torch.manual_seed(1)
        loss = elbo(model, guide)(images)
    loss.backward()
    parameters = [*model.parameters(), *guide.parameters()]
    return float(loss.detach()), torch.cat([p.grad.flatten() for p in parameters]), {p.dtype for p in parameters}


def test_a_step_of_the_whole_model_is_close_and_its_parameters_stay_float32():
    images = torch.rand(4, 50, 50, generator=torch.Generator().manual_seed(2))
    loss, gradient, _ = _step("float32", images)
    rounded_loss, rounded_gradient, types = _step("bfloat16", images)
    assert types == {torch.float32}
    assert rounded_loss == pytest.approx(loss, rel=1e-3)
    assert rounded_loss != loss
    assert torch.cosine_similarity(gradient, rounded_gradient, 0) > 0.999


def test_precision_reaches_the_model_and_old_checkpoints_are_float32():
    assert TrainOptions(precision="bfloat16").air().precision == "bfloat16"
    before = AIRSettings().to_dict()
    del before["precision"]
    assert AIRSettings.from_dict(before).precision == "float32"
