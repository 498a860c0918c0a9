"""Sums over the states of a chain by hand: forward and backward, in logs."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Chain:
    """Chains of hidden states, one a datum, as tables of log probabilities.

    Args:
        start: of the first state, ``(data, K)``.
        move: from a state to the next, ``(data, T - 1, K, K)``; an axis of size 1 serves all.
        emit: of what is observed in each step, ``(data, T, K)``.
        count: what is counted: ψ of each step and state, ``(data, T, K)``. Its sum over steps is the datum's.
        between: what is counted of each move besides, ``(data, T - 1, K, K)``; None for nothing.
    """

    start: Tensor
    move: Tensor
    emit: Tensor
    count: Tensor
    between: Tensor | None = None

    def tilted(self, mu: float) -> tuple[Tensor, Tensor]:
        """Return Σ log Σ_a p(a, x) exp(−μ ψ(a)) over the data, and the mean of E_q[ψ] over them.

        q is what is summed over, normalised.
        """
        total, mean = self.each(mu)
        return total.sum(), mean.mean()

    def each(self, mu: float) -> tuple[Tensor, Tensor]:
        """Return both of each datum, ``(data,)``. The mean is by the two passes, not by the derivative of the sum."""
        local = self.emit - mu * self.count
        steps = local.shape[1]
        move = self.move.expand(local.shape[0], steps - 1, *self.move.shape[2:])
        if self.between is not None:
            move = move - mu * self.between
        forward = [self.start + local[:, 0]]
        for t in range(1, steps):
            forward.append((forward[-1].unsqueeze(-1) + move[:, t - 1]).logsumexp(-2) + local[:, t])
        backward = [torch.zeros_like(forward[-1])]
        for t in range(steps - 1, 0, -1):
            backward.insert(0, (move[:, t - 1] + (local[:, t] + backward[0]).unsqueeze(-2)).logsumexp(-1))
        total = forward[-1].logsumexp(-1)
        ahead, behind = torch.stack(forward, 1), torch.stack(backward, 1)
        share = (ahead + behind - total[:, None, None]).exp()
        mean = (share * self.count).sum((1, 2))
        if self.between is not None:
            pairs = ahead[:, :-1, :, None] + move + (local + behind)[:, 1:, None, :] - total[:, None, None, None]
            mean = mean + (pairs.exp() * self.between).sum((1, 2, 3))
        return total, mean


NEVER = -1e4
"""The log of a chance of 0, which has a gradient."""


def log(chance: Tensor) -> Tensor:
    """Return the logs of chances that may be 0."""
    there = chance > 0
    return torch.where(there, torch.where(there, chance, 1.0).log(), NEVER)


def stopped(move: Tensor, lengths: Tensor, steps: int) -> Tensor:
    """Return moves ``(data, T - 1, K, K)`` of ``(K, K)`` that stay where they are past the length of a sequence."""
    stay = log(torch.eye(move.shape[-1]))
    there = torch.arange(1, steps) < lengths[:, None]
    return torch.where(there[:, :, None, None], move, stay)


def within(values: Tensor, lengths: Tensor) -> Tensor:
    """Return ``(data, T, K)`` with 0 past the length of a sequence."""
    there = torch.arange(values.shape[1]) < lengths[:, None]
    return torch.where(there[:, :, None], values, torch.zeros(()))
