"""A hidden Markov model in Pyro whose states are summed over, and what is measured of it."""

from itertools import permutations

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from examples.gallery.hmm_posterior.data import TAGS, VERB, WORDS

BEGIN = 0.1  # standard deviation of the logits at the start


class HMM(nn.Module):
    """x_0 ~ Categorical(start), x_t ~ Categorical(move[x_{t-1}]), w_t ~ Categorical(emit[x_t]), by maximum likelihood.

    All states begin nearly alike, so that it is the rules that tell them apart, where there are rules.

    Args:
        seed: of where the parameters begin.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        draws = torch.Generator().manual_seed(seed)
        states = len(TAGS)
        self.start, self.move, self.emit = (
            nn.Parameter(BEGIN * torch.randn(shape, generator=draws))
            for shape in ((states,), (states, states), (states, WORDS))
        )

    def model(self, words: Tensor) -> None:
        """Run on sentences, ``(sentences, length)``."""
        pyro.module("hmm", self)
        with pyro.plate("sentences", len(words)):
            x = None
            for t in pyro.markov(range(words.shape[1])):
                logits = self.start if x is None else self.move[x]
                x = pyro.sample(f"x_{t}", dist.Categorical(logits=logits), infer={"enumerate": "parallel"})
                pyro.sample(f"w_{t}", dist.Categorical(logits=self.emit[x]), obs=words[:, t])

    def guide(self, words: Tensor) -> None:
        """Draw nothing: the states are summed over in the model."""

    @torch.no_grad()
    def posterior(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Return log p(words) of each sentence, and p(x_t = k | words), ``(sentences, length, states)``."""
        start, move, emit = (each.log_softmax(-1) for each in (self.start, self.move, self.emit))
        local = emit.T[words]
        forward = [start + local[:, 0]]
        backward = [torch.zeros_like(forward[0])]
        for t in range(1, words.shape[1]):
            forward.append((forward[-1].unsqueeze(-1) + move).logsumexp(-2) + local[:, t])
            backward.insert(0, (move + (local[:, -t] + backward[0]).unsqueeze(-2)).logsumexp(-1))
        total = forward[-1].logsumexp(-1)
        return total, (torch.stack(forward, 1) + torch.stack(backward, 1) - total[:, None, None]).exp()

    def measure(self, tags: Tensor, words: Tensor) -> dict[str, float]:
        """Return what the model is like on sentences of known ``tags``, each word's tag being its most probable state.

        ``named`` is the share of right tags with states under their own names, ``mapped`` that under the one-to-one map
        of states to tags which is right most often; ``verb_f1`` is of the state `VERB` under its own name.
        ``log_likelihood`` is in nats a word; ``in_range`` is the share of sentences in which one or two verbs are
        expected, up to 0.05.
        """
        total, share = self.posterior(words)
        states = share.argmax(-1)
        maps = torch.tensor(list(permutations(range(len(TAGS)))))
        right = (maps[:, states] == tags).double().mean((1, 2))
        said, true = states == VERB, tags == VERB
        verbs = share[..., VERB].sum(-1)
        return {
            "log_likelihood": float(total.mean() / words.shape[1]),
            "named": float((states == tags).double().mean()),
            "mapped": float(right.max()),
            "verb_f1": float(2 * (said & true).sum() / (said.sum() + true.sum()).clamp_min(1)),
            "in_range": float(((verbs > 0.95) & (verbs < 2.05)).double().mean()),
        }
