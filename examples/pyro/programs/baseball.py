"""Hits of players, partially pooled, in the manner of two models of examples/baseball.py."""

import torch
from torch import Tensor

import pyro
import pyro.distributions as dist


def partially_pooled(at_bats: Tensor, hits: Tensor) -> None:
    """Averages around a common one, of Betas."""
    zero, one = at_bats.new_zeros(()), at_bats.new_ones(())
    m = pyro.sample("m", dist.Uniform(zero, one))
    kappa = pyro.sample("kappa", dist.Pareto(one, 1.5 * one))
    with pyro.plate("num_players", len(at_bats)):
        phi = pyro.sample("phi", dist.Beta(m * kappa, (1 - m) * kappa))
        pyro.sample("obs", dist.Binomial(at_bats, phi), obs=hits)


def partially_pooled_with_logit(at_bats: Tensor, hits: Tensor) -> None:
    """Averages whose logits are Normal around a common one."""
    loc = pyro.sample("loc", dist.Normal(torch.tensor(-1.0), 1.0))
    scale = pyro.sample("scale", dist.HalfCauchy(torch.tensor(1.0)))
    with pyro.plate("num_players", len(at_bats)):
        alpha = pyro.sample("alpha", dist.Normal(loc, scale))
        pyro.sample("obs", dist.Binomial(at_bats, logits=alpha), obs=hits)
