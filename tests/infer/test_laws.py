"""`q(x)` of sites with a density, of AutoGuides, of what is observed and of what is exposed."""

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO, autoguide
from torch import Tensor

import asrppl
from asrppl.diagnostics import AsrError

Program = Callable[..., Any]
DOUBLE = torch.float64


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=DOUBLE)


def violations(model: Program, guide: Program, rules: str, **options: Any) -> dict[str, Tensor]:
    elbo = asrppl.regularize(model, guide, rules, **options)
    with torch.no_grad():
        elbo.loss(model, guide)
    return dict(elbo.report.violations)


def refusal(code: str, model: Program, guide: Program, rules: str) -> str:
    with pytest.raises(AsrError) as caught:
        violations(model, guide, rules)
    (found,) = caught.value.diagnostics
    assert found.code == code
    return f"{found.message}; {found.help}"


# ---- sites of a guide


def model() -> None:
    pyro.sample("m", dist.Normal(number(0.0), 1.0))
    pyro.sample("s", dist.Gamma(number(2.0), 1.0))
    with pyro.plate("objects", 3):
        pyro.sample("z", dist.Normal(number(0.0), 1.0))


def guide() -> None:
    pyro.sample("m", dist.Normal(pyro.param("m_loc", number(1.5)), number(0.5)))
    pyro.sample("s", dist.Gamma(pyro.param("s_shape", number(3.0)), number(2.0)))
    with pyro.plate("objects", 3):
        at, scale = (
            pyro.param("z_loc", torch.arange(3.0, dtype=DOUBLE)),
            pyro.param("z_scale", torch.ones(3, dtype=DOUBLE)),
        )
        pyro.sample("z", dist.Normal(at, scale))


RULES = """
rule mean:  mean(q(m)) + mean(q(s)) <= 0
rule below: cdf(q(m), 1) <= 0
rule most:  quantile(q(m), 0.9) <= 0
rule free:  kl(q(s) || gamma(1, rate: 1)) <= 0
rule all:   forall i: mean(q(z[i])) + sd(q(z[i])) <= 0
rule first: kl(q(z[0]) || q(z[2])) <= 0
"""
NORMAL, GAMMA = dist.Normal(number(1.5), number(0.5)), dist.Gamma(number(3.0), number(2.0))
WANT = {
    "mean": 3.0,
    "below": float(NORMAL.cdf(number(1.0))),
    "most": float(NORMAL.icdf(number(0.9))),
    "free": float(torch.distributions.kl_divergence(GAMMA, dist.Gamma(number(1.0), number(1.0)))),
    "all": 6.0,
    "first": 2.0,
}


@pytest.mark.parametrize(
    "elbo",
    [
        Trace_ELBO(),
        TraceMeanField_ELBO(),
        TraceEnum_ELBO(max_plate_nesting=1, strict_enumeration_warning=False),
        Trace_ELBO(num_particles=3),
        Trace_ELBO(num_particles=3, vectorize_particles=True, max_plate_nesting=1),
    ],
    ids=lambda elbo: f"{type(elbo).__name__}-{elbo.num_particles}",
)
def test_functionals_of_sites_under_every_base(elbo: Any) -> None:
    found = violations(model, guide, RULES, elbo=elbo)
    assert {name: float(value) for name, value in found.items()} == pytest.approx(WANT)


def test_the_parameters_have_the_rules_gradient_and_no_noise() -> None:
    elbo = asrppl.regularize(model, guide, "rule r: kl(q(m) || normal(0, 1)) <= 0")
    without = asrppl.regularize(model, guide, "rule r weight 0: kl(q(m) || normal(0, 1)) <= 0")
    grads = []
    for objective in (elbo, without):
        pyro.clear_param_store()
        pyro.set_rng_seed(0)
        objective.differentiable_loss(model, guide).backward()
        grads.append(pyro.get_param_store()._params["m_loc"].grad.clone())
    assert float(grads[0] - grads[1]) == pytest.approx(1.5)  # of (m² + s² − 1)/2 − log s
    assert str(elbo.bindings()).count("depends on no draw")


def test_laws_in_a_plate_are_those_of_its_entries_in_batches_too() -> None:
    rows = torch.linspace(-1.0, 1.0, 8, dtype=DOUBLE)

    def observed() -> None:
        with pyro.plate("data", 8, subsample_size=4) as index:
            z = pyro.sample("z", dist.Normal(torch.zeros(2, dtype=DOUBLE), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z.sum(-1), 1.0), obs=rows[index])

    def amortised() -> None:
        with pyro.plate("data", 8, subsample_size=4) as index:
            loc = torch.stack((rows[index], 2 * rows[index]), -1)
            pyro.sample("z", dist.Normal(loc, number(0.5)).to_event(1))

    rules = """
rule one: forall d: abs(mean(q(z[d]))) <= 0
rule pop: abs(aggregate(mean(q(z[0])))) <= 0
rule div: aggregate(kl(q(z[0]) || normal(0, 1))) <= 0
rule cdf: aggregate(cdf(q(z[1]), 0)) <= 0
"""
    pyro.set_rng_seed(1)
    elbo = asrppl.regularize(observed, amortised, rules)
    with torch.no_grad():
        trace = poutine.trace(amortised).get_trace()
        index = trace.nodes["data"]["value"]
        pyro.set_rng_seed(1)
        elbo.loss(observed, amortised)
    # The batch of that call is the one of the generator's state: the values are means over four of the eight rows.
    found = {name: float(value.mean()) for name, value in elbo.report.violations.items()}
    chosen = rows[index]
    standard = 0.5 * (chosen**2 + 0.25 - 1) - torch.log(number(0.5))
    batch = {
        "one": float((3 * chosen.abs()).mean()),
        "pop": float(chosen.mean().abs()),
        "div": float(standard.mean()),
        "cdf": float(dist.Normal(2 * chosen, number(0.5)).cdf(number(0.0)).mean()),
    }
    assert found == pytest.approx(batch)


def test_masks_leave_laws_out() -> None:
    there = torch.tensor([True, False, True])

    def masked() -> None:
        with pyro.plate("objects", 3), poutine.mask(mask=there):
            pyro.sample("z", dist.Normal(torch.arange(3.0, dtype=DOUBLE), 1.0))

    assert float(violations(masked, masked, "forall i: mean(q(z[i])) <= -1")["line 1"]) == 4.0
    assert float(violations(masked, masked, "(max i: mean(q(z[i]))) <= 0")["line 1"]) == 2.0


def test_numbered_sites_and_fields() -> None:
    def program() -> None:
        for i in range(2):
            pyro.sample(f"z_where_{i}", dist.Normal(torch.tensor([1.0, 2.0, 3.0]) + i, 0.5).to_event(1))

    rules = 'site z[i] = "z_where_{i}": (scale, x, y)\nforall i: mean(q(z[i].x)) <= 0\nforall i: sd(q(z[i].y)) <= 0.1'
    assert [float(value) for value in violations(program, program, rules).values()] == pytest.approx([5.0, 0.8])


def test_numbered_sites_that_a_call_does_not_make() -> None:
    def program(count: int) -> None:
        for i in range(count):
            pyro.sample(f"z_{i}", dist.Normal(number(1.0 + i), 1.0))

    elbo = asrppl.regularize(program, program, "rule r: forall i: mean(q(z[i])) <= 0")

    def violation(count: int) -> float:
        elbo.loss(program, program, count)
        return float(elbo.report.violations["r"])

    assert violation(2) == 3.0
    with pytest.warns(asrppl.AsrWarning, match="no instance"):
        assert violation(0) == 0.0
    assert violation(1) == 1.0


def test_sites_of_one_name_have_one_law() -> None:
    def program() -> None:
        pyro.sample("z_0", dist.Normal(number(1.0), 1.0))
        pyro.sample("z_1", dist.Laplace(number(1.0), 1.0))

    assert "different supports or laws" in refusal("ASR085", program, program, "forall i: mean(q(z[i])) <= 0")


def test_laws_read_earlier_draws_as_the_site_does() -> None:
    def chained() -> None:
        first = pyro.sample("first", dist.Normal(number(0.0), 1.0))
        pyro.sample("second", dist.Normal(first + 2, 1.0))

    elbo = asrppl.regularize(chained, chained, "rule r: mean(q(second)) <= 0\nrule s: mean(q(first)) >= 1")
    bindings = elbo.bindings()
    assert bindings.names["second"].levels == ("z",)
    assert bindings.names["first"].levels == ()
    text = refusal("ASR064", chained, chained, "rule r where mean(q(second)) > 0: mean(q(first)) <= 0")
    assert "detach" in text


# ---- one-hot, observed and exposed


def test_a_one_hot_site_is_the_law_of_its_index() -> None:
    probs = torch.tensor([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]], dtype=DOUBLE)

    def program() -> None:
        with pyro.plate("data", 2):
            pyro.sample("y", dist.OneHotCategorical(probs))

    rules = "rule a: q(y)[2] <= 0\nrule b: kl(uniform(0..2) || aggregate(q(y))) <= 0\nrule c: forall k: q(y)[k] <= 0.4"
    found = {name: float(value.mean()) for name, value in violations(program, program, rules).items()}
    mixture = probs.mean(0)
    divergence = float((torch.log(number(1 / 3)) - mixture.log()).mean())
    assert found == pytest.approx({"a": 0.3, "b": divergence, "c": 0.15}, rel=1e-5)


def test_what_was_observed_is_a_point_mass() -> None:
    def observed() -> None:
        pyro.sample("m", dist.Normal(number(0.0), 1.0))
        with pyro.plate("data", 2):
            pyro.sample("x", dist.Normal(number(0.0), 9.0), obs=torch.tensor([1.0, 4.0], dtype=DOUBLE))
            pyro.sample("c", dist.Categorical(torch.ones(4, dtype=DOUBLE)), obs=torch.tensor([1, 3]))
            pyro.sample("k", dist.Poisson(number(3.0)), obs=torch.tensor([1.0, 5.0], dtype=DOUBLE))
            pyro.sample("h", dist.OneHotCategorical(torch.ones(2, dtype=DOUBLE)), obs=torch.eye(2, dtype=DOUBLE))

    rules = """
rule mean: mean(q(x)) - mean(q(m)) <= 0
rule sd:   sd(q(x)) + var(q(x)) >= 1
rule cdf:  cdf(q(x), 2) <= 0
rule med:  quantile(q(x), 0.5) <= mean(q(m))
rule cat:  mean(q(c)) + var(q(c)) + entropy(q(c)) + q(c)[3] <= mean(q(m))
rule kl:   kl(q(c) || uniform(0..3)) <= 0
rule pois: mean(q(k)) + sd(q(k)) + entropy(q(k)) + cdf(q(k), 3) <= mean(q(m))
rule hot:  aggregate(q(h))[0] <= mean(q(m))
"""

    def only_m() -> None:
        pyro.sample("m", dist.Normal(pyro.param("loc", number(0.0)), 1.0))

    with pytest.warns(asrppl.AsrWarning):
        found = violations(observed, only_m, rules)
    want = {"mean": 2.5, "sd": 1.0, "cdf": 0.5, "med": 2.5, "cat": 2.5, "pois": 3.5, "hot": 0.5}
    want["kl"] = float(torch.log(number(4.0)))
    assert {name: float(value.mean()) for name, value in found.items()} == pytest.approx(want)


@pytest.mark.parametrize(
    "rules",
    ["kl(q(x) || normal(0, 1)) <= 0", "kl(normal(0, 1) || q(x)) <= 0"],
)
def test_a_point_mass_has_no_density(rules: str) -> None:
    def observed() -> None:
        pyro.sample("x", dist.Normal(number(0.0), 9.0), obs=number(1.0))

    assert "point mass" in refusal("ASR051", observed, lambda: None, rules)


def test_a_deterministic_site_has_no_law() -> None:
    def computed() -> None:
        m = pyro.sample("m", dist.Normal(number(0.0), 1.0))
        pyro.deterministic("twice", 2 * m)

    assert "is computed" in refusal("ASR089", computed, guide_of_m, "mean(q(twice)) <= 0")


def guide_of_m() -> None:
    pyro.sample("m", dist.Normal(pyro.param("loc", number(0.0)), 1.0))


def test_exposed_laws() -> None:
    def exposing() -> None:
        with pyro.plate("data", 2):
            asrppl.expose("score", dist.Normal(torch.tensor([1.0, 2.0]), 1.0))
            asrppl.expose("row", dist.Normal(torch.tensor([[1.0, 2.0, 3.0]] * 2), 1.0).to_event(1))
            asrppl.expose("odd", dist.VonMises(torch.zeros(2), 1.0))

    def nothing() -> None:
        with pyro.plate("data", 2):
            pyro.sample("x", dist.Normal(0.0, 1.0), obs=torch.zeros(2))

    rules = "rule a: mean(q(score)) <= 0\nrule b: forall i: mean(q(row[i])) <= 0"
    found = {name: float(value.mean()) for name, value in violations(nothing, exposing, rules).items()}
    assert found == pytest.approx({"a": 1.5, "b": 6.0})
    assert "is distributed as VonMises" in refusal("ASR089", nothing, exposing, "mean(q(odd)) <= 0")


# ---- AutoGuides


def latents() -> None:
    pyro.sample("a", dist.Normal(number(0.0), 1.0))
    pyro.sample("scale", dist.LogNormal(number(0.0), 1.0))
    pyro.sample("p", dist.Beta(number(2.0), 2.0))
    pyro.sample("u", dist.Uniform(number(-1.0), number(3.0)))
    pyro.sample("simplex", dist.Dirichlet(torch.ones(3, dtype=DOUBLE)))
    with pyro.plate("objects", 3):
        pyro.sample("z", dist.Normal(torch.zeros(2, dtype=DOUBLE), 1.0).to_event(1))


GUIDES = (
    autoguide.AutoNormal,
    autoguide.AutoDiagonalNormal,
    autoguide.AutoMultivariateNormal,
    autoguide.AutoLowRankMultivariateNormal,
)
PLACES = {"a": 0.2, "scale": 1.1, "p": 0.6, "u": 1.0, "z": 0.2}
OF_AUTO = "\n".join(
    [f"rule {name}: cdf(q({name}), {at}) <= 0" for name, at in PLACES.items() if name != "z"]
    + ["rule z: forall i, j: cdf(q(z[i, j]), 0.2) <= 0"]
)


def trained(made: Program) -> Program:
    """Give a guide parameters that are not those of its start."""
    made()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made


@pytest.mark.parametrize("kind", GUIDES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("particles", [1, 4])
def test_the_law_of_an_autoguide_is_that_of_its_draws(kind: Any, particles: int) -> None:
    auto = trained(kind(latents))
    base = Trace_ELBO(num_particles=particles, vectorize_particles=particles > 1, max_plate_nesting=1)
    elbo = asrppl.regularize(latents, auto, OF_AUTO, elbo=base)
    elbo.loss(latents, auto)
    found = {name: float(value) for name, value in elbo.report.violations.items()}
    count = 20_000
    with torch.no_grad(), pyro.plate("draws", count, dim=-2):
        draws = auto()
    for name, at in PLACES.items():
        per_draw = (draws[name].reshape(count, -1) <= at).double().mean(0).sum()
        assert found[name] == pytest.approx(float(per_draw), abs=0.02 * (6 if name == "z" else 1))


@pytest.mark.parametrize("kind", GUIDES, ids=lambda kind: kind.__name__)
def test_gradients_reach_the_parameters_of_an_autoguide(kind: Any) -> None:
    auto = trained(kind(latents))
    elbo = asrppl.regularize(latents, auto, "rule r weight 1000: quantile(q(p), 0.9) <= 0.1")
    elbo.differentiable_loss(latents, auto).backward()
    assert all(parameter.grad is not None for parameter in auto.parameters())
    assert "depends on no draw" in str(elbo.bindings())


def _list() -> Program:
    made = autoguide.AutoGuideList(latents)
    made.append(autoguide.AutoNormal(poutine.block(latents, hide=["z", "p"])))
    made.append(autoguide.AutoDiagonalNormal(poutine.block(latents, expose=["z", "p"])))
    return made


def _wrapped() -> Program:
    inner = autoguide.AutoDiagonalNormal(latents)

    def around() -> None:
        inner()

    return around


@pytest.mark.parametrize("make", [_list, _wrapped])
def test_guides_in_lists_and_in_functions_are_read_alike(make: Callable[[], Program]) -> None:
    auto = make()
    found = violations(latents, auto, OF_AUTO)
    assert set(found) == set(PLACES)
    assert 0 < float(found["z"]) < 6


def test_an_autoguide_in_a_subsampled_plate() -> None:
    rows = torch.linspace(-1.0, 1.0, 8, dtype=DOUBLE)

    def local() -> None:
        with pyro.plate("data", 8, subsample_size=4) as index:
            z = pyro.sample("z", dist.LogNormal(number(0.0), 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=rows[index])

    auto = autoguide.AutoNormal(local, create_plates=lambda: pyro.plate("data", 8, subsample_size=4))
    found = violations(local, auto, "rule r: forall d: kl(q(z[d]) || lognormal(0, 1)) <= 0")
    assert float(found["r"]) > 0


def test_a_laplace_guide_has_laws_after_its_laplace_step() -> None:
    def smooth() -> None:
        a = pyro.sample("a", dist.Normal(number(1.0), 2.0))
        pyro.sample("b", dist.Normal(a, 1.0))

    auto = autoguide.AutoLaplaceApproximation(smooth)
    text = refusal("ASR089", smooth, auto, "sd(q(a)) <= 0")
    assert "laplace_approximation" in text
    made = auto.laplace_approximation()
    assert float(violations(smooth, made, "sd(q(a)) <= 0")["line 1"]) == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize(
    ("kind", "rules", "said"),
    [
        (autoguide.AutoIAFNormal, "mean(q(a)) <= 0", "AutoIAFNormal draws it from a TransformedDistribution"),
        (autoguide.AutoNormal, "forall i: mean(q(simplex[i])) <= 0", "Dirichlet in the model"),
        (autoguide.AutoStructured, "mean(q(a)) <= 0", "is a Delta"),
    ],
)
def test_laws_that_do_not_follow_are_refused(kind: Any, rules: str, said: str) -> None:
    text = refusal("ASR089", latents, kind(latents), rules)
    assert said in text
    assert "E[" in text


def test_a_squashed_normal_has_no_mean_in_closed_form() -> None:
    text = refusal("ASR120", latents, autoguide.AutoNormal(latents), "mean(q(p)) <= 0")
    assert "`q(p)` is a Normal through sigmoid, whose mean" in text
    assert "`E[p]` says it" in text


def test_the_point_masses_of_autodelta() -> None:
    auto = autoguide.AutoDelta(latents)
    auto()
    rules = "rule a: abs(mean(q(a))) + var(q(a)) <= 0\nrule s: forall i: mean(q(simplex[i])) <= 0"
    found = violations(latents, auto, rules)
    assert float(found["a"]) == pytest.approx(abs(float(auto.a.detach())))
    assert float(found["s"]) == pytest.approx(1.0)
    assert "step" in refusal("ASR120", latents, auto, "cdf(q(a), 0) <= 0")


def test_a_delta_around_a_draw_of_its_own_is_refused() -> None:
    def own() -> None:
        u = pyro.sample("u", dist.Normal(pyro.param("loc", number(0.0)), 1.0), infer={"is_auxiliary": True})
        pyro.sample("scale", dist.Delta(u.exp(), log_density=-u))

    def positive() -> None:
        pyro.sample("scale", dist.LogNormal(number(0.0), 1.0))

    assert "computed from the draw of 'u'" in refusal("ASR089", positive, own, "mean(q(scale)) <= 0")


def test_an_auxiliary_draw_that_the_site_is_not_made_from_is_found_out() -> None:
    def wrong() -> None:
        u = pyro.sample("scale_unconstrained", dist.Normal(number(0.0), 1.0), infer={"is_auxiliary": True})
        pyro.sample("scale", dist.Delta(2 * u.exp()))

    def positive() -> None:
        pyro.sample("scale", dist.LogNormal(number(0.0), 1.0))

    assert "is not the draw of 'scale_unconstrained'" in refusal("ASR089", positive, wrong, "mean(q(scale)) <= 0")


# ---- training


def optimum(model: Program, guide: Program, rules: str, steps: int = 400) -> None:
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    elbo = asrppl.regularize(model, guide, rules, elbo=TraceMeanField_ELBO())
    adam = pyro.optim.ClippedAdam({"lr": 0.03, "lrd": 0.01 ** (1 / steps)})
    svi = pyro.infer.SVI(model, guide, adam, elbo)
    for _ in range(steps):
        svi.step()


def test_free_bits_a_datum() -> None:
    x = torch.tensor([0.1, 3.0], dtype=DOUBLE)  # one that the posterior leaves near the prior, and one it does not

    def observed() -> None:
        with pyro.plate("data", 2):
            z = pyro.sample("z", dist.Normal(number(0.0), 1.0))
            pyro.sample("x", dist.Normal(z, 2.0), obs=x)

    def local() -> None:
        with pyro.plate("data", 2):
            scale = pyro.param("s", torch.ones(2, dtype=DOUBLE), constraint=dist.constraints.positive)
            pyro.sample("z", dist.Normal(pyro.param("l", torch.zeros(2, dtype=DOUBLE)), scale))

    optimum(observed, local, "rule free weight 20: forall d: kl(q(z[d]) || normal(0, 1)) >= 0.5")
    law = dist.Normal(pyro.param("l").detach(), pyro.param("s").detach())
    spent = torch.distributions.kl_divergence(
        law, dist.Normal(torch.zeros(2, dtype=DOUBLE), torch.ones(2, dtype=DOUBLE))
    )
    assert spent.tolist() == pytest.approx([0.5, 0.5], abs=0.05)


def test_a_sharp_posterior() -> None:
    def observed() -> None:
        with pyro.plate("objects", 2):
            z = pyro.sample("z", dist.Normal(number(0.0), 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=torch.tensor([1.0, -1.0], dtype=DOUBLE))

    def local() -> None:
        with pyro.plate("objects", 2):
            scale = pyro.param("s", torch.ones(2, dtype=DOUBLE), constraint=dist.constraints.positive)
            pyro.sample("z", dist.Normal(pyro.param("l", torch.zeros(2, dtype=DOUBLE)), scale))

    optimum(observed, local, "rule sharp weight 100: forall i: sd(q(z[i])) <= 0.3")
    assert pyro.param("s").tolist() == pytest.approx([0.3, 0.3], abs=0.01)
    assert pyro.param("l").tolist() == pytest.approx([0.5, -0.5], abs=0.05)  # means are as without the rule
