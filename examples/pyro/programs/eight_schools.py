"""Eight schools, in the manner of examples/eight_schools/svi.py: what all schools share is drawn in their plate too."""

# Pyro's annotations are narrower than what it takes.
# pyright: reportArgumentType=false

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.transforms import ExpTransform

import pyro
import pyro.distributions as dist

data = torch.tensor(
    [[28.0, 15.0], [8.0, 10.0], [-3.0, 16.0], [7.0, 11.0], [-1.0, 9.0], [1.0, 11.0], [18.0, 10.0], [12.0, 18.0]]
)
"""Effect and standard error of each school."""


def model(data: Tensor) -> None:
    """Draw effects around a common one, and observe them."""
    with pyro.plate("data", len(data)):
        eta = pyro.sample("eta", dist.Normal(torch.zeros(len(data)), 1.0))
        mu = pyro.sample("mu", dist.Normal(torch.zeros(1), 10.0))
        tau = pyro.sample("tau", dist.HalfCauchy(scale=25 * torch.ones(1)))
        pyro.sample("obs", dist.Normal(mu + tau * eta, data[:, 1]), obs=data[:, 0])


def guide(data: Tensor) -> None:
    """Draw all by Normals, and tau as the exponential of one."""
    laws: dict[str, dist.Distribution] = {}
    for name, size in (("eta", len(data)), ("mu", 1), ("logtau", 1)):
        loc = pyro.param(f"loc_{name}", lambda size=size: torch.randn(size))
        start = 0.1 * torch.rand(size) + 0.01
        laws[name] = dist.Normal(loc, pyro.param(f"scale_{name}", start, constraint=constraints.positive))
    with pyro.plate("data", len(data)):
        pyro.sample("eta", laws["eta"])
        pyro.sample("mu", laws["mu"])
        pyro.sample("tau", dist.TransformedDistribution(laws["logtau"], [ExpTransform()]))
