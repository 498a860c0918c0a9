"""One run: a method, a seed, and what comes of it on validation and on held-out data."""

import time
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyro
import torch
from torch import Tensor

import asrppl
from examples.gallery.fair_classifier.data import Part, read_adult, split
from examples.gallery.fair_classifier.model import Classifier
from examples.gallery.fair_classifier.rivals import Step, stepper
from examples.gallery.runs import Key, Metrics

GAP, WITHIN = 0.05, 0.01
"""How far apart the groups' mean scores may be, and by how much more a held-out gap still counts as kept."""

BATCH = 1024
RATE, FALL = 0.05, 0.02  # Adam's learning rate, and to what share of it it falls from the first step to the last

RULES: dict[str, str] = {"asrppl": "parity.asr", "asrppl, within": "parity_within.asr"}
"""Methods by rules, and their files."""


def run(key: Key) -> Metrics:
    """Train and measure: ``key`` has method, seed, steps, and the rival's settings as ``chosen``."""
    train, validation, held_out = split(_people(), key["seed"])
    start = time.process_time()
    classifier = fit(train, key["method"], key["seed"], key["steps"], key.get("chosen"))
    seconds = time.process_time() - start
    return {
        "validation": classifier.measure(validation),
        "held_out": classifier.measure(held_out),
        "cpu_seconds": round(seconds, 1),
    }


def fit(train: Part, method: str, seed: int, steps: int, chosen: dict[str, Any] | None = None) -> Classifier:
    """Return a classifier trained on ``train``; batches, start and optimiser are those of every method."""
    pyro.clear_param_store()
    pyro.set_rng_seed(seed)
    classifier = Classifier(train)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, FALL ** (1 / steps))
    step = _step(classifier, method, optimizer, chosen)
    draws = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        step(torch.randint(len(train), (BATCH,), generator=draws))
        schedule.step()
    return classifier


def _step(classifier: Classifier, method: str, optimizer: torch.optim.Optimizer, chosen: dict[str, Any] | None) -> Step:
    people = len(classifier.train_part)
    if chosen is not None:
        constrained = partial(_constrained, classifier)
        return stepper(method, chosen, constrained, optimizer, people // BATCH)
    rules = Path(__file__).with_name(RULES[method]) if method in RULES else ""  # no rules: the ELBO itself
    elbo = asrppl.regularize(classifier.model, classifier.guide, rules)

    def step(rows: Tensor) -> None:
        optimizer.zero_grad()
        (elbo.differentiable_loss(classifier.model, classifier.guide, rows) / people).backward()
        optimizer.step()

    return step


def _constrained(classifier: Classifier, rows: Tensor) -> tuple[Tensor, Tensor]:
    loss, gap = classifier.draw(rows)
    return loss, torch.stack([gap - GAP, -gap - GAP])


@cache
def _people() -> Part:
    return read_adult()
