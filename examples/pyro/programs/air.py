"""Objects that a guide finds one after the other, in the manner of examples/air.

Whether there is another object is a Bernoulli that stays 0 once it is 0, with a learnt baseline; where it is and what
it looks like are Normals that this draw masks. An image is the sum of bumps, in place of decoded windows.
"""

# Pyro's annotations are narrower than what it takes.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import pyro
import pyro.distributions as dist
from examples.pyro.programs.nets import layers

KEPT = 8
"""Pixels a side that are looked at: the images are thinned out to these."""


class AIR(nn.Module):
    """Model and guide.

    Args:
        num_steps: how many objects there may be.
        x_size: of the images.
        window_size: of a window; unused, since there are no windows.
        z_what_size: how many numbers say what an object looks like.
        rnn_hidden_size: of the network that remembers the objects before.
    """

    def __init__(self, num_steps: int, x_size: int, window_size: int, z_what_size: int, rnn_hidden_size: int) -> None:
        super().__init__()
        del window_size, rnn_hidden_size
        self.steps, self.width, self.what = num_steps, x_size, z_what_size
        pixels, state = KEPT * KEPT, 4 + z_what_size
        self.find = layers(pixels + state, 16, 7)  # p of another object; place and its spread
        self.look = layers(pixels + 3, 16, 2 * z_what_size)
        self.baseline = layers(pixels + state, 8, 1)
        self.paint = nn.Linear(z_what_size, 1)

    def thin(self, images: Tensor) -> Tensor:
        """Return the images with fewer pixels, ``(n, KEPT²)``."""
        stride = self.width // KEPT
        return images[:, ::stride, ::stride][:, :KEPT, :KEPT].flatten(1)

    def bump(self, where: Tensor, what: Tensor) -> Tensor:
        """Return what an object adds to an image, ``(n, KEPT²)``."""
        grid = torch.linspace(-1, 1, KEPT)
        size, centre = 1 / where[:, :1].clamp(min=0.5), -where[:, 1:] / where[:, :1].clamp(min=0.5)
        across, along = ((grid - centre[:, i : i + 1]) / size for i in range(2))
        shape = torch.exp(-(along.square().unsqueeze(2) + across.square().unsqueeze(1))).flatten(1)
        return softplus(self.paint(what)) * shape

    def model(self, data: Tensor, batch_size: int) -> None:
        """Draw objects until there are no more, and observe their sum."""
        del batch_size
        pyro.module("paint", self.paint)
        with pyro.plate("data", len(data)) as index:
            images = self.thin(data[index])
            there, total = images.new_ones(len(images), 1), torch.zeros_like(images)
            for t in range(self.steps):
                there = pyro.sample(f"z_pres_{t}", dist.Bernoulli(0.5 * there).to_event(1))
                place = dist.Normal(torch.tensor([3.0, 0.0, 0.0]), torch.tensor([0.1, 1.0, 1.0]))
                where = pyro.sample(f"z_where_{t}", place.expand([len(images), 3]).mask(there).to_event(1))
                look = dist.Normal(images.new_zeros(len(images), self.what), 1.0)
                what = pyro.sample(f"z_what_{t}", look.mask(there).to_event(1))
                total = total + there * self.bump(where, what)
            pyro.sample("obs", dist.Normal(total, 0.3).to_event(1), obs=images)

    def guide(self, data: Tensor, batch_size: int) -> None:
        """Find objects in a batch of the images."""
        for name in ("find", "look", "baseline"):
            pyro.module(name, getattr(self, name))
        with pyro.plate("data", len(data), subsample_size=batch_size) as index:
            images = self.thin(data[index])
            state = images.new_zeros(len(images), 4 + self.what)
            there = images.new_ones(len(images), 1)
            for t in range(self.steps):
                seen = torch.cat([images, state], 1)
                odds, place, spread = self.find(seen).split([1, 3, 3], 1)
                value = self.baseline(seen.detach()).squeeze(-1)
                infer: dict[str, Any] = {"baseline": {"nn_baseline": nn.Identity(), "nn_baseline_input": value}}
                law = dist.Bernoulli(odds.sigmoid() * there).to_event(1)
                there = pyro.sample(f"z_pres_{t}", law, infer=infer)
                law = dist.Normal(place + torch.tensor([3.0, 0.0, 0.0]), 0.1 * softplus(spread) + 0.01)
                where = pyro.sample(f"z_where_{t}", law.mask(there).to_event(1))
                loc, scale = self.look(torch.cat([images, where], 1)).chunk(2, 1)
                law = dist.Normal(loc, softplus(scale) + 0.01)
                what = pyro.sample(f"z_what_{t}", law.mask(there).to_event(1))
                state = torch.cat([there, where, what], 1)
