"""Probabilities of reparameterised draws: exact, by the law of what is drawn last, and by the score function."""

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO
from torch import Tensor

import asrppl
from tests.infer.toys import unconstrained, worst_z

pytestmark = pytest.mark.usefixtures("double_precision")

Program = Callable[[], Any]
START = {"a": 0.3, "w": 0.8, "b": -0.2, "s": 0.7}
positive = dist.constraints.positive
ndtr: Any = torch.special.ndtr


def params() -> tuple[Any, ...]:
    a, w, b = (pyro.param(name, torch.tensor(START[name])) for name in "awb")
    return a, w, b, pyro.param("s", torch.tensor(START["s"]), constraint=positive)


def model() -> None:
    pyro.sample("z1", dist.Normal(0.0, 1.0))
    pyro.sample("z2", dist.Normal(0.0, 1.0))


def chain() -> None:
    a, w, b, s = params()
    z1 = pyro.sample("z1", dist.Normal(a, 1.0))
    pyro.sample("z2", dist.Normal(b + w * z1, s))


def apart() -> None:
    a, w, b, s = params()
    pyro.sample("z1", dist.Normal(a, w))
    pyro.sample("z2", dist.Normal(b, s))


WARM = 40


def at_most(elbo: Any, weight: float) -> None:
    """Put the multipliers of tracked means to their weight."""
    for kept in elbo.memory.rules.values():
        for multiplier in kept.multipliers.values():
            multiplier.fill_(weight)


def shares_of_gradient(
    programs: tuple[Program, Program],
    rule: str,
    names: list[str],
    calls: int,
    *,
    kind: Any = Trace_ELBO,
    **options: Any,
) -> tuple[Any, Tensor]:
    """The gradients of a rule whose multiplier is 1 and whose mean is tracked, without those of the ELBO."""
    found: list[Tensor] = []
    elbo: Any = None
    for weight in (1e-300, 1.0):
        pyro.clear_param_store()
        pyro.set_rng_seed(0)
        elbo = asrppl.regularize(*programs, f"rule a weight {weight}: {rule}", elbo=kind(**options))
        elbo.loss_and_grads(*programs)
        pyro.enable_validation(False)
        own: list[Tensor] = []
        for call in range(calls + WARM):
            if call == WARM:  # the mean has settled; the multiplier would come to its weight in some hundred steps
                at_most(elbo, weight)
            for param in unconstrained(names):
                param.grad = None
            elbo.loss_and_grads(*programs)
            if call >= WARM:
                grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in unconstrained(names)]
                own.append(torch.cat([grad.reshape(-1) for grad in grads]))
        found.append(torch.stack(own))
    return elbo, found[1] - found[0]


def gradient(value: Callable[[dict[str, Tensor]], Tensor], start: dict[str, float] = START) -> Tensor:
    """The gradient of a closed form by the unconstrained params, s the logarithm of its own."""
    leaves = {name: torch.tensor(number).requires_grad_() for name, number in start.items()}
    leaves["s"] = torch.tensor(start["s"]).log().requires_grad_()
    found = torch.autograd.grad(value({**leaves, "s": leaves["s"].exp()}), list(leaves.values()), allow_unused=True)
    return torch.stack([torch.zeros(()) if each is None else each for each in found])


def reason(elbo: Any) -> str:
    (rule,) = elbo.bindings().rules
    return str(rule.reason)


# ---- exact


LAWS: dict[str, tuple[Callable[[Tensor, Tensor], Any], str, Callable[[Any], Tensor]]] = {
    "normal": (dist.Normal, "z >= 0", lambda q: 1 - q.cdf(torch.tensor(0.0))),
    "expanded": (
        lambda m, s: dist.Normal(m, s).expand([2]).to_event(1),
        "z[1] >= 0",
        lambda q: (1 - q.base_dist.cdf(torch.tensor(0.0)))[1],
    ),
    "masked": (lambda m, s: dist.Normal(m, s).mask(True), "z >= 0", lambda q: 1 - q.base_dist.cdf(torch.tensor(0.0))),
    "interval": (
        dist.Normal,
        "-1 <= 2 * z + 1 < 1.5",
        lambda q: q.cdf(torch.tensor(0.25)) - q.cdf(torch.tensor(-1.0)),
    ),
    "outside": (
        dist.Normal,
        "z < -1 or z > 1",
        lambda q: q.cdf(torch.tensor(-1.0)) + 1 - q.cdf(torch.tensor(1.0)),
    ),
    "log-normal": (dist.LogNormal, "3 - z >= 1", lambda q: q.cdf(torch.tensor(2.0))),
    "below the support": (dist.LogNormal, "z >= -1 and z <= 1.5", lambda q: q.cdf(torch.tensor(1.5))),
    "uniform": (lambda m, s: dist.Uniform(m - s, m + s), "z <= 0.5", lambda q: q.cdf(torch.tensor(0.5))),
    "exponential": (lambda m, s: dist.Exponential(s + m * m), "z > 1", lambda q: torch.exp(-q.rate)),
    "laplace": (dist.Laplace, "z / 2 >= 0.1", lambda q: 1 - q.cdf(torch.tensor(0.2))),
    "cauchy": (dist.Cauchy, "z <= 1", lambda q: q.cdf(torch.tensor(1.0))),
    "weibull": (lambda m, s: dist.Weibull(s, 1 + m), "z <= 0.6", lambda q: q.cdf(torch.tensor(0.6))),
    "marginal": (
        lambda m, s: dist.MultivariateNormal(torch.stack([m, -m]), torch.stack([s, m, m, s]).reshape(2, 2)),
        "z[1] <= 0.1",
        lambda q: dist.Normal(q.mean[1], q.variance[1].sqrt()).cdf(torch.tensor(0.1)),
    ),
}


@pytest.mark.parametrize("law", LAWS)
def test_one_entry_is_exact(law: str) -> None:
    family, event, closed = LAWS[law]

    def guide() -> None:
        m, s = pyro.param("m", torch.tensor(0.3)), pyro.param("s", torch.tensor(0.7), constraint=positive)
        pyro.sample("z", family(m, s))

    def prior() -> None:
        pyro.sample("z", family(torch.tensor(0.1), torch.tensor(1.0)))

    found: list[Tensor] = []
    for weight in (1e-300, 1.0):
        pyro.clear_param_store()
        pyro.set_rng_seed(0)
        elbo = asrppl.regularize(prior, guide, f"rule a weight {weight}: P[{event}] >= 1")
        elbo.loss_and_grads(prior, guide)
        found.append(
            torch.stack([p.grad if p.grad is not None else torch.zeros(()) for p in unconstrained(["m", "s"])])
        )
        assert "is exact" in reason(elbo)
    start = {"m": 0.3, "s": 0.7}
    exact = gradient(lambda p: closed(family(p["m"], p["s"])), start)
    torch.testing.assert_close(found[1] - found[0], -exact, rtol=0, atol=1e-10)
    chance = closed(family(torch.tensor(0.3), torch.tensor(0.7)))
    torch.testing.assert_close(elbo.report.violations["a"], 1 - chance, rtol=0, atol=1e-10)


def test_several_gaussian_entries_are_exact_and_may_be_the_same_one() -> None:
    means, sds = torch.tensor([0.3, -0.4, 0.1]), torch.tensor([0.5, 1.0, 2.0])

    def guide() -> None:
        with pyro.plate("k", 3):
            pyro.sample("z", dist.Normal(pyro.param("m", means), sds))
        pyro.sample("u", dist.Normal(0.5, 2.0))

    def prior() -> None:
        with pyro.plate("k", 3):
            pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("u", dist.Normal(0.0, 1.0))

    rules = """
    rule pairs: forall i, j: P[z[i] <= z[j]] >= 1
    rule total: P[(sum i: (i + 1) * z[i]) - u <= 0.2] >= 1
    rule twice: P[z[0] + z[0] - u <= 1] >= 1
    """
    elbo = asrppl.regularize(prior, guide, rules)
    assert all("is exact" in rule.reason for rule in elbo.bindings().rules)
    elbo.loss_and_grads(prior, guide)
    differences = means.unsqueeze(1) - means
    pairs = 1 - ndtr(-differences / (sds.square().unsqueeze(1) + sds.square()).sqrt())
    pairs = pairs.fill_diagonal_(0.0).sum()
    ranks = torch.tensor([1.0, 2.0, 3.0])
    total = ndtr((0.2 - ranks @ means + 0.5) / ((ranks * sds).square().sum() + 4).sqrt())
    twice = ndtr((1 - 2 * means[0] + 0.5) / (4 * sds[0].square() + 4).sqrt())
    expected = {"pairs": pairs, "total": 1 - total, "twice": 1 - twice}
    for name, value in expected.items():
        torch.testing.assert_close(elbo.report.violations[name], value, rtol=0, atol=1e-12)


def test_expected_counts_are_sums_of_probabilities() -> None:
    def guide() -> None:
        pyro.sample("z", dist.Normal(pyro.param("m", torch.tensor([0.3, -0.4, 0.1])), 1.0).to_event(1))

    def prior() -> None:
        pyro.sample("z", dist.Normal(torch.zeros(3), 1.0).to_event(1))

    elbo = asrppl.regularize(prior, guide, "E[(count i: z[i] > 0) + 2 * (if z[0] > 0 then 1 else -1)] <= 0")
    elbo.loss_and_grads(prior, guide)
    chances = ndtr(torch.tensor([0.3, -0.4, 0.1]))
    (violation,) = elbo.report.violations.values()
    torch.testing.assert_close(violation, chances.sum() + 2 * (2 * chances[0] - 1))


# ---- against closed forms, over draws


def disc(p: dict[str, Tensor], *, chained: bool) -> Tensor:
    """P[z1² + z2² <= 1], by the mean of z2's cdf along z1."""
    grid = torch.linspace(-1, 1, 20_001)
    root = (1 - grid.square()).clamp_min(0).sqrt()
    mean = p["b"] + (p["w"] * grid if chained else 0.0)
    inside = ndtr((root - mean) / p["s"]) - ndtr((-root - mean) / p["s"])
    density = dist.Normal(p["a"], 1.0 if chained else p["w"]).log_prob(grid).exp()
    return torch.trapezoid(inside * density, grid)


def later(p: dict[str, Tensor]) -> Tensor:
    return ndtr((p["b"] + (p["w"] - 1) * p["a"] - 0.5) / ((p["w"] - 1) ** 2 + p["s"] ** 2).sqrt())


CASES: dict[str, tuple[Program, str, str, Callable[[dict[str, Tensor]], Tensor]]] = {
    "last of a chain": (chain, "z2 > z1 + 0.5", "drawn last", later),
    "second run": (chain, "z1 * z1 + z2 * z2 <= 1", "second run", lambda p: disc(p, chained=True)),
    "a chain by scores": (chain, "", "second run", later),
    "one run": (apart, "z1 * z1 + z2 * z2 <= 1", "score function", lambda p: disc(p, chained=False)),
}


@pytest.mark.parametrize("vectorised", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_gradients_of_chances(case: str, vectorised: bool) -> None:
    guide, event, how, closed = CASES[case]
    particles = 100 if vectorised else 2
    rule = f"P[{event}] >= 1"
    if case == "a chain by scores":
        rule = "E[(if z2 > z1 + 0.5 then 1 + z2 else z2) - z2] >= 1"
    elbo, found = shares_of_gradient(
        (model, guide), rule, list("awbs"), 150, num_particles=particles, vectorize_particles=vectorised
    )
    assert how in reason(elbo)
    assert worst_z(-found, gradient(closed)) < 4


@pytest.mark.parametrize("kind", [TraceGraph_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO])
def test_other_objectives(kind: Any) -> None:
    options = {"num_particles": 20, "vectorize_particles": True, "max_plate_nesting": 0}
    if kind is TraceEnum_ELBO:
        options["strict_enumeration_warning"] = False
    rule = "P[z1 * z1 + z2 * z2 <= 1] >= 1"
    _, found = shares_of_gradient((model, apart), rule, list("awbs"), 120, kind=kind, **options)
    assert worst_z(-found, gradient(lambda p: disc(p, chained=False))) < 4
