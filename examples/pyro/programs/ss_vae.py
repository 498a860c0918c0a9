"""An autoencoder with labels of some images, in the manner of examples/vae/ss_vae_M2.py.

The label is observed in one kind of call and drawn by the guide in the other; `pyro.plate("data")` has no size.
"""

import torch
from torch import Tensor, nn

import pyro
import pyro.distributions as dist
from examples.pyro.programs.nets import layers

LABELS, PIXELS = 10, 784


def joined(first: Tensor, second: Tensor) -> Tensor:
    """Return both side by side; enumeration gives one of them axes that the other has not."""
    batch = torch.broadcast_shapes(first.shape[:-1], second.shape[:-1])
    return torch.cat([first.expand(*batch, -1), second.expand(*batch, -1)], -1)


class SSVAE(nn.Module):
    """Model and guide.

    Args:
        z_dim: how many latents.
        hidden_layers: widths of the networks.
        config_enum: how labels are enumerated; unused, since all broadcasts.
    """

    def __init__(self, z_dim: int, hidden_layers: list[int], config_enum: str | None = None) -> None:
        super().__init__()
        del config_enum
        self.z_dim = z_dim
        self.reader = layers(PIXELS, *hidden_layers, LABELS)
        self.styler = layers(PIXELS + LABELS, *hidden_layers, 2 * z_dim)
        self.decoder = layers(z_dim + LABELS, *hidden_layers, PIXELS)

    def encoder_y(self, images: Tensor) -> Tensor:
        """Return the chances of the labels, ``(n, 10)``."""
        return self.reader(images).softmax(-1)

    def model(self, images: Tensor, labels: Tensor | None = None) -> None:
        """Draw style and label, and observe images."""
        pyro.module("ss_vae", self)
        with pyro.plate("data"):
            style = pyro.sample("z", dist.Normal(images.new_zeros(len(images), self.z_dim), 1.0).to_event(1))
            even = dist.OneHotCategorical(images.new_full((len(images), LABELS), 1 / LABELS))
            label = pyro.sample("y", even, obs=labels)
            law = dist.Bernoulli(self.decoder(joined(style, label)).sigmoid(), validate_args=False)
            pyro.sample("x", law.to_event(1), obs=images)

    def guide(self, images: Tensor, labels: Tensor | None = None) -> None:
        """Draw the label where none is given, and the style."""
        with pyro.plate("data"):
            label = labels
            if label is None:
                label = pyro.sample("y", dist.OneHotCategorical(self.encoder_y(images)))
            loc, scale = self.styler(joined(images, label)).chunk(2, -1)
            pyro.sample("z", dist.Normal(loc, scale.exp()).to_event(1))
