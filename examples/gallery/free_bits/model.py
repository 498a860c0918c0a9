"""A VAE whose decoder sees the pixels before the one that it predicts, and what is measured of it."""

from typing import Any

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

LATENTS = 16
HIDDEN = 128
ACTIVE = 0.01  # a unit is active where the variance of its mean over images is larger (Burda et al. 2016)


class VAE(nn.Module):
    """z ~ Normal(0, 1), pixel k ~ Bernoulli(σ(f(z)_k + Σ_{j<k} W_kj x_j)); q(z | x) is a Normal for each latent.

    The part that reads other pixels predicts well by itself, so that a latent must tell what they do not before it is
    worth its price in the ELBO: the usual case in which latents of a VAE collapse onto their prior.

    Args:
        images: grey values in [0, 1], ``(images, pixels)``: how probable it is that a pixel is on.
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.images = images
        pixels = images.shape[1]
        self.encoder = nn.Sequential(nn.Linear(pixels, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * LATENTS))
        self.decoder = nn.Sequential(nn.Linear(LATENTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, pixels))
        self.before = nn.Parameter(torch.zeros(pixels, pixels))
        with torch.no_grad():
            self.decoder[-1].bias.copy_(images.mean(0).clamp(0.01, 0.99).logit())  # pyright: ignore

    def law(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of q(z | x), ``(images, LATENTS)`` each."""
        loc, log_scale = self.encoder(x).chunk(2, -1)
        return loc, log_scale.clamp(-6.0, 3.0).exp()

    def logits(self, z: Tensor, x: Tensor) -> Tensor:
        """Return the pixels' log-odds given ``z`` and the pixels before them."""
        return self.decoder(z) + x @ self.before.tril(-1).T

    def model(self, rows: Tensor, x: Tensor) -> None:
        """Run on the batch that has these rows of the images, binarised in ``x``."""
        pyro.module("vae", self)
        with pyro.plate("images", len(self.images), subsample=rows):
            z = pyro.sample("z", dist.Normal(torch.zeros(len(x), LATENTS), 1.0).to_event(1))
            pyro.sample("x", dist.Bernoulli(logits=self.logits(z, x)).to_event(1), obs=x)

    def guide(self, rows: Tensor, x: Tensor) -> None:
        """Draw z given the images of the batch."""
        pyro.module("vae", self)
        with pyro.plate("images", len(self.images), subsample=rows):
            pyro.sample("z", dist.Normal(*self.law(x)).to_event(1))

    @torch.no_grad()
    def measure(self, images: Tensor) -> dict[str, Any]:
        """Return what the VAE is like on ``images``, which are binarised and drawn for by a fixed seed.

        The entries are ``elbo`` (nats an image, by one draw for each), ``kl`` (by latent the mean KL(q(z | x) ‖ p(z)),
        largest first), ``active`` (how many latents have a mean that varies) and ``reconstruction``.
        """
        with torch.random.fork_rng():
            torch.manual_seed(0)
            x = torch.bernoulli(images)
            loc, scale = self.law(x)
            z = loc + scale * torch.randn_like(loc)
            lost = binary_cross_entropy_with_logits(self.logits(z, x), x, reduction="none").sum(-1).mean()
        kl = (0.5 * (loc.square() + scale.square() - 1) - scale.log()).mean(0)
        return {
            "elbo": float(-lost - kl.sum()),
            "reconstruction": float(-lost),
            "kl": [round(float(each), 4) for each in kl.sort(descending=True).values],
            "active": int((loc.var(0) > ACTIVE).sum()),
        }
