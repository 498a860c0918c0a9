"""What a report says: shares, how means are known, the worst data, a history; and that it is plain data."""

import copy
import json
import pickle
import sys
from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO, TraceEnum_ELBO, config_enumerate
from torch import Tensor

import asrppl

AT = torch.tensor([[0.0, 1.0, 0.0], [4.0, 0.0, 0.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]])
Program = Callable[..., Any]


def model(index: Tensor | None = None) -> None:
    with pyro.plate("data", 4, subsample=index):
        z = pyro.sample("z", dist.Normal(torch.zeros(3), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z[..., 0], 1.0), obs=torch.zeros(z.shape[:-1]))


def guide(index: Tensor | None = None) -> None:
    with pyro.plate("data", 4, subsample=index) as i:
        pyro.sample("z", dist.Delta(pyro.param("at", AT.clone())[i]).to_event(1))


def reported(rules: str, *args: Any, base: Any = None, guide: Program = guide, model: Program = model) -> Any:
    """The report of one training call."""
    elbo = asrppl.regularize(model, guide, rules, elbo=base or Trace_ELBO())
    elbo.loss_and_grads(model, guide, *args)
    return elbo.report


# ---- shares


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("forall j: z[j] <= 2", 0.5),
        ("z[0] <= 2 and z[2] <= 5", 0.75),
        ("E[z[0]] <= 2", 0.75),
        ("rule r hard: z[0] <= 2", 0.75),  # said of draws, and counted so
        ("rule r hard within 3: z[0] <= 2", 1.0),
        ("rule r where z[0] > 5: z[1] <= -1", 1.0),  # what asks nothing is kept
        ("aggregate(E[z[0]]) <= 1", 1.0),
        ("aggregate(E[z[0]]) <= 0.9", 0.0),
    ],
)
def test_the_share_of_data_that_keeps_a_rule(rule: str, kept: float) -> None:
    discrete = rule.replace("z[0] > 5", "detach(z[0]) > 5")
    (share,) = reported(discrete).satisfied.values()
    assert float(share) == kept


def test_enumerated_draws_count_by_their_probability() -> None:
    @config_enumerate
    def drawn() -> None:
        with pyro.plate("data", 4):
            pyro.sample("on", dist.Bernoulli(torch.tensor([0.1, 0.2, 0.3, 0.4])))

    def other() -> None:
        with pyro.plate("data", 4):
            pyro.sample("on", dist.Bernoulli(0.5))
            pyro.sample("x", dist.Normal(torch.zeros(4), 1.0), obs=torch.zeros(4))

    report = reported("not on", base=TraceEnum_ELBO(max_plate_nesting=1), guide=drawn, model=other)
    assert float(report.satisfied["line 1"]) == pytest.approx(0.75)
    assert [found.datum for found in report.worst()] == [3, 2, 1, 0]
    assert [found.violation for found in report.worst()] == pytest.approx([0.4, 0.3, 0.2, 0.1])


@pytest.mark.filterwarnings("ignore:Encountered NaN")
def test_a_violation_that_is_no_number_is_not_kept() -> None:
    def broken() -> None:
        with pyro.plate("data", 4):
            pyro.sample("z", dist.Delta(torch.full((4, 3), float("nan")), validate_args=False).to_event(1))

    elbo = asrppl.regularize(model, broken, "z[0] <= 2")
    with pyro.validation_enabled(False), pytest.warns(asrppl.AsrWarning, match="ASR117"):
        elbo.loss(model, broken)
    assert float(elbo.report.satisfied["line 1"]) == 0
    assert len(elbo.report.worst()) == 4


# ---- the worst data


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("forall j: z[j] <= 0.5", [(1, {"j": 0}, 3.5), (2, {"j": 2}, 2.5), (0, {"j": 1}, 0.5)]),
        ("forall i != j: z[i] <= z[j] + 1", [(1, {"i": 0, "j": 1}, 6.0), (2, {"i": 2, "j": 0}, 4.0)]),
        ("z[0] <= 1", [(1, {}, 3.0)]),
        ("forall j in 1..2: E[z[j]] <= 0.5", [(2, {"j": 2}, 2.5), (0, {"j": 1}, 0.5)]),
        ("rule r hard: forall j: z[j] <= 0.5", [(1, {"j": 0}, 3.5), (2, {"j": 2}, 2.5), (0, {"j": 1}, 0.5)]),
        ("forall j: aggregate(E[z[j]]) <= 0.5", [(None, {"j": 0}, 0.75)]),
        (
            "(forall j: z[j] <= 0) and (forall j: z[j] >= -1)",
            [(1, {"j": 0}, 4.0), (2, {"j": 2}, 3.0), (0, {"j": 1}, 1.0)],
        ),
        ("z[0] <= 9", []),
    ],
)
def test_the_worst_data_and_where_they_break_the_rule(rule: str, wanted: list[Any]) -> None:
    report = reported(rule)
    found = [(each.datum, dict(each.at), pytest.approx(each.violation)) for each in report.worst()]
    assert found == wanted
    assert report.worst(1) == report.worst()[:1]
    assert report.worst(0) == []


def test_under_subsampling_data_have_the_numbers_of_the_plate() -> None:
    report = reported("forall j: z[j] <= 0.5", torch.tensor([3, 2, 0]))
    assert [(found.datum, dict(found.at)) for found in report.worst()] == [(2, {"j": 2}), (0, {"j": 1})]


def test_masked_data_are_not_among_the_worst() -> None:
    mask = torch.tensor([True, False, True, True])

    def masked() -> None:
        with pyro.plate("data", 4), poutine.mask(mask=mask):
            pyro.sample("z", dist.Delta(AT).to_event(1))

    assert [found.datum for found in reported("forall j: z[j] <= 0.5", guide=masked).worst()] == [2, 0]


def test_of_draws_the_mean_counts_whatever_the_axis_of_particles() -> None:
    def drawn() -> None:
        with pyro.plate("data", 4):
            pyro.sample("z", dist.Normal(AT, 1e-4).to_event(1))

    base = Trace_ELBO(num_particles=3, vectorize_particles=True, max_plate_nesting=1)
    (first, second, _) = reported("forall j: z[j] <= 0.5", base=base, guide=drawn).worst()
    assert (first.datum, dict(first.at)) == (1, {"j": 0})
    assert (second.datum, second.violation) == (2, pytest.approx(2.5, abs=1e-2))


def test_further_plates_and_data_that_are_indexed() -> None:
    def nested() -> None:
        data = pyro.plate("data", 3, dim=-1)
        with pyro.plate("object", 2, dim=-2), data:
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
        with data:
            pyro.sample("x", dist.Normal(z.sum(0), 1.0), obs=torch.zeros(3))

    def at() -> None:
        with pyro.plate("object", 2, dim=-2), pyro.plate("data", 3, dim=-1):
            pyro.sample("z", dist.Delta(torch.tensor([[0.0, 0.0, 1.0], [0.0, 5.0, 0.0]])))

    (first, second) = reported("z <= 0", model=nested, guide=at).worst()
    assert (first.datum, dict(first.at), first.violation) == (1, {"object": 1}, 2.5)
    assert (second.datum, dict(second.at)) == (2, {"object": 0})
    (first, second) = reported("forall i: z[0, i] + z[1, i] <= 0", model=nested, guide=at).worst()
    assert (first.datum, dict(first.at), first.violation) == (1, {}, 5.0)
    assert (second.datum, dict(second.at)) == (2, {})


def test_an_unknown_rule_is_named() -> None:
    report = reported("rule low: z[0] <= 1\nrule top: z[1] <= 0")
    assert [found.rule for found in report.worst(rule="top")] == ["top"]
    assert str(report.worst(rule="low")[0]) == "low: datum 1: 3"
    with pytest.raises(KeyError, match="rules there are: low, top"):
        report.worst(rule="bottom")


# ---- how means are known


def test_how_each_mean_is_known() -> None:
    data = torch.arange(4.0)

    def drawn(index: Tensor | None = None) -> None:
        m = pyro.param("m", torch.zeros(4))
        with pyro.plate("data", 4, subsample=index) as i:
            pyro.sample("z", dist.Normal(m[i], 1.0))
            pyro.sample("k", dist.Categorical(torch.ones(3)))

    def of(index: Tensor | None = None) -> None:
        with pyro.plate("data", 4, subsample=index) as i:
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("k", dist.Categorical(torch.ones(3)))
            pyro.sample("x", dist.Normal(z, 1.0), obs=data[i])

    rules = """
    rule tracked: aggregate(E[z]) <= 0
    rule sums: P[k == 1] <= 0.5
    rule whole: aggregate(mean(q(z))) <= 0
    rule chance: P[z <= 1] >= 0.5
    rule each: E[z] <= 0
    rule jump: P[z * z <= 1] >= 0.5
    rule plain: z <= 0
    """
    assert {name: dict(ways) for name, ways in reported(rules, guide=drawn, model=of).moments.items()} == {
        "tracked": {"aggregate(E[z])": "tracked"},
        "sums": {"P[k == 1]": "exact"},
        "whole": {"aggregate(mean(q(z)))": "exact"},
        "chance": {"P[z <= 1]": "exact, by its law"},
        "each": {"E[z]": "tracked per datum"},
        "jump": {"P[z * z <= 1]": "tracked per datum, score function"},
        "plain": {},
    }
    batch = reported(rules, torch.tensor([1, 3]), guide=drawn, model=of).moments
    assert batch["whole"] == {"aggregate(mean(q(z)))": "tracked"}

    def handed(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(pyro.sample("z", dist.Normal(0.0, 1.0)), 1.0), obs=x)

    def guess(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(x, 1.0))

    elbo = asrppl.regularize(handed, guess, "rule each: E[z] <= 0")
    for x in (torch.zeros(3), torch.ones(3)):
        elbo.loss_and_grads(handed, guess, x)
    assert elbo.report.moments["each"] == {"E[z]": "drawn anew"}


# ---- a history


def test_the_history_has_training_calls_alone_and_holds_no_graph() -> None:
    rules = "rule low weight 0 -> 2 over 2 steps: forall j: z[j] <= 0.5\nrule mean: aggregate(E[z[0]]) <= 0"
    elbo = asrppl.regularize(model, guide, rules)
    svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.1}), loss=elbo)
    losses = [svi.step(), svi.step()]
    svi.evaluate_loss()
    losses.append(float(elbo.differentiable_loss(model, guide).detach()))
    assert [report.step for report in elbo.history] == [0, 1, 2]
    assert [float(report.returned) for report in elbo.history] == losses
    assert [float(report.weights["low"]) for report in elbo.history] == [0.0, 1.0, 2.0]
    for report in elbo.history:
        assert report.worst() == []
        held = [report.penalty, *report.violations.values(), *report.satisfied.values(), *report.vacuous.values()]
        for value in (*held, *(weight for weight in report.weights.values() if isinstance(weight, Tensor))):
            assert value.numel() == value.untyped_storage().nbytes() // value.element_size() == 1
            assert not value.requires_grad
    elbo._history.extend(elbo.history * 1000)
    assert len(elbo.history) == 1000


def test_weights_that_are_written_to_later_are_kept_as_they_were() -> None:
    elbo = asrppl.regularize(model, guide, "rule low: z[0] <= 0")
    weight = torch.tensor(2.0)
    elbo.weights = {"low": weight}
    elbo.loss_and_grads(model, guide)
    weight.fill_(5.0)
    assert float(elbo.history[0].weights["low"]) == 2.0


# ---- plain data


RULES = "rule low: forall j: z[j] <= f(1)\nrule mean weight 2: aggregate(E[z[0]]) <= 0.5"


@pytest.mark.parametrize("again", [lambda report: pickle.loads(pickle.dumps(report)), copy.deepcopy, copy.copy])
def test_it_copies_and_pickles_with_the_worst_data(again: Callable[[Any], Any]) -> None:
    elbo = asrppl.regularize(model, guide, RULES, bind={"f": lambda x: x / 2})  # no function could travel
    elbo.loss_and_grads(model, guide)
    other = again(elbo.report)
    assert other.to_dict() == elbo.report.to_dict()
    assert other.worst(2) == elbo.report.worst(2) != []


def test_it_is_numbers_and_texts() -> None:
    elbo = asrppl.regularize(model, guide, RULES, bind={"f": lambda x: x / 2})
    elbo.loss_and_grads(model, guide)
    known = json.loads(json.dumps(elbo.report.to_dict()))
    assert known["penalty"] == pytest.approx(4 * (6.5 / 4 + 2 * 0.5))
    assert known["rules"]["low"] == {
        "violation": pytest.approx(6.5 / 4),
        "weight": 1.0,
        "satisfied": 0.25,
        "vacuous": 0.0,
        "idle": False,
        "moments": {},
    }
    assert list(known["rules"]["mean"]["moments"]) == ["aggregate(E[z[0]])"]


def test_a_frame_has_a_row_for_each_rule_and_pandas_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    report = reported("rule low: z[0] <= 1\nrule top: z[1] <= 0")
    frame = report.to_pandas()
    assert frame["rule"].tolist() == ["low", "top"]
    assert frame["violation"].tolist() == [0.75, 0.25]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'asrppl\[pandas\]'"):
        report.to_pandas()
