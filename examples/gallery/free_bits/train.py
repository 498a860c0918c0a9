"""One run: with or without the rule, a seed, and what comes of it on held-out images."""

import time
from functools import cache
from pathlib import Path

import pyro
import torch
from pyro.infer import SVI, TraceMeanField_ELBO
from torch import Tensor
from torch.nn.functional import avg_pool2d

import asrppl
from asrppl_air.data.digits import load_digits
from examples.gallery.free_bits.model import VAE
from examples.gallery.runs import Key, Metrics

BATCH = 256
RATE = 3e-3  # Adam's learning rate, which falls to 0 along a cosine
RULES = Path(__file__).with_name("free_bits.asr")


def run(key: Key, folder: str | None) -> Metrics:
    """Train and measure: ``key`` has seed, steps, and whether there are rules; digits are those of ``folder``."""
    train, held_out = _images(folder)
    start = time.process_time()
    vae = fit(train, key["seed"], key["steps"], rules=key["rules"])
    seconds = time.process_time() - start
    return {**vae.measure(held_out), "cpu_seconds": round(seconds, 1)}


def fit(images: Tensor, seed: int, steps: int, *, rules: bool) -> VAE:
    """Return a VAE trained on ``images``; batches, binarisation and start are those of the run without rules."""
    pyro.clear_param_store()
    pyro.set_rng_seed(seed)
    vae = VAE(images)
    elbo = TraceMeanField_ELBO()
    loss = asrppl.regularize(vae.model, vae.guide, RULES, elbo=elbo) if rules else elbo
    adam = {"optimizer": torch.optim.Adam, "optim_args": {"lr": RATE}, "T_max": steps}
    schedule = pyro.optim.CosineAnnealingLR(adam)  # pyright: ignore
    svi = SVI(vae.model, vae.guide, schedule, loss)
    for _ in range(steps):
        rows = torch.randint(len(images), (BATCH,))
        svi.step(rows, torch.bernoulli(images[rows]))
        schedule.step()
    return vae


@cache
def _images(folder: str | None) -> tuple[Tensor, Tensor]:
    """Return digits for training and held out, ``(images, 196)`` each: mean grey values of 2 × 2 pixels."""
    parts = load_digits(None if folder is None else Path(folder))
    train, held_out = (torch.from_numpy(part.images.copy()).float() / 255 for part in parts)
    return avg_pool2d(train, 2).flatten(1), avg_pool2d(held_out, 2).flatten(1)
