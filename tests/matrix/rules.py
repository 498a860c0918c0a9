"""Rules about z, each with its violation as a function of the law of z."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import kl_divergence

from tests.matrix.programs import N, Params, Program, X

Closed = Callable[[Any], Tensor]


@dataclass(frozen=True)
class Rule:
    """A formula, and its violation as a function of q(z) of all data."""

    text: str
    level: str
    closed: Closed
    binary: bool = False
    hard: bool = False

    def violation(self, program: Program, p: Params) -> Tensor:
        """Return the rule's violation of a program. (What is said of q(z) is said of it given what was drawn.)"""
        return self.closed(program.given(p) if "q(z)" in self.text else program.marginal(p))


def _short(low: float, value: Tensor) -> Tensor:
    return (low - value).clamp_min(0)


def _chance(q: Any, low: float, high: float = math.inf) -> Tensor:
    top = torch.ones(N, dtype=torch.float64) if high == math.inf else q.cdf(X.new_tensor(high))
    return top - q.cdf(X.new_tensor(low))


def _mean_short(low: float, q: Any) -> Tensor:
    """E max(low − z, 0) of normal draws."""
    ratio = (low - q.mean) / q.stddev
    density = torch.exp(-ratio.square() / 2) / math.sqrt(2 * math.pi)
    return (low - q.mean) * torch.special.ndtr(ratio) + q.stddev * density


def _prior(q: Any) -> Tensor:
    return kl_divergence(q, dist.Normal(X.new_tensor(0.0), 1.0))


def _second(q: Any) -> Tensor:
    return (q.variance + q.mean.square()).mean()


def _balance(q: Any) -> Tensor:
    p = q.probs.mean()
    return -math.log(2) - (p.log() + (1 - p).log()) / 2


NORMAL = (
    Rule("z >= 0.8", "draws", lambda q: _mean_short(0.8, q).mean()),
    Rule("E[z] >= 0.8", "datum", lambda q: _short(0.8, q.mean).mean()),
    Rule("mean(q(z)) >= 0.8", "datum", lambda q: _short(0.8, q.mean).mean()),
    Rule("sd(q(z)) <= 0.3", "datum", lambda q: (q.stddev - 0.3).clamp_min(0).mean()),
    Rule("P[z >= 0] >= 0.95", "datum", lambda q: _short(0.95, _chance(q, 0.0)).mean()),
    Rule("P[z * z <= 0.25] >= 0.95", "datum", lambda q: _short(0.95, _chance(q, -0.5, 0.5)).mean()),
    Rule("aggregate(E[z]) >= 0.5", "population", lambda q: _short(0.5, q.mean.mean())),
    Rule("aggregate(mean(q(z))) >= 0.5", "population", lambda q: _short(0.5, q.mean.mean())),
    Rule("aggregate(P[z >= 0]) >= 0.9", "population", lambda q: _short(0.9, _chance(q, 0.0).mean())),
    Rule(
        "aggregate(E[z * z]) - aggregate(E[z]) * aggregate(E[z]) <= 0.2",
        "population",
        lambda q: (_second(q) - q.mean.mean().square() - 0.2).clamp_min(0),
    ),
    Rule(
        "aggregate(E[z]) >= 0.5 or aggregate(E[z * z]) <= 0.1",
        "population",
        lambda q: torch.minimum(_short(0.5, q.mean.mean()), (_second(q) - 0.1).clamp_min(0)),
    ),
    Rule("abs(aggregate(E[z]) - 0.5) <= 0.1", "population", lambda q: ((q.mean.mean() - 0.5).abs() - 0.1).clamp_min(0)),
    Rule("aggregate(kl(q(z) || normal(0, 1))) >= 1", "population", lambda q: _short(1.0, _prior(q).mean())),
    Rule("E[z] >= 0.3", "datum", lambda q: _short(0.3, q.mean).mean(), hard=True),
    Rule("aggregate(E[z]) >= 0.5", "population", lambda q: _short(0.5, q.mean.mean()), hard=True),
)
BINARY = (
    Rule("z >= 1", "draws", lambda q: (1 - q.probs).mean(), True),
    Rule("E[z] >= 0.8", "datum", lambda q: _short(0.8, q.probs).mean(), True),
    Rule("P[z == 1] >= 0.8", "datum", lambda q: _short(0.8, q.probs).mean(), True),
    Rule("kl(delta(1) || q(z)) <= 0.2", "datum", lambda q: (-q.probs.log() - 0.2).clamp_min(0).mean(), True),
    Rule("aggregate(P[z == 1]) >= 0.7", "population", lambda q: _short(0.7, q.probs.mean()), True),
    Rule("kl(uniform({0, 1}) || aggregate(q(z))) <= 0", "population", _balance, True),
    Rule(
        "aggregate(E[z] * E[z]) >= 0.5",
        "population",
        lambda q: _short(0.5, q.probs.square().mean()),
        True,
    ),
    Rule("aggregate(P[z == 1]) >= 0.7", "population", lambda q: _short(0.7, q.probs.mean()), True, hard=True),
)
RULES = (*NORMAL, *BINARY)
