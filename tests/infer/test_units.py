"""Weights are nats per datum: batches, doubled data, scales and masks weigh a rule and the evidence alike."""

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
from tests.infer.toys import X, draws_of_gradient, worst_z

RULES = {
    "sample": "rule r weight 3: b - 0.25 <= 0",
    "posterior": "rule r weight 3: kl(delta(1) || q(b)) <= 0",
    "population": "rule r weight 3: kl(uniform({0, 1}) || aggregate(q(b))) <= 0",
    "population mean": "rule r weight 3: mean(aggregate(q(b))) <= 0.2",
}


def _local(data: Tensor, subsample: int | None = None) -> tuple[Callable[[], None], Callable[[], None]]:
    """Enumerated draws only: everything is exact."""

    def model() -> None:
        with pyro.plate("data", len(data), subsample_size=subsample) as index:
            b = pyro.sample("b", dist.Bernoulli(X.new_tensor(0.3)))
            pyro.sample("x", dist.Normal(b, 1.0), obs=data[index])

    @config_enumerate
    def guide() -> None:
        w = pyro.param("w", X.new_tensor(0.7))
        with pyro.plate("data", len(data), subsample_size=subsample) as index:
            pyro.sample("b", dist.Bernoulli(torch.sigmoid(w + data[index])))

    return model, guide


def _slopes(model: Any, guide: Any, rules: str, base: Any, **options: Any) -> tuple[Tensor, Tensor]:
    """The gradient of the evidence's part, and of the rules'."""
    elbo = asrppl.regularize(model, guide, rules, elbo=base, **options)
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    _, both = draws_of_gradient(lambda: elbo.loss_and_grads(model, guide), 1, ("w",))
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    _, alone = draws_of_gradient(lambda: base.loss_and_grads(model, guide), 1, ("w",))
    return alone[0], both[0] - alone[0]


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES.keys())
def test_doubling_the_data_leaves_the_ratio_of_gradients(rules: str) -> None:
    once = _slopes(*_local(X), rules, TraceEnum_ELBO(max_plate_nesting=1))
    twice = _slopes(*_local(torch.cat([X, X])), rules, TraceEnum_ELBO(max_plate_nesting=1))
    assert once[1].abs().min() > 1e-3
    torch.testing.assert_close(twice[0], 2 * once[0])
    torch.testing.assert_close(twice[1], 2 * once[1])


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES.keys())
def test_subsampling_the_data_leaves_the_ratio_of_gradients(rules: str) -> None:
    data = X[:1].expand(6)  # equal, so that any subsample stands for all of them
    whole = _slopes(*_local(data), rules, TraceEnum_ELBO(max_plate_nesting=1))
    part = _slopes(*_local(data, subsample=2), rules, TraceEnum_ELBO(max_plate_nesting=1))
    assert whole[1].abs().min() > 1e-3
    torch.testing.assert_close(part[0], whole[0])
    torch.testing.assert_close(part[1], whole[1])


@pytest.mark.parametrize("subsample", [None, 2])
def test_a_global_draw_weighs_as_the_data_do(subsample: int | None) -> None:
    def programs(data: Tensor) -> tuple[Callable[[], None], Callable[[], None]]:
        def model() -> None:
            with poutine.mask(mask=False):
                mu = pyro.sample("mu", dist.Normal(X.new_tensor(0.0), 1.0))
            with pyro.plate("data", len(data), subsample_size=subsample) as index:
                pyro.sample("x", dist.Normal(mu, 1.0), obs=data[index])

        def guide() -> None:
            w = pyro.param("w", X.new_tensor(3.0))
            with poutine.mask(mask=False):
                pyro.sample("mu", dist.Normal(w, 0.1))

        return model, guide

    data = X[:1].expand(4)
    rules = "rule r weight 3: mu <= 0"
    once, twice = _slopes(*programs(data), rules, Trace_ELBO()), _slopes(*programs(data.repeat(2)), rules, Trace_ELBO())
    torch.testing.assert_close(once[1], X.new_tensor([4 * 3.0]))
    torch.testing.assert_close(twice[1], 2 * once[1])


def test_without_a_data_plate_a_weight_is_nats() -> None:
    def model() -> None:
        mu = pyro.sample("mu", dist.Normal(X.new_tensor(0.0), 1.0))
        pyro.sample("x", dist.Normal(mu, 1.0), obs=X[0])

    def guide() -> None:
        pyro.sample("mu", dist.Normal(pyro.param("w", X.new_tensor(3.0)), 0.1))

    assert _slopes(model, guide, "rule r weight 3: mu <= 0", Trace_ELBO())[1].item() == pytest.approx(3.0)


def test_the_scale_of_the_whole_model_applies_to_the_rules() -> None:
    model, guide = _local(X)
    base = TraceEnum_ELBO(max_plate_nesting=1)
    rules = "\n".join(rule.replace("rule r", f"rule {name.replace(' ', '_')}") for name, rule in RULES.items())
    plain = _slopes(model, guide, rules, base)
    inside = _slopes(poutine.scale(model, 0.25), poutine.scale(guide, 0.25), rules, base)
    torch.testing.assert_close(inside[0], 0.25 * plain[0])
    torch.testing.assert_close(inside[1], 0.25 * plain[1])
    with poutine.scale(scale=0.25):  # around the step: it reaches the factors by itself, and must not count twice
        outside = _slopes(model, guide, rules, base)
    torch.testing.assert_close(outside[1], 0.25 * plain[1])


def test_a_scale_of_some_sites_leaves_the_rules_alone() -> None:
    model, guide = _local(X)

    def annealed() -> None:
        with pyro.plate("data", len(X)):
            with poutine.scale(scale=0.1):
                b = pyro.sample("b", dist.Bernoulli(X.new_tensor(0.3)))
            pyro.sample("x", dist.Normal(b, 1.0), obs=X)

    base = TraceEnum_ELBO(max_plate_nesting=1)
    torch.testing.assert_close(
        _slopes(annealed, guide, RULES["sample"], base)[1], _slopes(model, guide, RULES["sample"], base)[1]
    )


@pytest.mark.parametrize("rules", [RULES["sample"], RULES["posterior"]], ids=["sample", "posterior"])
def test_a_masked_datum_costs_nothing(rules: str) -> None:
    present = torch.tensor([True, True, False, True, False, True])

    def masked(program: Callable[[], None]) -> Callable[[], None]:
        return poutine.mask(program, mask=present)

    model, guide = _local(X)
    base = TraceEnum_ELBO(max_plate_nesting=1)
    evidence, rule = _slopes(masked(model), masked(guide), rules, base)
    left = _slopes(*_local(X[present]), rules, base)
    torch.testing.assert_close(evidence, left[0])
    torch.testing.assert_close(rule, left[1])


# ---- object plates

GROUPS, PER_GROUP = 3, 4


def _schools(*, flat: bool) -> tuple[Callable[[], None], Callable[[], None]]:
    observed = torch.linspace(-1.0, 1.0, GROUPS * PER_GROUP, dtype=X.dtype).reshape(PER_GROUP, GROUPS)

    def model() -> None:
        mu = pyro.sample("mu", dist.Normal(X.new_tensor(0.0), 1.0))
        schools = pyro.plate("schools", GROUPS, dim=-1)
        with schools:
            theta = pyro.sample("theta", dist.Normal(mu, 1.0))
        if flat:
            with schools:
                pyro.sample("y", dist.Normal(theta, 1.0), obs=observed[0])
        else:
            with pyro.plate("pupils", PER_GROUP, dim=-2), schools:
                pyro.sample("y", dist.Normal(theta, 1.0), obs=observed)

    def guide() -> None:
        w = pyro.param("w", torch.tensor([2.0, 0.5, -1.0], dtype=X.dtype))
        pyro.sample("mu", dist.Normal(X.new_tensor(0.2), 0.3))
        with pyro.plate("schools", GROUPS, dim=-1):
            pyro.sample("theta", dist.Normal(w, 0.5))

    return model, guide


@pytest.mark.parametrize("flat", [True, False])
def test_a_plate_of_objects_is_summed_over_and_the_data_plate_averaged(flat: bool) -> None:
    model, guide = _schools(flat=flat)
    rules = "rule near weight 2: forall s: abs(theta[s] - mu) <= 0.5"
    base = Trace_ELBO(num_particles=100, vectorize_particles=True, max_plate_nesting=1 if flat else 2)
    elbo = asrppl.regularize(model, guide, rules, elbo=base, data=None if flat else "pupils")
    bindings = elbo.bindings()
    assert bindings["theta"].axes == ((GROUPS, "plate 'schools'"),)
    assert bindings.data == ("schools" if flat else "pupils")
    count = 1 if flat else PER_GROUP  # GROUPS data × a mean over GROUPS; PER_GROUP data × a sum over GROUPS
    _, both = draws_of_gradient(lambda: elbo.loss_and_grads(model, guide), 80, ("w",))
    _, alone = draws_of_gradient(lambda: base.loss_and_grads(model, guide), 80, ("w",))
    w = torch.tensor([2.0, 0.5, -1.0], dtype=X.dtype, requires_grad=True)
    sd = (X.new_tensor(0.5) ** 2 + 0.3**2).sqrt()
    slope = 2 * count * (torch.special.ndtr((w - 0.2 - 0.5) / sd) - torch.special.ndtr((0.2 - w - 0.5) / sd))
    deviation = both.mean(0) - alone.mean(0) - slope.detach()
    error = ((both.var(0) + alone.var(0)) / 80).sqrt()
    assert float((deviation.abs() / error).max()) < 4.5


def test_a_value_of_all_data_outside_the_plate_gets_its_score_function() -> None:
    def model() -> None:
        with pyro.plate("objects", 3):
            b = pyro.sample("b", dist.Bernoulli(X.new_tensor(0.5)))
            pyro.sample("x", dist.Normal(b, 1.0), obs=X[:3])

    def guide() -> None:
        w = pyro.param("w", X[:3].clone())
        with pyro.plate("objects", 3):
            pyro.sample("b", dist.Bernoulli(torch.sigmoid(w)))

    rules = "rule few weight 2: (sum i: b[i]) <= 1"
    base = Trace_ELBO(num_particles=200, vectorize_particles=True, max_plate_nesting=1)
    elbo = asrppl.regularize(model, guide, rules, elbo=base)
    _, both = draws_of_gradient(lambda: elbo.loss_and_grads(model, guide), 100, ("w",))
    w = X[:3].clone().requires_grad_()
    one = torch.sigmoid(w)
    kl = (one * (2 * one).log() + (1 - one) * (2 * (1 - one)).log()).sum()
    fit = (one * (1 - 2 * X[:3]) / 2).sum()
    more = one[0] * one[1] * (1 - one[2]) + one[0] * (1 - one[1]) * one[2] + (1 - one[0]) * one[1] * one[2]
    (kl + fit + 3 * 2 * (more + 2 * one.prod())).backward()  # one value of the 3 data: 3 × its weight
    assert w.grad is not None
    assert worst_z(both, w.grad) < 4.5
    with pytest.raises(asrppl.AsrError, match="ASR095"):
        asrppl.regularize(model, guide, rules, elbo=TraceEnum_ELBO(max_plate_nesting=1)).bindings()


def test_objects_of_a_datum_in_a_plate_of_their_own() -> None:
    """The plate of objects stands left of the data's; the family has an axis in front of both."""

    def guide() -> None:
        with pyro.plate("data", 4, dim=-1), pyro.plate("objects", 3, dim=-2):
            pyro.sample("z", dist.Normal(torch.arange(12.0, dtype=X.dtype).reshape(3, 4), 0.001))

    def model() -> None:
        data = pyro.plate("data", 4, dim=-1)
        with data, pyro.plate("objects", 3, dim=-2):
            pyro.sample("z", dist.Normal(X.new_tensor(0.0), 1.0))
        with data:
            pyro.sample("x", dist.Normal(X.new_tensor(0.0), 1.0), obs=X[:4])

    for rule, expected in (("forall i: z[i] <= 0", 66 / 4), ("z <= 0", 66 / 12)):
        # The sum over objects of the mean over data, and the mean over both.
        elbo = asrppl.regularize(model, guide, f"rule r: {rule}")
        elbo.loss(model, guide)
        assert elbo.report.violations["r"].item() == pytest.approx(expected, abs=0.01)
