"""Units never move: what a rule indexes changes neither the data plate nor what a weight means."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceGraph_ELBO, config_enumerate

import asrppl

N = 6
AT = torch.tensor([3.0, 1.0, -1.0, 0.0, 2.0, 1.0])  # excess over 0: 3, 1, 0, 0, 2, 1
Program = Callable[[], Any]


def vectorised(subsample: int | None = None) -> tuple[Program, Program]:
    def model() -> None:
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("data", N, subsample_size=subsample) as index:
            z = pyro.sample("z", dist.Normal(mu, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=torch.zeros(N)[index])

    def guide() -> None:
        pyro.sample("mu", dist.Delta(torch.tensor(1.0)))
        with pyro.plate("data", N, subsample_size=subsample) as index:
            pyro.sample("z", dist.Delta(pyro.param("at", AT.clone())[index]))

    return model, guide


def one_by_one() -> tuple[Program, Program]:
    def model() -> None:
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        for i in pyro.plate("data", N):
            z = pyro.sample(f"z_{i}", dist.Normal(mu, 1.0))
            pyro.sample(f"x_{i}", dist.Normal(z, 1.0), obs=torch.tensor(0.0))

    def guide() -> None:
        pyro.sample("mu", dist.Delta(torch.tensor(1.0)))
        at = pyro.param("at", AT.clone())
        for i in pyro.plate("data", N):
            pyro.sample(f"z_{i}", dist.Delta(at[i]))

    return model, guide


def penalty(programs: tuple[Program, Program], rules: str, **options: Any) -> float:
    """What the rules cost, read off the report and off the loss."""
    pyro.clear_param_store()
    elbo = asrppl.regularize(*programs, rules, **options)
    elbo.bindings()
    pyro.set_rng_seed(0)
    returned = elbo.loss(*programs)
    pyro.set_rng_seed(0)
    plain = elbo.base.loss(*programs)
    found = float(elbo.report.penalty)
    assert returned - plain == pytest.approx(found, rel=1e-4, abs=1e-4)
    return found


def gradient(programs: tuple[Program, Program], rules: str, base: Any = None, param: str = "at") -> torch.Tensor:
    """The gradient of what the rules cost."""
    found: list[torch.Tensor] = []
    base = base or Trace_ELBO()
    for objective in (asrppl.regularize(*programs, rules, elbo=base), base):
        pyro.clear_param_store()
        pyro.set_rng_seed(0)
        objective.loss_and_grads(*programs)
        found.append(pyro.param(param).unconstrained().grad.clone())
    return found[0] - found[1]


# ---- the same rule, written three ways


@pytest.mark.parametrize("rule", ["mu <= 0", "rule b: mu <= 0\nforall i: abs(z[i + 1] - z[i]) <= 9"])
@pytest.mark.parametrize("programs", [vectorised(), one_by_one()], ids=["vectorised", "one by one"])
def test_a_rule_on_a_global_costs_the_same_whatever_rule_stands_beside_it(
    rule: str, programs: tuple[Program, Program]
) -> None:
    assert penalty(programs, rule) == pytest.approx(N * 1.0)
    assert asrppl.regularize(*programs, rule).bindings().data == "data"


def test_a_forall_over_the_data_costs_what_the_rule_without_an_index_does() -> None:
    assert penalty(vectorised(), "z <= 0") == pytest.approx(7.0)
    assert penalty(vectorised(), "forall i: z[i] <= 0") == pytest.approx(7.0)
    assert penalty(vectorised(), "forall i: z[i] <= 0", data="data") == pytest.approx(7.0)
    assert penalty(one_by_one(), "forall i: z[i] <= 0") == pytest.approx(7.0)
    assert penalty(one_by_one(), "forall i: z[i] <= 0", data="data") == pytest.approx(7.0)
    above = (AT > 0).float()
    for programs, rule in (
        (vectorised(), "z <= 0"),
        (vectorised(), "forall i: z[i] <= 0"),
        (one_by_one(), "forall i: z[i] <= 0"),
    ):
        torch.testing.assert_close(gradient(programs, rule), above)


def test_the_plate_is_the_models_where_a_guide_leaves_it_out() -> None:
    def plain() -> None:
        pyro.sample("mu", dist.Delta(torch.tensor(1.0)))
        for i in range(N):
            pyro.sample(f"z_{i}", dist.Delta(AT[i]))

    assert penalty((one_by_one()[0], plain), "forall i: z[i] <= 0") == pytest.approx(7.0)


def test_a_guide_that_draws_all_data_as_one_event_is_warned_of() -> None:
    def guide() -> None:
        pyro.sample("mu", dist.Delta(torch.tensor(1.0)))
        pyro.sample("z", dist.Delta(AT, event_dim=1))

    with pytest.warns(asrppl.AsrWarning, match="stands outside it"):
        asrppl.regularize(vectorised()[0], guide, "forall i: z[i] <= 0").bindings()


def test_the_report_has_the_mean_over_the_data_and_the_table_the_plate() -> None:
    elbo = asrppl.regularize(*vectorised(), "rule a: forall i: z[i] <= 0")
    elbo.loss(elbo.model, elbo.guide)
    assert float(elbo.report.violations["a"]) == pytest.approx(7 / N)
    assert elbo.bindings()["z"].axes == ((N, "plate 'data'"),)


@pytest.mark.parametrize(
    ("rule", "sum_over_the_data"),
    [
        ("forall i: abs(z[i + 1] - z[i]) <= 0", 2 + 2 + 1 + 2 + 1),  # N − 1 instances, N data
        ("forall i in 0..1: z[i] <= 0", 4),
        ("forall i where i < 2: z[i] <= 0", 4),
        ("forall i, j where i < j: z[i] <= z[j]", (2 + 4 + 3 + 1 + 2) + (2 + 1) + 0 + 0 + 1),  # the second index sums
        ("forall i: z[i] <= c[i]", 2 + 1 + 1),
        ("(forall i: z[i] <= 0) and (forall i: z[i] >= 0)", 7 + 1),
        ("(forall i in 0..1: z[i] <= 0) and mu <= 0", 4 + N * 1),
        ("forall i where c[i] > 0: z[i] <= 0", 3 + 2),
        ("rule r where top > 0: forall i where c[i] > 0: z[i] <= 0", 3 + 2),
        ("rule r where top < 0: forall i: z[i] <= 0", 0),
        ("rule r power 2: forall i: z[i] <= 0", 9 + 1 + 4 + 1),
        ("rule r power 2: forall i in 0..1: z[i] <= 0", 9 + 1),
        ("forall i in 0..5: z[5 - i] <= 0", 7),
    ],
)
@pytest.mark.parametrize("programs", [vectorised(), one_by_one()], ids=["vectorised", "one by one"])
def test_a_head_that_runs_over_the_data_is_divided_by_their_number(
    rule: str, sum_over_the_data: float, programs: tuple[Program, Program]
) -> None:
    given = {"c": np.array([1.0, 0, 0, 0, 2, 0]), "top": 1.0}
    bind = {name: value for name, value in given.items() if f"{name}[" in rule or f"{name} " in rule}
    assert penalty(programs, rule, bind=bind) == pytest.approx(sum_over_the_data)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("(max i: z[i]) <= 1", 2.0),
        ("exists i: z[i] <= -2", 1.0),
        ("z[0] <= z[1]", 2.0),
        ("(count i: z[i] <= 0) >= 3", 1.0),
        ("(forall i: z[i] <= 0) or (forall i: z[i] >= 0)", 1.0),
    ],
)
def test_what_else_indexes_the_data_is_one_value_of_the_population(rule: str, value: float) -> None:
    for programs in (vectorised(), one_by_one()):
        assert penalty(programs, rule) == pytest.approx(N * value)


def test_objects_of_a_datum_are_summed_and_data_averaged_in_any_order() -> None:
    at = torch.arange(12.0).reshape(3, 4)

    def guide() -> None:
        with pyro.plate("data", 4, dim=-1), pyro.plate("objects", 3, dim=-2):
            pyro.sample("z", dist.Delta(at))

    def model() -> None:
        with pyro.plate("data", 4, dim=-1):
            with pyro.plate("objects", 3, dim=-2):
                z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z.sum(-2), 1.0), obs=torch.zeros(4))

    for rule in (
        "forall o: z[o] <= 0",
        "forall d, o: z[d, o] <= 0",
        "forall o, d: z[d, o] <= 0",
        "forall d: forall o: z[d, o] <= 0",
        "forall o: forall d: z[d, o] <= 0",
    ):
        assert penalty((model, guide), rule) == pytest.approx(66.0)


def test_masks_and_weights_of_single_data_hold_with_and_without_an_index() -> None:
    here, weights = torch.tensor([True, True, False, True, False, True]), torch.linspace(0.5, 2.0, N)

    def model() -> None:
        with pyro.plate("data", N):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=torch.zeros(N))

    def guide() -> None:
        with pyro.plate("data", N):
            pyro.sample("z", dist.Delta(pyro.param("at", AT.clone())))

    masked = poutine.mask(model, mask=here), poutine.mask(guide, mask=here)
    weighted = poutine.scale(model, scale=weights), poutine.scale(guide, scale=weights)
    for rule in ("z <= 0", "forall i: z[i] <= 0"):
        assert penalty(masked, rule) == pytest.approx(5.0)
        assert penalty(weighted, rule) == pytest.approx(float((weights * AT.clamp(min=0)).sum()))
        torch.testing.assert_close(gradient(weighted, rule), weights * (AT > 0))


# ---- draws without a pathwise gradient, in a batch


def discrete(subsample: int | None = None, enumerate: bool = True) -> tuple[Program, Program]:
    def model() -> None:
        with pyro.plate("data", N, subsample_size=subsample) as index:
            b = pyro.sample("b", dist.Bernoulli(0.3))
            pyro.sample("x", dist.Normal(b, 1.0), obs=torch.zeros(N)[index])

    def guide() -> None:
        w = pyro.param("at", AT.clone())
        with pyro.plate("data", N, subsample_size=subsample) as index:
            pyro.sample("b", dist.Bernoulli(torch.sigmoid(w[index])))

    return model, config_enumerate(guide) if enumerate else guide


@pytest.mark.parametrize("base", [Trace_ELBO(), TraceGraph_ELBO(), TraceEnum_ELBO(max_plate_nesting=1)])
@pytest.mark.parametrize("subsample", [None, 2])
def test_the_gradient_of_a_rule_on_single_data_is_the_same_with_an_index(base: Any, subsample: int | None) -> None:
    """To the last draw: the factor stands in the data plate all the same."""
    exact = isinstance(base, TraceEnum_ELBO)
    programs = discrete(subsample, exact)
    with_index = gradient(programs, "forall i: b[i] <= 0", base)
    torch.testing.assert_close(with_index, gradient(programs, "b <= 0", base))
    if exact and subsample is None:
        one = torch.sigmoid(AT)
        torch.testing.assert_close(with_index, one * (1 - one))


def test_a_batch_stands_for_the_data_where_each_instance_reads_one_datum() -> None:
    assert penalty(vectorised(3), "z <= 0") == pytest.approx(penalty(vectorised(3), "forall i: z[i] <= 0"))
    elbo = asrppl.regularize(*vectorised(3), "forall i: z[i] <= 0")
    losses: list[float] = []
    for _ in range(400):
        elbo.loss(elbo.model, elbo.guide)
        losses.append(float(elbo.report.penalty))
    assert sum(losses) / 400 == pytest.approx(7.0, abs=0.5)


@pytest.mark.parametrize(
    "rule",
    [
        "forall i: abs(z[i + 1] - z[i]) <= 9",
        "forall i != j: abs(z[i] - z[j]) >= 1",
        "(max i: z[i]) <= 1",
        "z[0] <= 1",
        "forall i where i < 2: z[i] <= 0",
        "forall i in 0..1: z[i] <= 0",
        "exists i: z[i] <= 0",
    ],
)
def test_a_batch_is_refused_where_a_rule_reads_more_than_one_datum(rule: str) -> None:
    with pytest.raises(asrppl.AsrError, match="'data', which is subsampled") as error:
        asrppl.regularize(*vectorised(3), rule).bindings()
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "ASR088"
    assert diagnostic.span is not None


def test_a_batch_that_is_run_through_one_by_one_has_other_sites_in_each_step() -> None:
    def program() -> None:
        for i in pyro.plate("data", N, subsample=torch.tensor([4, 2])):
            pyro.sample(f"z_{i}", dist.Normal(0.0, 1.0))
            pyro.sample(f"x_{i}", dist.Normal(0.0, 1.0), obs=torch.tensor(0.0))

    with pytest.raises(asrppl.AsrError, match=r"one entry at a time and subsampled \(2 of 6\)") as error:
        asrppl.regularize(program, program, "forall i: z[i] <= 0").bindings()
    assert error.value.diagnostics[0].code == "ASR088"


@pytest.mark.parametrize("discrete", [False, True])
def test_the_data_plate_is_indexed_in_all_that_a_rule_reads_there_or_in_nothing(discrete: bool) -> None:
    law = dist.Bernoulli(0.5) if discrete else dist.Normal(0.0, 1.0)

    def program() -> None:
        with pyro.plate("data", N):
            pyro.sample("a", law)
            pyro.sample("b", law)
            pyro.sample("x", dist.Normal(0.0, 1.0), obs=torch.zeros(N))

    with pytest.raises(asrppl.AsrError, match="index `b` too") as error:
        asrppl.regularize(program, program, "forall i: a[i] <= b").bindings()
    assert error.value.diagnostics[0].code == "ASR097"


# ---- which plate it is


def sequences_of_tones() -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    tones = pyro.plate("tones", 88)
    for i in pyro.plate("sequences", N):
        with tones:
            pyro.sample(f"y_{i}", dist.Normal(mu, 1.0), obs=torch.zeros(88))


def parts_of_data() -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("data", N):
        for i in pyro.plate("parts", 3):
            pyro.sample(f"y_{i}", dist.Normal(mu, 1.0), obs=torch.zeros(N))


def documents() -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    for i in pyro.plate("documents", N):
        with pyro.plate(f"words_{i}", 3 + i):
            pyro.sample(f"y_{i}", dist.Normal(mu, 1.0), obs=torch.zeros(3 + i))


def mu_guide() -> None:
    pyro.sample("mu", dist.Delta(torch.tensor(1.0)))


def test_two_plates_that_may_both_be_the_datas_are_named() -> None:
    with pytest.raises(asrppl.AsrError, match="`sequences`, `tones`") as error:
        asrppl.regularize(sequences_of_tones, mu_guide, "mu <= 0").bindings()
    assert error.value.diagnostics[0].code == "ASR087"
    for data, size in (("sequences", N), ("tones", 88)):
        assert penalty((sequences_of_tones, mu_guide), "mu <= 0", data=data) == pytest.approx(size, rel=1e-4)


@pytest.mark.parametrize(("program", "data"), [(parts_of_data, "data"), (documents, "documents")])
def test_parts_of_a_datum_are_no_data(program: Program, data: str) -> None:
    assert asrppl.regularize(program, mu_guide, "mu <= 0").bindings().data == data
    assert penalty((program, mu_guide), "mu <= 0") == pytest.approx(N, rel=1e-4)


def test_particles_and_enumerated_draws_are_no_plates() -> None:
    base = TraceEnum_ELBO(num_particles=5, vectorize_particles=True, max_plate_nesting=1)
    elbo = asrppl.regularize(*discrete(), "forall i: b[i] <= 0.5", elbo=base)
    elbo.loss(elbo.model, elbo.guide)
    assert elbo.bindings().data == "data"
    assert float(elbo.report.penalty) == pytest.approx(float((0.5 * torch.sigmoid(AT)).sum()), rel=1e-4)


def test_data_that_are_run_through_one_by_one_with_steps_within() -> None:
    """Sites with two numbers, counted from 1: one is the datum's, the other is not."""

    def model() -> None:
        for d in pyro.plate("data", 3):
            for t in range(2):
                z = pyro.sample(f"z_{d + 1}_{t}", dist.Normal(0.0, 1.0))
            pyro.sample(f"x_{d + 1}", dist.Normal(z, 1.0), obs=torch.tensor(0.0))

    def guide() -> None:
        for d in pyro.plate("data", 3):
            for t in range(2):
                pyro.sample(f"z_{d + 1}_{t}", dist.Delta(torch.tensor(1.0 + d)))

    for rule in ("forall d, t: z[d, t] <= 0", "forall t: forall d: z[d, t] <= 0"):
        assert penalty((model, guide), rule) == pytest.approx(2 * (1.0 + 2 + 3))
    assert penalty((model, guide), "forall d: z[d, 0] <= z[d + 1, 1]") == pytest.approx(0.0)
    assert penalty((model, guide), "forall d: z[d + 1, 0] <= z[d, 1]") == pytest.approx(2.0)
