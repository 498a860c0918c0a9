"""An autoencoder in the manner of examples/vae/vae.py: a plate as long as the batch, relaxed Bernoullis."""

import torch
from torch import Tensor, nn

import pyro
import pyro.distributions as dist
from examples.pyro.programs.nets import layers


class Encoder(nn.Module):
    """The law of the latents, given an image.

    Args:
        z_dim: how many latents.
        hidden_dim: width of the network.
    """

    def __init__(self, z_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.net = layers(784, hidden_dim, 2 * z_dim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return locations and scales, ``(n, z_dim)`` each."""
        loc, scale = self.net(images.reshape(-1, 784)).chunk(2, -1)
        return loc, scale.exp()


class VAE(nn.Module):
    """Model and guide.

    Args:
        z_dim: how many latents.
        hidden_dim: width of the networks.
    """

    def __init__(self, z_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.encoder = Encoder(z_dim, hidden_dim)
        self.decoder = layers(z_dim, hidden_dim, 784)

    def model(self, images: Tensor) -> None:
        """Draw latents, and observe images."""
        pyro.module("decoder", self.decoder)
        with pyro.plate("data", len(images)):
            prior = dist.Normal(torch.zeros(len(images), self.z_dim), 1.0)
            latent = pyro.sample("latent", prior.to_event(1))
            law = dist.Bernoulli(self.decoder(latent).sigmoid(), validate_args=False)
            pyro.sample("obs", law.to_event(1), obs=images.reshape(-1, 784))

    def guide(self, images: Tensor) -> None:
        """Draw latents, given the images."""
        pyro.module("encoder", self.encoder)
        with pyro.plate("data", len(images)):
            pyro.sample("latent", dist.Normal(*self.encoder(images)).to_event(1))
