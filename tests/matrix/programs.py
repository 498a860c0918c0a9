"""Programs whose guide gives each of a few data one latent z, with the law and the ELBO in closed form."""

import math
from typing import Any, ClassVar

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import config_enumerate
from pyro.infer.autoguide import AutoNormal
from torch import Tensor
from torch.distributions import kl_divergence

N = 6
BATCH = 3
X = torch.linspace(-1.0, 1.0, N, dtype=torch.float64)
START_MEAN = torch.tensor([-0.6, -0.3, -0.2, 0.1, 0.2, 0.05], dtype=torch.float64)
START_SD = torch.tensor([0.5, 0.6, 0.7, 0.45, 0.55, 0.65], dtype=torch.float64)
START_CHANCE = torch.tensor([0.15, 0.3, 0.2, 0.4, 0.25, 0.35], dtype=torch.float64)

Params = dict[str, Tensor]


class Program:
    """z for each datum: N of them at once, by random subsamples that have indices, or as batches handed over."""

    start: ClassVar[Params]
    binary = False
    batches = ("all", "indexed")

    def __init__(self, batch: str, *, enumerated: bool) -> None:
        self.batch = batch
        self.guide: Any = config_enumerate(self.draw) if enumerated else self.draw

    def plate(self, x: Tensor) -> Any:
        size = len(x) if self.batch == "handed" else N
        return pyro.plate("data", size, subsample_size=BATCH if self.batch == "indexed" else None)

    def model(self, x: Tensor) -> None:
        with self.plate(x) as i:
            zero = torch.zeros((), dtype=torch.float64)
            z = pyro.sample("z", dist.Bernoulli(zero + 0.5) if self.binary else dist.Normal(zero, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x[i])

    def draw(self, x: Tensor) -> None:
        """Be the guide."""
        p = {name: pyro.param(name, start.clone()) for name, start in self.start.items()}
        with self.plate(x) as i:
            pyro.sample("z", self.law(p, x, i))

    def law(self, p: Params, x: Tensor, i: Tensor) -> Any:
        """Return q(z) of some data."""
        raise NotImplementedError

    def marginal(self, p: Params) -> Any:
        """Return q(z) of all data."""
        return self.law(p, X, torch.arange(N))

    def given(self, p: Params) -> Any:
        """Return q(z) given what the guide drew before it, for such draws as are equally likely: a first axis."""
        return self.marginal(p)

    def loss(self, p: Params) -> Tensor:
        """Return the negative ELBO of all data."""
        q = self.marginal(p)
        prior = dist.Bernoulli(X.new_tensor(0.5)) if self.binary else dist.Normal(X.new_tensor(0.0), 1.0)
        square = (X - q.mean).square() + q.variance
        return (kl_divergence(q, prior) + square / 2).sum()

    def names(self) -> list[str]:
        """Return the params' names in Pyro's store."""
        return list(self.start)

    def leaves(self) -> list[Tensor]:
        """Return what gradients are taken by."""
        return [pyro.param(name).unconstrained() for name in self.names()]

    def read(self) -> Params:
        """Return the params as they are, with their graph."""
        return {name: pyro.param(name) for name in self.start}

    def begin(self) -> None:
        """Put the params to where they start."""
        pyro.clear_param_store()
        for name, start in self.start.items():
            pyro.param(name, start.clone())


class MeanField(Program):
    """A normal law for each datum."""

    start: ClassVar[Params] = {"m": START_MEAN, "r": START_SD.log()}

    def law(self, p: Params, x: Tensor, i: Tensor) -> Any:
        return dist.Normal(p["m"][i], p["r"][i].exp())


class Score(MeanField):
    """The same, not reparameterised."""

    def draw(self, x: Tensor) -> None:
        p = {name: pyro.param(name, start.clone()) for name, start in self.start.items()}
        with self.plate(x) as i:
            pyro.sample("z", self.law(p, x, i).has_rsample_(False))


class Amortised(Program):
    """A normal law whose mean is a line in the datum."""

    start: ClassVar[Params] = {"w": X.new_tensor([0.3]), "b": X.new_tensor([-0.2]), "r": X.new_tensor([-0.5])}
    batches = ("all", "indexed", "handed")

    def law(self, p: Params, x: Tensor, i: Tensor) -> Any:
        return dist.Normal(p["w"] * x[i] + p["b"], p["r"].exp().expand(len(i)))


class Chain(Program):
    """z comes from another latent u of the guide."""

    start: ClassVar[Params] = {"a": 0.5 * START_MEAN, "m": START_MEAN, "r": START_SD.log()}

    def model(self, x: Tensor) -> None:
        with self.plate(x) as i:
            zero = torch.zeros((), dtype=torch.float64)
            pyro.sample("u", dist.Normal(zero, 1.0))
            z = pyro.sample("z", dist.Normal(zero, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x[i])

    def draw(self, x: Tensor) -> None:
        p = {name: pyro.param(name, start.clone()) for name, start in self.start.items()}
        with self.plate(x) as i:
            u = pyro.sample("u", dist.Normal(p["a"][i], 0.5))
            pyro.sample("z", dist.Normal(p["m"][i] + 0.5 * u, p["r"][i].exp()))

    def marginal(self, p: Params) -> Any:
        return dist.Normal(p["m"] + 0.5 * p["a"], ((2 * p["r"]).exp() + 0.25 * 0.25).sqrt())

    def given(self, p: Params) -> Any:
        levels = (torch.arange(200, dtype=torch.float64) + 0.5) / 200
        u = p["a"] + 0.5 * math.sqrt(2) * torch.erfinv(2 * levels[:, None] - 1)
        return dist.Normal(p["m"] + 0.5 * u, p["r"].exp())

    def loss(self, p: Params) -> Tensor:
        z, u = dist.Normal(p["m"], p["r"].exp()), dist.Normal(p["a"], X.new_tensor(0.5))
        q, prior = self.marginal(p), dist.Normal(X.new_tensor(0.0), 1.0)
        of_z = -z.scale.log() - 0.5 + (q.mean.square() + q.variance) / 2
        return (of_z + kl_divergence(u, prior) + ((X - q.mean).square() + q.variance) / 2).sum()


class Auto(Program):
    """Pyro's AutoNormal."""

    start: ClassVar[Params] = {"m": START_MEAN, "r": START_SD.log()}
    batches = ("all",)

    def __init__(self, batch: str, *, enumerated: bool) -> None:
        super().__init__(batch, enumerated=enumerated)
        self.guide = AutoNormal(self.model)

    def names(self) -> list[str]:
        return ["AutoNormal.locs.z", "AutoNormal.scales.z"]

    def read(self) -> Params:
        locs, scales = (pyro.param(name) for name in self.names())
        return {"m": locs, "r": scales.log()}

    def begin(self) -> None:
        pyro.clear_param_store()
        self.guide(X)
        with torch.no_grad():
            for leaf, value in zip(self.leaves(), (START_MEAN, START_SD.expm1().log()), strict=True):
                leaf.copy_(value)

    def law(self, p: Params, x: Tensor, i: Tensor) -> Any:
        return dist.Normal(p["m"][i], p["r"][i].exp())


class Binary(Program):
    """A Bernoulli for each datum."""

    start: ClassVar[Params] = {"logits": (START_CHANCE / (1 - START_CHANCE)).log()}
    binary = True

    def law(self, p: Params, x: Tensor, i: Tensor) -> Any:
        return dist.Bernoulli(logits=p["logits"][i])


GUIDES: dict[str, type[Program]] = {
    "mean-field normal": MeanField,
    "normal, not reparameterised": Score,
    "amortised normal": Amortised,
    "chain of two normals": Chain,
    "AutoNormal": Auto,
    "Bernoulli": Binary,
}
