"""Probabilities of reparameterised draws in guides as people write them: plates, AutoGuides, modules with state."""

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO, TraceEnum_ELBO, config_enumerate
from pyro.infer.autoguide import AutoIAFNormal, AutoLowRankMultivariateNormal, AutoMultivariateNormal, AutoNormal
from torch import Tensor, nn

import asrppl
from tests.infer.test_probabilities import WARM, Program, at_most, chain, model, ndtr, reason, shares_of_gradient
from tests.infer.toys import unconstrained, worst_z

pytestmark = pytest.mark.usefixtures("double_precision")


def hierarchy() -> None:
    g = pyro.sample("g", dist.Normal(0.0, 1.0))
    pyro.sample("scale", dist.LogNormal(0.0, 1.0))
    with pyro.plate("d", 3):
        pyro.sample("z", dist.Normal(g, 1.0))


def with_rule(programs: tuple[Program, Program], rule: str, calls: int, modules: nn.Module, **options: Any) -> Tensor:
    """A rule's part of the gradients of a module's parameters, one row a call."""
    found: list[Tensor] = []
    start = {name: value.clone() for name, value in modules.state_dict().items()}
    for weight in (1e-300, 1.0):
        modules.load_state_dict(start)
        pyro.set_rng_seed(0)
        elbo = asrppl.regularize(*programs, f"rule a weight {weight}: {rule}", elbo=Trace_ELBO(**options))
        elbo.loss_and_grads(*programs)
        pyro.enable_validation(False)
        own: list[Tensor] = []
        for call in range(calls + WARM):
            if call == WARM:
                at_most(elbo, weight)
            modules.zero_grad()
            elbo.loss_and_grads(*programs)
            if call >= WARM:
                own.append(torch.cat([p.grad.reshape(-1).clone() for p in modules.parameters() if p.grad is not None]))
        found.append(torch.stack(own))
    return found[1] - found[0]


@pytest.mark.parametrize("kind", [AutoNormal, AutoMultivariateNormal, AutoLowRankMultivariateNormal])
def test_autoguides(kind: Any) -> None:
    guide: Any = kind(hierarchy, init_scale=0.6)
    with torch.no_grad():
        guide()
        for name, param in guide.named_parameters():
            if "loc" in name:
                param += 0.1 * torch.randn(param.shape)
    pyro.clear_param_store()
    options = {"num_particles": 100, "vectorize_particles": True, "max_plate_nesting": 1}
    found = with_rule((hierarchy, guide), "P[z[1] > g] >= 1", 100, guide, **options)
    if kind is AutoNormal:
        mean = guide.locs.z[1] - guide.locs.g
        variance = guide.scales.z[1] ** 2 + guide.scales.g**2
    else:
        posterior = guide.get_posterior()
        c = torch.tensor([-1.0, 0.0, 0.0, 1.0, 0.0])
        mean, variance = c @ posterior.mean, c @ posterior.covariance_matrix @ c
    truth = 1 - ndtr(mean / variance.sqrt())
    guide.zero_grad()
    truth.backward()
    used = [p for p in guide.parameters()]
    exact = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in used])
    assert worst_z(found, exact) < 4.5


def test_flows_and_positive_sites() -> None:
    guide = AutoIAFNormal(hierarchy)
    elbo = asrppl.regularize(hierarchy, guide, "rule a weight 2: P[scale > 1 and z[0] > g] >= 0.9")
    for _ in range(3):
        elbo.loss_and_grads(hierarchy, guide)
    assert "score function" in reason(elbo)


N = 8
X = torch.linspace(-1.0, 2.0, N, dtype=torch.float64)
LOCAL = torch.linspace(-0.5, 1.0, N, dtype=torch.float64)


def data_model() -> None:
    with pyro.plate("data", N, subsample_size=4) as index:
        z = pyro.sample("z", dist.Normal(torch.tensor(0.0), 1.0))
        u = pyro.sample("u", dist.Normal(z, 1.0))
        pyro.sample("x", dist.Normal(u, 1.0), obs=X[index])


def data_guide() -> None:
    local = pyro.param("l", LOCAL.clone())
    w = pyro.param("w", torch.tensor(0.5))
    with pyro.plate("data", N, subsample_size=4) as index:
        z = pyro.sample("z", dist.Normal(local[index], 0.8))
        pyro.sample("u", dist.Normal(w * z, 0.6))


def both_negative(local: Tensor, w: Tensor) -> Tensor:
    grid = torch.linspace(-8, 0, 8_001)
    density = dist.Normal(local.unsqueeze(-1), 0.8).log_prob(grid).exp()
    return torch.trapezoid(density * ndtr(-w * grid / 0.6), grid)


DATA_RULES = {
    "exact": ("aggregate(P[z <= 0.2]) >= 1", lambda m, w: ndtr((0.2 - m) / 0.8)),
    "drawn last": ("aggregate(P[u <= 0.2]) >= 1", lambda m, w: ndtr((0.2 - w * m) / (0.36 + (0.8 * w) ** 2).sqrt())),
    "second run": ("aggregate(P[z <= 0 and u <= 0]) >= 1", both_negative),
    "of each datum": ("P[z * z <= 0] >= 1 or P[z <= 0 and u <= 0] >= 1", both_negative),
}


@pytest.mark.parametrize("vectorised", [True, False])
@pytest.mark.parametrize("case", DATA_RULES)
def test_subsampled_data(case: str, vectorised: bool) -> None:
    rule, closed = DATA_RULES[case]
    found: list[Tensor] = []
    particles = 40 if vectorised else 1
    for weight in (1e-300, 1.0):
        pyro.clear_param_store()
        pyro.set_rng_seed(0)
        base = Trace_ELBO(particles, vectorize_particles=vectorised, max_plate_nesting=1)
        elbo = asrppl.regularize(data_model, data_guide, f"rule a weight {weight}: {rule}", elbo=base)
        elbo.loss_and_grads(data_model, data_guide)
        pyro.enable_validation(False)
        own: list[Tensor] = []
        for call in range(120 + WARM):
            if call >= WARM:
                at_most(elbo, weight)
            for param in unconstrained(["l", "w"]):
                param.grad = None
            elbo.loss_and_grads(data_model, data_guide)
            if call >= WARM:
                own.append(
                    torch.cat(
                        [
                            (torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1)
                            for p in unconstrained(["l", "w"])
                        ]
                    )
                )
        found.append(torch.stack(own))
    leaves = LOCAL.clone().requires_grad_(), torch.tensor(0.5).requires_grad_()
    truth = -closed(*leaves).mean()
    exact = torch.cat(
        [torch.zeros(1) if g is None else g.reshape(-1) for g in torch.autograd.grad(truth, leaves, allow_unused=True)]
    )
    assert worst_z((found[1] - found[0]) / N, exact) < 4.5


# ---- state


class Encoder(nn.Module):
    """Draws by a network with batch statistics and dropout, one draw from the other."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))

    def guide(self, x: Tensor) -> None:
        pyro.module("encoder", self)
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(self.first(x.unsqueeze(-1)).squeeze(-1), 0.5))
            pyro.sample("u", dist.Normal(z, 0.5))

    def model(self, x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            u = pyro.sample("u", dist.Normal(z, 1.0))
            pyro.sample("x", dist.Normal(u, 1.0), obs=x)


RULES = {
    "none": "aggregate(E[z]) <= 100",
    "exact": "aggregate(P[z >= 0]) >= 0.9",
    "drawn last": "aggregate(P[u >= 0]) >= 0.9",
    "one run": "aggregate(P[z * z >= 1]) >= 0.9",
    "second run": "aggregate(P[z * u >= 1]) >= 0.9",
}


def training(rule: str) -> tuple[list[float], dict[str, Tensor], Any]:
    pyro.clear_param_store()
    pyro.set_rng_seed(3)
    encoder = Encoder()
    elbo = asrppl.regularize(encoder.model, encoder.guide, f"rule a weight 1e-300: {rule}")
    svi = SVI(encoder.model, encoder.guide, pyro.optim.Adam({"lr": 0.01}), loss=elbo)
    x = torch.linspace(-1, 1, 6)
    losses = [float(svi.step(x)) for _ in range(8)]
    return losses, {name: value.clone() for name, value in encoder.state_dict().items()}, elbo


@pytest.mark.parametrize("how", [how for how in RULES if how != "none"])
def test_random_numbers_and_buffers_stay_what_they_are(how: str) -> None:
    losses, state, _ = training(RULES["none"])
    found, left, elbo = training(RULES[how])
    assert found == losses
    for name, value in state.items():
        assert torch.equal(value, left[name]), name
    (attached,) = next(iter(elbo._pairs.values())).attachments.values()
    assert how in attached.rules[0].reason.replace("score function of a", "").replace("score function", "one run")


def test_a_guide_that_is_another_function_the_second_time_is_refused() -> None:
    calls: list[int] = []

    def guide() -> None:
        calls.append(0)
        z1 = pyro.sample("z1", dist.Normal(pyro.param("a", torch.tensor(0.3)) + len(calls), 1.0))
        pyro.sample("z2", dist.Normal(z1, 1.0))

    elbo = asrppl.regularize(model, guide, "rule a: P[z1 * z2 >= 0] >= 0.9")
    with pytest.raises(asrppl.AsrError, match="came out otherwise") as error:
        elbo.loss_and_grads(model, guide)
    assert {found.code for found in error.value.diagnostics} == {"ASR095"}


# ---- what is refused


def shifted() -> None:
    z1 = pyro.sample("z1", dist.Normal(0.0, 1.0))
    pyro.sample("z2", dist.Normal(0.0, 1.0))
    asrppl.expose("y", pyro.param("t", torch.tensor(1.0)) * z1)


def mixed() -> None:
    z1 = pyro.sample("z1", dist.Normal(pyro.param("a", torch.tensor(0.3)), 1.0))
    pyro.sample("z2", dist.Bernoulli(torch.sigmoid(z1)))


def scored() -> None:
    pyro.sample("z1", dist.Normal(pyro.param("a", torch.tensor(0.3)), 1.0).has_rsample_(False))
    pyro.sample("z2", dist.Normal(pyro.param("b", torch.tensor(0.3)), 1.0))


@pytest.mark.parametrize(
    ("guide", "rule", "why"),
    [
        (scored, "P[z1 >= E[z2]] >= 0.9", "moves with a mean"),
        (scored, "P[z1 >= b] >= 0.9", "moves with b"),
        (shifted, "P[y * y >= 1] >= 0.9", "depends on parameters not only by draws"),
        (mixed, "P[z1 * z1 >= z2] >= 0.9", "both would be counted"),
        (chain, "P[z1 * z1 >= E[z2]] >= 0.9", "compares draws with a mean"),
        (chain, "(if z1 >= 0 then 1 else 0) + E[z2] <= 1", "this condition of an `if`"),
    ],
)
def test_what_is_refused(guide: Program, rule: str, why: str) -> None:
    prior: Callable[[], None] = model if guide is not mixed else _mixed_model
    with pytest.raises(asrppl.AsrError, match=why) as error:
        asrppl.regularize(prior, guide, f"rule a: {rule}").bindings()
    assert {found.code for found in error.value.diagnostics} == {"ASR064"}


def test_the_mend_by_score_functions_is_taken() -> None:
    def guide() -> None:
        z1 = pyro.sample("z1", dist.Normal(pyro.param("a", torch.tensor(0.3)), 1.0).has_rsample_(False))
        pyro.sample("z2", dist.Bernoulli(torch.sigmoid(z1)))

    elbo = asrppl.regularize(_mixed_model, guide, "rule a: P[z1 * z1 >= z2] >= 0.9")
    assert elbo.bindings().rules[0].channel == "S"


def _mixed_model() -> None:
    pyro.sample("z1", dist.Normal(0.0, 1.0))
    pyro.sample("z2", dist.Bernoulli(0.5))


def test_a_mean_may_be_compared_with_one_entry() -> None:
    elbo = asrppl.regularize(model, chain, "rule a: P[z2 <= E[z2]] >= 0.9")
    elbo.loss_and_grads(model, chain)
    assert "drawn last" in reason(elbo)


# ---- training


def test_a_hard_rule_reaches_the_optimum() -> None:
    steps = 1500

    def prior() -> None:
        pyro.sample("theta", dist.Normal(0.0, 1.0))

    def guide() -> None:
        pyro.sample("theta", dist.Normal(pyro.param("m", torch.tensor(0.5)), 1.0))

    pyro.enable_validation(False)
    base = Trace_ELBO(num_particles=8, vectorize_particles=True, max_plate_nesting=0)
    elbo = asrppl.regularize(prior, guide, "rule a hard: P[theta >= 0] >= 0.9", elbo=base)
    svi = SVI(prior, guide, pyro.optim.Adam({"lr": 0.02}), loss=elbo)
    last: list[float] = []
    for step in range(steps):
        svi.step()
        if step >= steps - 500:
            last.append(float(pyro.param("m").detach()))
    assert abs(sum(last) / len(last) - 1.2816) < 0.08


# ---- with draws that gradients do not pass through


def branching_model() -> None:
    b = pyro.sample("b", dist.Bernoulli(torch.tensor(0.5)))
    z1 = pyro.sample("z1", dist.Normal(b, 1.0))
    pyro.sample("z2", dist.Normal(z1, 1.0))


def branching() -> None:
    t, m = pyro.param("t", torch.tensor(0.4)), pyro.param("m", torch.tensor(-0.3))
    b = pyro.sample("b", dist.Bernoulli(torch.sigmoid(t)))
    z1 = pyro.sample("z1", dist.Normal(m + b, 1.0))
    pyro.sample("z2", dist.Normal(m * z1, 1.0))


def square_at_most(mean: Tensor) -> Tensor:
    return ndtr(1 - mean) - ndtr(-1 - mean)


def of_one_sign(mean: Tensor, m: Tensor) -> Tensor:
    grid = torch.linspace(-8, 8, 8_001)
    same = torch.where(grid > 0, ndtr(m * grid), ndtr(-m * grid))
    return torch.trapezoid(same * dist.Normal(mean, 1.0).log_prob(grid).exp(), grid)


@pytest.mark.parametrize("kind", [Trace_ELBO, TraceEnum_ELBO])
@pytest.mark.parametrize(
    ("event", "how", "closed"),
    [
        ("z1 <= 1", "drawn last", lambda mean, m: ndtr(1 - mean)),
        ("z1 * z1 <= 1", "score function", lambda mean, m: square_at_most(mean)),
        ("z1 * z2 >= 0", "second run", of_one_sign),
    ],
)
def test_behind_a_discrete_draw(event: str, how: str, closed: Callable[[Tensor, Tensor], Tensor], kind: Any) -> None:
    guide = config_enumerate(branching) if kind is TraceEnum_ELBO else branching
    options: dict[str, Any] = {"num_particles": 50, "vectorize_particles": True, "max_plate_nesting": 0}
    elbo, found = shares_of_gradient(
        (branching_model, guide), f"P[{event}] >= 1", ["t", "m"], 150, kind=kind, **options
    )
    assert how in reason(elbo)
    t, m = torch.tensor(0.4).requires_grad_(), torch.tensor(-0.3).requires_grad_()
    one = torch.sigmoid(t)
    truth = one * closed(m + 1, m) + (1 - one) * closed(m, m)
    exact = torch.stack(torch.autograd.grad(truth, (t, m)))
    assert worst_z(-found, exact) < 4.5
