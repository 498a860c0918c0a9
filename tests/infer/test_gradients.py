"""The gradient of the regularized objective is that of the closed form, with every base."""

from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO

import asrppl
from tests.infer.toys import (
    PATHWISE_RULES,
    RULES,
    START,
    N,
    Toy,
    X,
    draws_of_gradient,
    flat,
    worst_z,
)

Z = 4.5  # about 1e-5 a coordinate; seeds are fixed
BASES: dict[str, Any] = {
    "trace": Trace_ELBO,
    "graph": TraceGraph_ELBO,
    "enum": TraceEnum_ELBO,
    "mean_field": TraceMeanField_ELBO,
}


@pytest.mark.parametrize("particles", ["one", "vectorised"])
@pytest.mark.parametrize("subsample", [None, 3])
@pytest.mark.parametrize("base", BASES)
def test_gradient_agrees_with_the_closed_form(base: str, subsample: int | None, particles: str) -> None:
    toy = Toy(discrete=base != "mean_field", subsample=subsample, enumerate=base == "enum")
    count = {"one": 1, "vectorised": 100}[particles]
    objective = BASES[base](num_particles=count, vectorize_particles=particles == "vectorised", max_plate_nesting=1)
    rules = RULES if toy.discrete else PATHWISE_RULES
    if subsample is not None:
        # The aggregate of a minibatch is biased (a logarithm of its mean): what is exact is tested without it.
        rules = rules.replace("weight 0.7", "weight 0")
    elbo = asrppl.regularize(toy.model, toy.guide, rules, elbo=objective)
    calls = {"one": 150, "vectorised": 60}[particles]
    losses, gradients = draws_of_gradient(lambda: elbo.loss_and_grads(toy.model, toy.guide), calls)
    exact, slopes = _without_people(toy) if subsample is not None and toy.discrete else toy.exact()
    assert worst_z(gradients, flat(slopes)) < Z
    assert worst_z(losses[:, None], exact[None]) < Z


@pytest.mark.parametrize("base", ["trace", "graph", "enum"])
def test_particles_in_a_loop_are_averaged(base: str) -> None:
    toy = Toy(enumerate=base == "enum")
    objective = BASES[base](num_particles=3, max_plate_nesting=1)
    elbo = asrppl.regularize(toy.model, toy.guide, RULES, elbo=objective)
    losses, gradients = draws_of_gradient(lambda: elbo.loss_and_grads(toy.model, toy.guide), 60)
    exact, slopes = toy.exact()
    assert worst_z(gradients, flat(slopes)) < Z
    assert worst_z(losses[:, None], exact[None]) < Z


def _without_people(toy: Toy) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    exact, slopes = toy.exact()
    w = START["w"].clone().requires_grad_()
    average = torch.sigmoid(w).mean()
    people = N * 0.7 * (-X.new_tensor(2.0).log() - 0.5 * (average.log() + (1 - average).log()))
    people.backward()
    assert w.grad is not None
    return exact - people.detach(), {**slopes, "w": slopes["w"] - w.grad}


def test_differentiable_loss_has_the_same_value_and_gradient_as_loss_and_grads() -> None:
    for base in BASES.values():
        toy = Toy(discrete=base is not TraceMeanField_ELBO, enumerate=base is TraceEnum_ELBO)
        elbo = asrppl.regularize(
            toy.model, toy.guide, RULES if toy.discrete else PATHWISE_RULES, elbo=base(max_plate_nesting=1)
        )

        def module_step(elbo: Any = elbo, toy: Toy = toy) -> float:
            loss = elbo.differentiable_loss(toy.model, toy.guide)
            loss.backward()
            return loss.detach()

        pyro.set_rng_seed(3)
        losses, gradients = draws_of_gradient(module_step, 3)
        pyro.set_rng_seed(3)
        again, same = draws_of_gradient(lambda elbo=elbo, toy=toy: elbo.loss_and_grads(toy.model, toy.guide), 3)
        torch.testing.assert_close(losses, again)
        torch.testing.assert_close(gradients, same)


def test_adding_the_penalty_to_the_loss_misses_the_score_function() -> None:
    toy = Toy()
    base = Trace_ELBO(num_particles=100, vectorize_particles=True, max_plate_nesting=1)

    def naive() -> torch.Tensor:
        kept: dict[str, Any] = {}

        def watched() -> None:
            trace = poutine.trace(toy.guide)
            trace()
            kept.update({name: trace.trace.nodes[name]["value"] for name in ("mu", "b", "z")})

        loss = base.differentiable_loss(toy.model, watched)
        penalty = 2 * (kept["z"] - kept["mu"] - kept["b"]).clamp_min(0).mean() + 1.5 * kept["mu"].clamp_min(0).mean()
        total = loss + N * penalty
        total.backward()
        return total.detach()

    elbo = asrppl.regularize(toy.model, toy.guide, "\n".join(RULES.splitlines()[:3]), elbo=base)
    _, right = draws_of_gradient(lambda: elbo.loss_and_grads(toy.model, toy.guide), 100)
    _, wrong = draws_of_gradient(naive, 100)
    exact = _exact_of_first_two()
    assert worst_z(right, exact) < Z
    assert worst_z(wrong, exact) > 2 * Z


def _exact_of_first_two() -> torch.Tensor:
    toy = Toy()
    _, slopes = toy.exact()
    w = START["w"].clone().requires_grad_()
    one = torch.sigmoid(w)
    average = one.mean()
    rest = 0.5 * (-one.log()).mean() - 0.7 * 0.5 * (average.log() + (1 - average).log())
    (N * rest).backward()
    assert w.grad is not None
    return flat({**slopes, "w": slopes["w"] - w.grad})


def test_a_factor_in_the_guide_has_the_wrong_gradient() -> None:
    toy = Toy()
    base = Trace_ELBO(num_particles=100, vectorize_particles=True, max_plate_nesting=1)

    def guide() -> None:
        trace = poutine.trace(toy.guide)
        trace()
        value = {name: trace.trace.nodes[name]["value"] for name in ("mu", "b", "z")}
        violation = (value["z"] - value["mu"] - value["b"]).clamp_min(0)
        with pyro.plate("again", N, dim=-1):
            pyro.factor("penalty", 2 * violation, has_rsample=False)

    def step() -> float:
        pyro.enable_validation(False)  # it warns of the plate that the model lacks
        return base.loss_and_grads(toy.model, guide)

    _, gradients = draws_of_gradient(step, 100)
    elbo = asrppl.regularize(toy.model, toy.guide, RULES.splitlines()[1], elbo=base)
    _, right = draws_of_gradient(lambda: elbo.loss_and_grads(toy.model, toy.guide), 100)
    error = (gradients.std(0) ** 2 + right.std(0) ** 2).sqrt() / 10
    assert float(((gradients.mean(0) - right.mean(0)).abs() / error).max()) > 3 * Z


# ---- enumeration, against the sum over all values


def _chain_model() -> None:
    with pyro.plate("data", 4):
        b = pyro.sample("b", dist.Bernoulli(X.new_tensor(0.4)))
        c = pyro.sample("c", dist.Categorical(X.new_tensor([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])[b.long()]))
        pyro.sample("x", dist.Normal(b + c, 1.0), obs=X[:4])


def _chain_guide() -> None:
    u = pyro.param("u", X[:4].clone())
    v = pyro.param("v", torch.linspace(-1.0, 1.0, 6, dtype=X.dtype).reshape(2, 3))
    with pyro.plate("data", 4):
        b = pyro.sample("b", dist.Bernoulli(torch.sigmoid(u)))
        pyro.sample("c", dist.Categorical(logits=v[b.long()]))


def _chain_exact() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    u = X[:4].clone().requires_grad_()
    v = torch.linspace(-1.0, 1.0, 6, dtype=X.dtype).reshape(2, 3).requires_grad_()
    one = torch.sigmoid(u)
    table = X.new_tensor([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    loss = X.new_tensor(0.0)
    violation = X.new_tensor(0.0)
    for b in (0, 1):
        for c in (0, 1, 2):
            q_b = one if b else 1 - one
            q_c = v[b].softmax(-1)[c]
            log_p = X.new_tensor(0.4 if b else 0.6).log() + table[b, c].log()
            log_p = log_p + dist.Normal(X.new_tensor(float(b + c)), 1.0).log_prob(X[:4])
            loss = loss - (q_b * q_c * (log_p - q_b.log() - q_c.log())).sum()
            violation = violation + (q_b * q_c * max(c - b, 0)).mean()
    total = loss + 4 * 3 * violation
    total.backward()
    assert u.grad is not None
    assert v.grad is not None
    return total.detach(), violation.detach(), u.grad, v.grad


@pytest.mark.parametrize("how", ["parallel", "sequential"])
@pytest.mark.parametrize("particles", [1, 3])
def test_enumerated_draws_are_summed_exactly(how: str, particles: int) -> None:
    guide = pyro.infer.config_enumerate(_chain_guide, default=how)
    base = TraceEnum_ELBO(num_particles=particles, vectorize_particles=particles > 1, max_plate_nesting=1)
    elbo = asrppl.regularize(_chain_model, guide, "rule order weight 3: c <= b", elbo=base)
    losses, gradients = draws_of_gradient(lambda: elbo.loss_and_grads(_chain_model, guide), 1, ("u", "v"))
    exact, violation, u, v = _chain_exact()
    torch.testing.assert_close(losses[0], exact, check_dtype=False)
    torch.testing.assert_close(gradients[0], torch.cat([u, v.reshape(-1)]))
    torch.testing.assert_close(elbo.report.violations["order"], violation)


# ---- channels


def _counter_model() -> None:
    with pyro.plate("data", 2):
        pyro.sample("b", dist.Bernoulli(X.new_tensor(0.5)))
        pyro.sample("x", dist.Normal(0.0, 1.0), obs=X[:2])


def _counter_guide() -> None:
    w = pyro.param("w", X.new_tensor(0.4))
    with pyro.plate("data", 2):
        b = pyro.sample("b", dist.Bernoulli(torch.sigmoid(w).expand(2)))
        probs = torch.where(b.bool(), X.new_tensor(0.9), X.new_tensor(0.4))
        asrppl.expose("n", dist.Categorical(torch.stack([1 - probs, probs], -1)))


_COUNTER = "rule certain weight 1: kl(delta(1) || q(n)) <= 0"


def _counter_slope() -> torch.Tensor:
    w = X.new_tensor(0.4).requires_grad_()
    one = torch.sigmoid(w)
    kl = one * (2 * one).log() + (1 - one) * (2 * (1 - one)).log()
    loss = 2 * (kl - one * X.new_tensor(0.9).log() - (1 - one) * X.new_tensor(0.4).log())
    loss.backward()
    assert w.grad is not None
    return w.grad


def test_probabilities_that_read_a_discrete_draw_go_through_channel_s() -> None:
    base = Trace_ELBO(num_particles=100, vectorize_particles=True, max_plate_nesting=1)
    elbo = asrppl.regularize(_counter_model, _counter_guide, _COUNTER, elbo=base)
    (rule,) = elbo.bindings().rules
    assert rule.channel == "S"
    assert rule.reason == "depends on the draw of 'b'"
    _, gradients = draws_of_gradient(lambda: elbo.loss_and_grads(_counter_model, _counter_guide), 150, ("w",))
    assert worst_z(gradients, _counter_slope()[None]) < Z
    # The pathwise gradient that channel P would take is zero: nothing but the draw connects w to the violation.


class _Lost(torch.autograd.Function):
    """A function that Pyro's provenance cannot look through."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:
        return torch.tensor(value.tolist(), dtype=value.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        return gradients[0]


def test_a_draw_whose_marks_are_lost_is_found_by_exchanging_it() -> None:
    def guide() -> None:
        w = pyro.param("w", X.new_tensor(0.4))
        with pyro.plate("data", 2):
            b = pyro.sample("b", dist.Bernoulli(torch.sigmoid(w).expand(2)))
            probs = 0.4 + 0.5 * _Lost.apply(b.as_subclass(torch.Tensor))
            asrppl.expose("n", dist.Categorical(torch.stack([1 - probs, probs], -1)))

    elbo = asrppl.regularize(_counter_model, guide, _COUNTER)
    (rule,) = elbo.bindings().rules
    assert rule.channel == "S"


def test_a_guide_that_refuses_marked_tensors_falls_back_to_channel_s(caplog: pytest.LogCaptureFixture) -> None:
    def guide() -> None:
        w = pyro.param("w", X.new_tensor(0.4))
        with pyro.plate("data", 2):
            b = pyro.sample("b", dist.Bernoulli(torch.sigmoid(w).expand(2)))
            if type(b) is not torch.Tensor:
                raise TypeError("plain tensors only")
            probs = 0.4 + 0.5 * b
            asrppl.expose("n", dist.Categorical(torch.stack([1 - probs, probs], -1)))

    elbo = asrppl.regularize(_counter_model, guide, _COUNTER)
    (rule,) = elbo.bindings().rules
    assert rule.channel == "S"
    assert "plain tensors only" in caplog.text


def test_what_reads_no_draw_and_what_reads_pathwise_draws_go_through_channel_p() -> None:
    toy = Toy()
    channels = {rule.name: rule.channel for rule in asrppl.regularize(toy.model, toy.guide, RULES).bindings().rules}
    assert channels == {"mixed": "S", "globe": "P", "post": "P", "people": "P"}


def test_channel_p_has_no_score_function_noise() -> None:
    toy = Toy()
    rules = "rule post weight 5: kl(delta(1) || q(b)) <= 0"
    elbo = asrppl.regularize(toy.model, toy.guide, rules)
    pyro.set_rng_seed(1)
    _, with_rule = draws_of_gradient(lambda: elbo.loss_and_grads(toy.model, toy.guide), 5)
    pyro.set_rng_seed(1)
    _, without = draws_of_gradient(lambda: Trace_ELBO().loss_and_grads(toy.model, toy.guide), 5)
    part = with_rule - without
    torch.testing.assert_close(part, part[:1].expand_as(part))


# ---- draws outside plates


@pytest.mark.parametrize("base", ["trace", "graph", "enum"])
def test_a_discrete_draw_outside_the_data_plate(base: str) -> None:
    def model() -> None:
        b = pyro.sample("b", dist.Bernoulli(X.new_tensor(0.5)))
        with pyro.plate("data", N):
            z = pyro.sample("z", dist.Normal(b, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=X)

    def guide() -> None:
        w = pyro.param("w", X.new_tensor(0.4))
        b = pyro.sample(
            "b", dist.Bernoulli(torch.sigmoid(w)), infer={"enumerate": "parallel"} if base == "enum" else {}
        )
        with pyro.plate("data", N):
            pyro.sample("z", dist.Normal(X + b, 1.0))

    rules = "rule out weight 2: b <= 0.25\nrule both weight 1: z - b <= 0.5"
    objective = BASES[base](num_particles=100, vectorize_particles=True, max_plate_nesting=1)
    elbo = asrppl.regularize(model, guide, rules, elbo=objective)
    losses, gradients = draws_of_gradient(lambda: elbo.loss_and_grads(model, guide), 100, ("w",))
    w = X.new_tensor(0.4).requires_grad_()
    one = torch.sigmoid(w)
    two_pi = X.new_tensor(2 * torch.pi)
    loss = one * (2 * one).log() + (1 - one) * (2 * (1 - one)).log()
    for value, q in ((0.0, 1 - one), (1.0, one)):
        mean = X + value
        kl = 0.5 * (mean - value) ** 2
        fit = 0.5 * two_pi.log() + 0.5 * ((X - mean) ** 2 + 1)
        shift = X - 0.5
        excess = shift * torch.special.ndtr(shift) + torch.exp(-(shift**2) / 2) / two_pi.sqrt()
        loss = loss + q * ((kl + fit).sum() + N * (2 * 0.75 * value + excess.mean()))
    loss.backward()
    assert w.grad is not None
    assert worst_z(gradients, w.grad[None]) < Z
    assert worst_z(losses[:, None], loss.detach()[None]) < Z


class _Unmarked(dist.Normal):
    def rsample(self, sample_shape: Any = ()) -> torch.Tensor:
        noise = torch.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return torch.from_numpy(self.loc.numpy(force=True) + 0.1 * noise.numpy())


@pytest.mark.parametrize("follow", [dist.Normal, dist.Gamma, _Unmarked], ids=lambda kind: kind.__name__)
def test_a_reparameterised_draw_whose_parameters_read_a_discrete_one_depends_on_it(follow: Any) -> None:
    """Some samplers are functions of their own, which drop marks: their parameters are looked at too."""

    def program() -> None:
        with pyro.plate("data", 3):
            b = pyro.sample("b", dist.Bernoulli(X.new_tensor(0.5)))
            pyro.sample("z", follow(1.0 + b, 1.0 + b))

    elbo = asrppl.regularize(program, program, "rule low: z <= 0.5")
    (rule,) = elbo.bindings().rules
    assert rule.channel == "S"
    assert rule.reason == "depends on the draw of 'b'"


@pytest.mark.parametrize("base", ["trace", "graph", "enum"])
def test_a_rule_on_whole_numbers_is_computed_in_the_precision_of_the_programs(base: str) -> None:
    @pyro.infer.config_enumerate(default="parallel" if base == "enum" else None)
    def program() -> None:
        with pyro.plate("data", 4):
            pyro.sample("n", dist.Categorical(X.new_tensor([0.2, 0.3, 0.5])))

    elbo = asrppl.regularize(program, program, "rule few: n <= 1", elbo=BASES[base](max_plate_nesting=1))
    elbo.loss_and_grads(program, program)
    assert elbo.report.violations["few"].dtype == torch.float64
