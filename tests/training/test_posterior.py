"""Draws as an `xarray.DataTree`: each rule's variable is what the rule costs at the draw beside it."""

import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray
from pyro.infer.autoguide import AutoMultivariateNormal

import asrppl
from asrppl.training.posterior import posterior
from tests.training.runs import an_objective


def test_each_draw_stands_beside_what_the_rules_say_of_it() -> None:
    elbo, _, x = an_objective()
    before = torch.get_rng_state()
    tree = posterior(elbo, x, draws=50)
    assert torch.equal(torch.get_rng_state(), before)
    draws, rules = tree["posterior"], tree["rules"]
    assert draws["mu"].dims == ("chain", "draw")
    assert draws["z"].sizes == {"chain": 1, "draw": 50, "data": 8}
    assert draws["z"].std("draw").min() > 0
    xarray.testing.assert_allclose(rules["low"], draws["z"].clip(min=0).rename("low"))
    excess = (draws["z"].mean(("chain", "draw")) - 0.5).clip(min=0)
    xarray.testing.assert_allclose(rules["even"], excess.rename("even"), atol=1e-6)
    assert list(rules.data_vars) == ["low", "even"]
    assert tree["posterior"].attrs["left_out"] == []


def test_a_rule_that_speaks_of_no_datum_has_no_axis_of_data() -> None:
    elbo, _, x = an_objective()
    text = "rule draw: mu <= 0\nrule m: E[mu] <= -5\nrule each: z <= mu\nrule all: aggregate(E[z]) <= 0"
    rules = posterior(asrppl.regularize(elbo.model, elbo.guide, text), x, draws=3)["rules"]
    assert rules["rule_draw"].dims == ("chain", "draw")  # which is the name of an axis
    assert rules["m"].dims == rules["all"].dims == ()
    assert rules["each"].dims == ("chain", "draw", "data")


def test_events_auxiliary_draws_and_computed_values() -> None:
    def model() -> None:
        w = pyro.sample("w", dist.Normal(torch.zeros(2, 3), 1.0).to_event(2))
        pyro.deterministic("total", w.sum())

    tree = posterior(asrppl.regularize(model, AutoMultivariateNormal(model), "rule r: total <= 0"), draws=5)
    draws = tree["posterior"]
    assert draws["w"].sizes == {"chain": 1, "draw": 5, "w_dim_0": 2, "w_dim_1": 3}
    assert set(draws.data_vars) == {"w", "total"}
    xarray.testing.assert_allclose(tree["rules"]["r"], draws["total"].clip(min=0).rename("r"), atol=1e-6)


def test_a_minibatch_has_the_numbers_of_its_data() -> None:
    def model() -> None:
        with pyro.plate("data", 10, subsample=torch.tensor([7, 2, 5])):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=torch.zeros(3))

    def guide() -> None:
        with pyro.plate("data", 10, subsample=torch.tensor([7, 2, 5])):
            pyro.sample("z", dist.Normal(0.0, 1.0))

    tree = posterior(asrppl.regularize(model, guide, "rule data: z <= 0"), draws=2)
    assert tree["posterior"]["z"]["data"].values.tolist() == [7, 2, 5]
    assert tree["rules"]["data"].dims == ("chain", "draw", "data_plate")  # the rule has the plate's name
    assert tree["rules"]["data_plate"].values.tolist() == [7, 2, 5]


def test_what_is_masked_is_nan_and_what_is_not_always_there_is_left_out() -> None:
    there = torch.tensor([True, False])

    def model() -> None:
        v = pyro.sample("v", dist.Bernoulli(0.5))
        if v:
            pyro.sample("w", dist.Normal(0.0, 1.0))
        with pyro.plate("data", 2), pyro.poutine.mask(mask=there):
            pyro.sample("z", dist.Normal(1.0, 0.1))

    def guide() -> None:
        model()

    elbo = asrppl.regularize(model, guide, "rule r: z <= 0", data="data")
    tree = posterior(elbo, draws=20)
    assert tree["posterior"]["z"].isnull().values.mean((0, 1)).tolist() == [0.0, 1.0]
    assert tree["rules"]["r"].mean(("chain", "draw")).values.tolist() == [pytest.approx(1.0, abs=0.2), 0.0]
    assert tree["posterior"].attrs["left_out"] == ["w"]


def test_it_is_saved_and_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    elbo, _, x = an_objective()
    tree = posterior(elbo, x, draws=3)
    again = xarray.DataTree.from_dict({name: tree[name].to_dataset() for name in ("posterior", "rules")})
    xarray.testing.assert_identical(again, tree)
    frame = tree["rules"].to_dataset().to_dataframe()
    assert frame["low"].groupby("draw").mean().shape == (3,)


def test_draws_are_some() -> None:
    elbo, _, x = an_objective()
    with pytest.raises(ValueError, match="at least 1"):
        posterior(elbo, x, draws=0)
