"""The share of data that a rule asks nothing of: in the report of every step, and warned of past half."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, config_enumerate

import asrppl

LABELS = torch.tensor([1.0, 0.0, 0.0, 0.0])
MASK = torch.tensor([[True, True], [True, False], [False, False], [False, False]])
Program = Callable[[], Any]


def model() -> None:
    with pyro.plate("data", 4):
        z = pyro.sample("z", dist.Normal(torch.zeros(4, 2), 1.0).to_event(1))
        pyro.sample("label", dist.Bernoulli(logits=z[..., 0]), obs=LABELS)


def guide() -> None:
    with pyro.plate("data", 4):
        z = pyro.sample("z", dist.Normal(torch.tensor([[-1.0, 2.0]] * 4), 1e-3).to_event(1))
        asrppl.expose("part", z, event_dim=1, mask=MASK)


def share(rules: str, model: Program = model, guide: Program = guide, base: Any = None) -> float:
    elbo = asrppl.regularize(model, guide, rules, **({} if base is None else {"elbo": base}))
    elbo.loss(model, guide)
    (found,) = elbo.report.vacuous.values()
    return float(found)


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ("forall i: z[i] <= 9", 0),
        ("exists i where label: z[i] <= 9", 0),  # where no instance passes, that costs something
        ("rule r where label: forall i: z[i] <= 9", 0.75),
        ("label implies forall i: z[i] <= 9", 0),
        ("forall i where label: z[i] <= 9", 0.75),
        ("forall i: part[i] <= 9", 0.5),
        ("forall i != j: part[i] <= part[j]", 0.75),
        ("part[1] <= 9", 0.75),
        ("(max i: part[i]) <= 9", 0.5),
        ("(max i: part[i]) <= 9 and part[0] <= 9", 0.5),
        ("(max i: part[i]) <= 9 or z[0] <= 9", 0),
        ("(count i: part[i] <= 9) >= 1", 0),
        ("(count i: part[i] >= 9) <= 1", 0.5),
        ("(sum i: part[i]) <= 9", 0),
    ],
)
def test_the_report_has_the_share(rules: str, wanted: float) -> None:
    assert share(rules) == wanted


def test_draws_that_are_enumerated_count_by_their_probability() -> None:
    @config_enumerate
    def drawn() -> None:
        with pyro.plate("data", 4):
            pyro.sample("on", dist.Bernoulli(torch.tensor([0.1, 0.2, 0.3, 0.4])))
            pyro.sample("z", dist.Normal(torch.zeros(4, 2), 1.0).to_event(1))

    def other() -> None:
        with pyro.plate("data", 4):
            pyro.sample("on", dist.Bernoulli(0.5))
            z = pyro.sample("z", dist.Normal(torch.zeros(4, 2), 1.0).to_event(1))
            pyro.sample("label", dist.Bernoulli(logits=z[..., 0]), obs=LABELS)

    base = TraceEnum_ELBO(max_plate_nesting=1)
    assert share("forall i where on: z[i] <= 9", other, drawn, base) == pytest.approx(0.75)


def test_training_can_empty_a_guard_by_the_exact_gradient_and_the_report_shows_it() -> None:
    """The worked example of docs/language.md: a minimum over what is on asks nothing where nothing is."""

    @config_enumerate
    def drawn() -> None:
        logit = pyro.param("logit", torch.zeros(3))
        for i in range(3):
            pyro.sample(f"hot_{i}", dist.Bernoulli(logits=logit[i]))

    def other() -> None:
        for i in range(3):
            pyro.sample(f"hot_{i}", dist.Bernoulli(0.5))

    rules = "rule r weight 50: (min i where hot[i]: x[i]) >= 1"
    base = TraceEnum_ELBO(max_plate_nesting=0)
    elbo = asrppl.regularize(other, drawn, rules, elbo=base, bind={"x": torch.zeros(3)})
    svi = pyro.infer.SVI(other, drawn, pyro.optim.Adam({"lr": 0.1}), elbo)
    svi.step()
    assert float(elbo.report.vacuous["r"]) == pytest.approx(0.5**3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(128):
            svi.step()
    (warning,) = caught
    assert "asks nothing of" in str(warning.message)
    off = torch.sigmoid(-pyro.param("logit").detach()).prod().item()
    assert float(elbo.report.vacuous["r"]) == pytest.approx(off, abs=0.02)
    assert off > 0.9


def test_the_report_shows_it() -> None:
    elbo = asrppl.regularize(model, guide, "rule r where label: forall i: z[i] <= 9")
    for _ in range(15):
        elbo.loss(model, guide)
    with pytest.warns(asrppl.AsrWarning, match="asks nothing of 75% of the data"):
        elbo.loss(model, guide)
    assert "r 0 × 1 (vacuous: 75%)" in repr(elbo.report)
    assert "75%" in elbo.report._repr_html_()


def test_looped_particles_are_averaged() -> None:
    base = Trace_ELBO(num_particles=3)
    assert share("forall i where label: z[i] <= 9", base=base) == 0.75
    assert math.isfinite(share("forall i: z[i] <= 9", base=base))
