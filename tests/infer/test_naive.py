"""What people write by hand in place of a rule about a distribution, and what it comes to, beside the rule.

Each of the naive ways is taken where it goes wrong; the same test passes with the rule.
"""

from collections.abc import Callable
from typing import Any

import pyro
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO
from torch import Tensor

import asrppl
from tests.matrix.cells import WEIGHT
from tests.matrix.programs import Binary, MeanField, N, Program, X

Attach = Callable[[Program], Any]
pytestmark = pytest.mark.usefixtures("double_precision")


class WithTerm(Trace_ELBO):
    """Pyro's objective, with a term that people add to the loss."""

    def __init__(self, term: Callable[[Any], Tensor]) -> None:
        super().__init__(max_plate_nesting=1)
        self.term = term

    def loss_and_grads(self, model: Any, guide: Any, *args: Any, **kwargs: Any) -> float:
        loss: Any = torch.zeros(())
        for model_trace, guide_trace in self._get_traces(model, guide, args, kwargs):
            _, surrogate = self._differentiable_loss_particle(model_trace, guide_trace)
            loss = surrogate + self.term(guide_trace.nodes["z"]["value"])
        loss.backward()
        return float(loss.detach())


def ruled(rule: str) -> Attach:
    return lambda program: asrppl.regularize(
        program.model, program.guide, f"rule r {rule}", elbo=Trace_ELBO(max_plate_nesting=1)
    )


def trained(program: Program, attach: Attach, steps: int) -> Any:
    """q(z) of all data after training, its params averaged over the last fifth."""
    program.begin()
    pyro.set_rng_seed(0)
    optim: Any = pyro.optim.ClippedAdam({"lr": 0.05, "lrd": 0.01 ** (1 / steps)})
    svi = SVI(program.model, program.guide, optim, attach(program))
    tail: list[dict[str, Tensor]] = []
    for step in range(steps):
        svi.step(X)
        if step >= 0.8 * steps:
            tail.append({name: value.detach().clone() for name, value in program.read().items()})
    return program.marginal({name: torch.stack([each[name] for each in tail]).mean(0) for name in tail[0]})


def gradient(program: Program, attach: Attach, calls: int) -> Tensor:
    """The mean gradient by the params where they start."""
    program.begin()
    elbo = attach(program)
    found: list[Tensor] = []
    for call in range(calls):
        pyro.set_rng_seed(call)
        for leaf in program.leaves():
            leaf.grad = None
        elbo.loss_and_grads(program.model, program.guide, X)
        found.append(torch.cat([leaf.grad for leaf in program.leaves() if leaf.grad is not None]))
    return torch.stack(found).mean(0)


def pyros_own(_: Program) -> Trace_ELBO:
    return Trace_ELBO(max_plate_nesting=1)


def test_the_hinge_of_a_minibatch_charges_for_what_holds() -> None:
    """The mean of z is 0 at the optimum of the ELBO: the rule asks nothing. Of three draws it is often below −0.2."""
    program = MeanField("indexed", enumerated=False)
    naive = trained(program, lambda _: WithTerm(lambda z: 4 * N * (-0.2 - z.mean()).clamp_min(0)), 600)
    own = trained(program, ruled("weight 4: aggregate(E[z]) >= -0.2"), 600)
    assert float(naive.mean.mean()) > 0.12
    assert abs(float(own.mean.mean())) < 0.06


def test_a_penalty_in_the_loss_does_not_move_what_is_not_reparameterised() -> None:
    program = Binary("all", enumerated=False)
    plain = gradient(program, pyros_own, 250)
    naive = gradient(program, lambda _: WithTerm(lambda z: WEIGHT * (1 - z).sum()), 250) - plain
    own = gradient(program, ruled(f"weight {WEIGHT}: z >= 1"), 250) - plain
    p = program.marginal(program.start).probs
    assert bool((naive == 0).all())
    torch.testing.assert_close(own, -WEIGHT * p * (1 - p), atol=0.15, rtol=0)


def test_a_factor_in_the_guide_is_left_out_of_the_score_or_becomes_a_part_of_it() -> None:
    """It is a part of log q, which `Trace_ELBO` asks of the sites that the model has too."""

    class Binaries(Binary):
        def draw(self, x: Tensor) -> None:
            with self.plate(x) as i:
                z = pyro.sample("z", self.law({"logits": pyro.param("logits", self.start["logits"].clone())}, x, i))
                pyro.factor("paid", WEIGHT * (1 - z), has_rsample=True)

    class Normals(MeanField):
        def draw(self, x: Tensor) -> None:
            p = {name: pyro.param(name, start.clone()) for name, start in self.start.items()}
            with self.plate(x) as i:
                z = pyro.sample("z", self.law(p, x, i))
                pyro.factor("paid", WEIGHT * (0.8 - z).clamp_min(0), has_rsample=False)

    plain = gradient(Binary("all", enumerated=False), pyros_own, 100)
    naive = gradient(Binaries("all", enumerated=False), pyros_own, 100) - plain
    assert bool((naive == 0).all())
    program = MeanField("all", enumerated=False)
    plain = gradient(program, pyros_own, 200)
    naive = gradient(Normals("all", enumerated=False), pyros_own, 200) - plain
    own = gradient(program, ruled(f"weight {WEIGHT}: z >= 0.8"), 200) - plain
    below = (0.8 - program.start["m"]) / program.start["r"].exp()
    exact = -WEIGHT * torch.special.ndtr(below)
    torch.testing.assert_close(own[:N], exact, atol=0.15, rtol=0)
    assert float((naive[:N] - exact).abs().min()) > 0.4


def test_one_multiplier_for_all_data_lets_most_of_them_break_the_rule() -> None:
    """It rises until the mean over data holds, and moves all of them alike."""
    program = MeanField("all", enumerated=False)

    class OneMultiplier(WithTerm):
        multiplier = 0.0

        def loss_and_grads(self, model: Any, guide: Any, *args: Any, **kwargs: Any) -> float:
            excess = 0.3 - pyro.param("m").detach().mean()
            self.multiplier = max(0.0, self.multiplier + 0.02 * float(excess))
            return super().loss_and_grads(model, guide, *args, **kwargs)

    def naive(_: Program) -> OneMultiplier:
        elbo = OneMultiplier(lambda z: N * elbo.multiplier * (0.3 - z).mean())
        return elbo

    def worst(q: Any) -> float:
        return float((0.3 - q.mean).max())

    assert worst(trained(program, naive, 1000)) > 0.3
    assert worst(trained(program, ruled("hard: E[z] >= 0.3"), 1000)) < 0.1
