"""A training step of AIR on one thread: with rules against without, and ours against plain PyTorch.

Both are the whole step: objective, backward, gradient norm, fused Adam; K = 3, batch 64, images of 1 or 3 digits.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyro
import torch
from torch import Tensor

import asrppl
from asrppl_air.data.digits import embedded_digits
from asrppl_air.data.scenes import make_scenes
from asrppl_air.exact import ExactELBO
from asrppl_air.model import Guide, Model
from asrppl_air.settings import AIRSettings, Precision, Prior, scale_logit
from benchmarks.timing import Row, medians
from examples.air.benchmarks import rival_air

BATCH, IMAGES = 64, 20_000
EXAMPLES = Path(__file__).parent.parent / "asrppl_air" / "rule_files"
RULES = ("number.asr", "overlap.asr")  # overlap.asr reads boxes that an enumerated n masks: K + 1 times the work
WARM_UP = 10

Objective = Callable[[Tensor], Tensor]


def one_batch() -> Tensor:
    """The images that every step of every benchmark sees, (BATCH, 50, 50)."""
    return make_scenes("13", embedded_digits()[0], BATCH, 0).batch(torch.arange(BATCH))


def stepper(
    objective: Callable[[Model, Guide], Objective],
    images: Tensor,
    *,
    precision: Precision = "float32",
    prior: Prior = "learned",
) -> Callable[[], float]:
    """A function that does one step on networks of its own and returns the seconds of CPU time that it took."""
    torch.manual_seed(0)
    settings = AIRSettings(objects=3, scale_mean=scale_logit(20, 50), scale_var=0.02, precision=precision, prior=prior)
    model, guide = Model(settings), Guide(settings)
    loss = objective(model, guide)
    parameters = [*model.parameters(), *guide.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=1e-3, fused=True)

    def step() -> float:
        began = time.process_time()
        value = loss(images)
        optimiser.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 100.0)
        optimiser.step()
        return time.process_time() - began

    return step


def without_rules(model: Model, guide: Guide) -> Objective:
    loss = ExactELBO(max_plate_nesting=1)(model, guide)
    return lambda images: loss(images, IMAGES) / IMAGES


def _with_rules(name: str, model: Model, guide: Guide) -> Objective:
    elbo = asrppl.regularize(model, guide, EXAMPLES / name, elbo=ExactELBO(max_plate_nesting=1))
    loss = elbo(model, guide)
    return lambda images: loss(images, IMAGES) / IMAGES


def _rival(model: Model, guide: Guide) -> Objective:
    return lambda images: rival_air.loss(model, guide, images)


def run(repeats: int) -> list[Row]:
    """The rows of the comparisons."""
    torch.set_flush_denormal(True)
    images = one_batch()
    objectives: dict[str, Callable[[Model, Guide], Objective]] = {"without": without_rules, "rival": _rival}
    objectives |= {name: partial(_with_rules, name) for name in RULES}
    with pyro.validation_enabled(False):
        steps = {name: stepper(objective, images) for name, objective in objectives.items()}
        steps["bfloat16"] = stepper(without_rules, images, precision="bfloat16")
        seconds = medians(steps, repeats, WARM_UP)
    return [
        *(Row(f"AIR step with {name} / without rules", seconds[name] / seconds["without"], "≤ 1.05") for name in RULES),
        Row("AIR step / plain PyTorch of the same work", seconds["without"] / seconds["rival"], "≤ 1.3"),
        Row("AIR step in float32 / with bfloat16 products", seconds["without"] / seconds["bfloat16"], ""),
    ]
