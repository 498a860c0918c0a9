"""The one network that the programs need."""

from itertools import pairwise

from torch import nn


def layers(*sizes: int, normalised: bool = False) -> nn.Sequential:
    """Return linear layers of these sizes with a softplus, and batch normalisation where asked for, between them."""
    found: list[nn.Module] = []
    for before, after in pairwise(sizes):
        if found:
            found += [nn.BatchNorm1d(before), nn.Softplus()] if normalised else [nn.Softplus()]
        found.append(nn.Linear(before, after))
    return nn.Sequential(*found)
