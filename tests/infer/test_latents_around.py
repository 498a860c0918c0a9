"""Rules on what only the model enumerates, in reports, checkpoints, masks and plates that they index."""

import copy
from itertools import product
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import TraceEnum_ELBO
from pyro.util import get_rng_state, set_rng_state
from torch import Tensor

import asrppl
from tests.infer.test_latents import CASES, MULTIPLIER, PARALLEL, SERIES, mixture, nothing, topics
from tests.infer.toys import unconstrained

pytestmark = pytest.mark.usefixtures("double_precision")


@pytest.fixture(autouse=True)
def _fresh() -> None:  # pyright: ignore[reportUnusedFunction]
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


MIXED = "rule r weight 5: forall t: P[x[t] == 1] <= 0.3\nrule s weight 3: x[0] <= x[1]"


def test_a_report_is_of_the_best_q_and_copies() -> None:
    case = CASES["hmm, of each sequence"]()
    elbo = asrppl.regularize(case.model, nothing, MIXED, elbo=TraceEnum_ELBO(max_plate_nesting=1))
    for _ in range(4):
        elbo.loss_and_grads(case.model, nothing)
    report = copy.deepcopy(elbo.report)
    assert report.moments["r"] == {"P[x[t] == 1]": "enumerated in the model"}
    worst = report.worst(2, "r")
    assert sum(each.violation for each in worst) / 2 == pytest.approx(float(report.violations["r"]))
    assert all(set(each.at) == {"t"} for each in worst)
    copy.deepcopy(elbo)  # no graph is left


def test_held_out_data_have_a_new_objective_and_evaluate_says_so() -> None:
    case = CASES["hmm, of each sequence"]()
    elbo = asrppl.regularize(case.model, nothing, MIXED, elbo=TraceEnum_ELBO(max_plate_nesting=1))
    for _ in range(4):
        elbo.loss_and_grads(case.model, nothing)
    with pytest.raises(asrppl.AsrError, match=r"load_state_dict\(elbo.state_dict\(\)\)") as error:
        asrppl.evaluate(case.model, nothing, elbo)
    assert [found.code for found in error.value.diagnostics] == ["ASR092", "ASR092"]
    other = asrppl.regularize(case.model, nothing, MIXED, elbo=TraceEnum_ELBO(max_plate_nesting=1))
    other.load_state_dict(elbo.state_dict())
    assert other.loss(case.model, nothing) == elbo.loss(case.model, nothing)
    assert other.report.violations == elbo.report.violations


def test_a_run_that_is_resumed_goes_on_as_if_it_had_not_stopped() -> None:
    def run(elbo: Any, steps: int) -> list[Tensor]:
        found: list[Tensor] = []
        for _ in range(steps):
            for param in unconstrained(["logits", "loc"]):
                param.grad = None
            elbo.loss_and_grads(case.model, nothing)
            for param in unconstrained(["logits", "loc"]):
                assert param.grad is not None
                found.append(param.grad.clone())
                with torch.no_grad():
                    param -= 0.02 * param.grad
        return found

    case = mixture(4)
    case.model()  # makes the params
    rules = f"rule r hard: {case.rule}\nrule s weight 5: P[assignment == 0] <= 0.2\nrule t: assignment <= 1"
    base = TraceEnum_ELBO(max_plate_nesting=1)
    elbo = asrppl.regularize(case.model, nothing, rules, elbo=base)
    run(elbo, 5)
    state, params, generators = copy.deepcopy((elbo.state_dict(), pyro.get_param_store().get_state(), get_rng_state()))
    wanted = run(elbo, 5)
    pyro.get_param_store().set_state(params)
    again = asrppl.regularize(case.model, nothing, rules, elbo=base)
    again.load_state_dict(state)
    again.bindings()  # runs the programs once, with random numbers of its own
    set_rng_state(generators)
    torch.testing.assert_close(run(again, 5), wanted, rtol=0, atol=0)
    assert str(again.state_dict()) == str(elbo.state_dict())


LENGTHS = torch.tensor([4, 2])


def ragged() -> None:
    """Two sequences of different lengths, the steps past the shorter one masked."""
    move = pyro.param("move", torch.tensor([[0.5, -0.5], [-0.3, 0.4]]))
    loc = pyro.param("loc", torch.tensor([-0.8, 0.9]))
    with pyro.plate("sequences", 2, dim=-1):
        x: Any = 0
        for t in pyro.markov(range(4)):
            there: Any = t < LENGTHS
            with pyro.poutine.mask(mask=there):
                x = pyro.sample(f"x_{t}", dist.Categorical(logits=move[x]), infer=PARALLEL)
                pyro.sample(f"y_{t}", dist.Normal(loc[x], 1.0), obs=SERIES[:, t])


def test_a_step_past_the_length_of_a_sequence_is_false_in_a_condition() -> None:
    """So it adds nothing to P, in the gradient and in the violation; and no factor stands there."""
    base = TraceEnum_ELBO(max_plate_nesting=1)
    elbo = asrppl.regularize(ragged, nothing, "rule r weight 5: forall t: aggregate(P[x[t] == 1]) <= 0.3", elbo=base)
    for _ in range(3):
        elbo.loss_and_grads(ragged, nothing)
    (kept,) = elbo.memory.rules.values()
    kept.multipliers.update({name: torch.full_like(each, MULTIPLIER) for name, each in kept.multipliers.items()})
    values = {name: pyro.param(name).detach().clone().requires_grad_() for name in ("move", "loc")}
    for param in unconstrained(list(values)):
        param.grad = None
    elbo.loss_and_grads(ragged, nothing)
    total: Any = 0.0
    sums = torch.zeros(4)
    for data, length in enumerate(LENGTHS.tolist()):
        states = torch.tensor(list(product(range(2), repeat=length)))
        before = torch.cat([torch.zeros(len(states), 1, dtype=torch.long), states[:, :-1]], 1)
        prior = values["move"].log_softmax(-1)[before, states].sum(-1)
        joint = prior + dist.Normal(values["loc"][states], 1.0).log_prob(SERIES[data, :length]).sum(-1)
        tilt = joint - MULTIPLIER * states.sum(-1)
        total = total - tilt.logsumexp(-1)
        sums[:length] += (tilt.softmax(-1).detach()[:, None] * states).sum(0)
    total.backward()
    for param, value in zip(unconstrained(list(values)), values.values(), strict=True):
        assert value.grad is not None
        torch.testing.assert_close(param.grad, value.grad)
    assert float(elbo.report.violations["r"]) == pytest.approx(float((sums / 2 - 0.3).clamp_min(0).sum()))


@pytest.mark.parametrize("counted", ["sum t: P[x[t] == 1]", "E[count t: (x[t] == 1)]", "sum t: E[x[t]]"])
def test_a_sum_is_over_the_steps_of_each_sequence(counted: str) -> None:
    """Which steps are there is data: no draw decides it, and the sum is one number a sequence."""
    base = TraceEnum_ELBO(max_plate_nesting=1)
    rules = f"rule whole: aggregate({counted}) <= 0.3\nrule apart: (sum t: aggregate(P[x[t] == 1])) <= 0.3"
    elbo = asrppl.regularize(ragged, nothing, rules, elbo=base)
    elbo.loss(ragged, nothing)
    found = elbo.report.violations
    assert float(found["whole"]) == pytest.approx(float(found["apart"]))
    assert float(found["whole"]) > 0.5


def test_who_is_there_by_a_draw_varies_with_draws() -> None:
    def guide() -> None:
        with pyro.plate("data", 3):
            for i in range(2):
                here = pyro.sample(f"here_{i}", dist.Bernoulli(torch.full((3,), 0.5)))
                with pyro.poutine.mask(mask=here.bool()):
                    pyro.sample(f"z_{i}", dist.Normal(torch.zeros(3), 1.0))

    elbo = asrppl.regularize(guide, guide, "rule r: aggregate(sum i: P[z[i] >= 0]) <= 0.3")
    with pytest.raises(asrppl.AsrError, match="still varies with draws"):
        elbo.loss(guide, guide)


def test_a_rule_that_indexes_a_plate_bounds_each_of_its_entries() -> None:
    case = topics()
    rule = "rule r weight 5: forall w: aggregate(P[topic[w] == 1]) <= 0.3"
    base = TraceEnum_ELBO(max_plate_nesting=2)
    elbo = asrppl.regularize(case.model, nothing, rule, data="documents", elbo=base)
    for _ in range(3):
        elbo.loss_and_grads(case.model, nothing)
    (kept,) = elbo.memory.rules.values()
    pull = torch.tensor([0.2, 0.9, 1.4])
    for each in kept.multipliers.values():
        each.copy_(pull)
    values = case.values()
    for param in unconstrained(list(case.params)):
        param.grad = None
    elbo.loss_and_grads(case.model, nothing)
    joint = case.table(values).reshape(2, 3, 2)
    tilt = joint - pull[:, None] * torch.tensor([0.0, 1.0])
    (-tilt.logsumexp(-1).sum()).backward()
    for param, value in zip(unconstrained(list(case.params)), values.values(), strict=True):
        assert value.grad is not None
        torch.testing.assert_close(param.grad, value.grad)
    means = tilt.softmax(-1)[..., 1].detach().mean(0)
    assert float(elbo.report.violations["r"]) == pytest.approx(float((means - 0.3).clamp_min(0).sum()))


def test_a_double_model_under_single_precision() -> None:
    """What is remembered has one dtype, whatever the model computes in."""
    case = mixture(4)
    torch.set_default_dtype(torch.float32)
    elbo = asrppl.regularize(
        case.model,
        nothing,
        "rule r hard: aggregate(P[assignment == 0]) <= 0.3\nrule s: P[assignment == 1] <= 0.2",
        elbo=TraceEnum_ELBO(max_plate_nesting=1),
    )
    pyro.param("logits", torch.zeros(3, dtype=torch.float64))
    pyro.param("loc", torch.tensor([-1.0, 0.1, 1.2], dtype=torch.float64))
    for _ in range(4):
        elbo.loss_and_grads(case.model, nothing)
    for kept in elbo.memory.rules.values():
        assert {each.dtype for each in (*kept.means.values(), *kept.multipliers.values())} == {torch.float32}
