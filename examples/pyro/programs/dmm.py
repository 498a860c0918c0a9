"""The deep Markov model, in the manner of examples/dmm.py.

Sequences have different lengths, which masks within distributions say; a recurrent network reads packed batches from
their ends; the latents' terms are scaled while training begins; flows may follow the guide's Normals.
"""

from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import pyro
import pyro.distributions as dist
from examples.pyro.programs.nets import layers
from pyro.distributions.transforms import affine_autoregressive

TONES = 88


def reversed_within(sequences: Tensor, lengths: Tensor) -> Tensor:
    """Return sequences ``(n, T, ..)``, each read from its end; what is past its length stays where it is."""
    found = sequences.clone()
    for i, length in enumerate(lengths.tolist()):
        found[i, :length] = sequences[i, :length].flip(0)
    return found


def get_mini_batch(
    indices: Tensor, sequences: Tensor, lengths: Tensor
) -> tuple[Tensor, PackedSequence, Tensor, Tensor]:
    """Return some sequences, the longest first: themselves, packed from their ends, where they are, their lengths."""
    order = lengths[indices].argsort(descending=True)
    chosen, length = indices[order], lengths[indices][order]
    batch = sequences[chosen, : int(length[0])]
    there = (torch.arange(batch.shape[1]) < length[:, None]).to(batch.dtype)
    return batch, pack_padded_sequence(reversed_within(batch, length), length, batch_first=True), there, length


poly = SimpleNamespace(get_mini_batch=get_mini_batch)


class DMM(nn.Module):
    """Model and guide.

    Args:
        z_dim: how many latents a step has.
        emission_dim: width of the network from latents to tones.
        transition_dim: width of the network from a step to the next.
        rnn_dim: width of the recurrent network.
        num_iafs: how many flows follow.
        iaf_dim: their width.
    """

    def __init__(
        self, z_dim: int, emission_dim: int, transition_dim: int, rnn_dim: int, num_iafs: int, iaf_dim: int
    ) -> None:
        super().__init__()
        self.emit = layers(z_dim, emission_dim, TONES)
        self.move = layers(z_dim, transition_dim, 2 * z_dim)
        self.rnn = nn.RNN(TONES, rnn_dim, batch_first=True)
        self.join = layers(z_dim + rnn_dim, rnn_dim, 2 * z_dim)
        flows = [affine_autoregressive(z_dim, hidden_dims=[iaf_dim]) for _ in range(num_iafs)]
        self.flows = nn.ModuleList(flows)
        self.start = nn.Parameter(torch.zeros(z_dim))
        self.guessed = nn.Parameter(torch.zeros(z_dim))

    def model(
        self, tones: Tensor, backwards: PackedSequence, mask: Tensor, lengths: Tensor, annealing: float = 1.0
    ) -> None:
        """Draw a chain of latents, and observe tones."""
        del backwards, lengths
        pyro.module("dmm", self)
        z = self.start.expand(len(tones), -1)
        with pyro.plate("z_minibatch", len(tones)):
            for t in pyro.markov(range(1, tones.shape[1] + 1)):
                there = mask[:, t - 1 : t]
                loc, scale = self.move(z).chunk(2, -1)
                with pyro.poutine.scale(scale=annealing):
                    z = pyro.sample(f"z_{t}", dist.Normal(loc, softplus(scale)).mask(there).to_event(1))
                law = dist.Bernoulli(logits=self.emit(z)).mask(there).to_event(1)
                pyro.sample(f"obs_x_{t}", law, obs=tones[:, t - 1])

    def guide(
        self, tones: Tensor, backwards: PackedSequence, mask: Tensor, lengths: Tensor, annealing: float = 1.0
    ) -> None:
        """Draw a chain of latents, each given the tones from its step on."""
        pyro.module("dmm", self)
        told = reversed_within(pad_packed_sequence(self.rnn(backwards)[0], batch_first=True)[0], lengths)
        z = self.guessed.expand(len(tones), -1)
        with pyro.plate("z_minibatch", len(tones)):
            for t in pyro.markov(range(1, tones.shape[1] + 1)):
                loc, scale = self.join(torch.cat([z, told[:, t - 1]], -1)).chunk(2, -1)
                law = dist.Normal(loc, softplus(scale))
                if len(self.flows):
                    law = dist.TransformedDistribution(law, list(self.flows)).mask(mask[:, t - 1])
                else:
                    law = law.mask(mask[:, t - 1 : t]).to_event(1)
                with pyro.poutine.scale(scale=annealing):
                    z = pyro.sample(f"z_{t}", law)
