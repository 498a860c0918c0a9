"""What is absent costs nothing: every way of Pyro's to say so is respected, or refused by name."""

import warnings
from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO, TraceEnum_ELBO, TraceGraph_ELBO, config_enumerate
from pyro.infer.autoguide import AutoDelta, init_to_value
from torch import Tensor

import asrppl
from tests.infer.toys import draws_of_gradient

# Most data are left out on purpose here.
pytestmark = pytest.mark.filterwarnings("ignore:.*asks nothing:asrppl.AsrWarning")

N = 4
COUNT = torch.tensor([0, 1, 2, 3])  # how many of three objects each datum has
Program = Callable[[], Any]


def violation(guide: Program, formula: str, model: Program | None = None, **options: Any) -> float:
    elbo = asrppl.regularize(model or guide, guide, f"rule r: {formula}", **options)
    elbo.loss(elbo.model, elbo.guide)
    return float(elbo.report.violations["r"])


# ---- masks of families, events, plates and exposed values


def family(how: str) -> Program:
    def program() -> None:
        with pyro.plate("data", N):
            for i in range(3):
                here = i < COUNT
                value = torch.full((N, 2), 1.0)
                match how:
                    case "handler":
                        with poutine.mask(mask=here):
                            pyro.sample(f"z_{i}", dist.Delta(value, event_dim=1))
                    case "outside":
                        pyro.sample(f"z_{i}", dist.Delta(value, event_dim=1).mask(here))
                    case "inside":
                        pyro.sample(f"z_{i}", dist.Normal(value, 1e-6).mask(here[:, None]).to_event(1))
                    case _:
                        base = dist.Normal(value, 1e-6).mask(here[:, None].float().expand(N, 2))
                        pyro.sample(f"z_{i}", base.to_event(1))

    return program


@pytest.mark.parametrize("how", ["handler", "outside", "inside", "floats"])
def test_objects_that_are_absent_pay_nothing(how: str) -> None:
    assert violation(family(how), "forall i: z[i, 0] <= 0") == pytest.approx(6 / N, abs=1e-4)
    assert violation(family(how), "forall i != j: z[i, 0] + z[j, 1] <= 0") == pytest.approx(2 * (2 + 6) / N, abs=1e-4)
    assert violation(family(how), "z[2, 0] + z[0, 1] <= 0") == pytest.approx(2 / N, abs=1e-4)
    assert violation(family(how), "(sum i: z[i, 0]) <= 0") == pytest.approx(6 / N, abs=1e-4)


def test_a_member_of_a_family_without_a_mask_is_there() -> None:
    def guide() -> None:
        with pyro.plate("data", N):
            pyro.sample("z_0", dist.Delta(torch.ones(N)))
            for i in (1, 2):
                with poutine.mask(mask=i < COUNT):
                    pyro.sample(f"z_{i}", dist.Delta(torch.ones(N)))

    assert violation(guide, "forall i: z[i] <= 0") == pytest.approx((4 + 2 + 1) / N)


def test_absent_entries_have_no_distribution() -> None:
    def guide() -> None:
        with pyro.plate("data", N):
            for i in range(3):
                pyro.sample(f"b_{i}", dist.Bernoulli(0.25 * torch.ones(N)).mask(i < COUNT))
            pyro.sample("y", dist.Bernoulli(0.25 * torch.ones(N, 3)).mask((COUNT > 1)[:, None]).to_event(1))

    assert violation(guide, "forall i: mean(q(b[i])) <= 0") == pytest.approx(6 * 0.25 / N)
    assert violation(guide, "forall i: mean(q(y[i])) <= 0") == pytest.approx(2 * 0.75 / N)
    assert asrppl.regularize(guide, guide, "forall i: mean(q(b[i])) <= 0").bindings()["b"].masked


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("e <= 0", 3 / N), ("forall i: e[i] <= 0", 3), ("(max i: e[i]) <= 0", 1), ("(sum i: e[i]) <= 0", 3)],
)
def test_a_mask_around_an_exposed_value_over_a_plate_that_is_indexed(rule: str, expected: float) -> None:
    def guide() -> None:
        with pyro.plate("objects", N), poutine.mask(mask=COUNT > 0):
            asrppl.expose("e", torch.ones(N))
            pyro.sample("z", dist.Delta(torch.zeros(N)))

    assert violation(guide, rule) == pytest.approx(expected)


def test_a_mask_that_tells_the_entries_of_an_event_apart_is_refused_also_in_the_model_alone() -> None:
    def model() -> None:
        here = torch.tensor([True, False, True])
        pyro.sample("z", dist.Normal(torch.zeros(3), 1.0).mask(here).to_event(1))

    def guide() -> None:
        pyro.sample("z", dist.Normal(torch.zeros(3), 1.0).to_event(1))

    for program in (model, guide):
        with pytest.raises(asrppl.AsrError, match="tells the entries of its event apart") as error:
            asrppl.regularize(model, program, "forall i: z[i] <= 0").bindings()
        assert error.value.diagnostics[0].code == "ASR093"


# ---- masks of the model


def masked(here: Tensor | None, observe: bool = True) -> Program:
    def program() -> None:
        with pyro.plate("data", N), poutine.mask(mask=True if here is None else here):
            z = pyro.sample("z", dist.Normal(5.0, 1e-6))
            if observe:
                pyro.sample("x", dist.Normal(z, 1.0), obs=torch.zeros(N))

    return program


@pytest.mark.parametrize("in_guide", [None, torch.tensor([True, False, True, True])])
@pytest.mark.parametrize("rule", ["z <= 0", "forall i: z[i] <= 0"])
def test_a_latent_is_absent_where_either_program_masks_it(in_guide: Tensor | None, rule: str) -> None:
    in_model = torch.tensor([True, True, True, False])
    found = violation(masked(in_guide, observe=False), rule, masked(in_model))
    assert found == pytest.approx(5.0 * (3 if in_guide is None else 2) / N, abs=1e-3)


def test_automatic_guides_have_the_masks_of_their_model() -> None:
    model = masked(COUNT > 0)
    guide = AutoDelta(model, init_loc_fn=init_to_value(values={"z": 5 * torch.ones(N)}))
    elbo = asrppl.regularize(model, guide, "z <= 0")
    elbo.loss(model, guide)
    assert float(elbo.report.penalty) == pytest.approx(15.0)


@pytest.mark.parametrize(
    ("rule", "cost"), [("x <= 0", 1 + 1 + 5 + 5), ("x_observed <= 0", 1 + 1), ("x_unobserved <= 0", 5 + 5)]
)
@pytest.mark.filterwarnings("ignore:warning.ASR116")  # that the rule reads only data is the point here
def test_parts_of_an_observation_that_are_missing(rule: str, cost: float) -> None:
    """`obs_mask` makes two sites, one of which each entry has, and a third of both."""

    def model() -> None:
        with pyro.plate("data", N):
            seen, here = torch.tensor([1.0, 1, 9, 9]), torch.tensor([True, True, False, False])
            pyro.sample("x", dist.Normal(0.0, 1.0), obs=seen, obs_mask=here)

    def guide() -> None:
        with pyro.plate("data", N):
            pyro.sample("x_unobserved", dist.Delta(5 * torch.ones(N)))

    elbo = asrppl.regularize(model, guide, rule)
    elbo.loss(model, guide)
    assert float(elbo.report.penalty) == pytest.approx(cost)
    assert elbo.bindings().data == "data"


# ---- sites that a call does not make


def test_a_call_with_fewer_members_of_a_family_pays_for_those() -> None:
    def guide(objects: int) -> None:
        with pyro.plate("data", N):
            pyro.sample("a", dist.Delta(torch.zeros(N)))
            for i in range(objects):
                pyro.sample(f"z_{i}", dist.Delta(torch.ones(N)))

    elbo = asrppl.regularize(guide, guide, "rule r: forall i: z[i] <= 0")
    for objects in (3, 1, 2, 3):
        elbo.loss(guide, guide, objects)
        assert float(elbo.report.violations["r"]) == pytest.approx(objects)
    with pytest.warns(asrppl.AsrWarning, match="runs over no instance"):
        elbo.loss(guide, guide, 0)
    assert float(elbo.report.violations["r"]) == 0.0


# ---- a program of the structure of Pyro's AIR example

STEPS = 3
NONOVERLAP = 'site box[i] = "z_where_{i}": (size, x, y)\nrule apart weight 2: forall i != j: nonoverlap(box[i], box[j])'
PLACE = torch.tensor([[2.0, 0.0, 0.0], [2.0, 0.5, 0.1], [1.5, -0.4, 0.3]])  # side, x, y: all overlap


class Air:
    """Objects one after the other, each there with a probability if the one before is."""

    def __init__(self, enumerate: bool = False) -> None:
        self.guide: Any = config_enumerate(self._guide) if enumerate else self._guide
        self.enumerate = enumerate

    def model(self, x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            before: Any = torch.ones(len(x), 1, dtype=x.dtype)
            for t in range(STEPS):
                before = self._object(
                    t, 0.4 * torch.ones(len(x), 1, dtype=x.dtype), x.new_zeros(3), x.new_ones(()), before
                )
            pyro.sample("x", dist.Normal(before[..., 0], 1.0), obs=x)

    def _guide(self, x: Tensor) -> None:
        w = pyro.param("w", torch.tensor([0.5, -0.2, 0.3], dtype=x.dtype))
        place = pyro.param("place", PLACE.to(x.dtype))
        with pyro.plate("data", len(x)):
            before: Any = torch.ones(len(x), 1, dtype=x.dtype)
            for t in range(STEPS):
                p = torch.sigmoid(w[t] + x[:, None])
                before = self._object(t, p, place[t], x.new_tensor(1e-4), before)

    def _object(self, t: int, p: Tensor, loc: Tensor, scale: Tensor, before: Tensor) -> Tensor:
        if self.enumerate:  # Pyro enumerates no event
            pres = pyro.sample(f"z_pres_{t}", dist.Bernoulli((p * before)[..., 0]))[..., None]
        else:
            pres = pyro.sample(f"z_pres_{t}", dist.Bernoulli(p * before).to_event(1))
        pyro.sample(f"z_where_{t}", dist.Normal(loc, scale).expand([*pres.shape[:-1], 3]).mask(pres).to_event(1))
        return pres


def excess(a: Tensor, b: Tensor) -> Tensor:
    """By how much two squares (side, x, y) overlap: how far they would have to move apart."""
    gap = (a[0] + b[0]) / 2 - (a[1:] - b[1:]).abs()
    return gap.clamp(min=0).min()


def expected_overlap(w: Tensor, place: Tensor, x: Tensor) -> Tensor:
    """By hand: the mean over the data of the sum over pairs that are both there, in expectation."""
    p = torch.sigmoid(w + x[:, None]).cumprod(1)  # that there are more than t objects
    total = x.new_zeros(())
    for i in range(STEPS):
        for j in range(i):
            total = total + 2 * p[:, i].mean() * excess(place[i], place[j])
    return total


X = torch.tensor([-1.0, 0.2, 0.7, 1.5], dtype=torch.float64)


@pytest.mark.parametrize(
    "base",
    [
        Trace_ELBO(num_particles=200, vectorize_particles=True, max_plate_nesting=1),
        TraceGraph_ELBO(),
    ],
    ids=["trace", "graph"],
)
def test_pairs_of_objects_that_are_there_pay_as_a_factor_by_hand(base: Any) -> None:
    air = Air()
    elbo = asrppl.regularize(air.model, air.guide, NONOVERLAP, elbo=base)
    bindings = elbo.bindings(X)
    assert bindings["box"].masked
    assert bindings["box"].axes == ((STEPS, "sites"),)
    w = torch.tensor([0.5, -0.2, 0.3], dtype=X.dtype, requires_grad=True)
    place = PLACE.to(X.dtype).requires_grad_()
    exact = expected_overlap(w, place, X)
    (2 * len(X) * exact).backward()
    calls = 60
    _, both = draws_of_gradient(lambda: elbo.loss_and_grads(air.model, air.guide, X), calls, ("w",))
    _, alone = draws_of_gradient(lambda: base.loss_and_grads(air.model, air.guide, X), calls, ("w",))
    deviation = both.mean(0) - alone.mean(0) - w.grad
    error = ((both.var(0) + alone.var(0)) / calls).sqrt()
    assert float((deviation.abs() / error).max()) < 4.5
    found: list[float] = []
    for _ in range(calls):
        elbo.loss(air.model, air.guide, X)
        found.append(float(elbo.report.violations["apart"]))
    costs = torch.tensor(found)
    assert abs(float(costs.mean()) - float(exact.detach())) < 4.5 * float(costs.std()) / calls**0.5


def test_enumerated_presence_is_exact() -> None:
    air = Air(enumerate=True)
    base = TraceEnum_ELBO(max_plate_nesting=1)
    elbo = asrppl.regularize(air.model, air.guide, NONOVERLAP, elbo=base)
    elbo.loss(air.model, air.guide, X)
    w = torch.tensor([0.5, -0.2, 0.3], dtype=X.dtype)
    expected = float(expected_overlap(w, PLACE.to(X.dtype), X))
    assert float(elbo.report.violations["apart"]) == pytest.approx(expected, abs=1e-2)


def test_such_a_program_trains_on_batches_until_its_objects_are_apart() -> None:
    air = Air()

    def batch(program: Any) -> Any:
        return lambda: program(X)

    model, guide = batch(air.model), batch(air.guide)
    base = Trace_ELBO(num_particles=30, vectorize_particles=True, max_plate_nesting=1)
    elbo = asrppl.regularize(model, guide, NONOVERLAP.replace("weight 2", "weight 20"), elbo=base)
    pyro.set_rng_seed(0)
    svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.02}), elbo)
    overlaps: list[float] = []
    for _ in range(200):
        svi.step()
        overlaps.append(float(expected_overlap(pyro.param("w").detach(), pyro.param("place").detach(), X)))
    assert overlaps[-1] < 0.1 * overlaps[0]


# ---- a program of the structure of Pyro's DMM example: ragged sequences in a batch

LENGTHS = torch.tensor([4, 2, 3, 1])


def ragged(observe: bool, how: str) -> Program:
    def program() -> None:
        here = torch.arange(4) < LENGTHS[:, None]
        with pyro.plate("sequences", N):
            for t in pyro.markov(range(4)):
                law = dist.Normal(torch.full((N, 2), float(t)), 1e-5)
                if how == "handler":
                    with poutine.mask(mask=here[:, t]):
                        z = pyro.sample(f"z_{t}", law.to_event(1))
                        if observe:
                            pyro.sample(f"x_{t}", dist.Normal(z, 1.0).to_event(1), obs=torch.zeros(N, 2))
                else:
                    z = pyro.sample(f"z_{t}", law.mask(here[:, t : t + 1]).to_event(1))
                    if observe:
                        emission = dist.Normal(z, 1.0).mask(here[:, t : t + 1]).to_event(1)
                        pyro.sample(f"x_{t}", emission, obs=torch.zeros(N, 2))

    return program


@pytest.mark.parametrize("how", ["handler", "distribution"])
@pytest.mark.filterwarnings("ignore:warning.ASR116")  # that the rule reads only data is the point here
def test_steps_beyond_the_end_of_a_sequence_pay_nothing(how: str) -> None:
    model, guide = ragged(True, how), ragged(False, how)
    smooth = violation(guide, "forall t: abs(z[t + 1, 0] - z[t, 0]) <= 0.5", model)
    assert smooth == pytest.approx(0.5 * float((LENGTHS - 1).sum()) / N, abs=1e-3)
    low = violation(guide, "forall t: z[t, 1] <= 0", model)
    assert low == pytest.approx(float((LENGTHS * (LENGTHS - 1) / 2).sum()) / N, abs=1e-3)
    seen = violation(guide, "forall t: x[t, 1] >= 1", model)
    assert seen == pytest.approx(float(LENGTHS.sum()) / N)
    assert asrppl.regularize(model, guide, "forall t: z[t, 1] <= 0").bindings().data == "sequences"


def test_an_aggregate_of_each_step_is_over_the_data_that_have_it() -> None:
    """Sequences of different lengths: a mask for each step."""
    lengths = torch.tensor([3, 2, 1, 3])
    at = torch.arange(12.0).reshape(3, 4) / 12

    def model() -> None:
        with pyro.plate("data", 4):
            for step in range(3):
                with poutine.mask(mask=step < lengths):
                    z = pyro.sample(f"z_{step}", dist.Normal(0.0, 1.0))
                    pyro.sample(f"x_{step}", dist.Normal(z, 1.0), obs=torch.zeros(4))

    def guide() -> None:
        with pyro.plate("data", 4):
            for step in range(3):
                with poutine.mask(mask=step < lengths):
                    pyro.sample(f"z_{step}", dist.Normal(at[step], 1e-6))

    elbo = asrppl.regularize(model, guide, "rule r: forall t: aggregate(E[z[t]]) >= 1")
    elbo.loss(model, guide)
    means = [at[0].mean(), at[1, [0, 1, 3]].mean(), at[2, [0, 3]].mean()]
    assert float(elbo.report.violations["r"]) == pytest.approx(float(sum(1 - mean for mean in means)), abs=1e-4)


@pytest.mark.parametrize("force", ["weight 1", "hard"])
@pytest.mark.parametrize(
    ("rule", "cost"),
    [
        ("(mean i: P[b[i] == 1]) <= 0.2", 0),  # a mean over nothing has no value, and a claim on it costs nothing
        ("(mean i: E[b[i] * b[i]]) <= 0.2", 0),
        ("forall i: aggregate(E[b[i]]) <= 0.2", 0),
        ("(sum i: P[b[i] == 1]) >= 1", 1),
        ("(count i: P[b[i] == 1] >= 0.5) >= 1", 1),
        ("exists i: P[b[i] == 1] <= 0.2", 1),
        ("(count i: aggregate(E[b[i]] where P[b[i] == 1] > 0.1) >= 0.5) >= 1", 1),
    ],
)
def test_means_over_sites_that_a_call_makes_none_of(rule: str, cost: float, force: str) -> None:
    def program(count: int) -> None:
        p = pyro.param("p", torch.tensor(0.9))
        with pyro.plate("data", 3):
            for i in range(count):
                pyro.sample(f"b_{i}", dist.Bernoulli(p))

    elbo = asrppl.regularize(program, program, f'site b[i] = "b_{{i}}"\nrule r {force}: {rule}')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", asrppl.AsrWarning)  # it says that the rule runs over nothing
        for _ in range(2):
            elbo.loss_and_grads(program, program, 0)
    assert float(elbo.report.violations["r"]) == cost
    elbo.loss_and_grads(program, program, 2)
    assert elbo.report.moments["r"]
