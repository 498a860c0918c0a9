"""Programs as people write them in Pyro, with rules attached: what they are bound to, and what they cost."""

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO, TraceEnum_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO, config_enumerate
from pyro.infer.autoguide import (
    AutoDelta,
    AutoDiagonalNormal,
    AutoIAFNormal,
    AutoLowRankMultivariateNormal,
    AutoMultivariateNormal,
    AutoNormal,
)
from torch import Tensor

import asrppl

Callback = Callable[..., Any]
D = torch.float64


def _splits(elbo: Any, base: Any, model: Callback, guide: Callback, *args: Any) -> None:
    """Check that the loss is the base's and the penalty, on the same draws."""
    elbo.loss(model, guide, *args)  # binds, and makes the params
    pyro.set_rng_seed(3)
    loss = elbo.loss(model, guide, *args)
    pyro.set_rng_seed(3)
    plain = base.loss(model, guide, *args)
    assert loss == pytest.approx(plain + elbo.report.penalty.item(), rel=1e-5)
    assert elbo.report.loss.item() == pytest.approx(plain, rel=1e-4)


def _schools() -> None:
    effect = torch.tensor([28.0, 8, -3, 7, -1, 1, 18, 12])
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = pyro.sample("tau", dist.HalfCauchy(torch.tensor(5.0)))
    with pyro.plate("schools", 8):
        theta = pyro.sample("theta", dist.Normal(mu, tau))
        pyro.sample("y", dist.Normal(theta, 10.0), obs=effect)


@pytest.mark.parametrize(
    "auto",
    [
        AutoNormal,
        AutoDiagonalNormal,
        AutoMultivariateNormal,
        AutoLowRankMultivariateNormal,
        AutoDelta,
        pytest.param(lambda model: AutoIAFNormal(model, hidden_dim=[20]), id="AutoIAFNormal"),
    ],
)
def test_eight_schools_under_automatic_guides(auto: Callable[[Callback], Any]) -> None:
    """AutoIAFNormal holds each transform twice, and so has its params under two names."""
    guide, base = auto(_schools), Trace_ELBO(num_particles=2)
    rules = "rule shrink: forall s: abs(theta[s] - mu) <= 0.1 * tau\nrule first: theta[0] >= theta[1] + 3"
    elbo = asrppl.regularize(_schools, guide, rules, elbo=base)
    bindings = elbo.bindings()
    assert not list(pyro.get_param_store().keys())
    assert bindings["theta"].axes == ((8, "plate 'schools'"),)
    assert [rule.channel for rule in bindings.rules] == ["P", "P"]
    _splits(elbo, base, _schools, guide)
    assert elbo.report.penalty > 0
    assert torch.isfinite(torch.tensor(SVI(_schools, guide, pyro.optim.Adam({"lr": 0.01}), loss=elbo).step()))


@pytest.mark.parametrize(
    "base",
    [
        Trace_ELBO(num_particles=5),
        Trace_ELBO(num_particles=5, vectorize_particles=True, max_plate_nesting=1),
        TraceGraph_ELBO(),
        TraceMeanField_ELBO(),
    ],
    ids=["loop", "vectorised", "graph", "mean field"],
)
def test_an_autoencoder_on_a_subsampled_plate(base: Any) -> None:
    data = torch.randn(20, 6)
    encoder, decoder = torch.nn.Linear(6, 8), torch.nn.Linear(4, 6)

    def model() -> None:
        pyro.module("decoder", decoder)
        with pyro.plate("data", 20, subsample_size=5) as index:
            z = pyro.sample("z", dist.Normal(torch.zeros(4), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(decoder(z), 1.0).to_event(1), obs=data[index])

    def guide() -> None:
        pyro.module("encoder", encoder)
        with pyro.plate("data", 20, subsample_size=5) as index:
            hidden = encoder(data[index])
            pyro.sample("z", dist.Normal(hidden[:, :4], hidden[:, 4:].exp()).to_event(1))

    elbo = asrppl.regularize(model, guide, "rule apart weight 2: forall d != e: abs(z[d] * z[e]) <= 0.1", elbo=base)
    _splits(elbo, base, model, guide)
    assert elbo.report.penalty.item() == pytest.approx(20 * 2 * elbo.report.violations["apart"].item(), rel=1e-5)


def test_two_enumerated_draws_agree_with_the_sum_over_both() -> None:
    x = torch.tensor([-2.0, -1.8, 2.0, 2.1, 0.3], dtype=D)
    first, second = torch.arange(15, dtype=D).reshape(5, 3) / 10, torch.arange(9, dtype=D).reshape(3, 3) / 7

    def model() -> None:
        with pyro.plate("data", 5):
            k = pyro.sample("k", dist.Categorical(torch.ones(3, dtype=D)))
            j = pyro.sample("j", dist.Categorical(torch.ones(3, dtype=D)))
            pyro.sample("x", dist.Normal((k - j).to(D), 1.0), obs=x)

    @config_enumerate
    def guide() -> None:
        w, v = pyro.param("w", first.clone()), pyro.param("v", second.clone())
        with pyro.plate("data", 5):
            k = pyro.sample("k", dist.Categorical(logits=w))
            pyro.sample("j", dist.Categorical(logits=v[k]))

    def gradient(elbo: Any) -> Tensor:
        params = [pyro.param(name).unconstrained() for name in ("w", "v")]
        for param in params:
            param.grad = None
        elbo.loss_and_grads(model, guide)
        return torch.cat([param.grad.reshape(-1) for param in params if param.grad is not None])

    guide()
    base = TraceEnum_ELBO(max_plate_nesting=1)
    rules = "rule same weight 3: k == j\nrule sure: entropy(q(j)) <= 0.5\nrule low: k <= 1"
    elbo = asrppl.regularize(model, guide, rules, elbo=base)
    of_rules = gradient(elbo) - gradient(base)
    w, v, values = first.clone().requires_grad_(), second.clone().requires_grad_(), torch.arange(3)
    of_k, of_j = w.softmax(-1), v.softmax(-1)
    same = (of_k[:, :, None] * of_j * (values[:, None] - values).abs()).sum((1, 2))
    sure = (of_k * (-(of_j * of_j.log()).sum(-1) - 0.5).clamp(min=0)).sum(-1)
    low = (of_k * (values - 1).clamp(min=0)).sum(-1)
    (3 * same + sure + low).sum().backward()
    assert w.grad is not None
    assert v.grad is not None
    torch.testing.assert_close(of_rules, torch.cat([w.grad.reshape(-1), v.grad.reshape(-1)]))
    exact = {"same": same, "sure": sure, "low": low}
    assert {name: value.item() for name, value in elbo.report.violations.items()} == pytest.approx(
        {name: value.mean().item() for name, value in exact.items()}
    )


def test_topics_are_told_apart() -> None:
    words = torch.randint(0, 7, (12, 6))

    def model() -> None:
        with pyro.plate("topics", 3):
            phi = pyro.sample("phi", dist.Dirichlet(torch.ones(7)))
        with pyro.plate("documents", 6):
            theta = pyro.sample("theta", dist.Dirichlet(torch.ones(3)))
            with pyro.plate("words", 12):
                pyro.sample("w", dist.Categorical(theta @ phi), obs=words)

    def guide() -> None:
        with pyro.plate("topics", 3):
            pyro.sample("phi", dist.Dirichlet(pyro.param("a", 5 * torch.ones(3, 7))))
        with pyro.plate("documents", 6):
            pyro.sample("theta", dist.Dirichlet(pyro.param("b", torch.ones(6, 3))))

    rules = """
rule distinct: forall k, l where k < l: tv(categorical(phi[k]), categorical(phi[l])) >= 0.9
rule mixed: forall k: theta[k] <= 0.5
"""
    elbo = asrppl.regularize(model, guide, rules, data="documents")
    bindings = elbo.bindings()
    assert bindings["phi"].levels == ("z",)
    assert bindings["phi"].axes == ((3, "plate 'topics'"), (7, "event"))
    assert bindings["theta"].levels == ("z", "x")
    _splits(elbo, Trace_ELBO(), model, guide)


# ---- plates


def _two_plates(same: bool) -> Callback:
    def program() -> None:
        with pyro.plate("people", 5, dim=-1):
            pyro.sample("skill", dist.Normal(1.0, 1e-6))
        with pyro.plate("data", 8, dim=-1 if same else -2):
            z = pyro.sample("z", dist.Normal(torch.zeros(()), 1e-6))
            pyro.sample("x", dist.Normal(z, 1.0), obs=torch.zeros(8 if same else (8, 1)))

    return program


def test_rules_on_plates_side_by_side_on_one_axis() -> None:
    program = _two_plates(True)
    guide = poutine.block(program, hide=["x"])
    elbo = asrppl.regularize(program, guide, "rule low: skill <= 0\nrule high: z >= 2")
    elbo.loss(program, guide)
    assert elbo.report.violations["low"].item() == pytest.approx(1.0, abs=1e-4)
    assert elbo.report.violations["high"].item() == pytest.approx(2.0, abs=1e-4)
    assert elbo.report.penalty.item() == pytest.approx(8 * 3.0, abs=1e-2)


def test_one_rule_on_two_plates_of_one_axis_is_refused() -> None:
    program = _two_plates(True)
    with pytest.raises(asrppl.AsrError, match=r"both plates are axis -1.*pair their entries") as error:
        asrppl.regularize(program, program, "rule a: skill <= z").bindings()
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "ASR097"
    assert diagnostic.span is not None
    assert diagnostic.span.text == "z"
    apart = _two_plates(False)
    guide = poutine.block(apart, hide=["x"])
    elbo = asrppl.regularize(apart, guide, "rule a: skill <= z")
    elbo.loss(apart, guide)
    assert elbo.report.violations["a"].item() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("subsample", [None, 2])
def test_a_data_plate_that_is_run_through_one_by_one_can_be_named(subsample: int | None) -> None:
    def model() -> None:
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        for i in pyro.plate("data", 4, subsample_size=subsample):
            pyro.sample(f"x_{i}", dist.Normal(mu, 1.0), obs=torch.tensor(0.0))

    def guide() -> None:
        pyro.sample("mu", dist.Normal(1.0, 1e-6))

    elbo = asrppl.regularize(model, guide, "rule low: mu <= 0", data="data")
    _splits(elbo, Trace_ELBO(), model, guide)
    assert elbo.report.penalty.item() == pytest.approx(4.0, abs=1e-3)


def test_annealing_the_latents_leaves_the_weights() -> None:
    def model(beta: float) -> None:
        with pyro.plate("data", 6, subsample_size=3):
            with poutine.scale(scale=beta):
                z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=torch.zeros(3))

    def guide(beta: float) -> None:
        with pyro.plate("data", 6, subsample_size=3), poutine.scale(scale=beta):
            pyro.sample("z", dist.Normal(1.0, 1e-6))

    elbo = asrppl.regularize(model, guide, "rule low weight 2: z <= 0")
    for beta in (1e-6, 0.1, 1.0):
        _splits(elbo, Trace_ELBO(), model, guide, beta)
        assert elbo.report.penalty.item() == pytest.approx(12.0, abs=1e-3)


# ---- what does not fit says so


def _plated(**options: Any) -> tuple[Callback, Callback]:
    def model() -> None:
        with pyro.plate("data", 8, **options) as index:
            pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(0.0, 1.0), obs=torch.zeros(len(index)))

    def guide() -> None:
        with pyro.plate("data", 8, **options):
            z = pyro.sample("z", dist.Normal(torch.zeros(()), 1.0))
            asrppl.expose("short", torch.zeros(5))
            asrppl.expose("flat", torch.zeros(8, 3))
            asrppl.expose("hidden", torch.zeros(8, 3), event_dim=1, mask=torch.ones(8, 4))
            asrppl.expose("part_0", z)

    return model, guide


@pytest.mark.parametrize(
    ("rules", "code", "why"),
    [
        ("rule a: short <= z", "ASR096", "`short`.*length 5 on axis -1, where the plate 'data' has 8"),
        ("rule a: flat <= 0", "ASR096", "`flat`.*length 3 on axis -1"),
        ("rule a: forall i: flat[i] <= 0", "ASR073", r"length 3 there(.|\n)*event_dim"),
        ("rule a: forall i: hidden[i] <= 0", "ASR073", "mask of `hidden` has length 4 where its entries have length 3"),
        ("rule a: forall i: part[i] <= 0", "ASR080", r"numbered parts(.|\n)*torch\.stack"),
    ],
)
def test_exposed_values_that_do_not_fit_say_where(rules: str, code: str, why: str) -> None:
    model, guide = _plated()
    with pytest.raises(asrppl.AsrError, match=why) as error:
        asrppl.regularize(model, guide, rules).bindings()
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == code
    assert diagnostic.span is not None
    assert diagnostic.help is not None


@pytest.mark.parametrize(
    ("options", "length", "mend"), [({}, 3, r"c\[i\]"), ({"subsample_size": 3}, 8, r"asrppl\.expose")]
)
def test_a_bound_value_that_does_not_fit_the_plate(options: Any, length: int, mend: str) -> None:
    model, guide = _plated(**options)
    elbo = asrppl.regularize(model, guide, "rule a: z <= c", bind={"c": torch.zeros(length)})
    with pytest.raises(asrppl.AsrError, match=mend) as error:
        elbo.bindings()
    assert [diagnostic.code for diagnostic in error.value.diagnostics] == ["ASR096"]


def test_a_bound_value_that_no_longer_fits_a_smaller_batch() -> None:
    def program(x: Tensor) -> None:
        with pyro.plate("data", 8, subsample=x):
            z = pyro.sample("z", dist.Normal(x, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    guide = poutine.block(program, hide=["x"])
    elbo = asrppl.regularize(program, guide, "rule a: z <= c", bind={"c": torch.zeros(4)})
    elbo.loss(program, guide, torch.zeros(4))
    with pytest.raises(asrppl.AsrError, match=r"`c`.*length 4 on axis -1, where the plate 'data' has 2 of its 8"):
        elbo.loss(program, guide, torch.zeros(2))


@pytest.mark.parametrize(
    ("function", "code", "why"),
    [
        (lambda z: z.sum(), "ASR073", "must act on each value by itself"),
        (lambda z: z.detach().tolist(), "ASR073", "returned a list"),
        (lambda z: z > 0, "ASR094", "jumps"),
    ],
)
def test_a_bound_function_that_is_none_is_named(function: Any, code: str, why: str) -> None:
    def guide() -> None:
        with pyro.plate("data", 8):
            pyro.sample("z", dist.Normal(pyro.param("m", torch.zeros(8)), 1.0))

    model, _ = _plated()
    elbo = asrppl.regularize(model, guide, "rule a: f(z) <= 1", bind={"f": function})
    with pytest.raises(asrppl.AsrError, match=f"`f`.*{why}") as error:
        elbo.loss_and_grads(model, guide)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == code
    assert diagnostic.span is not None


@pytest.mark.parametrize("cut", [lambda z: (z > 0).to(z), lambda z: z.detach()], ids=["jumps", "detached"])
def test_a_value_that_gradients_do_not_reach_from_its_draw_is_refused(cut: Any) -> None:
    model, _ = _plated()

    def guide(mean: Tensor) -> None:
        with pyro.plate("data", 8):
            z = pyro.sample("z", dist.Normal(mean, 1.0))
            asrppl.expose("s", cut(z))
            asrppl.expose("t", z.exp())

    def learnt() -> None:
        guide(pyro.param("m", torch.zeros(8)))

    def constant() -> None:
        guide(torch.zeros(8))

    with pytest.raises(asrppl.AsrError, match="no gradient gets from there") as error:
        asrppl.regularize(model, learnt, "rule a: s <= 0.5").bindings()
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "ASR094"
    assert diagnostic.span is not None
    svi = SVI(model, learnt, pyro.optim.Adam({"lr": 0.1}), loss=asrppl.regularize(model, learnt, "rule a: s <= 0.5"))
    svi.evaluate_loss()  # without gradients there is nothing to see, nor to be wrong
    with pytest.raises(asrppl.AsrError, match="no gradient gets from there"):
        svi.step()
    for program, rules in ((learnt, "rule a: t <= 0.5"), (constant, "rule a: s <= 0.5")):
        assert asrppl.regularize(model, program, rules).bindings().rules[0].channel == "P"


def test_names_that_rules_cannot_write_and_plates_that_are_misspelt() -> None:
    def program() -> None:
        pyro.sample("lin.weight", dist.Normal(torch.zeros(1, 2), 1.0).to_event(2))
        with pyro.plate("data", 8):
            pyro.sample("x", dist.Normal(0.0, 1.0), obs=torch.zeros(8))

    with pytest.raises(asrppl.AsrError, match=r"cannot write 'lin\.weight'; expose"):
        asrppl.regularize(program, program, "rule a: weight[0, 0] <= 1").bindings()
    with pytest.raises(asrppl.AsrError, match=r'did you mean regularize\(\.\.\., data="data"\)'):
        asrppl.regularize(program, program, "rule a: x <= 1", data="dta").bindings()


def test_a_site_whose_law_is_not_known_is_refused_for_that_whatever_its_indices() -> None:
    def program() -> None:
        with pyro.plate("data", 8):
            pyro.sample("z", dist.VonMises(torch.zeros(3), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(0.0, 1.0), obs=torch.zeros(8))

    for rules in ("rule a: entropy(q(z)) <= 1", "rule a: forall i: entropy(q(z[i])) <= 1"):
        with pytest.raises(asrppl.AsrError, match="'z' is distributed as VonMises") as error:
            asrppl.regularize(program, program, rules).bindings()
        assert [diagnostic.code for diagnostic in error.value.diagnostics] == ["ASR089"]


def test_a_rank_that_fits_no_reading_says_what_the_data_plate_is() -> None:
    def program() -> None:
        with pyro.plate("objects", 3), pyro.plate("data", 8):
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z.sum(-1), 1.0), obs=torch.zeros(8, 3))

    rules = "rule a: forall o: z[o, 0] <= 1"
    with pytest.raises(asrppl.AsrError, match=r"name it: regularize\(\.\.\., data="):
        asrppl.regularize(program, program, rules).bindings()
    assert asrppl.regularize(program, program, rules, data="data").bindings()["z"].axes[0] == (3, "plate 'objects'")
    both = asrppl.regularize(program, program, "rule a: forall o, d: z[o, d, 0] <= 1", data="data").bindings()
    assert both["z"].axes == ((3, "plate 'objects'"), (8, "plate 'data'"), (2, "event"))
    with pytest.raises(asrppl.AsrError, match="none, all, or those that are not the data plate"):
        asrppl.regularize(program, program, "rule a: forall o: z[o, o, o, 0] <= 1", data="data").bindings()
