"""`asrppl.evaluate`: what rules come to on held-out data, with intervals, and without a trace."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO
from torch import Tensor

import asrppl
from asrppl.infer.estimate.intervals import standard_error
from tests.coverage import RULES, coverage, guide, model
from tests.infer.test_no_trace import Busy, assert_same, state_of
from tests.infer.test_no_trace import X as BUSY_X
from tests.infer.test_no_trace import model as busy_model

X = torch.tensor([-1.0, 0.0, 2.0, 5.0])


def test_what_no_draw_enters_is_exact() -> None:
    rules = "rule each: mean(q(z)) <= 0.5\nrule all: aggregate(mean(q(z))) <= 0.5\nrule some where g == 1: x <= 1"
    report = asrppl.evaluate(model, guide, rules, X, num_samples=3)
    known = report.to_dict()["rules"]
    assert [known[name]["violation"] for name in ("each", "all", "some")] == pytest.approx([0.625, 0.25, 1.25])
    assert [known[name]["satisfied"] for name in ("each", "all", "some")] == [0.5, 0.0, 0.5]
    assert [known[name]["vacuous"] for name in ("each", "all", "some")] == [0.0, 0.0, 0.5]
    assert known["all"]["moments"] == {"aggregate(mean(q(z)))": "exact"}
    each = torch.tensor([0.0, 0.0, 0.5, 2.0])
    low, high = report.intervals["each"]
    assert float(low) == 0  # and not below
    assert float(high) - 0.625 == pytest.approx(1.959964 * float(each.std()) / 2)
    assert [(found.rule, found.datum) for found in report.worst(1)] == [("each", 3), ("all", None), ("some", 3)]
    assert math.isnan(float(report.loss))
    assert float(report.penalty) == pytest.approx(4 * (0.625 + 0.25 + 1.25))


def test_draws_come_to_what_they_come_to() -> None:
    x = torch.full((500,), 0.5)
    report = asrppl.evaluate(model, guide, "z <= 0\nE[z] <= 0\nP[z * z <= 1] >= 0.9", x, num_samples=400)
    normal = dist.Normal(0.25, math.sqrt(0.5))
    z = normal.sample(torch.Size([400_000]))
    wanted = [z.clamp_min(0).mean(), 0.25, 0.9 - (z.square() <= 1).float().mean()]
    for name, violation, right in zip(report.violations, report.violations.values(), wanted, strict=True):
        assert float(violation) == pytest.approx(float(right), abs=0.01), name


def test_intervals_have_the_truth_in_them_as_often_as_they_say() -> None:
    """2,000 replications of 1,000 data are `python -m tests.coverage`."""
    found = coverage(replications=100, data=200, draws=20)
    assert set(found) == set(RULES)
    assert min(found.values()) >= 0.87, found  # four standard errors; counting draws gives about a half
    assert 0.92 <= sum(found.values()) / len(found) <= 0.98, found


def test_data_are_counted_and_not_draws() -> None:
    x = math.sqrt(2.0) * torch.randn(200)
    ends = asrppl.evaluate(model, guide, "aggregate(E[z]) <= -5", x, num_samples=200).intervals["line 1"]
    assert float(ends[1] - ends[0]) / (2 * 1.96) == pytest.approx(float((x / 2).std()) / math.sqrt(200), rel=0.1)


def test_draws_that_all_data_share_are_counted_too() -> None:
    generator = torch.Generator().manual_seed(0)
    of_data, of_draws, rest = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((300, 1, 40), (300, 25, 1), (300, 25, 40))
    )
    values = of_data + 2 * of_draws + 3 * rest
    truth = math.sqrt(1 / 40 + 4 / 25 + 9 / 1000)
    assert float(values.mean((1, 2)).std()) == pytest.approx(truth, rel=0.15)
    assert float(standard_error(values).square().mean().sqrt()) == pytest.approx(truth, rel=0.1)
    assert standard_error(values[:, :, :1])[0] == pytest.approx(float(values[0, :, 0].std()) / 5)
    assert standard_error(values[:, :1])[0] == pytest.approx(float(values[0, 0].std()) / math.sqrt(40))


def test_a_rule_that_holds_by_less_than_noise_may_cost_something() -> None:
    x = torch.linspace(-1.0, 1.0, 50)
    rules = "rule near: aggregate(mean(q(z))) <= 0.05\nrule far: aggregate(mean(q(z))) <= 2"
    report = asrppl.evaluate(model, guide, rules, x)
    error = float((x / 2).std()) / math.sqrt(50)
    assert [float(end) for end in report.intervals["near"]] == pytest.approx([0.0, 1.959964 * error - 0.05], abs=1e-5)
    assert [float(end) for end in report.intervals["far"]] == [0.0, 0.0]
    assert float(asrppl.evaluate(model, guide, rules, x, level=0.5).intervals["near"][1]) < 0.01


def test_one_value_of_all_data_has_no_interval() -> None:
    report = asrppl.evaluate(model, guide, "(max i: z[i]) <= 0", X)
    assert all(math.isnan(float(end)) for end in report.intervals["line 1"])
    assert math.isfinite(float(report.violations["line 1"]))


# ---- what it leaves behind


def test_it_leaves_all_as_it_was() -> None:
    pyro.clear_param_store()
    busy = Busy()
    elbo = asrppl.regularize(busy_model, busy, "mu <= 0\nrule h hard: aggregate(E[s]) <= 1")
    elbo.loss_and_grads(busy_model, busy, BUSY_X)
    before, remembered, last = state_of(busy), elbo.state_dict(), elbo.report
    report = asrppl.evaluate(busy_model, busy, elbo, BUSY_X, num_samples=3)
    found = state_of(busy)
    for state in (before, found):
        state["own"] = state["own"][:3]  # (a copy of a module equals no other)
    assert_same(before, found)
    after = elbo.state_dict()
    torch.testing.assert_close(after["rules"], remembered["rules"], rtol=0, atol=0)
    assert after["step"] == remembered["step"]
    assert elbo.report is last
    assert len(elbo.history) == 1
    assert float(report.weights["h"]) == float(elbo.memory.pull("h"))
    again = asrppl.evaluate(busy_model, busy, elbo, BUSY_X, num_samples=3)
    assert again.to_dict()["rules"] == report.to_dict()["rules"]


def test_a_run_goes_on_as_without_it() -> None:
    ends: list[Tensor] = []
    for asked in (False, True):
        pyro.clear_param_store()
        pyro.set_rng_seed(0)

        def learnt(x: Tensor) -> None:
            m = pyro.param("m", torch.zeros(()))
            with pyro.plate("data", len(x)):
                pyro.sample("z", dist.Normal(m, 1.0))

        elbo = asrppl.regularize(model, learnt, "rule low weight 0 -> 4 over 8 steps: aggregate(E[z]) <= 0")
        svi = SVI(model, learnt, pyro.optim.Adam({"lr": 0.1}), loss=elbo)
        for _ in range(6):
            svi.step(X)
            if asked:
                asrppl.evaluate(model, learnt, elbo, X[:2], num_samples=2)
        ends.append(pyro.param("m").detach().clone())
    assert torch.equal(*ends)


def test_weights_are_those_of_the_objective_or_of_the_end() -> None:
    rules = "rule low weight 0 -> 4 over 8 steps: z <= 0"
    elbo = asrppl.regularize(model, guide, rules, step=2, elbo=Trace_ELBO())
    assert asrppl.evaluate(model, guide, elbo, X).weights == {"low": 1.0}
    assert asrppl.evaluate(model, guide, rules, X).weights == {"low": 4.0}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_samples": 0}, "num_samples=0 is out of its range"),
        ({"level": 1.0}, "level=1.0 is out of its range"),
        ({"data": "data"}, "are those of the objective"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, object], words: str) -> None:
    elbo = asrppl.regularize(model, guide, "z <= 0")
    with pytest.raises(asrppl.AsrError, match=words):
        asrppl.evaluate(model, guide, elbo, X, **options)  # pyright: ignore[reportArgumentType]
