"""Hidden Markov models of sequences of tones, in the manner of models 0, 1, 4 and 7 of examples/hmm.py.

States are summed out by enumeration: sequence by sequence in a Python loop (0), all at once with a mask past each
length (1), two chains (4); or within one distribution, without a site of their own (7).
"""

# Pyro's annotations are narrower than what it takes.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

from argparse import Namespace
from collections.abc import Callable

import torch
from torch import Tensor

import pyro
import pyro.distributions as dist
from pyro.ops.indexing import Vindex

EACH = {"enumerate": "parallel"}


def _chances(states: int, tones: int) -> tuple[Tensor, Tensor]:
    move = dist.Dirichlet(0.9 * torch.eye(states) + 0.1).to_event(1)
    odds = dist.Beta(0.1, 0.9).expand([states, tones]).to_event(2)
    return pyro.sample("probs_x", move), pyro.sample("probs_y", odds)


def one_by_one(sequences: Tensor, lengths: Tensor, args: Namespace, batch_size: int | None = None) -> None:
    """Chains in a Python loop (model 0)."""
    move, odds = _chances(args.hidden_dim, sequences.shape[-1])
    tones = pyro.plate("tones", sequences.shape[-1], dim=-1)
    for i in pyro.plate("sequences", len(sequences), batch_size):
        x = 0
        for t in pyro.markov(range(int(lengths[i]))):
            x = pyro.sample(f"x_{i}_{t}", dist.Categorical(move[x]), infer=EACH)
            with tones:
                pyro.sample(f"y_{i}_{t}", dist.Bernoulli(odds[x.squeeze(-1)]), obs=sequences[i, t])


def at_once(sequences: Tensor, lengths: Tensor, args: Namespace, batch_size: int | None = None) -> None:
    """Chains in a plate (model 1)."""
    move, odds = _chances(args.hidden_dim, sequences.shape[-1])
    tones = pyro.plate("tones", sequences.shape[-1], dim=-1)
    with pyro.plate("sequences", len(sequences), batch_size, dim=-2) as batch:
        length, x = lengths[batch], 0
        for t in pyro.markov(range(int(length.max()))):
            with pyro.poutine.mask(mask=(t < length).unsqueeze(-1)):
                x = pyro.sample(f"x_{t}", dist.Categorical(move[x]), infer=EACH)
                with tones:
                    pyro.sample(f"y_{t}", dist.Bernoulli(odds[x.squeeze(-1)]), obs=sequences[batch, t])


def in_pairs(sequences: Tensor, lengths: Tensor, args: Namespace, batch_size: int | None = None) -> None:
    """Two chains, of which the second reads the first (model 4)."""
    half, width = int(args.hidden_dim**0.5), sequences.shape[-1]
    prior = dist.Dirichlet(0.9 * torch.eye(half) + 0.1)
    first = pyro.sample("probs_w", prior.to_event(1))
    second = pyro.sample("probs_x", prior.expand_by([half]).to_event(2))
    odds = pyro.sample("probs_y", dist.Beta(0.1, 0.9).expand([half, half, width]).to_event(3))
    tones = pyro.plate("tones", width, dim=-1)
    with pyro.plate("sequences", len(sequences), batch_size, dim=-2) as batch:
        length = lengths[batch]
        w = x = torch.tensor(0)
        for t in pyro.markov(range(int(length.max()))):
            with pyro.poutine.mask(mask=(t < length).unsqueeze(-1)):
                w = pyro.sample(f"w_{t}", dist.Categorical(first[w]), infer=EACH)
                x = pyro.sample(f"x_{t}", dist.Categorical(Vindex(second)[w, x]), infer=EACH)
                with tones as tone:
                    pyro.sample(f"y_{t}", dist.Bernoulli(odds[w, x, tone]), obs=sequences[batch, t])


def within(sequences: Tensor, lengths: Tensor, args: Namespace, batch_size: int | None = None) -> None:
    """Chains within one distribution (model 7)."""
    move, odds = _chances(args.hidden_dim, sequences.shape[-1])
    with pyro.plate("sequences", len(sequences), batch_size, dim=-1) as batch:
        there = torch.arange(sequences.shape[1]) < lengths[batch].unsqueeze(-1)
        seen = dist.Bernoulli(odds).to_event(1).expand([len(batch), sequences.shape[1], args.hidden_dim])
        start = torch.eye(args.hidden_dim)[0].log()
        law = dist.DiscreteHMM(start, move.log(), seen.mask(there.unsqueeze(-1)))
        pyro.sample("y", law, obs=sequences[batch])


models: dict[str, Callable[..., None]] = {"0": one_by_one, "1": at_once, "4": in_pairs, "7": within}
