"""AIR's lean distributions agree with torch's and Pyro's own."""

import math

import pyro.distributions as dist
import pytest
import torch
from torch.distributions import transforms

from asrppl.air.distributions import (
    Canvas,
    DiagonalNormal,
    SigmoidNormal,
    TanhNormal,
    canvas_log_likelihood,
    count_log_probs,
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
