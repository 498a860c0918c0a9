"""Bayesian logistic regression in Pyro, and what is measured of it."""

from dataclasses import asdict, dataclass
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from torch import Tensor
from torch.distributions import kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from examples.gallery.fair_classifier.data import Part

DRAWS = 32  # of the weights, for what is measured


class Classifier(torch.nn.Module):
    """w ~ Normal(0, 1) for each column, label ~ Bernoulli(σ(xᵀ w)); the guide has a Normal for each weight.

    The model names two things for the rule: ``score``, which is σ(xᵀ w), and ``sex``, which is data.
    """

    def __init__(self, train: Part) -> None:
        super().__init__()
        self.train_part = train
        columns = train.features.shape[1]
        self.loc = torch.nn.Parameter(torch.zeros(columns))
        self.log_scale = torch.nn.Parameter(torch.full((columns,), -3.0))

    def model(self, rows: Tensor) -> None:
        """Run on the batch that has these rows of the training part."""
        people = self.train_part
        w = pyro.sample("w", dist.Normal(torch.zeros_like(self.loc), 1.0).to_event(1))
        with pyro.plate("people", len(people), subsample=rows):
            logits = people.features[rows] @ w
            pyro.deterministic("score", torch.sigmoid(logits))
            pyro.deterministic("sex", people.sex[rows])
            pyro.sample("label", dist.Bernoulli(logits=logits), obs=people.label[rows])

    def guide(self, rows: Tensor) -> None:
        """Draw the weights."""
        pyro.sample("w", dist.Normal(self.loc, self.log_scale.exp()).to_event(1))

    def draw(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return −ELBO / N of a batch by one draw, and the gap in that batch at that draw.

        The first is what Pyro's `Trace_ELBO` estimates; with the second, it is what solvers beside asrppl are given.
        """
        guide: Any = poutine.trace(self.guide).get_trace(rows)
        model: Any = poutine.trace(poutine.replay(self.model, trace=guide)).get_trace(rows)
        loss = (guide.log_prob_sum() - model.log_prob_sum()) / len(self.train_part)
        return loss, gap(model.nodes["score"]["value"], self.train_part.sex[rows])

    @torch.no_grad()
    def measure(self, part: Part) -> dict[str, float]:
        """Return what the classifier is like on ``part`` of the people, by `DRAWS` draws: the fields of `Measured`."""
        law = torch.distributions.Normal(self.loc, self.log_scale.exp())
        with torch.random.fork_rng():
            torch.manual_seed(0)
            logits = part.features @ law.sample(torch.Size((DRAWS,))).T
        loss = binary_cross_entropy_with_logits(logits, part.label.unsqueeze(-1).expand_as(logits))
        divergence = kl_divergence(law, torch.distributions.Normal(0.0, 1.0)).sum()
        score = torch.sigmoid(logits).mean(-1)
        right = ((score > 0.5) == (part.label > 0.5)).double().mean()
        objective = loss + divergence / len(self.train_part)
        return asdict(Measured(float(objective), float(gap(score, part.sex)), float(right)))


def gap(score: Tensor, sex: Tensor) -> Tensor:
    """Return the mean score of women less that of men."""
    return score[sex == 0].mean() - score[sex == 1].mean()


@dataclass(frozen=True)
class Measured:
    """What a classifier is like on a part of the people.

    Args:
        objective: −ELBO per datum: the mean of −log p(label | x, w) over draws and people, and KL(q(w) ‖ p(w)) / N,
            where N is the number of people in training.
        gap: the mean score of women less that of men, scores being means over draws.
        accuracy: of the scores at a threshold of a half.
    """

    objective: float
    gap: float
    accuracy: float
