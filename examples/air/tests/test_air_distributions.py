"""AIR's lean distributions agree with torch's and Pyro's own."""

import math

import pyro.distributions as dist
import pytest
import torch
from torch.distributions import transforms

from asrppl_air.distributions import (
    Canvas,
    DiagonalNormal,
    SigmoidNormal,
    TanhNormal,
    canvas_log_likelihood,
    count_log_probs,
    normal_log_density,
    take,
)


@pytest.mark.parametrize(
    ("cls", "transform"),
    [
        (DiagonalNormal, transforms.identity_transform),
        (TanhNormal, transforms.TanhTransform()),
        (SigmoidNormal, transforms.SigmoidTransform()),
    ],
)
def test_squashed_normals_have_the_density_of_the_transformed_distribution(cls, transform) -> None:
    mean, log_sd = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64) * 0.3
    mine = cls(mean, log_sd)
    theirs = dist.TransformedDistribution(dist.Normal(mean, log_sd.exp()), [transform]).to_event(1)
    value = mine.rsample((2,)).detach()
    assert bool(mine.support.check(value).all())
    assert mine.batch_shape == theirs.batch_shape
    assert mine.event_shape == theirs.event_shape
    torch.testing.assert_close(mine.log_prob(value), theirs.log_prob(value))
    torch.testing.assert_close(mine.expand((2, 4)).log_prob(value), theirs.log_prob(value))


@pytest.mark.parametrize("cls", [TanhNormal, SigmoidNormal])
def test_log_prob_and_gradient_stay_finite_where_the_squashing_saturates(cls) -> None:
    mean = torch.tensor([[40.0], [-40.0]], requires_grad=True)
    fn = cls(mean, torch.zeros(2, 1))
    log_prob = cls(mean, torch.zeros(2, 1)).log_prob(fn.rsample())
    log_prob.sum().backward()
    assert bool(torch.isfinite(log_prob).all())
    assert bool(torch.isfinite(mean.grad).all())


def test_canvas_likelihood_is_binary_cross_entropy_and_its_gradient_is_right() -> None:
    canvas = torch.rand(3, 7, dtype=torch.float64) * 0.9 + 0.05
    image = torch.rand(3, 7, dtype=torch.float64)
    expected = -torch.nn.functional.binary_cross_entropy(canvas, image, reduction="none").sum(-1)
    torch.testing.assert_close(canvas_log_likelihood(canvas, image), expected)
    assert torch.autograd.gradcheck(lambda c: canvas_log_likelihood(c, image), (canvas.requires_grad_(),))


def test_a_canvas_outside_zero_and_one_is_clamped_and_gets_no_gradient() -> None:
    canvas = torch.tensor([[-0.5, 1.7, 0.3]], dtype=torch.float64, requires_grad=True)
    image = torch.tensor([[0.2, 0.9, 0.3]], dtype=torch.float64)
    likelihood = canvas_log_likelihood(canvas, image, 1e-4)
    likelihood.sum().backward()
    assert math.isfinite(likelihood.item())
    torch.testing.assert_close(canvas.grad, torch.zeros(1, 3, dtype=torch.float64))


def test_counts_follow_from_the_logits_of_one_more() -> None:
    logits = torch.randn(5, 3, dtype=torch.float64)
    p = logits.sigmoid()
    expected = torch.stack(
        [
            1 - p[:, 0],
            p[:, 0] * (1 - p[:, 1]),
            p[:, 0] * p[:, 1] * (1 - p[:, 2]),
            p[:, 0] * p[:, 1] * p[:, 2],
        ],
        -1,
    )
    torch.testing.assert_close(count_log_probs(logits).exp(), expected)


def test_a_table_is_read_at_sampled_and_at_enumerated_counts() -> None:
    table = torch.arange(12.0).reshape(3, 4)
    torch.testing.assert_close(take(table, torch.tensor([0, 3, 1])), torch.tensor([0.0, 7.0, 9.0]))
    torch.testing.assert_close(take(table, torch.arange(4).reshape(4, 1)), table.T)


def test_the_canvas_of_n_objects_is_the_frame_of_the_first_n() -> None:
    frames = (torch.rand(2, 3, 5, 5) * 0.3).cumsum(1)
    image = torch.rand(2, 5, 5)
    enumerated = Canvas(frames, torch.arange(4).reshape(4, 1))
    log_prob = enumerated.log_prob(image)
    assert enumerated.batch_shape == log_prob.shape == (4, 2)
    for n in range(4):
        one = Canvas(frames, torch.full((2,), n))
        mean = torch.zeros(2, 5, 5) if n == 0 else frames[:, n - 1]
        torch.testing.assert_close(one.mean, mean)
        expected = canvas_log_likelihood(mean.flatten(1), image.flatten(1))
        torch.testing.assert_close(log_prob[n], expected)
        torch.testing.assert_close(one.log_prob(image), expected)


@pytest.mark.parametrize("cls", [DiagonalNormal, TanhNormal, SigmoidNormal])
def test_a_value_remembers_what_it_was_drawn_from_and_its_density_is_the_same(cls) -> None:
    parameters = [torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(4)]
    here, there = cls(*parameters[:2]), cls(*parameters[2:])
    value = here.rsample()
    for asked in (here, there):
        gradients = []
        for known in (value, value.clone()):  # a clone has the graph, and no memory
            density = asked.log_prob(known)
            total = (density * torch.arange(1.0, 5.0)).sum()
            found = torch.autograd.grad(total, parameters, retain_graph=True, materialize_grads=True, allow_unused=True)
            gradients.append((density, *found))
        for mine, wanted in zip(*gradients, strict=True):
            torch.testing.assert_close(mine, wanted)


@pytest.mark.parametrize("cls", [TanhNormal, SigmoidNormal])
def test_a_density_asked_for_without_gradients_keeps_none_from_a_later_call(cls) -> None:
    mean = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    here = cls(mean, torch.zeros(3, dtype=torch.float64))
    value = here.rsample()
    (wanted,) = torch.autograd.grad(here.log_prob(value.clone()).sum(), mean, retain_graph=True)
    with torch.no_grad():
        here.log_prob(value)
    (mine,) = torch.autograd.grad(here.log_prob(value).sum(), mean)
    torch.testing.assert_close(mine, wanted)


def test_a_saturated_value_that_was_drawn_keeps_a_density_and_a_gradient() -> None:
    mean = torch.tensor([40.0, -40.0], dtype=torch.float64, requires_grad=True)
    for cls in (TanhNormal, SigmoidNormal):
        drawn = cls(mean, torch.zeros(2, dtype=torch.float64))
        density = drawn.log_prob(drawn.rsample())
        assert bool(density.isfinite())
        assert bool(torch.autograd.grad(density, mean)[0].isfinite().all())


def test_the_normal_density_has_its_gradient_in_closed_form() -> None:
    value = torch.randn(5, 4, 3, dtype=torch.float64, requires_grad=True)
    mean = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    log_sd = torch.randn(1, 3, dtype=torch.float64, requires_grad=True)
    wanted = dist.Normal(mean, log_sd.exp()).to_event(1).log_prob(value)
    torch.testing.assert_close(normal_log_density(value, mean, log_sd), wanted)
    assert torch.autograd.gradcheck(normal_log_density, (value, mean, log_sd))
    assert torch.autograd.gradcheck(lambda m: normal_log_density(value.detach(), m, log_sd.detach()), mean)
