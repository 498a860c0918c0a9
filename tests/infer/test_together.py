"""An aggregate is a mixture over draws, whether particles are an axis or run one by one."""

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO
from torch import Tensor

import asrppl
from tests.infer.toys import unconstrained

N, PARTICLES = 5, 4
SLOPES = torch.linspace(0.2, 2.0, N, dtype=torch.float64)
NOISE = torch.tensor([-1.0, 0.1, 0.7, 2.0], dtype=torch.float64)
WEIGHTS = torch.linspace(0.5, 2.0, N, dtype=torch.float64)
SD = 0.5
KINDS: list[Any] = [Trace_ELBO, TraceGraph_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO]
RULES = {
    "mixture": "kl(uniform({0, 1}) || aggregate(q(b))) <= 0",
    "of each datum": "y <= 0.5 * mean(aggregate(q(b)))",
    "of chosen data": "mean(aggregate(q(b) where group)) >= 0.9",
}


class Given(dist.Normal):
    """A Normal whose draw is that of ``noise``."""

    noise: Tensor

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.loc + self.scale * self.noise

    def expand(self, batch_shape: Any, _instance: Any = None) -> "Given":
        return self


def given(loc: Tensor, noise: Tensor) -> Given:
    found = Given(loc.expand(noise.shape), SD)
    found.noise = noise
    return found


class Fixed:
    """Programs whose particles have the draws of NOISE, one by one or as an axis."""

    def __init__(self, *, vectorised: bool, weighted: bool = False) -> None:
        self.vectorised = vectorised
        self.weighted = weighted
        self.runs = 0

    def guide(self) -> None:
        m = pyro.param("m", torch.tensor(0.3, dtype=torch.float64))
        noise = NOISE.unsqueeze(-1) if self.vectorised else NOISE[self.runs % PARTICLES]
        self.runs += 1
        mu = pyro.sample("mu", given(m, noise))
        with pyro.plate("data", N):
            asrppl.expose("b", dist.Bernoulli(logits=SLOPES * mu))
            asrppl.expose("y", SLOPES * mu)

    def model(self) -> None:
        pyro.sample("mu", dist.Normal(torch.tensor(0.0, dtype=torch.float64), 1.0))
        with pyro.plate("data", N), poutine.scale(scale=WEIGHTS if self.weighted else 1.0):
            pyro.sample("x", dist.Normal(torch.tensor(0.0, dtype=torch.float64), 1.0), obs=torch.zeros(N))


def value_and_gradient(
    rule: str, kind: Any, *, vectorised: bool, how: str = "loss_and_grads", weighted: bool = False, steps: int = 3
) -> Tensor:
    pyro.clear_param_store()
    program = Fixed(vectorised=vectorised, weighted=weighted)
    base = kind(PARTICLES, vectorize_particles=vectorised, max_plate_nesting=1)
    bind = {"group": torch.tensor([True, False, True, True, False])} if "group" in rule else None
    elbo = asrppl.regularize(program.model, program.guide, f"rule a weight 2: {rule}", elbo=base, bind=bind)
    found: list[float] = []
    for step in range(steps + 1):  # the first finds the means, and the second how far they are off
        found.clear()
        program.runs = 0
        (m,) = unconstrained(["m"]) if step else [None]
        if m is not None:
            m.grad = None
        if step < steps:
            elbo.loss_and_grads(program.model, program.guide)
        elif how == "differentiable_loss":
            loss = elbo.differentiable_loss(program.model, program.guide)
            loss.backward()  # pyright: ignore[reportUnknownMemberType]
            found.append(float(loss.detach()))
        else:
            found.append(float(getattr(elbo, how)(program.model, program.guide)))
        (m,) = unconstrained(["m"])
        if step < steps:
            continue
        found += [0.0 if m.grad is None else float(m.grad), float(elbo.report.violations["a"])]
        found.append(float(elbo.report.penalty))
    assert base.retain_graph is None
    return torch.tensor(found)


@pytest.mark.filterwarnings("ignore:TraceEnum_ELBO found no sample sites")
@pytest.mark.parametrize("how", ["loss", "loss_and_grads", "differentiable_loss"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_looped_particles_cost_what_vectorised_ones_do(rule: str, kind: Any, how: str) -> None:
    if how != "loss_and_grads" and kind is not Trace_ELBO and rule != RULES["mixture"]:
        kind = Trace_ELBO  # one rule through all the others is enough
    looped = value_and_gradient(rule, kind, vectorised=False, how=how)
    torch.testing.assert_close(looped, value_and_gradient(rule, kind, vectorised=True, how=how))
    assert looped[2] > 0


@pytest.mark.filterwarnings("ignore:TraceEnum_ELBO found no sample sites")
@pytest.mark.parametrize("how", ["loss_and_grads", "differentiable_loss"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_so_it_is_in_the_first_step_of_all(rule: str, kind: Any, how: str) -> None:
    # Each particle by its own mean would report four times as much, and with a gradient of its own.
    looped = value_and_gradient(rule, kind, vectorised=False, how=how, steps=0)
    torch.testing.assert_close(looped, value_and_gradient(rule, kind, vectorised=True, how=how, steps=0))
    assert looped[2] > 0 or rule == RULES["of chosen data"]


def test_weights_of_single_data_count_in_both() -> None:
    rule = RULES["of each datum"]
    looped = value_and_gradient(rule, Trace_ELBO, vectorised=False, weighted=True)
    torch.testing.assert_close(looped, value_and_gradient(rule, Trace_ELBO, vectorised=True, weighted=True))


def mixture(m: Tensor) -> Tensor:
    """The exact KL of the uniform from the mixture over mu ~ Normal(m, SD) and the data."""
    grid = torch.linspace(-6, 6, 2001, dtype=torch.float64)
    weight = torch.exp(-(grid**2) / 2)
    one = (torch.sigmoid(SLOPES.unsqueeze(-1) * (m + SD * grid)) * weight).sum(-1).mean() / weight.sum()
    return -(one.log() + (1 - one).log()) / 2 - torch.tensor(2.0).log()


def sampling() -> tuple[Callable[[], None], Callable[[], None]]:
    def guide() -> None:
        mu = pyro.sample("mu", dist.Normal(pyro.param("m", torch.tensor(0.3, dtype=torch.float64)), SD))
        with pyro.plate("data", N):
            pyro.sample("b", dist.Bernoulli(logits=SLOPES * mu))

    def model() -> None:
        pyro.sample("mu", dist.Normal(torch.tensor(0.0, dtype=torch.float64), 1.0))
        with pyro.plate("data", N):
            b = pyro.sample("b", dist.Bernoulli(torch.tensor(0.5, dtype=torch.float64)))
            pyro.sample("x", dist.Normal(b, 1.0), obs=torch.zeros(N))

    return model, guide


@pytest.mark.parametrize("vectorised", [False, True])
def test_many_particles_come_to_the_mixture_over_all_draws(vectorised: bool) -> None:
    pyro.clear_param_store()
    model, guide = sampling()
    particles, slack = (2000, 1) if vectorised else (500, 2)
    base = Trace_ELBO(particles, vectorize_particles=vectorised, max_plate_nesting=1)
    weight = 1e6  # so that the rule is all of the gradient, where its multiplier is as large
    elbo = asrppl.regularize(
        model, guide, f"rule a weight {weight}: kl(uniform({{0, 1}}) || aggregate(q(b))) <= 0", elbo=base
    )
    pyro.set_rng_seed(0)
    with pyro.validation_enabled(False):
        elbo.loss_and_grads(model, guide)
        (param,) = unconstrained(["m"])
        param.grad = None
        (kept,) = elbo.memory.rules.values()
        kept.multipliers = {name: torch.tensor(weight) for name in ("a, multiplier 1",)}
        elbo.loss_and_grads(model, guide)
    m = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    exact = mixture(m)
    (gradient,) = torch.autograd.grad(exact, m)
    assert float(elbo.report.violations["a"]) == pytest.approx(float(exact.detach()), rel=0.15 * slack)
    (param,) = unconstrained(["m"])
    assert param.grad is not None
    assert float(param.grad / weight / N) == pytest.approx(float(gradient), rel=0.1 * slack)


def test_looped_particles_of_a_first_call_are_one_mixture_too() -> None:
    # Each run reads the mean over those before it: by its own draw alone it would cost four times as much.
    model, guide = sampling()
    elbo = asrppl.regularize(model, guide, f"rule a: {RULES['mixture']}", elbo=Trace_ELBO(500, max_plate_nesting=1))
    pyro.set_rng_seed(0)
    with pyro.validation_enabled(False):
        elbo.loss(model, guide)
    exact = float(mixture(torch.tensor(0.3, dtype=torch.float64)))
    assert float(elbo.report.violations["a"]) == pytest.approx(exact, rel=0.3)


def test_other_rules_are_evaluated_in_each_run() -> None:
    pyro.clear_param_store()
    program = Fixed(vectorised=False)
    rules = f"rule a: {RULES['mixture']}\nrule low: mu <= 0"
    elbo = asrppl.regularize(program.model, program.guide, rules, elbo=Trace_ELBO(PARTICLES))
    elbo.loss(program.model, program.guide)
    program.runs = 0
    elbo.loss_and_grads(program.model, program.guide)
    program.runs = 0
    elbo.loss_and_grads(program.model, program.guide)
    assert float(elbo.report.violations["low"]) == pytest.approx(float((0.3 + SD * NOISE).clamp_min(0).mean()))


def test_draws_enumerated_one_by_one_are_refused_beside_looped_particles() -> None:
    def enumerated(program: Callable[[], None]) -> Callable[[], None]:
        def with_count() -> None:
            pyro.sample("c", dist.Bernoulli(torch.tensor(0.5)), infer={"enumerate": "sequential"})
            program()

        return with_count

    model, guide = map(enumerated, sampling())
    elbo = asrppl.regularize(model, guide, RULES["mixture"], elbo=TraceEnum_ELBO(2, max_plate_nesting=1))
    with pytest.raises(asrppl.AsrError, match="enumerated one by one") as error:
        elbo.loss_and_grads(model, guide)
    assert error.value.diagnostics[0].code == "ASR095"
