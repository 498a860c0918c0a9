"""The ELBO that is exact in one enumerated site is `TraceEnum_ELBO`'s, in operations that no value decides on."""

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import TraceEnum_ELBO
from torch import Tensor

from asrppl import regularize
from asrppl_air.exact import ExactELBO

N, K = 6, 3


def model(data: Tensor) -> None:
    with pyro.plate("data", 4 * N, subsample=torch.arange(N)):
        n = pyro.sample("n", dist.Categorical(torch.tensor([0.5, 0.3, 0.2], dtype=data.dtype)))
        z = pyro.sample("z", dist.Normal(data.new_zeros(()), 1.0))
        with poutine.mask(mask=n > 0):
            w = pyro.sample("w", dist.Normal(data.new_ones(2), 2.0).to_event(1))
        with poutine.scale(scale=0.5):
            pyro.sample("x", dist.Normal(z * n + w.sum(-1), 1.0), obs=data)


class Guide(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = torch.nn.Linear(1, 3 + K).double()
        self.w = torch.nn.Parameter(torch.randn(2).double())

    def forward(self, data: Tensor) -> None:
        out = self.net(data[:, None])
        with pyro.plate("data", 4 * N, subsample=torch.arange(N)):
            pyro.sample("z", dist.Normal(out[:, 0], out[:, 1].exp()))
            n = pyro.sample("n", dist.Categorical(logits=out[:, 3:]), infer={"enumerate": "parallel"})
            with poutine.mask(mask=n > 0):
                pyro.sample("w", dist.Normal(self.w, out[:, 2:3].exp()).to_event(1))


def value_and_gradient(elbo: Any, guide: Guide, program: Callable[..., None] = model) -> tuple[Tensor, list[Tensor]]:
    torch.manual_seed(1)
    loss = elbo.differentiable_loss(program, guide, torch.linspace(-1, 2, N, dtype=torch.float64))
    return loss.detach(), list(torch.autograd.grad(loss, list(guide.parameters())))


RULES = """
rule few  weight 3: n <= 1
rule near weight 0 -> 2 over 4 steps: abs(z) <= 0.5 or n == 0
"""


@pytest.mark.parametrize("rules", [None, RULES])
def test_value_and_gradient_are_those_of_trace_enum(rules) -> None:
    guide = Guide()
    bases = (ExactELBO(max_plate_nesting=1), TraceEnum_ELBO(max_plate_nesting=1))
    wrapped = [base if rules is None else regularize(model, guide, rules, elbo=base, step=2) for base in bases]
    (mine, gradient), (theirs, wanted) = (value_and_gradient(elbo, guide) for elbo in wrapped)
    torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)
    for one, other in zip(gradient, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-11)
    if rules is not None:
        mine, theirs = (elbo.report.violations for elbo in wrapped)
        assert {name: float(value) for name, value in mine.items()} == pytest.approx(
            {name: float(value) for name, value in theirs.items()}
        )


def test_weights_that_are_set_stand_in_for_the_schedules() -> None:
    guide = Guide()
    scheduled, held = (regularize(model, guide, RULES, elbo=ExactELBO(max_plate_nesting=1), step=3) for _ in range(2))
    held.step = 0
    held.weights = {"few": torch.tensor(3.0).double(), "near": torch.tensor(1.5).double()}
    (mine, gradient), (theirs, wanted) = (value_and_gradient(elbo, guide) for elbo in (held, scheduled))
    torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)
    for one, other in zip(gradient, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    assert float(held.report.weights["near"]) == scheduled.report.weights["near"] == 1.5


def test_a_second_enumerated_site_and_one_without_a_gradient_are_refused() -> None:
    def two(data: Tensor) -> None:
        with pyro.plate("data", N):
            for name in ("a", "b"):
                pyro.sample(name, dist.Categorical(torch.ones(2)), infer={"enumerate": "parallel"})

    def drawn(data: Tensor) -> None:
        pyro.sample("count", dist.Poisson(torch.ones(())))

    elbo = ExactELBO(max_plate_nesting=1)
    with pytest.raises(ValueError, match="one enumerated site: site `b` is a second one"):
        elbo.differentiable_loss(two, two, torch.zeros(N))
    with pytest.raises(ValueError, match="`count` is neither"):
        elbo.differentiable_loss(drawn, drawn, torch.zeros(N))


def test_without_an_enumerated_site_it_is_one_draw_of_the_elbo() -> None:
    def target(data: Tensor) -> None:
        pyro.sample("z", dist.Normal(0.0, 1.0))

    def guide(data: Tensor) -> None:
        pyro.sample("z", dist.Normal(pyro.param("m", torch.tensor(1.0)), 0.5))

    pyro.clear_param_store()
    torch.manual_seed(3)
    mine = ExactELBO(max_plate_nesting=0).differentiable_loss(target, guide, torch.zeros(1))
    torch.manual_seed(3)
    theirs = pyro.infer.Trace_ELBO().differentiable_loss(target, guide, torch.zeros(1))
    torch.testing.assert_close(mine, theirs)
    pyro.clear_param_store()
