"""One run: groups, method and seed, and what comes of it on held-out data."""

import time
from itertools import permutations
from pathlib import Path
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.infer.autoguide import AutoNormal, init_to_value
from torch import Tensor

import asrppl
from examples.gallery.mixture_order.data import PROPORTIONS, SCALE, Data, make
from examples.gallery.runs import Key, Metrics

EACH = 60  # data of a group
RATE = 0.1  # Adam's learning rate, which falls to a tenth of it
DRAWS = 64  # of the guide, for what is measured
NEAR = 0.6  # a level is found where a component ends within this distance of it
HERE = Path(__file__).parent
FACTORS = {
    "order.asr": ("order.asr", 1),
    "order.asr, weight 10": ("order.asr", 10),
    "late.asr": ("late.asr", 1),
    "late.asr, weight 10": ("late.asr", 10),
}
"""The rule's file, and what its weight, 1, is multiplied by."""
METHODS = ("no rule", *FACTORS, "ordered transform")


class Mixture:
    """Proportions w ~ Dirichlet(1) shared by all groups, levels loc[g, k] of each, x ~ Σ_k w_k Normal(loc[g, k]).

    Args:
        data: what is observed.
        transformed: whether the levels of a group have Pyro's ordered transform for a prior, in place of normals.
    """

    def __init__(self, data: Data, *, transformed: bool) -> None:
        self.x, self.group = data.x, data.group
        self.groups = len(data.levels)
        self.transformed = transformed

    def model(self) -> None:
        """Run on all data."""
        weights = pyro.sample("weights", dist.Dirichlet(torch.ones(3)))
        with pyro.plate("group", self.groups):
            law: Any = dist.Normal(torch.zeros(3), 5.0).to_event(1)
            if self.transformed:
                law = dist.TransformedDistribution(law, dist.transforms.OrderedTransform())
            loc = pyro.sample("loc", law)
        with pyro.plate("data", len(self.x)):
            kinds = dist.Normal(loc[self.group], SCALE)
            pyro.sample("x", dist.MixtureSameFamily(dist.Categorical(weights), kinds), obs=self.x)


def run(key: Key) -> Metrics:
    """Train and measure: ``key`` has groups, method, seed and steps."""
    train, held_out = make(key["groups"], EACH, key["seed"])
    start = time.process_time()
    weights, loc = fit(train, key["method"], key["seed"], key["steps"])
    seconds = time.process_time() - start
    return {**measure(weights, loc, held_out), "cpu_seconds": round(seconds, 1)}


def fit(data: Data, method: str, seed: int, steps: int) -> tuple[Tensor, Tensor]:
    """Return draws of the trained guide: proportions ``(draws, 3)`` and levels ``(draws, groups, 3)``."""
    pyro.clear_param_store()
    pyro.set_rng_seed(seed)
    mixture = Mixture(data, transformed=method == "ordered transform")
    start = _start(data)
    if mixture.transformed:
        start["loc"] = start["loc"].sort(-1).values
    guide = AutoNormal(mixture.model, init_loc_fn=init_to_value(values=start), init_scale=SCALE / 4)
    loss = Trace_ELBO()
    if method in FACTORS:
        file, factor = FACTORS[method]
        loss = asrppl.regularize(mixture.model, guide, asrppl.load(HERE / file).scaled(factor), elbo=loss)
    adam = pyro.optim.ClippedAdam({"lr": RATE, "lrd": 0.1 ** (1 / steps), "clip_norm": 1e6})  # pyright: ignore
    svi = SVI(mixture.model, guide, adam, loss)
    with pyro.validation_enabled(False):  # the model is the same in each step, and checks take long
        for _ in range(steps):
            svi.step()
    with torch.no_grad():
        drawn = [guide() for _ in range(DRAWS)]
    return torch.stack([each["weights"] for each in drawn]), torch.stack([each["loc"] for each in drawn])


def _start(data: Data) -> dict[str, Tensor]:
    """Return equal proportions, and as levels of each group three quantiles of its data, in a random order."""
    groups = range(len(data.levels))
    apart = torch.tensor([0.15, 0.5, 0.85])
    drawn = [data.x[data.group == group].quantile(apart)[torch.randperm(3)] for group in groups]
    return {"weights": torch.full((3,), 1 / 3), "loc": torch.stack(drawn)}


def measure(weights: Tensor, loc: Tensor, data: Data) -> dict[str, Any]:
    """Return what draws of the posterior say of ``data``.

    The entries are ``predictive`` (log of the mean density over draws, nats a datum), ``accuracy`` (the share of data
    whose most probable component has the number of their kind), ``sorted_accuracy`` (that once the components of each
    group are numbered from low to high), ``found`` (the share of levels that a component of their group has ended
    within 0.6 of, once sorted), ``ordered`` (the share of draws and groups that are in order), ``proportions`` (total
    variation between their mean and the truth) and ``sorted_proportions`` (that of the best numbering of them).
    """
    logs = weights.log()[:, None] + dist.Normal(loc[:, data.group], SCALE).log_prob(data.x[:, None])
    predictive = logs.logsumexp(-1).logsumexp(0) - torch.tensor(float(len(loc))).log()
    named = logs.softmax(-1).mean(0).argmax(-1)
    mean = loc.mean(0)
    off = [0.5 * (weights.mean(0)[list(order)] - PROPORTIONS).abs().sum() for order in permutations(range(3))]
    place = mean.argsort(-1).argsort(-1)  # of each component among those of its group
    return {
        "predictive": float(predictive.mean()),
        "accuracy": float((named == data.label).float().mean()),
        "sorted_accuracy": float((place[data.group, named] == data.label).float().mean()),
        "found": float(((mean.sort(-1).values - data.levels).abs() < NEAR).float().mean()),
        "ordered": float((loc.diff(dim=-1) >= 0).all(-1).float().mean()),
        "proportions": float(off[0]),
        "sorted_proportions": float(min(off)),
    }
