"""Numbered sites: from 0 or from 1, with one number or two, and none of them in some calls."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import Trace_ELBO
from pyro.nn import PyroModule, PyroParam

import asrppl
from tests.infer.toys import unconstrained

Program = Callable[[], None]
Module: Any = PyroModule  # has no types


def numbered(names: Sequence[str]) -> tuple[Program, Program]:
    """A model and a guide with these sites, whose values are 0, 1, 2, … in their order."""

    def guide() -> None:
        for value, name in enumerate(names):
            pyro.sample(name, dist.Delta(torch.tensor(float(value))))

    def model() -> None:
        for name in names:
            pyro.sample(name, dist.Normal(0.0, 1.0))

    return model, guide


def violation(names: Sequence[str], rules: str) -> float:
    model, guide = numbered(names)
    elbo = asrppl.regularize(model, guide, rules)
    elbo.loss(model, guide)
    (found,) = elbo.report.violations.values()
    return float(found)


ONE = ("z_1", "z_2", "z_3")
TWO = ("y_0_0", "y_0_1", "y_1_0", "y_1_1", "y_2_0", "y_2_1")


@pytest.mark.parametrize(
    ("names", "rules", "expected"),
    [
        (ONE, "forall i: z[i] <= 0", 0.0 + 1 + 2),
        (ONE, "forall i: z[i + 1] <= z[i]", 1.0 + 1),
        (ONE, "forall i, j where i < j: z[j] <= z[i]", 1.0 + 1 + 2),
        (ONE, "(sum i: z[i]) <= 0", 3.0),
        (("w.1", "w.2"), 'site w[i] = "w.{i}"\nforall i: w[i] <= 0', 1.0),
        (TWO, "forall i, t: y[i, t] <= 0", 15.0),
        (TWO, "y[2, 1] <= 0", 5.0),
        (TWO, "forall t: y[1, t] <= 0", 2.0 + 3),
        (TWO, "forall i: y[i, 1] <= y[i, 0]", 3.0),
        (("a.0.b1", "a.0.b2", "a.1.b1", "a.1.b2"), 'site w[i, t] = "a.{i}.b{t}"\nforall i, t: w[i, t] <= 0', 6.0),
    ],
)
def test_rules_read_numbered_sites(names: Sequence[str], rules: str, expected: float) -> None:
    assert violation(names, rules) == pytest.approx(expected)


@pytest.mark.parametrize(
    "rules",
    [
        "z[1] <= 0",
        "forall i in 1..2: z[i] <= 0",
        "forall i: z[i] <= i",
        "forall i where i > 1: z[i] <= 0",
        "forall i in 0..1: z[2 * i] <= 0",
    ],
)
def test_numbers_are_refused_where_sites_are_numbered_from_1(rules: str) -> None:
    """z[1] may mean the second or 'z_1'."""
    model, guide = numbered(ONE)
    with pytest.raises(asrppl.AsrError, match="`z` is numbered from 1, and indices count from 0") as error:
        asrppl.regularize(model, guide, rules).bindings()
    assert {found.code for found in error.value.diagnostics} == {"ASR085"}
    values = {"z_1": 1.0, "z_2": 2.0, "z_3": 3.0}
    with pytest.raises(asrppl.AsrError, match="`z` is numbered from 1"):
        asrppl.parse(rules).violations(values)


def test_plain_values_are_numbered_likewise() -> None:
    assert float(asrppl.parse("forall i: w[i] <= 0").violations({"w_1": 1.0, "w_2": 2.0})["line 1"]) == 3.0
    table = {f"w_{i}_{j}": float(i + j) for i in range(2) for j in range(3)}
    assert float(asrppl.parse("w[1, 2] <= 0").violations(table)["line 1"]) == 3.0
    with pytest.raises(asrppl.AsrError, match="values were given for `w_0`, `w_2`, and not `w_1`"):
        asrppl.parse("forall i: w[i] <= 0").violations({"w_0": 1.0, "w_2": 2.0})


@pytest.mark.parametrize(("names", "lacks"), [(("z_0", "z_2"), "z_1"), (("z_3", "z_4"), "z_1"), (TWO[:-1], "y_2_1")])
def test_a_gap_names_the_site_that_lacks(names: Sequence[str], lacks: str) -> None:
    rules = "forall i, t: y[i, t] <= 0" if len(names) > 2 else "forall i: z[i] <= 0"
    with pytest.raises(asrppl.AsrError, match=f"without gaps: there are .*, and no '{lacks}'"):
        violation(names, rules)


def test_sites_with_two_numbers_are_not_read_with_one() -> None:
    with pytest.raises(asrppl.AsrError, match=r"its sites have two numbers, as in 'y_0_0'") as error:
        violation(TWO, "forall i: y[i] <= 0")
    assert error.value.diagnostics[0].help == "give it two: `y[i, j]`"


def test_a_table_of_sites_has_its_gradient_and_its_plate() -> None:
    def guide() -> None:
        at = pyro.param("at", torch.arange(12.0).reshape(2, 2, 3))
        with pyro.plate("data", 3):
            for i in range(2):
                for t in range(2):
                    pyro.sample(f"y_{i}_{t}", dist.Delta(at[i, t]))

    def model() -> None:
        with pyro.plate("data", 3):
            for i in range(2):
                for t in range(2):
                    pyro.sample(f"y_{i}_{t}", dist.Normal(0.0, 1e6))
            pyro.sample("x", dist.Normal(0.0, 1.0), obs=torch.zeros(3))

    pyro.clear_param_store()
    elbo = asrppl.regularize(model, guide, "forall i: y[i, 0] >= y[i, 1]")
    assert elbo.bindings()["y"].axes == ((2, "sites"), (2, "sites"))
    elbo.loss_and_grads(model, guide)
    assert float(elbo.report.violations["line 1"]) == pytest.approx(6.0)
    (at,) = unconstrained(["at"])
    assert at.grad is not None
    expected = torch.tensor([-1.0, 1.0]).reshape(1, 2, 1).expand(2, 2, 3)
    torch.testing.assert_close(at.grad, expected, atol=1e-4, rtol=0)


def test_distributions_of_two_numbers() -> None:
    def guide() -> None:
        for i in range(2):
            for t in range(3):
                pyro.sample(f"b_{i}_{t}", dist.Bernoulli((1.0 + i + t) / 8))

    elbo = asrppl.regularize(guide, guide, "mean(q(b[1, 2])) <= 0.25")
    elbo.loss(guide, guide)
    assert float(elbo.report.violations["line 1"]) == pytest.approx(0.25)


class Count:
    """Programs that make as many sites as they are told."""

    def __init__(self, count: int) -> None:
        self.count = count

    def guide(self) -> None:
        pyro.sample("mu", dist.Delta(torch.tensor(2.0, dtype=torch.float64)))
        for i in range(self.count):
            pyro.sample(f"z_{i}", dist.Delta(pyro.param("m", torch.tensor(3.0, dtype=torch.float64))))

    def model(self) -> None:
        for name in ("mu", *(f"z_{i}" for i in range(self.count))):
            pyro.sample(name, dist.Normal(torch.tensor(0.0, dtype=torch.float64), 1.0))


RULES = "rule low: forall i: z[i] <= 0\nrule mean: mu <= 0"


@pytest.mark.filterwarnings("ignore::asrppl.AsrWarning")
@pytest.mark.parametrize("rules", [RULES, 'site z[i] = "z_{i}"\n' + RULES], ids=["seen", "declared"])
def test_a_call_that_makes_no_site_of_a_family_runs_over_nothing(rules: str) -> None:
    pyro.clear_param_store()
    program = Count(2)
    elbo = asrppl.regularize(program.model, program.guide, rules, elbo=Trace_ELBO())
    for count in (2, 0, 1, 0, 3):
        program.count = count
        elbo.loss_and_grads(program.model, program.guide)
        found = elbo.report.violations
        assert float(found["low"]) == 3.0 * count
        assert float(found["mean"]) == 2.0
        assert found["low"].dtype is torch.float64


def test_it_is_warned_of() -> None:
    program = Count(0)
    elbo = asrppl.regularize(program.model, program.guide, 'site z[i] = "z_{i}"\nrule low: forall i: z[i] <= 0')
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        elbo.loss(program.model, program.guide)
    assert "ASR066" in {
        warning.message.diagnostic.code for warning in caught if isinstance(warning.message, asrppl.AsrWarning)
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bindings = elbo.bindings()
    assert bindings["z"].axes == ((0, "sites"),)
    assert bindings["z"].origin == "no site 'z_{i}' in this call"


def test_a_name_that_was_never_a_family_is_missing_and_the_mend_is_offered() -> None:
    program = Count(0)
    with pytest.raises(asrppl.AsrError, match="nothing gives `z`") as error:
        asrppl.regularize(program.model, program.guide, "forall i: z[i] <= 0").bindings()
    assert 'site z[i] = "z_{i}"' in str(error.value.diagnostics[0].help)


@pytest.mark.parametrize("name", ["a.b", "a b", "a-b", "ä", "net$$$lin.weight", "1", "a[0]", "forall", "x/y"])
def test_a_site_statement_names_any_single_site(name: str) -> None:
    assert violation(["other", name], f'site w = "{name}"\nw <= 0.25') == pytest.approx(0.75)


@pytest.mark.parametrize("name", ['say "w"', "back\\slash w", "{w}"])
def test_no_site_statement_is_offered_for_a_name_that_it_cannot_hold(name: str) -> None:
    with pytest.raises(asrppl.AsrError) as error:
        violation([name], "w <= 0")
    help = str(error.value.diagnostics[0].help)
    assert "expose its value" in help
    assert "site w" not in help


def test_parameters_of_pyro_modules_by_their_paths() -> None:
    class Guide(Module):
        def __init__(self) -> None:
            super().__init__()
            self.loc: Any = PyroParam(torch.tensor(3.0))
            self.lin = Module[torch.nn.Linear](2, 1)
            self.register_buffer("sd", torch.tensor(2.0))

        def forward(self) -> None:
            self.lin(torch.ones(2))
            asrppl.expose("spread", self.sd)
            pyro.sample("mu", dist.Normal(self.loc, self.sd))

    def model() -> None:
        pyro.sample("mu", dist.Normal(0.0, 1.0))

    guide = Guide()
    with torch.no_grad():
        guide.lin.bias.fill_(4.0)
    rules = 'site bias[i] = "lin.bias"\nrule a: bias[0] <= 1\nrule b: loc <= 1\nrule c: spread <= 1'
    elbo = asrppl.regularize(model, guide, rules)
    elbo.loss(model, guide)
    assert {name: float(value) for name, value in elbo.report.violations.items()} == {"a": 3.0, "b": 2.0, "c": 1.0}


@pytest.mark.filterwarnings("ignore::asrppl.AsrWarning")
@pytest.mark.parametrize(
    "claim", ["forall i: z[i] <= 0", "(sum i: z[i]) <= mu", "exists i: z[i] >= 1", "mu <= 1 and forall i: z[i] <= 0"]
)
def test_rules_over_no_instance_are_marked(claim: str) -> None:
    program = Count(0)
    rules = f'site z[i] = "z_{{i}}"\nrule none: {claim}\nrule mean: mu <= 0'
    elbo = asrppl.regularize(program.model, program.guide, rules)
    bindings = elbo.bindings()
    assert {rule.name: rule.idle for rule in bindings.rules} == {"none": True, "mean": False}
    assert str(bindings).count("; runs over no instance") == 1
    assert bindings._repr_html_().count("; runs over no instance") == 1
    elbo.loss(program.model, program.guide)
    assert elbo.report.idle == {"none"}
    assert repr(elbo.report).count("over no instance") == 1
    assert elbo.report._repr_html_().count("over no instance") == 1
    program.count = 2
    elbo.loss(program.model, program.guide)
    assert not elbo.report.idle
