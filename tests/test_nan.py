"""What is no number never holds, and the warning names the entry."""

import math
import warnings

import pyro
import pyro.distributions as dist
import pytest
import torch

import asrppl
from asrppl.bind.values import bind_values
from asrppl.reference import Reference

NAN, INF = float("nan"), float("inf")
X = torch.tensor([0.0, NAN, 0.2])
Y = torch.zeros(3)


def parsed(rule: str) -> asrppl.Program:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", asrppl.AsrWarning)  # that nothing can violate it
        return asrppl.parse(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "forall i: x[i] <= 1",
        "forall i where x[i] > 0.5: y[i] >= 1",
        "exists i: x[i] >= 4",
        "exists i where x[i] > 0.1: y[i] >= 0",
        "(count i: x[i] <= 0.5) >= 3",
        "(sum i where x[i] > 0.5: y[i]) <= 0",
        "(sum i: if x[i] > 0.5 then 1 else 0) <= 0",
        "(max i where x[i] > 0.1: y[i]) <= 0",
        "(min i: x[i]) >= 0",
        "(argmax i: x[i]) == 2",
        "x[1] == 0",
        "x[1] in [0, 1]",
        "not (x[1] > 0)",
        "rule r where x[1] > 0: y[0] >= 1",
        "rule r smooth 4: y[0] >= 1 or x[1] <= 0",
        "rule r power 2: x[1] <= 0",
        # Whose bounds say that a number never breaks them:
        "min(x[1], 1) <= 1",
        "max(x[1], 1) >= 1",
        "0 * x[1] <= 1",
        "sigmoid(x[1]) <= 1",
        "clamp(x[1], 0, 1) in [0, 1]",
        "x[1] ^ 2 >= 0 and abs(x[1]) >= 0",
        "x[1] ^ 0 <= 1",
        "x[1] <= 1 or exp(x[1]) >= 0",
        "forall i: 0 * x[i] <= 1",
        "rule r where 0 * x[1] <= 1: y[0] <= 1",
        "E[0 * x[1]] <= 1",
        "(count i: y[i] <= 1) >= min(x[1], 0)",
        "given x[i]\nx[1] <= 1 or y[0] <= 1",
        "given x[i]\nforall i: x[i] == i or y[i] >= 1",
    ],
)
def test_no_rule_that_asks_about_it_holds(rule: str) -> None:
    program = parsed(rule)
    values = {name: value for name, value in {"x": X, "y": Y}.items() if name in program.free}
    with pytest.warns(asrppl.AsrWarning, match=r"is nan: `x\[1\]` is nan"):
        (violation,) = program.violations(values).values()
    assert violation.isnan()
    assert program.penalty(values).isnan()


@pytest.mark.parametrize(
    "rule", ["min(x, 1) <= 1", "sigmoid(x) <= 1", "x ^ 0 <= 1", "clamp(x, 0, 1) >= 0", "sqrt(x) >= 0"]
)
def test_the_reference_says_so_too(rule: str) -> None:
    (outcome,) = Reference(rule, {"x": NAN}).violations()
    assert math.isnan(outcome.graded)
    assert not outcome.holds


@pytest.mark.parametrize("rule", ["x <= inf", "x in [-inf, inf]", "true or x <= 1"])
def test_what_reads_no_number_at_all_holds_of_nan(rule: str) -> None:
    (outcome,) = Reference(rule, {"x": NAN}).violations()
    assert (outcome.holds, float(parsed(rule).violations({"x": NAN})["line 1"])) == (True, 0.0)


def test_whole_numbers_and_booleans_are_never_nan_and_fold_all_the_same() -> None:
    program = parsed("rule a: forall i: x[i] <= (if b then 1 else 2) or min(i, 3) <= 3")
    bound = bind_values(program.free, {"b": True, "x": X})
    assert "relu" not in program.plan(bound.signature).code


def test_a_claim_that_holds_whatever_it_is_does() -> None:
    program = asrppl.parse("(count i: x[i] <= 0.5) >= 2")
    assert float(program.violations({"x": X})["line 1"]) == 0


def test_only_the_datum_is_spoilt() -> None:
    rules = "rule a: forall i where x[i] > 0.5: y[i] >= 1"
    x = torch.tensor([[0.0, NAN, 1.0], [1.0, 0.0, 0.0]])
    with pytest.warns(asrppl.AsrWarning, match=r"`x\[0\]\[1\]` is nan"):
        violation = asrppl.parse(rules).violations({"x": x, "y": Y})["a"]
    assert violation.isnan().tolist() == [True, False]
    assert float(violation[1]) == 1.0


def test_what_is_absent_may_be_anything() -> None:
    program = asrppl.parse("forall i where x[i] > 0.5: y[i] <= x[i]")
    x = {"value": X, "mask": torch.tensor([True, False, True])}
    assert float(program.violations({"x": x, "y": Y})["line 1"]) == 0


def test_the_field_of_a_box_is_named() -> None:
    boxes = torch.ones(2, 3, 4)
    boxes[0, 2, 0] = NAN
    with pytest.warns(asrppl.AsrWarning, match=r"`box\[0\]\[2\].x` is nan"):
        asrppl.parse("forall i != j: nonoverlap(box[i], box[j])").violations({"box": boxes})


def test_infinite_values_are_named_where_they_cancel() -> None:
    with pytest.warns(asrppl.AsrWarning, match="`a` is infinite"):
        assert asrppl.parse("a <= b").violations({"a": INF, "b": INF})["line 1"].isnan()


@pytest.mark.filterwarnings("ignore:Encountered NaN")  # Pyro's own, of the loss
@pytest.mark.parametrize("rule", ["forall i: z[i] <= 1", "forall i where detach(z[i]) > 0.5: z[i] >= 1"])
def test_regularize_names_it_once_and_reports_nan(rule: str) -> None:
    def guide() -> None:
        at = pyro.param("at", torch.zeros(2))
        asrppl.expose("z", torch.stack([at[0], at[1] / 0 * 0]), event_dim=1)
        pyro.sample("mu", dist.Normal(at[0], 1.0))

    def model() -> None:
        pyro.sample("mu", dist.Normal(0.0, 1.0))

    pyro.clear_param_store()
    elbo = asrppl.regularize(model, guide, f"rule r: {rule}")
    with pytest.warns(asrppl.AsrWarning, match=r"the violation of rule `r` is nan: `z\[1\]` is nan"):
        elbo.loss(model, guide)
    assert elbo.report.violations["r"].isnan()
    with warnings.catch_warnings():
        warnings.simplefilter("error", asrppl.AsrWarning)
        elbo.loss(model, guide)
    assert elbo.report.penalty.isnan()
