"""What cannot be done soundly is refused, with a code and the reason."""

from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import (
    JitTrace_ELBO,
    JitTraceEnum_ELBO,
    JitTraceGraph_ELBO,
    JitTraceMeanField_ELBO,
    RenyiELBO,
    ReweightedWakeSleep,
    Trace_ELBO,
    TraceEnum_ELBO,
    TraceMeanField_ELBO,
    TraceTailAdaptive_ELBO,
    TraceTMC_ELBO,
    config_enumerate,
)
from pyro.infer.autoguide import AutoHierarchicalNormalMessenger, AutoNormalMessenger

import asrppl
from tests.infer.toys import RULES, Toy, X


def _codes(error: Any) -> set[str]:
    return {diagnostic.code for diagnostic in error.value.diagnostics}


@pytest.mark.parametrize(
    "base",
    [
        RenyiELBO,
        TraceTailAdaptive_ELBO,
        ReweightedWakeSleep,
        TraceTMC_ELBO,
        JitTrace_ELBO,
        JitTraceGraph_ELBO,
        JitTraceEnum_ELBO,
        JitTraceMeanField_ELBO,
    ],
)
def test_objectives_in_which_a_term_would_change_its_meaning(base: Any) -> None:
    toy = Toy()
    objective = base(num_particles=2, vectorize_particles=True) if base is TraceTailAdaptive_ELBO else base()
    with pytest.raises(asrppl.AsrError, match=base.__name__) as error:
        asrppl.regularize(toy.model, toy.guide, RULES, elbo=objective)
    assert _codes(error) == {"ASR090"}


def test_objectives_that_are_none_that_are_regularized_or_of_an_unknown_class() -> None:
    toy = Toy()

    class Own(Trace_ELBO):
        pass

    for base, why in (
        (Trace_ELBO, "not an ELBO object"),
        (asrppl.regularize(toy.model, toy.guide, RULES), "regularized already"),
        (Own(), "subclass"),
    ):
        with pytest.raises(asrppl.AsrError, match=why):
            asrppl.regularize(toy.model, toy.guide, RULES, elbo=base)  # type: ignore[arg-type]


@pytest.mark.parametrize("messenger", [AutoNormalMessenger, AutoHierarchicalNormalMessenger])
def test_guides_that_run_the_model_themselves(messenger: Any) -> None:
    toy = Toy(discrete=False)
    with pytest.raises(asrppl.AsrError, match="GuideMessenger") as error:
        asrppl.regularize(toy.model, messenger(toy.model), "rule a: mu <= 0")
    assert _codes(error) == {"ASR091"}


@pytest.mark.parametrize(
    ("rules", "code", "why"),
    [
        ("rule a: P[z * z >= b] >= 0.5 and (if z >= 0 then 1 else 0) <= 1", "ASR064", "reparameterised"),
        ("rule a: (if z >= 0 then 1 else 0) + b <= 1", "ASR064", "reparameterised"),
    ],
)
def test_rules_without_a_sound_estimator(rules: str, code: str, why: str) -> None:
    toy = Toy()
    with pytest.raises(asrppl.AsrError, match=why) as error:
        asrppl.regularize(toy.model, toy.guide, rules).bindings()
    assert code in _codes(error)
    assert all(diagnostic.span is not None for diagnostic in error.value.diagnostics)


def _mixture(x: torch.Tensor) -> None:
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Categorical(torch.ones(2, dtype=X.dtype)), infer={"enumerate": "parallel"})
        pyro.deterministic("twice", 2 * k, event_dim=0)
        pyro.sample("x", dist.Normal(k.to(X.dtype), 1.0), obs=x)


@pytest.mark.parametrize("rules", ["rule a: k <= 0", "rule a: twice <= 0", "rule a: P[k == 0] >= 0.5"])
def test_what_the_model_enumerates_takes_an_objective_that_does(rules: str) -> None:
    elbo = asrppl.regularize(_mixture, lambda x: None, rules, elbo=Trace_ELBO(max_plate_nesting=1))
    with pytest.raises(asrppl.AsrError, match="use TraceEnum_ELBO") as error:
        elbo.bindings(X)
    assert _codes(error) == {"ASR092"}


def test_a_discrete_value_computed_from_a_reparameterised_draw() -> None:
    toy = Toy(discrete=False)

    def guide() -> None:
        toy.guide()
        z = pyro.sample("u", dist.Normal(X.new_tensor(0.0), 1.0), infer={"is_auxiliary": True})
        asrppl.expose("positive", z > 0)

    with pytest.raises(asrppl.AsrError, match="jumps") as error:
        asrppl.regularize(toy.model, guide, "rule a: positive").bindings()
    assert _codes(error) == {"ASR094"}


def test_a_value_exposed_outside_the_plate_that_it_varies_over() -> None:
    toy = Toy()

    def guide() -> None:
        toy.guide()
        asrppl.expose("score", torch.ones(6, dtype=X.dtype))

    elbo = asrppl.regularize(toy.model, guide, "rule a: score <= 0")
    with pytest.raises(asrppl.AsrError, match="no plate of that axis is around `score`") as error:
        elbo.loss(toy.model, guide)
    assert _codes(error) == {"ASR096"}


def test_one_rule_that_both_indexes_a_plate_and_stands_in_it() -> None:
    def program() -> None:
        with pyro.plate("objects", 3):
            pyro.sample("a", dist.Bernoulli(X.new_tensor(0.5)))
            pyro.sample("b", dist.Bernoulli(X.new_tensor(0.5)))

    elbo = asrppl.regularize(program, program, "rule a: (sum i: a[i]) <= b")
    with pytest.raises(asrppl.AsrError, match="index `b` too") as error:
        elbo.bindings()
    assert _codes(error) == {"ASR097"}


def test_a_refusal_in_training_arrives_whole() -> None:
    """Pyro's trace makes every ValueError anew from its text; diagnostics have to survive that."""
    toy = Toy()
    elbo = asrppl.regularize(toy.model, config_enumerate(toy.guide), "rule a: nothing <= 0")
    with pytest.raises(asrppl.AsrError, match="nothing gives `nothing`") as error:
        elbo.loss_and_grads(toy.model, toy.guide)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.span is not None
    assert diagnostic.span.text == "nothing"


def test_a_discrete_draw_under_an_objective_without_score_functions() -> None:
    toy = Toy()
    elbo = asrppl.regularize(toy.model, toy.guide, "rule a: b <= 0.5", elbo=TraceMeanField_ELBO())
    with pytest.raises(asrppl.AsrError, match="pathwise") as error:
        elbo.bindings()
    assert _codes(error) == {"ASR095"}


def test_enumerated_draws_whose_axes_are_used_again() -> None:
    @config_enumerate
    def guide() -> None:
        state: Any = 0
        for t in pyro.markov(range(4)):
            state = pyro.sample(f"s_{t}", dist.Bernoulli(0.2 + 0.5 * torch.as_tensor(state)))

    elbo = asrppl.regularize(guide, guide, "rule a: forall t: s[t + 1] <= s[t]", elbo=TraceEnum_ELBO())
    with pytest.raises(asrppl.AsrError, match=r"pyro\.markov") as error:
        elbo.bindings()
    assert _codes(error) == {"ASR095"}


@pytest.mark.parametrize("rule", ["z <= 0", "mean(q(z)) <= 0", "E[z] <= 0", "e <= 0"])
def test_what_a_guide_computes_in_float16_is_refused(rule: str) -> None:
    def guide() -> None:
        at = pyro.param("at", torch.tensor(0.5)).half()
        asrppl.expose("e", at)
        pyro.sample("z", dist.Normal(at, at))

    def model() -> None:
        pyro.sample("z", dist.Normal(0.0, 1.0))

    pyro.clear_param_store()
    elbo = asrppl.regularize(model, guide, rule)
    with pytest.raises(asrppl.AsrError, match="is float16, which has too small a range") as error:
        elbo.loss(model, guide)
    assert _codes(error) == {"ASR072"}


def test_a_law_that_is_not_known_is_found_where_it_is_read_and_not_where_the_name_is() -> None:
    def program() -> None:
        pyro.sample("z", dist.VonMises(torch.zeros(()), 1.0))

    with pytest.raises(asrppl.AsrError, match="'z' is distributed as VonMises") as error:
        asrppl.regularize(program, program, "rule a: z <= 1\nrule b: entropy(q(z)) <= 1").bindings()
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "ASR089"
    assert diagnostic.span is not None
    assert diagnostic.span.source.position(diagnostic.span.start)[0] == 2
