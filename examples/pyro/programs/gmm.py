"""A mixture of two Normals whose assignments the model enumerates, in the manner of the tutorial gmm.

Besides, a guide that draws the assignments itself and keeps the parameters of the first, `global_guide`, which is made
outside, as a notebook's cells do.
"""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

import pyro
import pyro.distributions as dist
from pyro.infer import config_enumerate

data = torch.tensor([0.0, 1.0, 3.0, 4.0, 5.0])
global_guide: Any = None


@config_enumerate
def model(data: Tensor) -> None:
    """Draw weights, places and spread, assign each datum, and observe it."""
    weights = pyro.sample("weights", dist.Dirichlet(0.5 * torch.ones(2)))
    scale = pyro.sample("scale", dist.LogNormal(0.0, 2.0))
    with pyro.plate("components", 2):
        locs = pyro.sample("locs", dist.Normal(0.0, 10.0))
    with pyro.plate("data", len(data)):
        assignment = pyro.sample("assignment", dist.Categorical(weights))
        pyro.sample("obs", dist.Normal(locs[assignment], scale), obs=data)


def init_loc_fn(site: Any) -> Tensor:
    """Return where an automatic guide begins."""
    return {"weights": torch.ones(2) / 2, "scale": torch.tensor(2.0), "locs": torch.tensor([1.0, 3.0])}[site["name"]]


@config_enumerate
def full_guide(data: Tensor) -> None:
    """Keep what the first guide has found, and draw assignments."""
    with pyro.poutine.block(hide_types=["param"]):
        global_guide(data)
    with pyro.plate("data", len(data)):
        even = torch.ones(len(data), 2) / 2
        shares = pyro.param("assignment_probs", even, constraint=constraints.simplex)
        pyro.sample("assignment", dist.Categorical(shares))
