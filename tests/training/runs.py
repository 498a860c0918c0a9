"""A small run, whose rules have all that a checkpoint must carry: a warm-up, a multiplier, a tracked mean."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer.autoguide import AutoNormal
from torch import Tensor

import asrppl

RULES = """
rule low weight 0 -> 10 over 20 steps: z <= 0
rule even hard: E[z] <= 0.5
"""


def a_model(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(mu, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def an_objective() -> tuple[asrppl.RegularizedELBO, torch.optim.Optimizer, Tensor]:
    """Return the objective, an optimiser of the guide's parameters, and data."""
    pyro.clear_param_store()  # in which the guide of another run would find its parameters
    pyro.set_rng_seed(0)
    guide = AutoNormal(a_model)
    x = torch.linspace(0.0, 3.0, 8)
    guide(x)  # makes its parameters
    return asrppl.regularize(a_model, guide, RULES), torch.optim.Adam(guide.parameters(), lr=0.05), x
