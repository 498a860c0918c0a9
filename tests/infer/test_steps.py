"""What a step with multipliers computes by a shorter way is what the long way gives, and how many operations it is."""

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO, TraceEnum_ELBO, config_enumerate
from torch.utils._python_dispatch import TorchDispatchMode

import asrppl
from asrppl.infer.estimate.derivatives import Derivatives
from asrppl.infer.estimate.functional import Functional

N = 6
X = torch.linspace(-1.0, 2.0, N)


@pytest.fixture(autouse=True)
def _fresh() -> None:  # pyright: ignore[reportUnusedFunction]
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


def model() -> None:
    with pyro.plate("data", N):
        z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        pyro.sample("k", dist.Bernoulli(0.5))
        pyro.sample("x", dist.Normal(z[..., 0], 1.0), obs=X)


def guide() -> None:
    loc = pyro.param("loc", torch.stack([X, X + 1], -1))
    logits = pyro.param("logits", X.clone())
    with pyro.plate("data", N):
        pyro.sample("z", dist.Normal(loc, 0.5).to_event(1))
        pyro.sample("k", dist.Bernoulli(logits=logits))


def trained(rule: str, steps: int = 5, kind: type[Any] = Trace_ELBO) -> Any:
    own = config_enumerate(guide) if kind is TraceEnum_ELBO else guide
    elbo = asrppl.regularize(model, own, rule, elbo=kind(max_plate_nesting=1))
    svi = SVI(model, own, pyro.optim.Adam({"lr": 0.05}), elbo)
    for _ in range(steps):
        svi.step()
    return elbo


def tables(elbo: Any) -> dict[str, torch.Tensor]:
    """All that is remembered, and the gradient of the next step."""
    torch.manual_seed(1)
    for param in pyro.get_param_store().values():
        param.unconstrained().grad = None  # pyright: ignore[reportFunctionMemberAccess, reportAttributeAccessIssue]
    elbo.loss_and_grads(elbo.model, elbo.guide)
    found: dict[str, torch.Tensor] = {
        f"{rule} {table} {key}": kept
        for rule, state in elbo.state_dict()["rules"].items()
        for table, rows in state.items()
        if isinstance(rows, dict)
        for key, kept in rows.items()
    }
    for name, param in pyro.get_param_store().named_parameters():
        if param.grad is not None:
            found[name] = param.grad.clone()
    return found


@pytest.mark.parametrize("hard", ["hard", "weight 3"])
@pytest.mark.parametrize("kind", [Trace_ELBO, TraceEnum_ELBO])
@pytest.mark.parametrize(
    "claim",
    [
        "E[z[0]] <= 0",
        "2 * E[z[0]] + 1 >= 0.5",
        "forall d: E[z[d]] <= 0.3",
        "E[z[0]] + 2 * E[z[1]] <= x",
        "E[k * z[1]] <= 0.4",
        "aggregate(E[z[0]]) <= 0",
        "forall d: aggregate(E[z[d]]) <= 0.3 * d",
        "abs(aggregate(E[k * z[1]]) - aggregate(E[z[0]])) <= 0.1",
    ],
)
def test_affine_comparisons(claim: str, kind: type[Any], hard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # By their linear part, and for one mean without a graph at all; else by first and second derivatives.
    short = tables(trained(f"rule a {hard}: {claim}", kind=kind))
    monkeypatch.setattr(Functional, "classical", None)
    monkeypatch.setattr(Functional, "linear", None)
    monkeypatch.setattr(Derivatives, "_is_closed", lambda _: False)
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    long = tables(trained(f"rule a {hard}: {claim}", kind=kind))
    assert short.keys() == long.keys()
    assert any("multipliers" in name for name in short)
    for name, value in short.items():
        torch.testing.assert_close(value, long[name], msg=name)


@pytest.mark.parametrize("hard", ["hard", "weight 3"])
@pytest.mark.parametrize(
    "claim",
    [
        "kl(uniform({0, 1}) || aggregate(q(k))) <= aggregate(E[z[0]])",
        "aggregate(E[z[0] * z[0]]) - aggregate(E[z[0]]) ^ 2 <= 0.1",
        "aggregate(E[z[0]]) ^ 2 <= 0.1 and aggregate(E[z[1]]) ^ 3 <= 0.2",
    ],
)
def test_comparisons_that_are_one_for_all_data(claim: str, hard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # By the gradient, of a rule that is one of them just once; else by second derivatives for each datum.
    short = tables(trained(f"rule a {hard}: {claim}"))
    turned = Derivatives._turned
    monkeypatch.setattr(Derivatives, "_sloped", lambda self, learning: turned(self, learning, {}))
    monkeypatch.setattr(Derivatives, "_is_one_for_all", lambda _: False)
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    long = tables(trained(f"rule a {hard}: {claim}"))
    assert any("spreads" in name for name in short)
    for name, value in short.items():
        torch.testing.assert_close(value, long[name], msg=name)


@pytest.mark.parametrize("claim", ["E[z[0]] <= -2", "E[z[0]] * E[z[0]] <= 1", "E[z[0]] <= -2 or E[z[1]] <= -3"])
def test_an_evaluation_without_gradients_costs_what_one_with_them_does(claim: str) -> None:
    elbo = trained(f"rule a hard: {claim}", steps=40)

    def cost(loss: Callable[[], float]) -> float:
        torch.manual_seed(2)
        loss()
        return float(elbo.report.penalty)

    svi: Any = SVI(model, guide, pyro.optim.Adam({"lr": 0.05}), elbo)
    with_them = cost(lambda: elbo.loss(model, guide))
    assert with_them > 0
    assert cost(svi.evaluate_loss) == pytest.approx(with_them)


def branching_model() -> None:
    b = pyro.sample("b", dist.Bernoulli(torch.tensor(0.5)))
    pyro.sample("y", dist.Normal(b, 1.0))


def branching() -> None:
    b = pyro.sample("b", dist.Bernoulli(torch.sigmoid(pyro.param("t", torch.tensor(0.4)))))
    pyro.sample("y", dist.Normal(b + pyro.param("m", torch.tensor(-0.3)), 1.0))


@pytest.mark.parametrize("hard", ["hard", "weight 2"])
def test_what_is_remembered_has_no_graph(hard: str) -> None:
    # The probabilities of enumerated draws have one: it would grow from step to step.
    own = config_enumerate(branching)
    elbo = asrppl.regularize(branching_model, own, f"rule a {hard}: E[y * y] <= 1", elbo=TraceEnum_ELBO())
    svi = SVI(branching_model, own, pyro.optim.Adam({"lr": 0.05}), elbo)
    for _ in range(3):
        svi.step()
    kept = elbo.state_dict()["rules"]["a\n "]["multipliers"]
    assert kept
    assert not any(tensor.requires_grad for tensor in kept.values())


class _Counting(TorchDispatchMode):
    """Counts the operations of torch."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def test_multipliers_add_few_operations_to_a_step() -> None:
    counts: dict[str, int] = {}
    for rule in ("hard: E[z[0]] <= 0", "weight 1: z[0] <= 0"):
        pyro.clear_param_store()
        elbo = trained(f"rule a {rule}")
        with _Counting() as counting:
            elbo.loss_and_grads(model, guide)
        counts[rule] = counting.count
    assert counts["hard: E[z[0]] <= 0"] - counts["weight 1: z[0] <= 0"] <= 70
