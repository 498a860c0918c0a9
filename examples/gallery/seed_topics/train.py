"""One run: with or without the rule, a seed, and what comes of it on held-out documents."""

import time
from pathlib import Path

import pyro
import torch
from pyro.infer import Trace_ELBO
from torch import Tensor

import asrppl
from examples.gallery.runs import Key, Metrics
from examples.gallery.seed_topics.data import read, split
from examples.gallery.seed_topics.model import Topics, measure

RULES = asrppl.load(Path(__file__).with_name("seeds.asr"))
RATE = 0.05


def run(key: Key) -> Metrics:
    """Train and measure: ``key`` has data, method, seed and steps."""
    documents, seeded = read(key["data"])
    trained, held_out = split(documents, key["seed"])
    start = time.process_time()
    topic, left = fit(trained.counts, seeded, ruled=key["method"] == "rule", seed=key["seed"], steps=key["steps"])
    seconds = time.process_time() - start
    return {**measure(topic, held_out, seeded, key["seed"]), "violation": left, "cpu_seconds": round(seconds, 1)}


def fit(counts: Tensor, seeded: Tensor, *, ruled: bool, seed: int, steps: int) -> tuple[Tensor, float]:
    """Return topics, ``(TOPICS, words)``, and what the rule comes to."""
    pyro.clear_param_store()
    pyro.set_rng_seed(seed)
    topics = Topics(len(counts), counts.shape[1], seed)
    loss = asrppl.regularize(
        topics.model,
        topics.guide,
        RULES if ruled else "",
        bind={"seeded": seeded.numpy()} if ruled else {},
        data="documents",
        elbo=Trace_ELBO(max_plate_nesting=1),
    )
    optimizer = torch.optim.Adam(topics.parameters(), lr=RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        (loss.differentiable_loss(topics.model, topics.guide, counts) / len(counts)).backward()
        optimizer.step()
    topic = topics.topic.detach().softmax(-1)
    violation = RULES.violations({"topic": topic, "seeded": seeded})["seeds"]
    return topic, round(float(violation), 4)
