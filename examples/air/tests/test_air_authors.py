"""The authors' own penalties as rule files, against their formulas in NumPy and on AIR's own guides."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pyro.infer import TraceEnum_ELBO, TraceGraph_ELBO
from torch.distributions import Bernoulli, Categorical, Independent

import asrppl
from asrppl.program import Program, load
from asrppl_air.distributions import count_log_probs
from asrppl_air.score import ScoreGuide, ScoreModel
from examples.air.tests.small_air import SIDE, small_air

EXAMPLES = Path(__file__).parents[1] / "asrppl_air" / "rule_files"
NUMBER, OVERLAP = EXAMPLES / "authors_number.asr", EXAMPLES / "authors_overlap.asr"
Array = NDArray[np.float64]

# The authors' swapped bounds leave no size that keeps them, which is what the warning says.
pytestmark = pytest.mark.filterwarnings("ignore:.*never holds:asrppl.AsrWarning")


def cross_entropies(target: Array, p: Array) -> Array:
    """Summed over steps, the last axis."""
    return -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum(-1)


def number_penalties(p: Array, allowed: tuple[int, ...]) -> tuple[Array, float]:
    """Per image and of the mean over images, from presence probabilities (B, K)."""
    targets = np.array([[float(t < k) for t in range(p.shape[-1])] for k in allowed])
    each = np.stack([cross_entropies(target, p) for target in targets])
    return each.min(0), float(cross_entropies(targets.mean(0), p.mean(0)))


def overlap_penalties(boxes: Array, side: float, low: float, high: float, eps: float) -> dict[str, Array]:
    """Per image, from boxes (B, N, 3), with loops over ordered pairs."""
    found = {name: np.zeros(len(boxes)) for name in ("apart", "framed", "sized", "same_size")}
    for image, objects in enumerate(boxes):
        for i, (x, y, s) in enumerate(objects):
            edges = (s / 2 - x, x + s / 2 - side, s / 2 - y, y + s / 2 - side)
            found["framed"][image] += sum(max(edge, 0) for edge in edges)
            found["sized"][image] += max(high - s, 0) + max(s - low, 0)
            for j, (u, v, r) in enumerate(objects):
                if i != j:
                    found["apart"][image] += max((s + r) / 2 - max(abs(x - u), abs(y - v)), 0)
                    found["same_size"][image] += max(abs(s - r) - eps, 0)
    return found


def presences(p: Array) -> Independent:
    return Independent(Bernoulli(torch.tensor(p)), 1)


@pytest.mark.parametrize("allowed", [(1, 3), (2, 4), (1, 4), (2,)])
def test_the_number_file_is_the_cross_entropies_step_by_step(allowed) -> None:
    p = np.random.default_rng(0).uniform(0.02, 0.98, (16, 6))
    found = load(NUMBER, L=list(allowed)).violations({"presence": presences(p)})
    each, of_mean = number_penalties(p, allowed)
    np.testing.assert_allclose(found["admissible"].numpy(), each, rtol=1e-12)
    np.testing.assert_allclose(float(found["balanced"]), of_mean, rtol=1e-12)


def test_steps_after_the_last_object_are_what_tells_it_from_the_divergence_on_n() -> None:
    p = np.random.default_rng(1).uniform(0.02, 0.98, (16, 4))
    logits = torch.tensor(np.log(p) - np.log1p(-p))
    for k in (1, 3, 4):
        ours = load(EXAMPLES / "number.asr", L=[k]).violations({"n": Categorical(logits=count_log_probs(logits))})
        theirs = load(NUMBER, L=[k]).violations({"presence": presences(p)})["admissible"].numpy()
        later = -np.log(1 - p[:, k + 1 :]).sum(-1)
        np.testing.assert_allclose(theirs, ours["admissible"].numpy() + later, rtol=1e-9)


def boxes_of(seed: int) -> Array:
    generator = np.random.default_rng(seed)
    return np.concatenate([generator.uniform(0, 50, (50, 3, 2)), generator.uniform(8, 20, (50, 3, 1))], -1)


def test_the_overlap_file_is_the_authors_formulas() -> None:
    boxes = boxes_of(0)
    found = load(OVERLAP).violations({"box": boxes})
    exact = overlap_penalties(boxes, 50, 11, 15, 3)
    assert set(found) == set(exact)
    for name, values in exact.items():
        np.testing.assert_allclose(found[name].numpy(), values, rtol=0, atol=1e-12)


def test_the_swapped_size_penalty_is_a_constant_more_than_the_papers() -> None:
    boxes = torch.tensor(boxes_of(1), requires_grad=True)
    inside = (boxes[..., 2] >= 11) & (boxes[..., 2] <= 15)
    assert bool(inside.all(-1).any())
    assert bool((~inside).any())
    paper, swapped = (load(EXAMPLES / name).violations({"box": boxes})["sized"] for name in ("overlap.asr", OVERLAP))
    torch.testing.assert_close(swapped, paper + 3 * (15 - 11))
    held = inside.all(-1)
    torch.testing.assert_close(swapped[held], torch.full_like(swapped[held], 3.0 * (15 - 11)))
    slopes = [torch.autograd.grad(values.sum(), boxes, retain_graph=True)[0] for values in (paper, swapped)]
    assert torch.equal(*slopes)


@pytest.mark.parametrize("estimator", ["exact", "score"])
def test_the_number_file_reads_presence_from_the_guide(estimator) -> None:
    model, guide, images = small_air()
    program: Program = load(NUMBER)
    score = estimator == "score"
    programs = (ScoreModel(model), ScoreGuide(guide, None)) if score else (model, guide)
    base = (TraceGraph_ELBO if score else TraceEnum_ELBO)(max_plate_nesting=1)
    elbo = asrppl.regularize(*programs, program, elbo=base)
    assert {rule.channel for rule in elbo.bindings(images).rules} == {"P"}
    elbo.loss(*programs, images)
    torch.manual_seed(4)
    elbo.loss(*programs, images)
    torch.manual_seed(4)
    with torch.no_grad():
        p = guide.draft(images).logits.sigmoid().numpy()
    each, of_mean = number_penalties(p, (1, 3))
    assert float(elbo.report.violations["admissible"]) == pytest.approx(each.mean())
    assert float(elbo.report.violations["balanced"]) == pytest.approx(of_mean)


def test_the_overlap_file_reads_all_boxes_of_a_guide_without_a_count() -> None:
    model, guide, images = small_air(fixed_count=True)
    sizes = {"S": SIDE, "c_min": 3, "c_max": 5, "eps": 1}
    base = TraceEnum_ELBO(max_plate_nesting=1, strict_enumeration_warning=False)
    elbo = asrppl.regularize(model, guide, load(OVERLAP, **sizes), elbo=base)
    elbo.loss(model, guide, images)
    torch.manual_seed(4)
    elbo.loss(model, guide, images)
    torch.manual_seed(4)
    with torch.no_grad():
        boxes = guide.draft(images).boxes.numpy()
    for name, values in overlap_penalties(boxes, SIDE, 3, 5, 1).items():
        assert float(elbo.report.violations[name]) == pytest.approx(values.mean())
