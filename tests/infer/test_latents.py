"""Rules on what only the model enumerates, against sums over all its states by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import SVI, TraceEnum_ELBO
from pyro.infer.autoguide import AutoDelta, AutoNormal
from torch import Tensor

import asrppl
from tests.infer.toys import unconstrained

pytestmark = pytest.mark.usefixtures("double_precision")

PARALLEL: Any = {"enumerate": "parallel"}


@pytest.fixture(autouse=True)
def _fresh() -> None:  # pyright: ignore[reportUnusedFunction]
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


# ---- programs: each with log p(states, data) of all its states, by hand


@dataclass
class Case:
    """A program, and by hand what its sum over states is.

    Args:
        model: with its parameters in the store.
        table: log p(a, x) of each datum and joint state, (data, states), by the values of the params.
        psi: of each datum, joint state and comparison what the rule takes the mean of, (data, states, comparisons).
        rule: on these means.
        bound: what each comparison bounds its mean by.
        nesting: of plates.
        params: the names of the parameters.
        whole: whether the comparison is of the mean over all data.
        index: which data a call has, and how many there are.
    """

    model: Callable[[], None]
    table: Callable[[dict[str, Tensor]], Tensor]
    psi: Tensor
    rule: str
    bound: float
    nesting: int
    params: tuple[str, ...]
    whole: bool = True
    index: Callable[[], tuple[Tensor, int]] | None = None

    def values(self) -> dict[str, Tensor]:
        return {name: pyro.param(name).detach().clone().requires_grad_() for name in self.params}


X = torch.tensor([-2.1, -1.4, -0.2, 0.4, 0.9, 1.7], dtype=torch.float64)


def mixture(batch: int | None = None) -> Case:
    """A mixture of three Normals, its assignments summed over."""
    seen: list[Tensor] = []

    def model() -> None:
        logits = pyro.param("logits", torch.tensor([0.3, -0.2, 0.1]))
        loc = pyro.param("loc", torch.tensor([-1.0, 0.1, 1.2]))
        with pyro.plate("data", len(X), subsample_size=batch) as index:
            assert index is not None
            seen[:] = [index]
            k = pyro.sample("assignment", dist.Categorical(logits=logits), infer=PARALLEL)
            pyro.sample("x", dist.Normal(loc[k], 1.0), obs=X[index])

    def table(values: dict[str, Tensor]) -> Tensor:
        own = dist.Normal(values["loc"], 1.0).log_prob(X[:, None])
        return values["logits"].log_softmax(-1) + own

    rule = "forall k in 0..2: aggregate(P[assignment == k]) <= 0.3"
    psi = torch.eye(3).expand(len(X), 3, 3)
    return Case(model, table, psi, rule, 0.3, 1, ("logits", "loc"), index=lambda: (seen[0], len(X)))


SERIES = torch.tensor([[-1.2, 0.3, 1.1, 0.8], [0.2, -0.9, -1.3, 0.1]], dtype=torch.float64)
STATES = torch.tensor(list(product(range(2), repeat=4)))


def hmm(rule: str, psi: Callable[[Tensor], Tensor], bound: float, *, whole: bool = True, history: int = 1) -> Case:
    """A hidden Markov model of two sequences of four steps."""

    def model() -> None:
        move = pyro.param("move", torch.tensor([[0.5, -0.5], [-0.3, 0.4]]))
        loc = pyro.param("loc", torch.tensor([-0.8, 0.9]))
        with pyro.plate("sequences", 2, dim=-1):
            x: Any = 0
            for t in pyro.markov(range(4), history=history):
                x = pyro.sample(f"x_{t}", dist.Categorical(logits=move[x]), infer=PARALLEL)
                pyro.sample(f"y_{t}", dist.Normal(loc[x], 1.0), obs=SERIES[:, t])

    def table(values: dict[str, Tensor]) -> Tensor:
        before = torch.cat([torch.zeros(len(STATES), 1, dtype=torch.long), STATES[:, :-1]], 1)
        prior = values["move"].log_softmax(-1)[before, STATES].sum(-1)
        return prior + dist.Normal(values["loc"][STATES], 1.0).log_prob(SERIES[:, None]).sum(-1)

    return Case(model, table, psi(STATES.double()).expand(2, 16, -1), rule, bound, 1, ("move", "loc"), whole)


CAUGHT = torch.tensor([[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)


def survival() -> Case:
    """Capture and recapture: an animal that was caught is alive, and once it is dead it stays so."""

    def model() -> None:
        phi, rho = (
            torch.sigmoid(pyro.param(name, torch.tensor(start))) for name, start in (("phi", 0.6), ("rho", 0.2))
        )
        with pyro.plate("animals", 3, dim=-1):
            z: Any = torch.ones(())
            for t in pyro.markov(range(4)):
                z = pyro.sample(f"z_{t}", dist.Bernoulli(phi * z), infer=PARALLEL)
                pyro.sample(f"y_{t}", dist.Bernoulli(rho * z), obs=CAUGHT[:, t])

    def table(values: dict[str, Tensor]) -> Tensor:
        phi, rho = torch.sigmoid(values["phi"]), torch.sigmoid(values["rho"])
        z = STATES.double()
        before = torch.cat([torch.ones(len(z), 1), z[:, :-1]], 1)
        prior = dist.Bernoulli(phi * before).log_prob(z).sum(-1)
        return prior + dist.Bernoulli(rho * z).log_prob(CAUGHT[:, None]).sum(-1)

    psi = STATES.double().expand(3, 16, 4)
    return Case(model, table, psi, "forall t: aggregate(P[z[t] == 1]) <= 0.3", 0.3, 1, ("phi", "rho"))


WORDS = torch.tensor([[0, 2, 1], [1, 1, 0]])


def topics() -> Case:
    """Documents of three words, each of which has a topic."""

    def model() -> None:
        mix = pyro.param("mix", torch.tensor([[0.4, -0.1], [0.0, 0.3]]))
        odds = pyro.param("odds", torch.tensor([[0.2, 0.5, -0.4], [-0.1, 0.0, 0.6]]))
        with pyro.plate("documents", 2, dim=-1), pyro.plate("words", 3, dim=-2):
            topic = pyro.sample("topic", dist.Categorical(logits=mix), infer=PARALLEL)
            pyro.sample("word", dist.Categorical(logits=odds[topic]), obs=WORDS.T)

    def table(values: dict[str, Tensor]) -> Tensor:
        mix, odds = values["mix"].log_softmax(-1), values["odds"].log_softmax(-1)
        return (mix[:, None] + odds[:, WORDS].permute(1, 2, 0)).flatten(0, 1)

    rule = "forall k in 0..1: aggregate(P[topic == k]) <= 0.3"
    return Case(model, table, torch.eye(2).expand(6, 2, 2), rule, 0.3, 2, ("mix", "odds"))


def tilted(case: Case, values: dict[str, Tensor], tau: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Σ −log Σ_a p e^{−τψ} over the data, E_q[ψ] of each, and E_q[log q − log p], by all states."""
    joint = case.table(values)
    tilt = joint - (case.psi * tau).sum(-1)
    q = tilt.softmax(-1)
    means = (q.unsqueeze(-1) * case.psi).sum(1)
    bound = (q * (q.clamp_min(1e-300).log() - joint)).sum(-1)
    return -tilt.logsumexp(-1), means, bound


CASES: dict[str, Callable[[], Case]] = {
    "mixture": mixture,
    "mixture, batches": lambda: mixture(4),
    "hmm": lambda: hmm("forall t: aggregate(P[x[t] == 1]) <= 0.3", lambda s: s, 0.3),
    "hmm, pairs": lambda: hmm(
        "forall t: aggregate(P[x[t] == 1 and x[t + 1] == 1]) <= 0.3", lambda s: s[:, :-1] * s[:, 1:], 0.3
    ),
    "hmm, of each sequence": lambda: hmm("forall t: P[x[t] == 1] <= 0.3", lambda s: s, 0.3, whole=False),
    "hmm, an expectation": lambda: hmm(
        "forall t: aggregate(E[2 * x[t] + x[t] * x[t]]) <= 0.3", lambda s: 2 * s + s * s, 0.3
    ),
    "survival": survival,
    "topics": topics,
}
MULTIPLIER = 0.7


@pytest.mark.parametrize(
    ("name", "particles"),
    [(name, particles) for name in CASES for particles in (1, 3, -3) if name != "mixture, batches" or particles != 3],
)
def test_value_gradient_and_means_are_those_of_the_best_q(name: str, particles: int) -> None:
    case = CASES[name]()
    elbo = asrppl.regularize(
        case.model,
        nothing,
        f"rule r weight 5: {case.rule}",
        data="documents" if name == "topics" else None,
        elbo=TraceEnum_ELBO(
            max_plate_nesting=case.nesting, num_particles=abs(particles), vectorize_particles=particles < 0
        ),
    )
    for _ in range(3):
        elbo.loss_and_grads(case.model, nothing)
    (kept,) = elbo.memory.rules.values()
    for multiplier in kept.multipliers.values():
        multiplier.fill_(MULTIPLIER)
    for param in unconstrained(list(case.params)):
        param.grad = None
    loss = elbo.loss_and_grads(case.model, nothing)

    values = case.values()
    index, size = (torch.arange(len(case.psi)), len(case.psi)) if case.index is None else case.index()
    objective, means, bound = tilted(case, values, torch.tensor(MULTIPLIER))
    scale = size / len(index)
    (scale * objective[index].sum()).backward()
    for param, value in zip(unconstrained(list(case.params)), values.values(), strict=True):
        assert value.grad is not None
        torch.testing.assert_close(param.grad, value.grad)
    if len(index) == size:
        excess = (means.mean(0) if case.whole else means) - case.bound
        cost = excess.detach().clamp_min(0).sum(-1).mean()
        assert float(elbo.report.violations["r"]) == pytest.approx(float(cost))
        data = 2 if name == "topics" else size  # weights are nats per document
        assert loss == pytest.approx(float(bound.detach().sum() + 5 * data * cost))


def nothing() -> None:
    pass


# ---- draws of the guide, training


def test_terms_of_globals_that_a_guide_draws_are_those_of_their_draw() -> None:
    """The term adds S · (log Z(0) − log Z(τ)) to the loss, at the values that the guide drew."""
    drawn: list[Tensor] = []

    def model() -> None:
        with pyro.plate("components", 3):
            loc = pyro.sample("loc", dist.Normal(torch.zeros(()), 2.0))
        drawn[:] = [loc]
        with pyro.plate("data", len(X), subsample_size=4) as index:
            assert index is not None
            drawn.append(index)
            k = pyro.sample("assignment", dist.Categorical(logits=torch.zeros(3)), infer=PARALLEL)
            pyro.sample("x", dist.Normal(loc[k], 1.0), obs=X[index])

    def guide() -> None:
        m, s = pyro.param("m", torch.tensor([-1.0, 0.1, 1.2])), pyro.param("s", torch.tensor([0.3, 0.4, 0.5]))
        with pyro.plate("components", 3):
            pyro.sample("loc", dist.Normal(m, s))

    def gradient(elbo: Any) -> Tensor:
        pyro.set_rng_seed(7)
        for param in unconstrained(["m", "s"]):
            param.grad = None
        elbo.loss_and_grads(model, guide)
        return torch.cat([param.grad for param in unconstrained(["m", "s"]) if param.grad is not None])

    plain = TraceEnum_ELBO(max_plate_nesting=1)
    elbo = asrppl.regularize(
        model, guide, "rule r weight 5: forall k in 0..2: aggregate(P[assignment == k]) <= 0.3", elbo=plain
    )
    for _ in range(2):
        elbo.loss_and_grads(model, guide)
    (kept,) = elbo.memory.rules.values()
    for multiplier in kept.multipliers.values():
        multiplier.copy_(torch.tensor([0.7, 0.2, 1.5]))
    found = gradient(elbo) - gradient(plain)
    m, s = (pyro.param(name).detach().clone().requires_grad_() for name in "ms")
    loc, index = drawn[0].detach(), drawn[1]
    again = m + s * ((loc - m) / s).detach()
    joint = dist.Normal(again, 1.0).log_prob(X[index, None])
    term = joint.logsumexp(-1) - (joint - torch.tensor([0.7, 0.2, 1.5])).logsumexp(-1)
    (len(X) / 4 * term.sum()).backward()
    assert m.grad is not None
    assert s.grad is not None
    torch.testing.assert_close(found, torch.cat([m.grad, s.grad]))


def two_components(batch: int | None) -> Callable[[], None]:
    """A mixture of two components of equal size."""
    data = torch.cat([torch.randn(30) - 1.5, torch.randn(30) + 1.5])

    def model() -> None:
        weight = pyro.sample("weight", dist.Beta(torch.tensor(2.0), 2.0))
        loc = pyro.sample("loc", dist.Normal(torch.tensor([-1.0, 1.0]), 1.0).to_event(1))
        with pyro.plate("data", 60, subsample_size=batch) as index:
            a = pyro.sample("a", dist.Bernoulli(weight), infer=PARALLEL)
            pyro.sample("x", dist.Normal(loc[a.long()], 1.0), obs=data[index])

    return model


WEIGHT = 100.0


def trained(rule: str, kind: Any, batch: int | None, steps: int) -> tuple[Any, dict[str, Tensor]]:
    """Return an objective after so many steps, and the averages of its means and multipliers over the last sixty."""
    model = two_components(batch)
    guide = kind(pyro.poutine.block(model, expose=["weight", "loc"]))
    elbo = asrppl.regularize(model, guide, rule, elbo=TraceEnum_ELBO(max_plate_nesting=1))
    optim: Any = pyro.optim.ClippedAdam  # pyright: ignore[reportAttributeAccessIssue]
    svi = SVI(model, guide, optim({"lr": 0.03, "lrd": 0.99}), elbo)
    kept: dict[str, list[Tensor]] = {}
    for step in range(steps):
        svi.step()
        if step >= steps - 60:
            (memory,) = elbo.memory.rules.values()
            (pull,) = memory.slopes_at(WEIGHT, None, frozenset()).values()
            kept.setdefault("multiplier", []).append(pull * (1.0 if memory.hard is not None else WEIGHT))
            for (name, _), mean in memory.means.items():
                kept.setdefault(name.rsplit(" ", 1)[-1], []).append(mean.clone())
    return elbo, {name: torch.stack(values) for name, values in kept.items()}


@pytest.mark.parametrize(
    ("force", "kind", "batch"), [("hard", AutoNormal, 20), ("hard", AutoDelta, None), ("weight 100", AutoDelta, None)]
)
def test_a_rule_holds_of_q_after_training(force: str, kind: Any, batch: int | None) -> None:
    """One of two equal components has at most a fifth of the data: its edge is reached, and not overshot."""
    elbo, found = trained(f"rule few {force}: aggregate(P[a == 1]) <= 0.2", kind, batch, 300)
    assert float(found["1"].mean()) == pytest.approx(0.2, abs=0.02)
    assert float(found["multiplier"].min()) > 0.3  # nats: without the rule it would be more than a fifth
    assert elbo.report.moments["few"] == {"aggregate(P[a == 1])": "enumerated in the model"}


def test_a_share_beside_a_mean_of_the_guide_does_not_go_to_and_fro() -> None:
    """With its whole weight the share would be 0 in one step and far too much in the next."""
    _, found = trained("rule few weight 100: aggregate(P[a == 1]) <= 0.4 * E[weight]", AutoNormal, None, 250)
    assert float((found["1"] - 0.4 * found["2"]).mean()) == pytest.approx(0.0, abs=0.03)
    assert 0.3 < float(found["multiplier"].min()) <= float(found["multiplier"].max()) < 5


def test_a_rule_on_draws_costs_what_the_best_q_pays() -> None:
    """−log Σ p exp(−λ v) is the least of E_q[log q − log p] + λ E_q[v], of each step's claim apart."""
    case = hmm("forall t: x[t] <= x[t + 1]", lambda s: (s[:, :-1] - s[:, 1:]).clamp_min(0), 0.0)
    elbo = asrppl.regularize(
        case.model, nothing, f"rule r weight 3: {case.rule}", elbo=TraceEnum_ELBO(max_plate_nesting=1)
    )
    loss = elbo.loss_and_grads(case.model, nothing)
    objective, means, _ = tilted(case, case.values(), torch.tensor(3.0))
    assert loss == pytest.approx(float(objective.detach().sum()))
    assert float(elbo.report.violations["r"]) == pytest.approx(float(means.detach().sum(-1).mean()))
    assert elbo.loss(case.model, nothing) == pytest.approx(loss)
    assert float(elbo.differentiable_loss(case.model, nothing).detach()) == pytest.approx(loss)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("aggregate(P[x[0] == 1 and x[3] == 1]) <= 0.1", "none of its factors holds both"),
        ("P[(count t: x[t] == 1) >= 2] <= 0.1", "none of its factors holds both"),
        ("aggregate(P[x[0] == 1] * P[x[0] == 1]) <= 0.1", "not affine"),
        ("(if aggregate(P[x[0] == 1]) > 0.1 then 1 else 0) <= 0", "in a condition"),
        ("x[0] <= E[x[1]]", "claim on draws"),
        ("aggregate(q(x[0]))[1] <= 0.1", r"P\[x == k\]"),
    ],
)
def test_what_is_not_linear_in_q_is_refused(rule: str, why: str) -> None:
    case = hmm(rule, lambda s: s, 0.0)
    elbo = asrppl.regularize(case.model, nothing, f"rule r: {rule}", elbo=TraceEnum_ELBO(max_plate_nesting=1))
    with pytest.raises(asrppl.AsrError, match=why) as error:
        elbo.loss_and_grads(case.model, nothing)
    assert {found.code for found in error.value.diagnostics} == {"ASR092"}
