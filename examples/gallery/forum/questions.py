"""Three questions as models: all linear and Normal, so that the posterior without a rule is known in closed form.

A model is y ~ Normal(X u, noise) with u ~ Normal(centre, spread). What is asked differs in what u is called, and in
what is known of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

Latents = dict[str, Tensor]
"""Values by name; their first axis is that of draws."""


@dataclass(frozen=True)
class Question:
    """What is asked, and the truth that data are made of.

    Args:
        rules: the file.
        design: X, ``(data, latents)``.
        offset: what is added to X u: a number.
        noise: standard deviation of the data.
        centre: of the prior, ``(latents,)``.
        spread: standard deviation of the prior, ``(latents,)``.
        truth: u of the data, ``(latents,)``; the rule holds of it.
        names: of the latents, and how many numbers each has: 0 for one number without an axis.
        quantity: what the rule is about, of latents: ``(draws, numbers)``.
        holds: whether the rule holds of quantities, ``(draws,)``.
        amount: by how much it does not: the violation, written out by hand.
    """

    rules: str
    design: Tensor
    offset: float
    noise: float
    centre: Tensor
    spread: Tensor
    truth: Tensor
    names: dict[str, int]
    quantity: Callable[[Latents], Tensor]
    amount: Callable[[Tensor], Tensor]

    def path(self) -> Path:
        """Return the file of the rules."""
        return Path(__file__).with_name(self.rules)

    def observe(self, seed: int) -> Tensor:
        """Return data, ``(data,)``."""
        noise = torch.randn(len(self.design), generator=torch.Generator().manual_seed(seed))
        return self.offset + self.design @ self.truth + self.noise * noise

    def model(self, y: Tensor) -> None:
        """Draw the latents under their names, and say what is observed."""
        parts: list[Tensor] = []
        place = 0
        for name, length in self.names.items():
            rows = slice(place, place + length) if length else place
            law = dist.Normal(self.centre[rows], self.spread[rows])
            drawn = pyro.sample(name, law.to_event(1) if length else law)
            parts.append(drawn if length else drawn.unsqueeze(-1))
            place += length or 1
        mean = self.offset + torch.cat(parts, -1) @ self.design.T
        if mean.dim() > 1:  # vectorised particles, and an axis of length 1 where the data are to be
            mean = mean.squeeze(-2)
        with pyro.plate("data", len(y)):
            pyro.sample("y", dist.Normal(mean, self.noise), obs=y)

    def latents(self, u: Tensor) -> Latents:
        """Return rows of u, ``(draws, latents)``, by name."""
        found: Latents = {}
        place = 0
        for name, length in self.names.items():
            found[name] = u[:, place : place + length] if length else u[:, place]
            place += length or 1
        return found

    def posterior(self, y: Tensor) -> MultivariateNormal:
        """Return the law of u given ``y``, without any rule."""
        precision = torch.diag(self.spread**-2) + self.design.T @ self.design / self.noise**2
        shift = self.centre / self.spread**2 + self.design.T @ (y - self.offset) / self.noise**2
        return MultivariateNormal(torch.linalg.solve(precision, shift), precision_matrix=precision)


def _outside(values: Tensor, least: float, most: float) -> Tensor:
    return ((least - values).relu() + (values - most).relu()).sum(-1)


def _falls(values: Tensor) -> Tensor:
    return (values[:, :-1] - values[:, 1:]).relu().sum(-1)


_TIMES = torch.tensor([0.5, 1.0, 2.0, 4.0, 6.0, 8.0])
_DOSE = 100.0

QUESTIONS: dict[str, Question] = {
    "length": Question(  # each end measured four times
        rules="length.asr",
        design=torch.eye(2).repeat(4, 1),
        offset=0.0,
        noise=1.5,
        centre=torch.zeros(2),
        spread=torch.full((2,), 10.0),
        truth=torch.tensor([-1.0, 2.9]),
        names={"left": 0, "right": 0},
        quantity=lambda u: (u["right"] - u["left"]).unsqueeze(-1),
        amount=partial(_outside, least=3.0, most=4.0),
    ),
    "rising": Question(  # three people at each of eight doses
        rules="rising.asr",
        design=torch.eye(8).repeat(3, 1),
        offset=0.0,
        noise=1.0,
        centre=torch.zeros(8),
        spread=torch.full((8,), 5.0),
        truth=torch.tensor([0.0, 0.4, 0.8, 1.3, 1.8, 2.3, 2.7, 3.0]),
        names={"beta": 8},
        quantity=lambda u: u["beta"],
        amount=_falls,
    ),
    "clearance": Question(  # log concentration = log dose - log V - k t
        rules="clearance.asr",
        design=torch.stack([-torch.ones(6), -_TIMES], -1),
        offset=float(torch.tensor(_DOSE).log()),
        noise=0.3,
        centre=torch.tensor([2.0, 0.3]),
        spread=torch.tensor([1.0, 0.3]),
        truth=torch.tensor([2.5, 0.235]),  # a clearance of 2.86
        names={"log_v": 0, "k": 0},
        quantity=lambda u: (u["k"] * u["log_v"].exp()).unsqueeze(-1),
        amount=partial(_outside, least=2.0, most=3.0),
    ),
}
