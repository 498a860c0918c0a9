"""Random models, guides, rules and objectives are right, or refused; and what they found, each by itself."""

import warnings
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import Trace_ELBO
from torch import Tensor

import asrppl
from asrppl.diagnostics import AsrWarning
from tests.infer.toys import unconstrained
from tests.random_programs import examine

pytestmark = pytest.mark.usefixtures("double_precision")
X = torch.tensor([0.3, 0.5, -0.2], dtype=torch.float64)


@pytest.fixture(autouse=True)
def _fresh() -> None:  # pyright: ignore[reportUnusedFunction]
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


@pytest.mark.parametrize("first", [0, 8])
def test_random_programs_are_right_or_refused(first: int) -> None:
    """More of them: ``python -m tests.random_programs``."""
    found = [examine(seed, quick=True) for seed in range(first, first + 8)]
    assert [each for each in found if each.came in ("differs", "crashed")] == []
    assert sum(each.came == "agrees" for each in found) >= 4


# ---- means within means

SPREAD = -0.6


def model(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(()), 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def guide(x: Tensor) -> None:
    spread = pyro.param("spread", torch.tensor(SPREAD))
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(0.5 * x, spread.exp()))


def rule_gradient(rule: str, batches: list[Tensor], skipped: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rule's gradient in ``spread``, its standard error, and the mean violation."""
    elbo, plain = asrppl.regularize(model, guide, f"rule r weight 2: {rule}"), Trace_ELBO()
    gradients: list[Tensor] = []
    violations: list[Tensor] = []
    guide(X)
    (leaf,) = unconstrained(["spread"])
    for seed, x in enumerate(batches):
        own: list[Tensor] = []
        for kept in elbo.memory.rules.values():
            for multiplier in kept.multipliers.values():
                multiplier.fill_(2.0)
        for objective in (elbo, plain):
            pyro.set_rng_seed(seed)
            leaf.grad = None
            objective.loss_and_grads(model, guide, x)
            assert leaf.grad is not None
            own.append(leaf.grad.clone())
        if seed >= skipped:
            gradients.append(own[0] - own[1])
            violations.append(elbo.report.violations["r"].mean())
    found = torch.stack(gradients)
    return found.mean(), found.std() / len(found) ** 0.5, torch.stack(violations).mean()


@pytest.mark.parametrize(
    "rule", ["E[(z - E[z]) ^ 2] <= 0.1", "aggregate(E[(z - E[z]) ^ 2]) <= 0.1", "E[(z - E[z]) ^ 2] - 0.1 * E[z] <= 0.1"]
)
def test_one_draw_is_enough_for_a_mean_within_a_mean(rule: str) -> None:
    """Of the draw's own, how the outer mean moves with the inner one would take away all of the gradient: 0."""
    found, error, violation = rule_gradient(rule, [X] * 260, 60)
    exact = 2 * len(X) * 2 * torch.tensor(2 * SPREAD).exp()
    assert abs(float(found - exact)) < 4 * float(error) + 0.05 * float(exact)
    less = 0.1 * 0.5 * float(X.mean()) if "0.1 * E" in rule else 0.0
    assert float(violation) == pytest.approx(float(exact) / 12 - 0.1 - less, abs=0.04)


def test_a_mean_within_a_mean_of_data_that_are_not_told_apart() -> None:
    """Both are of further draws: of one draw by itself the spread is 0, and the rule would cost nothing."""
    batches = [X + 0.01 * step for step in range(35)]
    found, error, violation = rule_gradient("E[(z - E[z]) ^ 2] <= 0.1", batches, 5)
    exact = 2 * len(X) * 2 * torch.tensor(2 * SPREAD).exp()
    assert abs(float(found - exact)) < 4 * float(error) + 0.05 * float(exact)
    assert float(violation) == pytest.approx(float(exact) / 12 - 0.1, abs=0.03)


# ---- vectorised particles


def twin_guide(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Delta(pyro.param("at", X.clone())))
    pyro.sample("u", dist.Normal(pyro.param("loc", torch.tensor([0.5, -0.5])), 0.3).to_event(1))


def twin_model(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(()), 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)
    pyro.sample("u", dist.Normal(torch.zeros(2), 1.0).to_event(1))


def test_multipliers_have_no_axis_of_particles() -> None:
    """What no draw moves is repeated along them: a step broke, and a state was of so many particles."""
    rule = "rule r weight 2: forall k in 0..1: z * E[u[k]] <= -0.5"
    many = Trace_ELBO(num_particles=8, vectorize_particles=True, max_plate_nesting=1)
    elbo = asrppl.regularize(twin_model, twin_guide, rule, elbo=many)
    for _ in range(3):
        elbo.loss_and_grads(twin_model, twin_guide, X)
    (kept,) = elbo.memory.rules.values()
    assert {name: tuple(each.shape) for name, each in kept.multipliers.items()} == {"r, multiplier 1": (2, 3)}
    one = asrppl.regularize(twin_model, twin_guide, rule)
    one.loss_and_grads(twin_model, twin_guide, X)
    one.load_state_dict(elbo.state_dict())
    one.loss_and_grads(twin_model, twin_guide, X)


# ---- what is said of a mean


def test_a_share_of_the_data_is_not_said_to_be_exact() -> None:
    elbo = asrppl.regularize(model, guide, "rule r: aggregate(P[z * z <= 0.3] where x > 0) >= 0.9")
    elbo.loss_and_grads(model, guide, X)
    ((_, how),) = elbo.report.moments["r"].items()
    assert how.startswith("tracked")


def test_a_condition_that_always_holds_has_a_score_function() -> None:
    """It has no batch, and its tracked mean one for each datum."""
    elbo: Any = asrppl.regularize(model, guide, "rule r: P[abs(z) >= -0.6 or z * z <= 0.2] <= 0.7")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AsrWarning)
        for _ in range(3):
            elbo.loss_and_grads(model, guide, X)
    assert float(elbo.report.violations["r"].mean()) == pytest.approx(0.3)


def pair_model() -> None:
    b = pyro.sample("b", dist.Bernoulli(torch.tensor(0.5)))
    z = pyro.sample("z", dist.Normal(torch.zeros(()), 1.0))
    pyro.sample("x", dist.Normal(b + z, 1.0), obs=X[0])


def pair_guide() -> None:
    logit, loc = pyro.param("logit", torch.tensor(-0.4)), pyro.param("loc", torch.tensor(0.3))
    pyro.sample("b", dist.Bernoulli(logits=logit))
    normal: Any = dist.Normal(loc, 0.5)
    pyro.sample("z", normal.has_rsample_(False))


def test_probabilities_beside_a_jump_in_a_draw_without_a_path() -> None:
    """`b` is summed over, `z` has its score function; its jump stands still, whatever stands beside it."""
    many = Trace_ELBO(num_particles=256, vectorize_particles=True, max_plate_nesting=0)
    rule = "rule r weight 2 power 2: P[z >= 0.2 and b == 0] <= 0.1"
    elbo = asrppl.regularize(pair_model, pair_guide, rule, elbo=many)
    pair_guide()
    leaves = unconstrained(["logit", "loc"])
    rows: list[Tensor] = []
    for seed in range(60):
        own: list[Tensor] = []
        for objective in (elbo, many):
            pyro.set_rng_seed(seed)
            for leaf in leaves:
                leaf.grad = None
            objective.loss_and_grads(pair_model, pair_guide)
            own.append(torch.stack([leaf.grad for leaf in leaves if leaf.grad is not None]))
        rows.append(own[0] - own[1])
    found = torch.stack(rows[10:])
    logit, loc = (leaf.detach().clone().requires_grad_() for leaf in leaves)
    chance = torch.sigmoid(-logit) * torch.special.ndtr((loc - 0.2) / 0.5)
    exact = torch.stack(torch.autograd.grad(2 * (chance - 0.1) ** 2, [logit, loc]))
    error = found.std(0) / len(found) ** 0.5
    assert bool(((found.mean(0) - exact).abs() < 4 * error + 0.03 * exact.abs()).all())


def test_a_group_that_the_first_batch_lacks() -> None:
    """Its share was 0, and the multiplier nan ever after."""
    rule = "rule r weight 2: aggregate(P[z >= 0.1] where x > 0.4) >= 0.9"
    elbo = asrppl.regularize(model, guide, rule)
    for x in (X[[0, 2]], X[[1, 2]], X[[0, 1]], X[[1, 2]]):
        assert torch.isfinite(torch.tensor(elbo.loss_and_grads(model, guide, x)))
    (kept,) = elbo.memory.rules.values()
    assert all(bool(each.isfinite().all()) for each in kept.multipliers.values())
