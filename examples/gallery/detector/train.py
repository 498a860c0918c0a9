"""One run: a method and a seed, and what the detector is like on images that training never saw."""

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, relu

import asrppl
from examples.gallery.detector.data import SIDE, SLOTS, Images, make
from examples.gallery.runs import Key, Metrics

LABELLED, UNLABELLED, HELD_OUT = 100, 2000, 1000
BATCH = 32
RATE = 2e-3
LOOKED = 25  # steps from one note of the violation to the next
RULES = Path(__file__).with_name("apart.asr")
METHODS = ("no rule", "apart.asr", "apart.asr, unlabelled images too")


class Detector(nn.Module):
    """Four convolutions, and for each quarter of the image whether an object has its centre there, and its box.

    Boxes are x, y, w, h as fractions of the image, ``(images, SLOTS, 4)``.
    """

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Conv2d(before, after, 3, 2, 1) for before, after in ((1, 16), (16, 32), (32, 32), (32, 64))]
        self.body = nn.Sequential(*(step for layer in layers for step in (layer, nn.ReLU())))
        self.head = nn.Conv2d(64, 5, 1)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-odds that an object is there, ``(images, SLOTS)``, and the boxes."""
        out = self.head(self.body(pixels)).flatten(2).mT
        quarter = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5], [0.5, 0.5]])
        inside = out[..., 1:].sigmoid()
        return out[..., 0], torch.cat([quarter + inside[..., :2] / 2, inside[..., 2:]], -1)


def run(key: Key) -> Metrics:
    """Train and measure: ``key`` has method, seed and steps."""
    start = time.process_time()
    detector, violations = fit(make(LABELLED, key["seed"]), key["method"], key["seed"], key["steps"])
    seconds = time.process_time() - start
    measured = measure(detector, make(HELD_OUT, 10_000 + key["seed"]))
    return {**measured, "violations": violations, "cpu_seconds": round(seconds, 1)}


def fit(labelled: Images, method: str, seed: int, steps: int) -> tuple[Detector, list[float]]:
    """Return a trained detector, and what the rule's violation was on its batches, in pixels."""
    others = make(UNLABELLED, 20_000 + seed).pixels
    torch.manual_seed(seed)
    detector = Detector()
    program = asrppl.load(RULES, side=SIDE)
    adam = torch.optim.Adam(detector.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    violations: list[float] = []
    for step in range(steps):
        rows = torch.randint(len(labelled), (BATCH,))
        more = others[torch.randint(len(others), (BATCH,))]  # drawn without the rule too: batches are the same
        pixels, there = labelled.pixels[rows], labelled.there[rows]
        if method == METHODS[2]:
            pixels = torch.cat([pixels, more])
        odds, boxes = detector(pixels)
        off = SIDE * (boxes[:BATCH] - labelled.boxes[rows]).abs().sum(-1)[there].mean()
        loss = off + binary_cross_entropy_with_logits(odds[:BATCH], there.float())
        values = {"cell": boxes, "there": odds.sigmoid()}
        if method != METHODS[0]:
            loss = loss + program.penalty(values)
        if step % LOOKED == 0:
            violations.append(round(float(program.violations(values)["apart"].mean().detach()), 4))
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
    return detector, violations


@torch.no_grad()
def measure(detector: Detector, images: Images) -> dict[str, Any]:
    """Return what the detector finds on ``images``.

    The entries are ``iou`` (mean intersection over union of true boxes with those of their quarter, 0 where none is),
    ``found`` (the share of true boxes with 0.5 or more), ``overlapping`` (the share of pairs of boxes that share more
    than a pixel along both axes) and ``counts`` (the share of images whose number of objects is right).
    """
    odds, boxes = detector(images.pixels)
    there = odds > 0
    best = (iou(images.boxes, boxes) * there)[images.there]
    pairs = torch.tensor([(i, j) for i in range(SLOTS) for j in range(i)])
    depth = SIDE * shared(boxes[:, pairs[:, 0]], boxes[:, pairs[:, 1]]).amin(-1)
    both = there[:, pairs[:, 0]] & there[:, pairs[:, 1]]
    return {
        "iou": float(best.mean()),
        "found": float((best >= 0.5).float().mean()),
        "overlapping": float((depth > 1)[both].float().mean()),
        "counts": float((there.sum(-1) == images.there.sum(-1)).float().mean()),
    }


def shared(a: Tensor, b: Tensor) -> Tensor:
    """Return how far boxes reach into each other along x and along y, 0 where they are apart; last axis 2."""
    upper = torch.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    lower = torch.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    return relu(upper - lower)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Return intersection over union."""
    both = shared(a, b).prod(-1)
    return both / (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - both).clamp_min(1e-9)
