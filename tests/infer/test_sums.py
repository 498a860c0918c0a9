"""`E[..]` and `P[..]` of draws with finitely many values are sums in training: exact, and in channel P."""

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO, TraceEnum_ELBO, config_enumerate
from torch import Tensor

import asrppl
from asrppl.lower.counts import law_of_count

pytestmark = pytest.mark.usefixtures("double_precision")

N, K, DATA = 4, 3, 5
LOGITS = torch.linspace(-1.0, 1.5, N, dtype=torch.float64)
TABLE = torch.linspace(-1.0, 1.0, N * K, dtype=torch.float64).reshape(N, K) ** 2


def guide() -> None:
    l, t = pyro.param("l", LOGITS.clone()), pyro.param("t", TABLE.clone())  # noqa: E741
    with pyro.plate("object", N):
        pyro.sample("y", dist.Bernoulli(logits=l))
        pyro.sample("k", dist.Categorical(logits=t))


def model() -> None:
    with pyro.plate("object", N):
        pyro.sample("y", dist.Bernoulli(torch.tensor(0.5)))
        pyro.sample("k", dist.Categorical(torch.ones(K)))


def terms(
    model: Callable[..., None], guide: Callable[..., None], rule: str, elbo: Any = None
) -> tuple[float, dict[str, Tensor], str]:
    """The violation, its gradient (that of the objective less the one without rules), and the channel."""
    found: list[dict[str, Tensor]] = []
    report, channel = 0.0, ""
    for weight in (1, 0):
        pyro.clear_param_store()
        pyro.set_rng_seed(0)
        objective = asrppl.regularize(model, guide, f"rule r weight {weight}: {rule}", elbo=elbo or Trace_ELBO())
        objective.loss_and_grads(model, guide)
        params = {name: pyro.param(name).unconstrained() for name in pyro.get_param_store()}
        found.append({name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in params.items()})
        if weight:
            report = float(objective.report.violations["r"])
            channel = objective.bindings().rules[0].channel
    return report, {name: found[0][name] - found[1][name] for name in found[0]}, channel


def by_hand(value: Callable[[Tensor, Tensor], Tensor]) -> tuple[float, dict[str, Tensor]]:
    l, t = LOGITS.clone().requires_grad_(), TABLE.clone().requires_grad_()  # noqa: E741
    cost = value(l.sigmoid(), t.softmax(-1))
    slopes = torch.autograd.grad(cost, (l, t), allow_unused=True)
    return float(cost.detach()), {
        name: torch.zeros_like(p) if s is None else s for name, p, s in zip("lt", (l, t), slopes, strict=True)
    }


def _pairs(k: Tensor) -> Tensor:
    return k @ k.T * (1 - torch.eye(N)) + torch.eye(N)  # an entry is always what it is


WANTED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "P[y[0] >= y[1]] >= 0.95": lambda y, k: 0.95 - 1 + (1 - y[0]) * y[1],
    "forall i: P[y[i] == 1] >= 0.9": lambda y, k: (0.9 - y).clamp_min(0).sum(),
    "forall i, j: P[k[i] == k[j]] <= 0.2": lambda y, k: (_pairs(k) - 0.2).clamp_min(0).sum(),
    "E[sum i: (i + 1) * y[i]] <= 0.5": lambda y, k: (y * torch.arange(1, N + 1)).sum() - 0.5,
    "P[exists i: y[i] == 1] <= 0.5": lambda y, k: 1 - (1 - y).prod() - 0.5,
    "P[forall i: k[i] >= 1 or y[i] == 1] >= 0.9": lambda y, k: 0.9 - (1 - k[:, 0] * (1 - y)).prod(),
    "E[k[0] * y[0]] <= 0.1": lambda y, k: y[0] * (k[0] * torch.arange(K)).sum() - 0.1,
    "P[y[k[0]] == 1] >= 0.99": lambda y, k: 0.99 - (k[0] * y[:K]).sum(),
    "E[abs(E[k[0]] - k[0])] <= 0.1": lambda y, k: (
        (k[0] * ((k[0] * torch.arange(K)).sum() - torch.arange(K)).abs()).sum() - 0.1
    ),
}


@pytest.mark.parametrize("rule", WANTED)
def test_a_mean_over_finite_draws_is_exact_with_one_draw(rule: str) -> None:
    violation, gradient, channel = terms(model, guide, rule)
    value, slopes = by_hand(WANTED[rule])
    assert channel == "P"
    assert value > 0
    assert violation == pytest.approx(value, rel=1e-10)
    for name, slope in slopes.items():
        torch.testing.assert_close(gradient[name], slope, rtol=1e-9, atol=1e-10)


def test_numbered_sites_and_event_axes_are_entries_too() -> None:
    def numbered() -> None:
        l = pyro.param("l", LOGITS.clone())  # noqa: E741
        for i in range(N):
            pyro.sample(f"y_{i}", dist.Bernoulli(logits=l[i]))

    def event() -> None:
        pyro.sample("y", dist.Bernoulli(logits=pyro.param("l", LOGITS.clone())).to_event(1))

    for program in (numbered, event):
        violation, gradient, channel = terms(program, program, "P[exists i: y[i] == 1] <= 0.5")
        value, slopes = by_hand(WANTED["P[exists i: y[i] == 1] <= 0.5"])
        assert (channel, violation) == ("P", pytest.approx(value, rel=1e-10))
        torch.testing.assert_close(gradient["l"], slopes["l"])


def in_data(infer: dict[str, Any] | None = None) -> tuple[Callable[[], None], Callable[[], None]]:
    def guide() -> None:
        w = pyro.param("w", torch.linspace(-1, 1, DATA))
        m = pyro.param("m", torch.tensor(0.3))
        with pyro.plate("data", DATA):
            b = pyro.sample("b", dist.Bernoulli(logits=w), infer=infer or {})
            pyro.sample("z", dist.Normal(m, 1.0))
            pyro.sample("s", dist.Normal(b, 1.0))

    def model() -> None:
        with pyro.plate("data", DATA):
            b = pyro.sample("b", dist.Bernoulli(torch.tensor(0.5)))
            pyro.sample("z", dist.Normal(torch.tensor(0.0), 1.0))
            pyro.sample("s", dist.Normal(b, 1.0))
            pyro.sample("x", dist.Normal(torch.tensor(0.0), 1.0), obs=torch.zeros(DATA))

    return model, guide


def test_of_each_datum_and_of_all_the_data() -> None:
    w = torch.linspace(-1, 1, DATA, requires_grad=True)
    for rule, value in (
        ("P[b == 1] >= 0.6", (0.6 - w.sigmoid()).clamp_min(0).mean()),
        ("aggregate(P[b == 1]) >= 0.8", 0.8 - w.sigmoid().mean()),
    ):
        model, guide = in_data()
        violation, gradient, channel = terms(model, guide, rule)
        (slope,) = torch.autograd.grad(value, w)
        assert channel == "P"
        assert violation == pytest.approx(float(value.detach()), rel=1e-10)
        torch.testing.assert_close(gradient["w"], DATA * slope)


def test_enumeration_in_the_guide_changes_nothing() -> None:
    model, guide = in_data()
    plain = terms(model, guide, "P[b == 1] >= 0.6")
    enumerated = terms(model, config_enumerate(guide), "P[b == 1] >= 0.6", elbo=TraceEnum_ELBO(max_plate_nesting=1))
    assert plain[0] == pytest.approx(enumerated[0])
    torch.testing.assert_close(plain[1]["w"], enumerated[1]["w"])


def channel_of(rule: str, guide: Callable[[], None], model: Callable[[], None]) -> str:
    pyro.clear_param_store()
    elbo = asrppl.regularize(model, guide, f"rule r: {rule}")
    elbo.loss_and_grads(model, guide)
    return elbo.bindings().rules[0].channel


def test_beside_reparameterised_draws_the_finite_ones_are_summed_inside() -> None:
    model, guide = in_data()
    assert channel_of("E[b * z] <= 0", guide, model) == "P"
    # s is drawn about b: summing b out beside a draw of s would be the mean of another law.
    assert channel_of("E[b * s] <= 0", guide, model) == "S"


def test_a_draw_whose_law_reads_a_draw_is_not_summed() -> None:
    def guide() -> None:
        a = pyro.sample("a", dist.Bernoulli(logits=pyro.param("w", torch.tensor(0.2))))
        pyro.sample("b", dist.Bernoulli(0.2 + 0.6 * a))

    def by_item() -> None:
        a = pyro.sample("a", dist.Bernoulli(logits=pyro.param("w", torch.tensor(0.2))))
        pyro.sample("b", dist.Bernoulli(torch.tensor(0.2 + 0.6 * a.item())))

    for program in (guide, by_item):
        assert channel_of("P[a == 1] <= 0.1", program, program) == "P"
        assert channel_of("P[b == 1] <= 0.1", program, program) == "S"
        assert channel_of("P[a == b] <= 0.1", program, program) == "S"


def test_too_many_states_are_drawn() -> None:
    def program() -> None:
        with pyro.plate("object", 20):
            pyro.sample("y", dist.Bernoulli(logits=pyro.param("w", torch.zeros(20))))

    assert channel_of("P[(sum i: (i + 1) * y[i]) <= 3] <= 0.1", program, program) == "S"
    assert channel_of("E[(sum i: (i + 1) * y[i])] <= 0.1", program, program) == "P"


COUNTED = 20


def counting() -> Callable[[], None]:
    def program() -> None:
        w = pyro.param("w", torch.linspace(-3.0, 1.0, COUNTED))
        with pyro.plate("object", COUNTED):
            pyro.sample("y", dist.Bernoulli(logits=w))

    return program


def one_of(law: Tensor) -> dict[str, Tensor]:
    odd = law_of_count(torch.linspace(-3.0, 1.0, COUNTED, requires_grad=True).sigmoid()[1::2])
    return {
        "P[(count i: y[i]) == 1] >= 0.99": 0.99 - law[1],
        "P[(count i: y[i]) in {1, 3}] >= 0.99": 0.99 - law[1] - law[3],
        "P[(count i: y[i]) in 1..4] >= 0.99": 0.99 - law[1:5].sum(),
        "P[(count i: y[i]) <= 4 or (count i: y[i]) >= 9] >= 0.99": 0.99 - law[:5].sum() - law[9:].sum(),
        "P[(count i: not y[i]) >= 15] >= 0.99": 0.99 - law[: COUNTED - 14].sum(),
        "P[(count i where mod(i, 2) == 1: y[i]) >= 5] >= 0.9": 0.9 - odd[5:].sum().detach(),
        "P[(sum i: y[i]) == 2] >= 0.9": 0.9 - law[2],
        "E[((count i: y[i]) - 3) ^ 2] <= 0.5": (law * (torch.arange(COUNTED + 1) - 3) ** 2).sum() - 0.5,
    }


@pytest.mark.parametrize("rule", one_of(torch.zeros(COUNTED + 1)))
def test_a_count_has_a_law_of_its_own(rule: str) -> None:
    w = torch.linspace(-3.0, 1.0, COUNTED, requires_grad=True)
    value = one_of(law_of_count(w.sigmoid()))[rule]
    violation, gradient, channel = terms(counting(), counting(), rule)
    assert channel == "P"
    assert violation == pytest.approx(float(value.detach()), rel=1e-10)
    if value.requires_grad:
        (slope,) = torch.autograd.grad(value, w)
        torch.testing.assert_close(gradient["w"], slope)


def test_training_reaches_the_bound() -> None:
    def only(p: float) -> Callable[[], None]:
        def program() -> None:
            pyro.sample(
                "y", dist.Bernoulli(pyro.param("p", torch.tensor(p), constraint=dist.constraints.unit_interval))
            )

        return program

    def prior() -> None:
        pyro.sample("y", dist.Bernoulli(torch.tensor(0.2)))

    pyro.clear_param_store()
    guide = only(0.3)
    elbo = asrppl.regularize(prior, guide, "rule r weight 20: P[y == 1] >= 0.7", elbo=TraceEnum_ELBO())
    svi = SVI(prior, config_enumerate(guide), pyro.optim.Adam({"lr": 0.02}), loss=elbo)
    for _ in range(400):
        svi.step()
    assert float(pyro.param("p").detach()) == pytest.approx(0.7, abs=0.03)
