"""Rules about distributions: E, P, aggregate and hard, against what is right."""

import copy
import io
from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO, TraceEnum_ELBO, TraceGraph_ELBO, config_enumerate
from torch import Tensor

import asrppl
from tests.infer.toys import unconstrained

N = 8
A = torch.linspace(-1.0, 2.0, N, dtype=torch.float64)
PRIOR = torch.tensor([0.1, 0.3, 0.6], dtype=torch.float64)
GROUP = torch.arange(N) % 2


@pytest.fixture(autouse=True)
def _fresh() -> None:  # pyright: ignore[reportUnusedFunction]
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


class Programs:
    """z ~ Normal(m_i, 1) and k ~ Categorical, for each datum."""

    def __init__(self, batch: int = N) -> None:
        self.batch = batch

    def model(self) -> None:
        with pyro.plate("data", N, subsample_size=self.batch) as i:
            pyro.sample("z", dist.Normal(A[i], 1.0))
            pyro.sample("k", dist.Categorical(PRIOR))
            pyro.sample("g", dist.Bernoulli(0.5), obs=GROUP[i].double())
            pyro.sample("x", dist.Normal(torch.zeros((), dtype=torch.float64), 1.0), obs=A[i])

    def guide(self) -> None:
        m = pyro.param("m", A.clone())
        logits = pyro.param("logits", PRIOR.log().repeat(N, 1) + 0.1 * A.unsqueeze(-1) * torch.arange(3))
        with pyro.plate("data", N, subsample_size=self.batch) as i:
            pyro.sample("z", dist.Normal(m[i], 1.0))
            pyro.sample("k", dist.Categorical(logits=logits[i]))


def held(elbo: Any, multiplier: float) -> None:
    """Give every comparison the same multiplier."""
    for name, kept in elbo.memory.rules.items():
        for key in kept.multipliers:
            kept.multipliers[key] = torch.full_like(kept.multipliers[key], multiplier)
        assert kept.multipliers, name


def gradients(elbo: Any, programs: Programs, guide: Callable[[], None], repeats: int) -> Tensor:
    """The mean gradient by m and logits, and its standard error, with nothing remembered."""
    memory = copy.deepcopy(elbo.memory.state_dict())
    found: list[Tensor] = []
    for _ in range(repeats):
        elbo.memory.load_state_dict(memory, {})
        for param in unconstrained(["m", "logits"]):
            param.grad = None
        elbo.loss_and_grads(programs.model, guide)
        found.append(torch.cat([_grad(param).flatten() for param in unconstrained(["m", "logits"])]))
    stacked = torch.stack(found)
    return torch.stack([stacked.mean(0), stacked.std(0) / repeats**0.5])


def _grad(param: Tensor) -> Tensor:
    return torch.zeros_like(param) if param.grad is None else param.grad


WEIGHT = 1000.0  # the rule is nearly all of the gradient
CASES: dict[str, tuple[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "mean": ("aggregate(E[z]) <= 0", lambda m, p: m.mean()),
    "square": ("aggregate(E[z * z]) - aggregate(E[z]) * aggregate(E[z]) <= 0", lambda m, p: m.var(unbiased=False)),
    "share": ("aggregate(P[k == 0]) >= 0.9", lambda m, p: -p[:, 0].mean()),
    "groups": (
        "aggregate(P[k == 2] where g == 1) - aggregate(P[k == 2] where g == 0) <= -1",
        lambda m, p: p[GROUP == 1, 2].mean() - p[GROUP == 0, 2].mean(),
    ),
    "mixed": ("aggregate(E[z * k]) <= 0", lambda m, p: (m * (p * torch.arange(3)).sum(-1)).mean()),
    "divergence": (
        "kl(uniform({0, 1, 2}) || aggregate(q(k))) <= 0",
        lambda m, p: -p.mean(0).log().mean(),
    ),
    "nested": (
        "aggregate(E[k] * E[k]) <= 0.1",
        lambda m, p: (p * torch.arange(3)).sum(-1).square().mean(),
    ),
}


@pytest.mark.parametrize(
    ("case", "base", "batch"),
    [
        *((case, Trace_ELBO, batch) for case in CASES for batch in (N, 3)),
        *((case, base, N) for case in ("groups", "mixed", "nested") for base in (TraceGraph_ELBO, TraceEnum_ELBO)),
    ],
)
def test_gradients_are_those_of_the_exact_functional(case: str, base: Any, batch: int) -> None:
    rule, exact = CASES[case]
    programs = Programs(batch)
    guide = config_enumerate(programs.guide) if base is TraceEnum_ELBO else programs.guide
    elbo = asrppl.regularize(
        programs.model, guide, f"rule r weight {WEIGHT}: {rule}", elbo=base(max_plate_nesting=1)
    )
    for _ in range(30 if batch == N else 100):  # the means settle: of a fixed guide
        elbo.loss_and_grads(programs.model, guide)
    m = pyro.param("m").detach().clone().requires_grad_()
    logits = pyro.param("logits").detach().clone().requires_grad_()
    value = exact(m, logits.softmax(-1))
    wanted = torch.cat([_grad(x).flatten() for x in _backward(value, [m, logits])]) * N * WEIGHT
    if elbo.memory.rules["r"].multipliers:
        held(elbo, WEIGHT)
    mean, error = gradients(elbo, programs, guide, 40 if batch == N else 150)
    slack = 0.1 * wanted.abs().max()  # cotangents of products and divergences are at means of a finite past
    assert bool(((mean - wanted).abs() <= 4.5 * error + slack).all()), (mean - wanted, error)


def _backward(value: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    found = torch.autograd.grad(value, inputs, allow_unused=True)
    for x, gradient in zip(inputs, found, strict=True):
        x.grad = gradient
    return inputs
