"""What is data chooses and never gives: observed sites, plain values in `bind=`, names declared `given`."""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import Tensor

import asrppl

LABELS = torch.tensor([1.0, 0.0, 1.0, 1.0])
Z = torch.tensor([-2.0, -5.0, 0.5, 1.0])


def model(labels: Tensor = LABELS) -> None:
    with pyro.plate("data", 4):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.Bernoulli(torch.sigmoid(z)), obs=labels)


def guide(labels: Tensor = LABELS) -> None:
    asrppl.expose("label", labels)
    with pyro.plate("data", 4):
        pyro.sample("z", dist.Delta(Z))


def penalty(rules: str, **options: object) -> float:
    elbo = asrppl.regularize(model, guide, rules, **options)  # pyright: ignore[reportArgumentType]
    elbo.loss(model, guide)
    return float(elbo.report.penalty) / 4  # nats per datum


def test_an_observed_site_decides() -> None:
    # Were `y` an int that could give, each datum would cost at most 1.
    assert penalty("y implies z >= 0") == pytest.approx(2 / 4)
    assert penalty("y implies z >= 0 and z >= 0") == pytest.approx(4 / 4)


def test_a_rule_may_speak_of_some_data_only() -> None:
    assert penalty("rule r where y: z >= 0") == pytest.approx(2 / 4)
    assert penalty("rule r where not y: z >= 0") == pytest.approx(5 / 4)


def test_what_is_exposed_is_given_where_the_rules_say_so() -> None:
    assert penalty("given label: bool\nlabel implies z >= 0") == pytest.approx(2 / 4)
    assert penalty("given label: int\nlabel == 1 or z >= 0") == pytest.approx(5 / 4)
    assert penalty("given label\nlabel >= 1 or z >= 0") == pytest.approx(5 / 4)


def test_plain_values_in_bind_are_data_and_tensors_are_not() -> None:
    rules = "t >= 1 or z >= 0"
    assert penalty(rules, bind={"t": 0.75}) == pytest.approx((2 + 5) / 4)
    assert penalty(rules, bind={"t": np.float64(0.75)}) == pytest.approx((2 + 5) / 4)
    assert penalty(rules, bind={"t": torch.tensor(0.75)}) == pytest.approx((0.25 + 0.25) / 4)


def test_a_value_is_what_it_is_whether_it_requires_a_gradient() -> None:
    plain, moving = torch.tensor(0.75), torch.tensor(0.75, requires_grad=True)
    rules = "t >= 1 or z >= 0"
    assert penalty(rules, bind={"t": plain}) == penalty(rules, bind={"t": moving})


def test_what_the_guide_draws_is_not_given() -> None:
    with pytest.raises(asrppl.AsrError, match=r"declared `given`, and the guide draws it"):
        penalty("given z\nz >= 0")


def test_a_value_that_is_not_of_the_declared_kind_is_named_with_its_entry() -> None:
    with pytest.raises(asrppl.AsrError, match=r"has 0.5 at lab\[1, 0\], which is not 0, 1, true or false"):
        asrppl.parse("given lab: bool\nforall i: lab[i] implies x <= 0").penalty(
            {"lab": [[1.0], [0.5]], "x": [0.0, 0.0]}
        )
    with pytest.raises(asrppl.AsrError, match=r"has 1.5 at g, which is not a whole number"):
        asrppl.parse("given g: int\ng == 2").penalty({"g": 1.5})


def test_a_guard_on_given_names_chooses_and_trains_nothing_else() -> None:
    score = torch.tensor([0.9, 0.2], requires_grad=True)
    x = torch.tensor([3.0, 4.0], requires_grad=True)
    found = asrppl.parse("forall i where score[i] > 0.5: x[i] <= 1").penalty({"score": score, "x": x})
    found.backward()
    assert found.item() == 2
    assert x.grad is not None
    assert x.grad.tolist() == [1, 0]
    assert score.grad is None or score.grad.tolist() == [0, 0]


def test_guards_on_reparameterised_draws_are_refused_and_the_mend_is_detach() -> None:
    def noisy() -> None:
        with pyro.plate("data", 4):
            pyro.sample("z", dist.Normal(Z, 1e-9))

    with pytest.raises(asrppl.AsrError, match=r"detach\(z\)") as refused:
        asrppl.regularize(model, noisy, "rule r where z < 0: z >= -1").loss(model, noisy)
    assert refused.value.diagnostics[0].code == "ASR064"
    elbo = asrppl.regularize(model, noisy, "rule r where detach(z) < 0: z >= -1")
    elbo.loss(model, noisy)
    assert float(elbo.report.penalty) / 4 == pytest.approx((1 + 4) / 4, abs=1e-6)


def test_detach_of_a_discrete_draw_is_refused() -> None:
    def discrete() -> None:
        with pyro.plate("data", 4):
            pyro.sample("z", dist.Poisson(3.0))

    def counted() -> None:
        with pyro.plate("data", 4):
            pyro.sample("z", dist.Poisson(torch.full((4,), 2.0)))
            pyro.sample("y", dist.Normal(0.0, 1.0), obs=torch.zeros(4))

    with pytest.raises(asrppl.AsrError, match="`detach` changes nothing here"):
        asrppl.regularize(counted, discrete, "detach(z) <= 3").loss(counted, discrete)
