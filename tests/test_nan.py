"""What is no number never holds, and the warning names the entry."""

import warnings

import pyro
import pyro.distributions as dist
import pytest
import torch

import asrppl

NAN, INF = float("nan"), float("inf")
X = torch.tensor([0.0, NAN, 0.2])
Y = torch.zeros(3)


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
    ],
)
def test_no_rule_that_asks_about_it_holds(rule: str) -> None:
    program = asrppl.parse(rule)
    values = {name: value for name, value in {"x": X, "y": Y}.items() if name in program.free}
    with pytest.warns(asrppl.AsrWarning, match=r"is nan: `x\[1\]` is nan"):
        (violation,) = program.violations(values).values()
    assert violation.isnan()
    assert program.penalty(values).isnan()


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
