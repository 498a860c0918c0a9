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
    for (name, _), kept in elbo.memory.rules.items():
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
    "deviation": ("E[z] - 0.5 * aggregate(E[z]) <= -10", lambda m, p: 0.5 * m.mean()),
    "deviation of draws": ("z - 0.5 * aggregate(E[z]) <= -10", lambda m, p: 0.5 * m.mean()),
    "one in another": (
        "aggregate(E[z * aggregate(E[k])]) <= -10",
        lambda m, p: m.mean() * (p * torch.arange(3)).sum(-1).mean(),
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
    elbo = asrppl.regularize(programs.model, guide, f"rule r weight {WEIGHT}: {rule}", elbo=base(max_plate_nesting=1))
    for _ in range(30 if batch == N else 100):  # the means settle: of a fixed guide
        elbo.loss_and_grads(programs.model, guide)
    m = pyro.param("m").detach().clone().requires_grad_()
    logits = pyro.param("logits").detach().clone().requires_grad_()
    value = exact(m, logits.softmax(-1))
    wanted = torch.cat([_grad(x).flatten() for x in _backward(value, [m, logits])]) * N * WEIGHT
    if next(iter(elbo.memory.rules.values())).multipliers:
        held(elbo, WEIGHT)
    mean, error = gradients(elbo, programs, guide, 40 if batch == N else 150)
    slack = 0.1 * wanted.abs().max()  # cotangents of products and divergences are at means of a finite past
    assert bool(((mean - wanted).abs() <= 4.5 * error + slack).all()), (mean - wanted, error)


def _backward(value: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    found = torch.autograd.grad(value, inputs, allow_unused=True)
    for x, gradient in zip(inputs, found, strict=True):
        x.grad = gradient
    return inputs


@pytest.mark.parametrize(
    ("rule", "exact"),
    [
        ("E[z] + 3 <= 2 * aggregate(E[z])", lambda m: m + 3 - 2 * m.mean()),
        ("z + 3 <= 2 * aggregate(E[z])", lambda m: m + 3 - 2 * m.mean()),
    ],
)
def test_a_mean_of_all_data_in_a_rule_about_each_counts_once(rule: str, exact: Callable[[Tensor], Tensor]) -> None:
    programs = Programs()
    elbo = asrppl.regularize(programs.model, programs.guide, f"rule r weight {WEIGHT}: {rule}")
    for _ in range(30):
        elbo.loss_and_grads(programs.model, programs.guide)
    if rule.startswith("E"):  # a rule on draws has no multipliers
        held(elbo, WEIGHT)
    mean, error = gradients(elbo, programs, programs.guide, 30)
    m = A.clone().requires_grad_()
    wanted = _grad(_backward(exact(m).mean(), [m])[0]) * N * WEIGHT
    slack = 0.15 * wanted.abs().max()
    assert bool(((mean[:N] - wanted).abs() <= 4.5 * error[:N] + slack).all()), mean[:N] - wanted


# ---- training


def train(
    rules: str, steps: int, *, batch: int = N, lr: float = 0.05, guide: Callable[[], None] | None = None
) -> tuple[Tensor, Tensor, Any]:
    """Return means and probabilities, averaged over the last fifth of a run, and the objective."""
    programs = Programs(batch)
    guide = programs.guide if guide is None else guide
    elbo = asrppl.regularize(programs.model, guide, rules, elbo=Trace_ELBO(max_plate_nesting=1))
    svi = SVI(programs.model, guide, pyro.optim.ClippedAdam({"lr": lr, "lrd": 0.01 ** (1 / steps)}), elbo)
    tail: list[tuple[Tensor, Tensor]] = []
    for step in range(steps):
        svi.step()
        if step >= 0.8 * steps:
            tail.append((pyro.param("m").detach().clone(), pyro.param("logits").detach().softmax(-1)))
    m, p = (torch.stack(part).mean(0) for part in zip(*tail, strict=True))
    return m, p, elbo


def test_a_weighted_rule_on_a_mean_stops_where_its_price_is_its_weight() -> None:
    """The divergence is Σ (m_i − A_i)²/2, so that m_i = A_i − 0.2."""
    m, _, _ = train("rule r weight 0.2: aggregate(E[z]) <= 0", 600, lr=0.1)
    assert float(m.mean()) == pytest.approx(0.3, abs=0.06)


def test_a_hard_rule_on_a_mean_holds_and_no_more() -> None:
    m, _, elbo = train("rule r hard: aggregate(E[z]) <= 0", 800, lr=0.1)
    assert float(m.mean()) == pytest.approx(0.0, abs=0.06)
    multiplier = float(elbo.report.weights["r"])
    assert multiplier == pytest.approx(0.5, abs=0.1)  # what the mean has been moved by


def test_a_hard_rule_on_a_share_of_a_batch_holds() -> None:
    _, p, _ = train("rule r hard: aggregate(P[k == 0]) >= 0.5", 800, batch=4, lr=0.1)
    assert float(p[:, 0].mean()) == pytest.approx(0.5, abs=0.05)


def test_what_a_hard_rule_of_each_datum_costs_is_a_mean_over_them() -> None:
    programs = Programs()
    elbo = asrppl.regularize(programs.model, programs.guide, "rule r hard: E[z] <= 0")
    for _ in range(2):
        elbo.loss_and_grads(programs.model, programs.guide)
    held(elbo, 2.0)
    elbo.loss_and_grads(programs.model, programs.guide)
    kept = next(iter(elbo.memory.rules.values()))
    means = next(mean for (_, kind), mean in kept.means.items() if kind == "sum")
    assert float(elbo.report.penalty) == pytest.approx(2 * float(means.clamp_min(0).sum()), rel=0.5)


def test_a_branch_that_is_cheaper_is_taken_and_the_other_left_alone() -> None:
    m, p, _ = train("rule r hard: aggregate(E[z]) <= 0 or aggregate(P[k == 0]) >= 0.99", 800, lr=0.1)
    assert float(m.mean()) == pytest.approx(0.0, abs=0.08)
    assert float(p[:, 0].mean()) < 0.3


def test_each_datum_has_a_multiplier_of_its_own() -> None:
    m, _, _ = train("rule r hard: E[z] <= 0", 1100, lr=0.1)
    torch.testing.assert_close(m, A.clamp_max(0.0), atol=0.2, rtol=0)


def test_a_weighted_rule_of_each_datum_moves_those_that_it_pays_for() -> None:
    m, _, _ = train("rule r weight 0.5: E[z] <= 0", 800, lr=0.1)
    wanted = torch.where(A > 0.5, A - 0.5, A.clamp_max(0.0))
    torch.testing.assert_close(m, wanted, atol=0.15, rtol=0)


def test_a_hard_rule_of_draws_holds_of_all_of_them() -> None:
    def guide() -> None:
        m = pyro.param("m", A.clone())
        with pyro.plate("data", N):
            pyro.sample("z", dist.Uniform(m - 0.1, m + 0.1))
            pyro.sample("k", dist.Categorical(logits=pyro.param("logits", PRIOR.log().repeat(N, 1))))

    _, _, elbo = train("rule r hard: z <= 0.5", 1000, guide=guide)
    assert float(pyro.param("m").detach().max()) < 0.55  # 2 without the rule
    assert float(elbo.report.violations["r"]) < 0.02


def test_a_rule_that_cannot_hold_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asrppl.infer.estimate.multipliers.PATIENCE", 100)
    monkeypatch.setattr("asrppl.infer.estimate.multipliers.KAPPA", 0.5)
    with pytest.warns(asrppl.AsrWarning, match="hard rule `r` does not come to hold") as found:
        train("rule r hard: aggregate(E[z]) <= -1\nrule s weight 1000: aggregate(E[z]) >= 1", 320)
    assert [warning.message.diagnostic.code for warning in found] == ["ASR118"]  # pyright: ignore


def test_a_run_goes_on_bit_for_bit_where_it_was_stopped() -> None:
    rules = "rule a hard: E[z] <= 0\nrule b weight 3: aggregate(E[z * k]) <= 0.1"
    programs = Programs(3)

    def run(elbo: Any, steps: int) -> list[float]:
        losses: list[float] = []
        for _ in range(steps):
            for param in unconstrained(["m", "logits"]):
                param.grad = None
            losses.append(elbo.loss_and_grads(programs.model, programs.guide))
            with torch.no_grad():
                for param in unconstrained(["m", "logits"]):
                    param -= 0.01 * _grad(param)
        return losses

    programs.guide()
    elbo = asrppl.regularize(programs.model, programs.guide, rules)
    run(elbo, 20)
    kept = io.BytesIO()
    torch.save((elbo.state_dict(), pyro.get_param_store().get_state(), pyro.util.get_rng_state()), kept)
    whole = run(elbo, 10)
    kept.seek(0)
    state, params, generators = torch.load(kept, weights_only=False)
    pyro.get_param_store().set_state(params)
    again = asrppl.regularize(programs.model, programs.guide, rules)
    again.load_state_dict(state)
    pyro.util.set_rng_state(generators)
    again.bindings()
    assert run(again, 10) == whole


def test_calls_that_are_no_training_steps_move_nothing() -> None:
    programs = Programs(3)
    elbo = asrppl.regularize(programs.model, programs.guide, "rule a hard: E[z] <= 0\naggregate(E[z]) <= 0")
    for _ in range(3):
        elbo.loss_and_grads(programs.model, programs.guide)
    before = copy.deepcopy(elbo.state_dict())
    elbo.loss(programs.model, programs.guide)
    elbo.bindings()
    with torch.no_grad():
        elbo.differentiable_loss(programs.model, programs.guide)
    assert str(before) == str(elbo.state_dict())


def test_what_a_batch_gives_exactly_has_its_whole_weight_from_the_first_step_on() -> None:
    programs = Programs()
    rule = "kl(uniform({0, 1, 2}) || aggregate(q(k))) <= 0"
    elbo = asrppl.regularize(programs.model, programs.guide, f"rule r weight {WEIGHT}: {rule}")
    plain = asrppl.regularize(programs.model, programs.guide, f"rule r weight 1e-300: {rule}")
    programs.guide()
    for _ in range(4):
        found: list[Tensor] = []
        for each in (elbo, plain):
            pyro.set_rng_seed(0)
            for param in unconstrained(["m", "logits"]):
                param.grad = None
            each.loss_and_grads(programs.model, programs.guide)
            found.append(_grad(unconstrained(["logits"])[0]).clone())
        logits = pyro.param("logits").detach().clone().requires_grad_()
        (wanted,) = torch.autograd.grad(-logits.softmax(-1).mean(0).log().mean(), logits)
        torch.testing.assert_close(found[0] - found[1], N * WEIGHT * wanted)
    assert all(not kept.multipliers for kept in elbo.memory.rules.values())
