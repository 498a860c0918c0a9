"""One run: which rules, how many labels, a seed, and what comes of it on held-out images."""

import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pyro
import torch
from pyro.infer import TraceEnum_ELBO
from torch import Tensor

import asrppl
from examples.gallery.class_balance.model import CLASSES, Classifier
from examples.gallery.runs import Key, Metrics

RULES = asrppl.load(Path(__file__).with_name("class_balance.asr"))
HELD_OUT = 400
RATE = 0.05


def run(key: Key) -> Metrics:
    """Train and measure: ``key`` has seed, steps, the names of the rules, and labels of each class."""
    images, classes = digits()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(key["seed"]))
    held_out, train = order[:HELD_OUT], order[HELD_OUT:]
    known = few(classes[train], key["labels"])
    start = time.process_time()
    classifier = fit(images[train], classes[train], known, key["rules"], key["steps"])
    seconds = time.process_time() - start
    return {**classifier.measure(images[held_out], classes[held_out]), "cpu_seconds": round(seconds, 1)}


def fit(images: Tensor, classes: Tensor, known: Tensor, rules: Sequence[str], steps: int) -> Classifier:
    """Return a classifier that is told the classes of those images that are ``known``: a mask."""
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    classifier = Classifier(images[~known], images[known], classes[known])
    elbo = TraceEnum_ELBO(max_plate_nesting=1)
    program = RULES.only(*rules) if rules else ""
    loss = asrppl.regularize(classifier.model, classifier.guide, program, elbo=elbo, data="images")
    optimizer = torch.optim.Adam(classifier.parameters(), lr=RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        (loss.differentiable_loss(classifier.model, classifier.guide) / len(images)).backward()
        optimizer.step()
    return classifier


def few(classes: Tensor, each: int) -> Tensor:
    """Return a mask of the first ``each`` images of every class."""
    known = torch.zeros(len(classes), dtype=torch.bool)
    for label in range(CLASSES):
        known[(classes == label).nonzero().flatten()[:each]] = True
    return known


@cache
def digits() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's 1,797 digits of 8 × 8 pixels: grey values in [0, 1] and a constant; and the classes."""
    from sklearn.datasets import load_digits  # pyright: ignore

    values, classes = load_digits(return_X_y=True)  # pyright: ignore
    grey = torch.as_tensor(values, dtype=torch.float32) / 16  # pyright: ignore
    return torch.cat([grey, torch.ones(len(grey), 1)], 1), torch.as_tensor(classes)  # pyright: ignore
