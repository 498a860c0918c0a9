"""A smooth function on a grid, measured at a few places; a rule makes it obey an equation."""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

STEP = 0.1
GRID = STEP * torch.arange(41)  # times from 0 to 4
RATE = 0.8  # the true k
NOISE = 0.4
MEASURED = 8
SPREAD, REACH = 3.0, 1.0  # of the smooth prior: standard deviation, and over what time it is correlated
FEATURES = 14


def truth(law: str) -> Tensor:
    """Return the true function on the grid: of ``decay`` h' = -k h, of ``ambient`` h' = -k (h - 1)."""
    fallen = (-RATE * GRID).exp()
    return 5.0 * fallen if law == "decay" else 1.0 + 4.0 * fallen


def observe(law: str, seed: int) -> tuple[Tensor, Tensor]:
    """Return places on the grid, none in the last 1.5 of time, and what was measured there."""
    draws = torch.Generator().manual_seed(seed)
    places = torch.randperm(26, generator=draws)[:MEASURED].sort().values
    return places, truth(law)[places] + NOISE * torch.randn(MEASURED, generator=draws)


def features() -> Tensor:
    """Return Φ, ``(grid, FEATURES)``: Φ z with z ~ Normal(0, 1) is a Gaussian process with an RBF kernel, but for
    directions that carry less than a millionth of its variance.
    """
    apart = (GRID[:, None] - GRID) / REACH
    values, vectors = torch.linalg.eigh(SPREAD**2 * (-0.5 * apart**2).exp().double())
    return (vectors * values.clamp_min(0).sqrt())[:, -FEATURES:].float()


class Smooth:
    """h = Φ z, z ~ Normal(0, 1), k ~ LogNormal(-0.5, 0.7), y ~ Normal(h at its place, NOISE). Nothing ties k to h."""

    def __init__(self) -> None:
        self.features = features()

    def model(self, places: Tensor, y: Tensor) -> None:
        """Run on what was measured at ``places``."""
        pyro.sample("k", dist.LogNormal(-0.5, 0.7))
        z = pyro.sample("z", dist.Normal(torch.zeros(FEATURES), 1.0).to_event(1))
        h = pyro.deterministic("h", z @ self.features.T, event_dim=1)
        with pyro.plate("data", len(y)):
            pyro.sample("y", dist.Normal(at(h, places), NOISE), obs=y)


class Exact:
    """The equation solved: h = h_0 exp(-k t), with h_0 ~ Normal(0, 5) and k as in `Smooth`."""

    def model(self, places: Tensor, y: Tensor) -> None:
        """Run on what was measured at ``places``."""
        k = pyro.sample("k", dist.LogNormal(-0.5, 0.7))
        h_0 = pyro.sample("h_0", dist.Normal(0.0, 5.0))
        h = pyro.deterministic("h", h_0[..., None] * (-k[..., None] * GRID).exp(), event_dim=1)
        with pyro.plate("data", len(y)):
            pyro.sample("y", dist.Normal(at(h, places), NOISE), obs=y)


def at(h: Tensor, places: Tensor) -> Tensor:
    """Return h at some places, along the data plate: ``(data,)``, or ``(particles, data)``."""
    return h[places] if h.dim() == 1 else h[..., places].squeeze(-2)
