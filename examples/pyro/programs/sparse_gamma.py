"""A deep exponential family of Gammas, in the manner of examples/sparse_gamma_def.py.

Weights are drawn in flat plates and read as matrices. One guide has a Gamma for each number, the other is an EasyGuide
that draws all weights, and all units, as one Normal each.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

import pyro
import pyro.distributions as dist
from pyro.contrib.easyguide import EasyGuide

LAYERS = ("top", "mid", "bottom")


def _noise(*shape: int, mean: float) -> Tensor:
    return mean + 0.1 * torch.randn(*shape)


class SparseGammaDEF:
    """Model and guide; the widths of its layers are attributes."""

    top_width, mid_width, bottom_width, image_size = 5, 4, 3, 8

    def widths(self) -> list[int]:
        """Return the units of each layer, and the numbers of an image."""
        return [self.top_width, self.mid_width, self.bottom_width, self.image_size]

    def model(self, x: Tensor) -> None:
        """Draw weights, then units layer by layer, and observe counts."""
        widths, weights = self.widths(), list[Tensor]()
        for name, above, below in zip(LAYERS, widths, widths[1:], strict=False):
            with pyro.plate(f"w_{name}_plate", above * below):
                flat = pyro.sample(f"w_{name}", dist.Gamma(torch.tensor(0.1), 0.3))
            weights.append(flat.reshape(*flat.shape[:-1], above, below))
        with pyro.plate("data", len(x)):
            mean = torch.ones(len(x), self.top_width)
            for name, weight in zip(LAYERS, weights, strict=True):
                units = pyro.sample(f"z_{name}", dist.Gamma(torch.tensor(0.1), 0.1 / mean).to_event(1))
                mean = units @ weight
            pyro.sample("obs", dist.Poisson(mean).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        """Draw all by Gammas with a shape and a mean each."""

        def draw(kind: str, name: str, *shape: int) -> None:
            alpha, mean = (
                pyro.param(f"{param}_{kind}_q_{name}", lambda start=start: _noise(*shape, mean=start))
                for param, start in (("alpha", 0.5), ("mean", 0.0))
            )
            law = dist.Gamma(softplus(alpha), softplus(alpha) / softplus(mean))
            pyro.sample(f"{kind}_{name}", law if kind == "w" else law.to_event(1))

        widths = self.widths()
        for name, above, below in zip(LAYERS, widths, widths[1:], strict=False):
            with pyro.plate(f"w_{name}_plate", above * below):
                draw("w", name, above * below)
        with pyro.plate("data", len(x)):
            for name, width in zip(LAYERS, widths, strict=False):
                draw("z", name, len(x), width)


class MyEasyGuide(EasyGuide):
    """The other guide: groups of sites that begin with w or z are one Normal each, put into their supports."""

    def guide(self, x: Tensor) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Draw all weights, then all units."""
        weights: Any = self.group(match="w_.*")
        loc, scale = (pyro.param(f"w_{name}", lambda: _noise(*weights.event_shape, mean=0.5)) for name in ("m", "s"))
        weights.sample("ws", dist.Normal(loc, softplus(scale)).to_event(1))
        units: Any = self.group(match="z_.*")
        shape = (len(x), *units.event_shape)
        with self.plate("data", len(x)):
            loc, scale = (pyro.param(f"z_{name}", lambda: _noise(*shape, mean=0.5)) for name in ("m", "s"))
            units.sample("zs", dist.Normal(loc, softplus(scale)).to_event(1))
