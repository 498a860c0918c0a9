"""One run: a model, with or without the rule, a seed, and what comes of it where nothing was measured."""

import time
from pathlib import Path

import pyro
import torch
from pyro.infer import SVI, Predictive, Trace_ELBO
from pyro.infer.autoguide import AutoMultivariateNormal
from torch import Tensor

import asrppl
from examples.gallery.physics.model import GRID, NOISE, Exact, Smooth, observe, truth
from examples.gallery.runs import Key, Metrics

RULES = asrppl.load(Path(__file__).with_name("decay.asr"))
DRAWS = 1000
LR, FALL = 0.05, 0.05  # Adam's rate, and to what share of it it falls


def run(key: Key) -> Metrics:
    """Train and measure: ``key`` has method, law (what the truth obeys), seed and steps."""
    places, y = observe(key["law"], key["seed"])
    start = time.process_time()
    h, k = fit(places, y, key["method"], key["seed"], key["steps"])
    seconds = time.process_time() - start
    return {**measure(h, k, places, truth(key["law"])), "cpu_seconds": round(seconds, 1)}


def fit(places: Tensor, y: Tensor, method: str, seed: int, steps: int) -> tuple[Tensor, Tensor]:
    """Return draws of h, ``(DRAWS, grid)``, and of k, from a guide trained on what was measured."""
    pyro.clear_param_store()
    pyro.set_rng_seed(seed)
    model = Exact().model if method == "equation solved" else Smooth().model
    guide = AutoMultivariateNormal(model, init_scale=0.1)
    elbo = Trace_ELBO(num_particles=4, vectorize_particles=True, max_plate_nesting=1)
    loss = asrppl.regularize(model, guide, RULES if method == "rule" else "", elbo=elbo)
    adam = {"optimizer": torch.optim.Adam, "optim_args": {"lr": LR}, "gamma": FALL ** (1 / steps)}
    schedule = pyro.optim.ExponentialLR(adam)  # pyright: ignore
    svi = SVI(model, guide, schedule, loss)
    for _ in range(steps):
        svi.step(places, y)
        schedule.step()
    sites = ("h", "k")
    drawn = Predictive(model, guide=guide, num_samples=DRAWS, parallel=True, return_sites=sites)(places, y)
    return drawn["h"].reshape(DRAWS, len(GRID)).detach(), drawn["k"].reshape(DRAWS).detach()


def measure(h: Tensor, k: Tensor, places: Tensor, true: Tensor) -> Metrics:
    """Return errors of the mean of h against the truth, and the log density of fresh measurements.

    ``rmse`` is over the places of the grid that were not measured, ``rmse_ahead`` over those after the last measurement
    could be (t > 2.5); ``log_density`` is of noisy measurements at the former, exactly in their noise, nats each.
    """
    held_out = torch.ones(len(true), dtype=torch.bool)
    held_out[places] = False
    off = h.mean(0) - true
    ahead = GRID > 2.5 + 1e-4
    fresh = true + NOISE * torch.randn(50, len(true), generator=torch.Generator().manual_seed(0))
    density = torch.distributions.Normal(h, NOISE).log_prob(fresh[:, None]).logsumexp(1) - torch.tensor(len(h)).log()
    return {
        "rmse": float(off[held_out].square().mean().sqrt()),
        "rmse_ahead": float(off[ahead].square().mean().sqrt()),
        "log_density": float(density[:, held_out].mean()),
        "k": [round(float(each), 3) for each in (k.mean(), k.std())],
        "mean": [round(float(each), 3) for each in h.mean(0)],
        "sd": [round(float(each), 3) for each in h.std(0)],
    }
