"""The number of data: of plates with and without a size, and of values that stand outside their plate."""

import warnings
from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, config_enumerate
from torch import Tensor

import asrppl

N = 6
AT = torch.tensor([3.0, 1.0, -1.0, 0.0, 2.0, 1.0])  # excess over 0: 3, 1, 0, 0, 2, 1


def model(x: Tensor, scale: float = 1.0) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("data"), poutine.scale(scale=scale):
        z = pyro.sample("z", dist.Normal(mu, 1.0).expand(x.shape))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def guide(x: Tensor, scale: float = 1.0) -> None:
    pyro.sample("mu", dist.Delta(torch.tensor(1.0)))
    with pyro.plate("data"), poutine.scale(scale=scale):
        pyro.sample("z", dist.Delta(x))


def penalty(rules: str, *args: Any, programs: Any = (model, guide), **options: Any) -> float:
    elbo = asrppl.regularize(*programs, rules, **options)
    pyro.set_rng_seed(0)
    returned = elbo.loss(*programs, *args)
    pyro.set_rng_seed(0)
    plain = elbo.base.loss(*programs, *args)
    assert returned - plain == pytest.approx(float(elbo.report.penalty), rel=1e-4)
    return float(elbo.report.penalty)


# ---- plates without a size


@pytest.mark.parametrize("rule", ["z <= 0", "forall i: z[i] <= 0"])
def test_the_number_of_data_of_a_plate_without_a_size_is_given(rule: str) -> None:
    assert penalty(rule, AT, data_size=N) == pytest.approx(7.0)
    assert penalty(rule, AT, data_size=60) == pytest.approx(70.0)
    assert penalty(rule, AT.repeat(2), data_size=60) == pytest.approx(70.0)  # the batch does not change a weight
    assert penalty("mu <= 0", AT, data_size=60) == pytest.approx(60.0)


def test_without_a_size_given_the_batch_stands_for_the_data_and_that_is_warned_of_once() -> None:
    elbo = asrppl.regularize(model, guide, "z <= 0")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for x in (AT, AT[:3], AT):
            elbo.loss(model, guide, x)
    assert [warning.message.diagnostic.code for warning in caught] == ["ASR110"]  # type: ignore[union-attr]
    assert float(elbo.report.penalty) == pytest.approx(7.0)
    with pytest.warns(asrppl.AsrWarning, match="ASR110"):
        again = asrppl.regularize(model, guide, "z <= 0").bindings(AT)
    assert again.data == "data"
    assert [warning.code for warning in again.warnings] == ["ASR110"]


@pytest.mark.parametrize("local", [False, True])
def test_a_batch_that_the_programs_scale_up_by_hand_is_scaled_up_once(local: bool) -> None:
    def alone(x: Tensor, scale: float) -> None:
        with pyro.plate("data"), poutine.scale(scale=scale):
            z = pyro.sample("z", dist.Normal(torch.zeros(x.shape), 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def its_guide(x: Tensor, scale: float) -> None:
        with pyro.plate("data"), poutine.scale(scale=scale):
            pyro.sample("z", dist.Delta(x))

    programs = (alone, its_guide) if local else (model, guide)
    assert penalty("z <= 0", AT, 10.0, programs=programs, data_size=60) == pytest.approx(70.0)


def test_enumerated_draws_in_a_plate_without_a_size() -> None:
    def program(observe: bool) -> None:
        with pyro.plate("data"):
            b = pyro.sample("b", dist.Bernoulli(torch.sigmoid(pyro.param("w", AT.clone()))))
            if observe:
                pyro.sample("x", dist.Normal(b, 1.0), obs=torch.zeros(N))

    def whole() -> None:
        program(True)

    @config_enumerate
    def part() -> None:
        program(False)

    for rule in ("b <= 0", "forall i: b[i] <= 0"):
        base = TraceEnum_ELBO(max_plate_nesting=1)
        found = penalty(rule, programs=(whole, part), elbo=base, data_size=N)
        assert found == pytest.approx(float(torch.sigmoid(AT).sum()), rel=1e-4)


def sized(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def sized_guide(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Delta(x))


def test_a_size_that_the_plate_has_already_or_that_no_plate_wants_is_refused() -> None:
    def no_plate() -> None:
        pyro.sample("z", dist.Normal(0.0, 1.0))

    for programs, args, why in (
        ((sized, sized_guide), (AT,), "'data' has the size 6"),
        ((no_plate, no_plate), (), "there is no data plate"),
    ):
        with pytest.raises(asrppl.AsrError, match=why) as error:
            asrppl.regularize(*programs, "z <= 0", data_size=10).bindings(*args)
        assert error.value.diagnostics[0].code == "ASR087"


def test_the_number_of_data_is_a_number() -> None:
    with pytest.raises(asrppl.AsrError, match="ASR098"):
        asrppl.regularize(model, guide, "z <= 0", data_size=0)


# ---- values that stand outside the data plate


def exposing(inside: bool, how: str) -> Callable[[Tensor], None]:
    def program(x: Tensor) -> None:
        plate = pyro.plate("data", len(x))
        if inside:
            with plate:
                pyro.sample("z", dist.Delta(x))
                asrppl.expose("score", x)
            return
        with plate:
            pyro.sample("z", dist.Delta(x))
        if how == "expose":
            asrppl.expose("score", x, event_dim=1)
        elif how == "param":
            pyro.param("score", x)
        else:
            pyro.deterministic("score", x)

    return program


@pytest.mark.parametrize("how", ["expose", "param", "deterministic"])
def test_a_value_outside_the_data_plate_that_has_its_length_is_warned_of(how: str) -> None:
    elbo = asrppl.regularize(sized, exposing(False, how), "forall i: score[i] <= 0")
    with pytest.warns(asrppl.AsrWarning, match="has length 6, as the data plate 'data' has, and stands outside it"):
        elbo.bindings(AT)
    assert [warning.code for warning in elbo.bindings(AT).warnings] == ["ASR111"]
    inside = asrppl.regularize(sized, exposing(True, how), "score <= 0")
    assert inside.bindings(AT).warnings == ()
    inside.loss(sized, inside.guide, AT)
    assert float(inside.report.penalty) == pytest.approx(7.0)


# ---- rules that run over nothing


@pytest.mark.parametrize("rule", ["forall i: z[i + 1] <= z[i]", "forall i != j: abs(z[i] - z[j]) >= 1"])
def test_a_rule_that_runs_over_no_instance_is_warned_of(rule: str) -> None:
    """An output of shape (N, 1) where N was meant: each datum has one entry, and no two to compare."""

    def column(observe: bool = True) -> None:
        with pyro.plate("data", N):
            pyro.sample("z", dist.Normal(torch.zeros(N, 1), 1.0).to_event(1))
            if observe:
                pyro.sample("x", dist.Normal(0.0, 1.0), obs=torch.zeros(N))

    def its_guide() -> None:
        column(observe=False)

    elbo = asrppl.regularize(column, its_guide, rule, elbo=Trace_ELBO())
    with pytest.warns(asrppl.AsrWarning, match="runs over no instance"):
        elbo.loss(column, its_guide)
