"""One run: with or without rules, a seed, and what comes of it on held-out sentences."""

import time
from collections.abc import Sequence
from pathlib import Path

import pyro
import torch
from pyro.infer import TraceEnum_ELBO
from torch import Tensor

import asrppl
from examples.gallery.hmm_posterior.data import sentences
from examples.gallery.hmm_posterior.model import HMM
from examples.gallery.runs import Key, Metrics

RULES = asrppl.load(Path(__file__).with_name("grammar.asr"))
TRAINED, HELD_OUT = 300, 500  # sentences
RATE = 0.1


def run(key: Key) -> Metrics:
    """Train and measure: ``key`` has seed, steps, and the names of the rules."""
    _, words = sentences(TRAINED, key["seed"])
    start = time.process_time()
    hmm, left = fit(words, key["rules"], key["seed"], key["steps"])
    seconds = time.process_time() - start
    held_out = sentences(HELD_OUT, 1000 + key["seed"])
    return {**hmm.measure(*held_out), "violations": left, "cpu_seconds": round(seconds, 1)}


def fit(words: Tensor, rules: Sequence[str], seed: int, steps: int) -> tuple[HMM, dict[str, float]]:
    """Return a model trained on ``words``, and what its rules come to at the end."""
    pyro.clear_param_store()
    pyro.set_rng_seed(seed)
    hmm = HMM(seed)
    elbo = TraceEnum_ELBO(max_plate_nesting=1)
    loss = asrppl.regularize(hmm.model, hmm.guide, RULES.only(*rules) if rules else "", elbo=elbo)
    optimizer = torch.optim.Adam(hmm.parameters(), lr=RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        (loss.differentiable_loss(hmm.model, hmm.guide, words) / len(words)).backward()
        optimizer.step()
    return hmm, {name: round(float(loss.report.violations[name]), 4) for name in rules}
