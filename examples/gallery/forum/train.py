"""One run: a question, how strong its rule is, a seed, and how far what comes of it is from an exact treatment."""

import time

import pyro
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.infer.autoguide import AutoMultivariateNormal
from torch import Tensor

import asrppl
from examples.gallery.forum.questions import QUESTIONS, Question
from examples.gallery.runs import Key, Metrics

DRAWS = 1_000_000  # of the posterior without a rule, of which those that keep it are the yardstick
SHOWN = 2000  # draws of a guide
PARTICLES = 16
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
RATE, FALL = 0.05, 0.05  # Adam's rate, and to what share of it it falls


def run(key: Key) -> Metrics:
    """Measure: ``key`` has question, seed, steps, and strength: 0 for no rule, else nats per datum, None: rejection."""
    question = QUESTIONS[key["question"]]
    y = question.observe(key["seed"])
    start = time.process_time()
    kept = exact(question, y)
    if key["strength"] is None:
        drawn, more = kept, {"draws": len(kept)}
    else:
        start = time.process_time()
        drawn, more = question.quantity(fit(question, y, key["strength"], key["seed"], key["steps"])), {}
    seconds = time.process_time() - start
    return {**describe(question, drawn), "distance": distance(drawn, kept), **more, "cpu_seconds": round(seconds, 1)}


def fit(question: Question, y: Tensor, strength: float, seed: int, steps: int) -> dict[str, Tensor]:
    """Return `SHOWN` draws of a guide trained with the rule at this strength."""
    pyro.clear_param_store()
    pyro.set_rng_seed(seed)
    guide = AutoMultivariateNormal(question.model, init_scale=0.3)
    rules = asrppl.load(question.path(), strength=strength) if strength else ""
    elbo = Trace_ELBO(num_particles=PARTICLES, vectorize_particles=True, max_plate_nesting=1)
    loss = asrppl.regularize(question.model, guide, rules, elbo=elbo)
    adam = {"optimizer": torch.optim.Adam, "optim_args": {"lr": RATE}, "gamma": FALL ** (1 / steps)}
    schedule = pyro.optim.ExponentialLR(adam)  # pyright: ignore
    svi = SVI(question.model, guide, schedule, loss)
    for _ in range(steps):
        svi.step(y)
        schedule.step()
    with torch.no_grad(), pyro.plate("draws", SHOWN, dim=-2):
        found = guide(y)
    return {name: found[name].reshape(SHOWN, *[length][: length > 0]) for name, length in question.names.items()}


def exact(question: Question, y: Tensor) -> Tensor:
    """Return those draws of the posterior without a rule that keep it, as quantities: the posterior given the rule."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = question.quantity(question.latents(question.posterior(y).sample((DRAWS,))))
    return drawn[question.amount(drawn) == 0]


def describe(question: Question, drawn: Tensor) -> Metrics:
    """Return means and standard deviations of draws, quantiles for the picture, and the share that keeps the rule.

    A draw counts as keeping it that breaks it by 0.01 at most.
    """
    return {
        "quantiles": torch.quantile(drawn[:100_000], torch.tensor(LEVELS), 0).T.tolist(),
        "mean": [round(float(each), 3) for each in drawn.mean(0)],
        "sd": [round(float(each), 3) for each in drawn.std(0)],
        "kept": float((question.amount(drawn) <= 0.01).double().mean()),
    }


def distance(drawn: Tensor, kept: Tensor) -> float:
    """Return the Wasserstein-1 distance of the marginals, in their standard deviations under the rule; the mean."""
    share = (torch.arange(200) + 0.5) / 200
    apart = (torch.quantile(drawn, share, 0) - torch.quantile(kept[:100_000], share, 0)).abs().mean(0)
    return float((apart / kept.std(0)).mean())
