"""A training step of AIR on one thread: with rules against without, and ours against plain PyTorch.

Both are the whole step: objective, backward, gradient norm, fused Adam; K = 3, batch 64, images of 1 or 3 digits.
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyro
import torch
from pyro.infer import TraceEnum_ELBO
from torch import Tensor

import asrppl
from asrppl.air.data.digits import embedded_digits
from asrppl.air.model import Guide, Model
from asrppl.air.data.scenes import make_scenes
from asrppl.air.settings import AIRSettings, scale_logit
from benchmarks import rival_air

BATCH, IMAGES = 64, 20_000
EXAMPLES = Path(__file__).parent.parent / "examples"
RULES = ("number.asr", "overlap.asr")  # overlap.asr reads boxes that an enumerated n masks: K + 1 times the work
WARM_UP = 10

Objective = Callable[[Tensor], Tensor]


def _stepper(objective: Callable[[Model, Guide], Objective], images: Tensor) -> Callable[[], float]:
    """A function that does one step on networks of its own and returns the seconds that it took."""
    torch.manual_seed(0)
    settings = AIRSettings(objects=3, scale_mean=scale_logit(20, 50), scale_var=0.02)
    model, guide = Model(settings), Guide(settings)
    loss = objective(model, guide)
    parameters = [*model.parameters(), *guide.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=1e-3, fused=True)

    def step() -> float:
        began = time.perf_counter()
        value = loss(images)
        optimiser.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 100.0)
        optimiser.step()
        return time.perf_counter() - began

    return step


def _without_rules(model: Model, guide: Guide) -> Objective:
    loss = TraceEnum_ELBO(max_plate_nesting=1)(model, guide)
    return lambda images: loss(images, IMAGES) / IMAGES


def _with_rules(name: str, model: Model, guide: Guide) -> Objective:
    elbo = asrppl.regularize(model, guide, EXAMPLES / name, elbo=TraceEnum_ELBO(max_plate_nesting=1))
    loss = elbo(model, guide)
    return lambda images: loss(images, IMAGES) / IMAGES


def _rival(model: Model, guide: Guide) -> Objective:
    return lambda images: rival_air.loss(model, guide, images)


def seconds(repeats: int) -> dict[str, float]:
    """Median seconds of a step, interleaved in one process."""
    torch.set_flush_denormal(True)
    images = make_scenes("13", embedded_digits()[0], BATCH, 0).batch(torch.arange(BATCH))
    with pyro.validation_enabled(False):
        objectives: dict[str, Callable[[Model, Guide], Objective]] = {"without": _without_rules, "rival": _rival}
        objectives |= {name: partial(_with_rules, name) for name in RULES}
        steps = {name: _stepper(objective, images) for name, objective in objectives.items()}
        for _ in range(WARM_UP):
            for step in steps.values():
                step()
        times: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(repeats):
            for name, step in steps.items():
                times[name].append(step())
    return {name: statistics.median(values) for name, values in times.items()}


def run(repeats: int) -> list[tuple[str, float, float]]:
    """(name, ratio, target) of each comparison."""
    medians = seconds(repeats)
    print(", ".join(f"{name} {1000 * value:.1f} ms" for name, value in medians.items()), file=sys.stderr)
    return [
        *((f"AIR step with {name} / without rules", medians[name] / medians["without"], 1.05) for name in RULES),
        ("AIR step / plain PyTorch of the same work", medians["without"] / medians["rival"], 1.8),
    ]
