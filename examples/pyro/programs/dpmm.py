"""A Dirichlet process mixture by stick breaking, in the manner of the tutorial dirichlet_process_mixture.

Its guide draws the assignment of each datum, so that there are score functions.
"""

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.nn.functional import pad

import pyro
import pyro.distributions as dist

T, alpha = 4, 0.5
"""How many components there are at most, and how freely new ones are made."""


def mix_weights(beta: Tensor) -> Tensor:
    """Return the pieces of a stick of which each share ``beta`` is broken off what is left."""
    return pad(beta, (0, 1), value=1) * pad((1 - beta).cumprod(-1), (1, 0), value=1)


def model(data: Tensor) -> None:
    """Draw the stick and places, assign data, and observe them."""
    with pyro.plate("beta_plate", T - 1):
        beta = pyro.sample("beta", dist.Beta(1, alpha))
    with pyro.plate("mu_plate", T):
        mu = pyro.sample("mu", dist.MultivariateNormal(torch.zeros(2), 5 * torch.eye(2)))
    with pyro.plate("data", len(data)):
        z = pyro.sample("z", dist.Categorical(mix_weights(beta)))
        pyro.sample("obs", dist.MultivariateNormal(mu[z], torch.eye(2)), obs=data)


def guide(data: Tensor) -> None:
    """Draw all of these, each by itself."""
    kappa = pyro.param("kappa", lambda: 2 * torch.rand(T - 1), constraint=constraints.positive)
    tau = pyro.param("tau", lambda: 2 * torch.randn(T, 2))
    phi = pyro.param("phi", lambda: torch.rand(len(data), T).softmax(-1), constraint=constraints.simplex)
    with pyro.plate("beta_plate", T - 1):
        pyro.sample("beta", dist.Beta(torch.ones(T - 1), kappa))
    with pyro.plate("mu_plate", T):
        pyro.sample("mu", dist.MultivariateNormal(tau, torch.eye(2)))
    with pyro.plate("data", len(data)):
        pyro.sample("z", dist.Categorical(phi))
