"""An autoencoder given a part of the image, in the manner of examples/cvae.

`pyro.plate("data")` has no size; the prior of the latents is a network's, which reads what another network, of its own
and not trained here, guesses of the whole image.
"""

import torch
from torch import Tensor, nn

import pyro
import pyro.distributions as dist
from examples.pyro.programs.nets import layers


class BaselineNet(nn.Module):
    """The guess.

    Args:
        hidden_1: width of the network.
        hidden_2: likewise.
    """

    def __init__(self, hidden_1: int, hidden_2: int) -> None:
        super().__init__()
        self.net = layers(784, hidden_1, hidden_2, 784)

    def forward(self, seen: Tensor) -> Tensor:
        """Return images, ``(n, 784)``."""
        return self.net(seen.reshape(-1, 784)).sigmoid()


class Recogniser(nn.Module):
    """The law of the latents, given the part that is seen (not −1) and the whole.

    Args:
        sizes: of the layers between image and latents.
        z_dim: how many latents.
    """

    def __init__(self, sizes: tuple[int, ...], z_dim: int) -> None:
        super().__init__()
        self.net = layers(784, *sizes, 2 * z_dim)

    def forward(self, seen: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
        """Return locations and scales, ``(n, z_dim)`` each."""
        both = torch.where(seen == -1, whole, seen).reshape(-1, 784)
        loc, scale = self.net(both).chunk(2, -1)
        return loc, scale.exp()


class CVAE(nn.Module):
    """Model and guide.

    Args:
        z_dim: how many latents.
        hidden_1: width of the networks.
        hidden_2: likewise.
        baseline: the network that guesses.
    """

    def __init__(self, z_dim: int, hidden_1: int, hidden_2: int, baseline: nn.Module) -> None:
        super().__init__()
        self.baseline_net = baseline
        self.prior_net, self.recognition_net = (Recogniser((hidden_1, hidden_2), z_dim) for _ in range(2))
        self.generation_net = layers(z_dim, hidden_1, hidden_2, 784)

    def model(self, seen: Tensor, images: Tensor) -> None:
        """Draw latents, and observe the part that was not seen."""
        pyro.module("cvae", self)
        with pyro.plate("data"):
            with torch.no_grad():
                guess = self.baseline_net(seen).view_as(seen)
            z = pyro.sample("z", dist.Normal(*self.prior_net(seen, guess)).to_event(1))
            hidden = seen == -1
            odds = self.generation_net(z).sigmoid()[hidden.flatten(1)].view(len(seen), -1)
            law = dist.Bernoulli(odds, validate_args=False)
            pyro.sample("y", law.to_event(1), obs=images[hidden].view(len(seen), -1))

    def guide(self, seen: Tensor, images: Tensor) -> None:
        """Draw latents, given the whole images."""
        with pyro.plate("data"):
            pyro.sample("z", dist.Normal(*self.recognition_net(seen, images)).to_event(1))
