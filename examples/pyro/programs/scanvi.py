"""Counts of genes in cells, some with a label, in the manner of examples/scanvi.

Layers normalise batches, the label is an enumerated OneHotCategorical that reads a reparameterised draw, every term is
scaled, and where a label is given the guide has a factor of its own that trains the classifier.
"""

# Pyro's annotations are narrower than what it takes.
# pyright: reportArgumentType=false

import torch
from torch import Tensor, nn
from torch.distributions import constraints
from torch.nn.functional import softplus

import pyro
import pyro.distributions as dist
from examples.pyro.programs.nets import layers
from examples.pyro.programs.ss_vae import joined

LATENT, HIDDEN, SMALL, SHARE = 4, 8, 5e-3, 0.01


class SCANVI(nn.Module):
    """Model and guide.

    Args:
        num_genes: how many counts a cell has.
        num_labels: how many types there are.
        l_loc: of the log of a cell's total, in the prior.
        l_scale: likewise.
        scale_factor: of all terms.
    """

    def __init__(self, num_genes: int, num_labels: int, l_loc: float, l_scale: float, scale_factor: float) -> None:
        super().__init__()
        self.genes, self.labels = num_genes, num_labels
        self.l_loc, self.l_scale, self.factor = l_loc, l_scale, scale_factor
        self.up = layers(LATENT + num_labels, HIDDEN, 2 * LATENT, normalised=True)
        self.out = layers(LATENT, HIDDEN, 2 * num_genes, normalised=True)
        self.into = layers(num_genes, HIDDEN, 2 * LATENT + 2, normalised=True)
        self.down = layers(LATENT + num_labels, HIDDEN, 2 * LATENT, normalised=True)
        self.classifier = layers(LATENT, HIDDEN, num_labels, normalised=True)

    def law(self, net: nn.Module, *parts: Tensor) -> dist.Distribution:
        """Return Normals whose locations and scales a network gives; its layers want tables."""
        rows = joined(*parts)
        loc, scale = net(rows.reshape(-1, rows.shape[-1])).reshape(*rows.shape[:-1], -1).chunk(2, -1)
        return dist.Normal(loc, softplus(scale) + SMALL).to_event(1)

    def model(self, counts: Tensor, label: Tensor | None = None) -> None:
        """Draw latents, label and total, and observe the counts."""
        pyro.module("scanvi", self)
        spread = pyro.param("inverse_dispersion", 10.0 * torch.ones(self.genes), constraint=constraints.positive)
        with pyro.plate("batch", len(counts)), pyro.poutine.scale(scale=self.factor):
            z1 = pyro.sample("z1", dist.Normal(0, counts.new_ones(LATENT)).to_event(1))
            y = pyro.sample("y", dist.OneHotCategorical(logits=counts.new_zeros(self.labels)), obs=label)
            z2 = pyro.sample("z2", self.law(self.up, z1, y))
            total = pyro.sample("l", dist.LogNormal(self.l_loc, self.l_scale * counts.new_ones(1)).to_event(1))
            gates, shares = self.out(z2).chunk(2, -1)
            logits = (total * shares.softmax(-1) + SMALL).log() - (spread + SMALL).log()
            law = dist.ZeroInflatedNegativeBinomial(gate_logits=gates, total_count=spread, logits=logits)
            pyro.sample("x", law.to_event(1), obs=counts)

    def guide(self, counts: Tensor, label: Tensor | None = None) -> None:
        """Draw what the model does; where there is a label, train the classifier on it."""
        pyro.module("scanvi", self)
        with pyro.plate("batch", len(counts)), pyro.poutine.scale(scale=self.factor):
            hidden = self.into(counts.log1p())
            loc, scale = hidden[:, : LATENT + 1], softplus(hidden[:, LATENT + 1 :]) + SMALL
            pyro.sample("l", dist.LogNormal(loc[:, :1], scale[:, :1]).to_event(1))
            z2 = pyro.sample("z2", dist.Normal(loc[:, 1:], scale[:, 1:]).to_event(1))
            law = dist.OneHotCategorical(logits=self.classifier(z2))
            if label is None:
                label = pyro.sample("y", law)
            else:
                pyro.factor("classified", -SHARE * law.log_prob(label), has_rsample=False)
            pyro.sample("z1", self.law(self.down, z2, label))
