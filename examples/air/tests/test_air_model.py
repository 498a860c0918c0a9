"""AIR's ELBO, exact in n, is what brute force over n gives on the same draws: value and gradient."""

from typing import Any

import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceEnum_ELBO
from torch import Tensor
from torch.nn import functional

import asrppl
from asrppl_air.model import Guide, Model
from asrppl_air.window import draw
from examples.air.benchmarks import rival_air
from examples.air.tests.small_air import BATCH, OBJECTS, SIDE, parameters, small_air

RULES = {
    "admissible": "param L = {1, 3}\nrule r weight 10: exists k in L: kl(delta(k) || q(n)) <= 0",
    "members": "rule r weight 3: n in {1, 3}",
    "apart": "rule r weight 2: forall i != j where i < n and j < n: nonoverlap(box[i], box[j])",
    "masked": "rule r weight 2: forall i != j: nonoverlap(box[i], box[j])",
}
SIZE = 40  # of the data set that the batch is taken from


def run(loss: Tensor, model: Model, guide: Guide) -> tuple[Tensor, list[Tensor]]:
    wanted = parameters(model, guide)
    found = torch.autograd.grad(loss, wanted, allow_unused=True)
    return loss.detach(), [torch.zeros_like(p) if g is None else g for p, g in zip(wanted, found, strict=True)]


def drafted(guide: Guide, images: Tensor, particles: int, seed: int) -> Any:
    """The guide's sites under `particles` particles: what the objective draws with the same seed."""
    torch.manual_seed(seed)

    def in_particles() -> None:
        with pyro.plate("particles", particles, dim=-2):
            guide(images, SIZE)

    # the objective opens no plate for one particle
    program = in_particles if particles > 1 else lambda: guide(images, SIZE)
    return poutine.trace(poutine.enum(program, first_available_dim=-1 - (2 if particles > 1 else 1))).get_trace().nodes


def violation(rule: str, log_q: Tensor, boxes: Tensor, n: int) -> Tensor:
    """The rule's violation at n objects, by its definition, with loops over pairs; (..., B)."""
    if rule == "admissible":
        return torch.minimum(-log_q[..., 1], -log_q[..., 3])
    if rule == "members":
        return torch.full(log_q.shape[:-1], float(min(abs(n - 1), abs(n - 3))), dtype=log_q.dtype)
    total = torch.zeros_like(log_q[..., 0])
    for i in range(n):
        for j in range(n):
            if i != j:
                reach = (boxes[..., i, 2] + boxes[..., j, 2]) / 2
                apart = (boxes[..., i, :2] - boxes[..., j, :2]).abs().amax(-1)
                total = total + (reach - apart).clamp_min(0)
    return total


def brute_force(model: Model, guide: Guide, images: Tensor, nodes: Any, rule: str | None) -> Tensor:
    """−ELBO (of the whole data set) by K + 1 separate evaluations on the draws in `nodes`."""
    names = [f"z_{part}_{{}}" for part in ("loc", "scale", "what")]
    values = {name: node["value"] for name, node in nodes.items() if name.startswith("z_")}
    q = {name: nodes[name]["fn"].log_prob(value) for name, value in values.items()}
    log_q = nodes["n"]["fn"].logits
    given = poutine.trace(poutine.condition(model, data=values | {"n": torch.tensor(0)}))
    # Under a condition n is fixed: only the priors' distributions and the table of p(n | z) are taken from this run.
    prior_nodes = given.get_trace(images, SIZE).nodes
    p = {name: prior_nodes[name]["fn"].log_prob(value) for name, value in values.items()}
    log_p = prior_nodes["n"]["fn"].logits
    locs, scales, whats = (torch.stack([values[n.format(t)] for t in range(OBJECTS)], -2) for n in names)
    windows = draw(model.decoder(whats), locs, scales, SIDE)
    boxes = torch.cat([(locs + 1) / 2, scales], -1) * SIDE
    total = torch.zeros(())
    for n in range(OBJECTS + 1):
        canvas = windows[..., :n, :, :].sum(-3).clamp(1e-4, 1 - 1e-4)
        pixels = functional.binary_cross_entropy(canvas, images.expand_as(canvas), reduction="none").flatten(-2).sum(-1)
        objects = sum((p[f.format(t)] - q[f.format(t)] for t in range(n) for f in names), torch.zeros(()))
        gain = -pixels + log_p[..., n] - log_q[..., n] + objects
        if rule is not None:
            weight = {"admissible": 10, "members": 3, "apart": 2, "masked": 2}[rule]
            gain = gain - weight * violation(rule, log_q, boxes, n)
        total = total - (log_q[..., n].exp() * gain).sum(-1)
    return total.mean() * SIZE / BATCH


@pytest.mark.parametrize("prior", ["learned", "fixed"])
@pytest.mark.parametrize("particles", [1, 3])
def test_elbo_and_gradient_equal_brute_force_over_n(prior, particles) -> None:
    model, guide, images = small_air(prior)
    elbo = TraceEnum_ELBO(max_plate_nesting=1, num_particles=particles, vectorize_particles=particles > 1)
    torch.manual_seed(3)
    loss, gradient = run(elbo.differentiable_loss(model, guide, images, SIZE), model, guide)
    expected, expected_gradient = run(
        brute_force(model, guide, images, drafted(guide, images, particles, 3), None), model, guide
    )
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=1e-10)
    for mine, theirs in zip(gradient, expected_gradient, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("particles", [1, 3])
def test_with_rules_that_read_n_loss_and_gradient_equal_brute_force(rule, particles) -> None:
    model, guide, images = small_air()
    base = TraceEnum_ELBO(max_plate_nesting=1, num_particles=particles, vectorize_particles=particles > 1)
    elbo = asrppl.regularize(model, guide, RULES[rule], elbo=base)
    elbo.loss(model, guide, images, SIZE)  # binds, with draws of its own
    torch.manual_seed(3)
    loss, gradient = run(elbo.differentiable_loss(model, guide, images, SIZE), model, guide)
    expected, expected_gradient = run(
        brute_force(model, guide, images, drafted(guide, images, particles, 3), rule), model, guide
    )
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=1e-10)
    for mine, theirs in zip(gradient, expected_gradient, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-9)


def test_the_plain_pytorch_rival_gives_the_same_elbo_and_gradient_on_the_same_draws() -> None:
    model, guide, images = small_air()
    nodes = drafted(guide, images, 1, 5)
    noise = {}
    for name, node in nodes.items():
        if name.startswith("z_"):
            fn, before = node["fn"], node["fn"].unsquash(node["value"])
            noise[name] = ((before - fn.mean_before) / fn.log_sd.exp()).detach()
    torch.manual_seed(5)
    elbo = TraceEnum_ELBO(max_plate_nesting=1).differentiable_loss(model, guide, images, SIZE) / SIZE
    mine, gradient = run(elbo, model, guide)
    theirs, rival_gradient = run(rival_air.loss(model, guide, images, noise), model, guide)
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
    for a, b in zip(gradient, rival_gradient, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_every_latent_is_a_site_of_both_programs_and_the_guide_covers_the_model() -> None:
    model, guide, images = small_air()
    sites = {f"z_{part}_{t}" for part in ("loc", "scale", "what") for t in range(OBJECTS)} | {"n"}
    traces = [poutine.trace(program).get_trace(images, SIZE) for program in (guide, model)]
    for trace in traces:
        assert {n for n in trace.stochastic_nodes if n != "data"} == sites
    assert set(traces[1].observation_nodes) == {"x", "absent"}


def test_absent_objects_have_no_density_in_the_guide() -> None:
    _, guide, images = small_air()
    trace = poutine.trace(poutine.condition(guide, data={"n": torch.tensor([0, 1, 2, 3])})).get_trace(images)
    trace.compute_log_prob()
    for t in range(OBJECTS):
        there = trace.nodes[f"z_loc_{t}"]["log_prob"] != 0
        assert there.tolist() == [t < n for n in (0, 1, 2, 3)]


def test_weights_are_nats_per_image_whatever_the_batch_and_the_size() -> None:
    model, guide, images = small_air()
    elbo = TraceEnum_ELBO(max_plate_nesting=1)
    losses = []
    for size in (BATCH, 40, 1000):
        torch.manual_seed(0)
        losses.append(elbo.differentiable_loss(model, guide, images, size).item() / size)
    assert losses == pytest.approx([losses[0]] * 3)


def test_a_fixed_count_has_no_n_and_all_objects_count() -> None:
    model, guide, images = small_air(fixed_count=True)
    torch.manual_seed(1)
    loss = Trace_ELBO(max_plate_nesting=1).differentiable_loss(model, guide, images)
    torch.manual_seed(1)
    nodes = poutine.trace(guide).get_trace(images).nodes
    assert "n" not in nodes
    torch.manual_seed(1)
    enumerated = TraceEnum_ELBO(max_plate_nesting=1, strict_enumeration_warning=False)
    torch.testing.assert_close(loss, enumerated.differentiable_loss(model, guide, images))


def test_the_model_generates_images_and_counts_on_its_own() -> None:
    model, _, _ = small_air()
    with torch.no_grad():
        canvas = model.sample(200)
    assert canvas.mean.shape == (200, SIDE, SIDE)
    assert set(canvas.n.tolist()) <= set(range(OBJECTS + 1))
    assert bool((canvas.mean[canvas.n == 0] == 0).all())
    assert 0 <= canvas.mean.min() <= canvas.mean.max() <= 1


def test_any_pyro_objective_will_do() -> None:
    model, guide, images = small_air()
    torch.manual_seed(0)
    with torch.no_grad():
        once = poutine.infer_config(guide, lambda site: {"enumerate": None})
        sampled = [Trace_ELBO(max_plate_nesting=1).loss(model, once, images) for _ in range(400)]
        exact = [TraceEnum_ELBO(max_plate_nesting=1).loss(model, guide, images) for _ in range(400)]
    spread = (torch.tensor(sampled).var() / 400 + torch.tensor(exact).var() / 400).sqrt()
    assert abs(torch.tensor(sampled).mean() - torch.tensor(exact).mean()) < 4 * spread
