"""A topic model in Pyro: words by topics, topics by documents."""

from itertools import permutations

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from examples.gallery.seed_topics.data import SEEDS, TOPICS, Documents, halves

SPARSE = 0.3  # of the Dirichlet over the topics of a document
SMOOTH = 1.05  # of that over the words of a topic


class Topics(nn.Module):
    """topic_k ~ Dirichlet(SMOOTH), mix_d ~ Dirichlet(SPARSE), counts_d ~ Multinomial(mix_d topic).

    The guide has a point for each topic and a Dirichlet for each document.

    Args:
        documents: how many are trained on.
        words: how many there are.
        seed: of where the topics begin.
    """

    def __init__(self, documents: int, words: int, seed: int) -> None:
        super().__init__()
        draws = torch.Generator().manual_seed(seed)
        self.topic = nn.Parameter(0.1 * torch.randn(TOPICS, words, generator=draws))
        self.mix = nn.Parameter(torch.zeros(documents, TOPICS))

    def model(self, counts: Tensor) -> None:
        """Run on counts, ``(documents, words)``."""
        with pyro.plate("topics", TOPICS):
            topic = pyro.sample("topic", dist.Dirichlet(torch.full(counts.shape[1:], SMOOTH)))
        with pyro.plate("documents", len(counts)):
            mix = pyro.sample("mix", dist.Dirichlet(torch.full((TOPICS,), SPARSE)))
            most = int(counts.sum(1).max())
            pyro.sample("words", dist.Multinomial(most, probs=mix @ topic, validate_args=False), obs=counts)

    def guide(self, counts: Tensor) -> None:
        """Draw topics and their shares in each document."""
        pyro.module("topics", self)
        with pyro.plate("topics", TOPICS):
            pyro.sample("topic", dist.Delta(self.topic.softmax(-1), event_dim=1))
        with pyro.plate("documents", len(counts)):
            pyro.sample("mix", dist.Dirichlet(self.mix.exp()))


def measure(topic: Tensor, documents: Documents, seeded: Tensor, seed: int) -> dict[str, float]:
    """Return what topics are like on documents that they were not trained on.

    The shares of topics in a document are found on one half of its words; ``perplexity`` is that of the other half.
    ``named`` is the share of labelled documents whose largest topic is the one of that name, ``mapped`` that under the
    one-to-one map of names to topics which is right most often. ``seed_words`` is the share of the occurrences of seed
    words that come from their own topic, in expectation.
    """
    seen, unseen = halves(documents.counts, seed)
    mix = folded(topic, seen)
    perplexity = (-(unseen * (mix @ topic).log()).sum() / unseen.sum()).exp()
    known = documents.label >= 0
    largest = mix.argmax(1)[known]
    table = torch.zeros(len(SEEDS), TOPICS)
    table.index_put_((documents.label[known], largest), torch.ones(len(largest)), accumulate=True)
    rows = torch.arange(len(SEEDS))
    best = max(float(table[rows, torch.tensor(each)].sum()) for each in permutations(range(TOPICS), len(SEEDS)))
    origin = mix.unsqueeze(-1) * topic  # (documents, topics, words)
    said = (documents.counts.unsqueeze(1) * origin / origin.sum(1, keepdim=True)).sum(0)
    return {
        "perplexity": float(perplexity),
        "named": float(table.diagonal().sum() / len(largest)),
        "mapped": best / len(largest),
        "seed_words": float(said[seeded].sum() / documents.counts[:, seeded.any(0)].sum()),
    }


def folded(topic: Tensor, counts: Tensor, rounds: int = 100) -> Tensor:
    """Return the shares of topics in each document, ``(documents, topics)``, topics being given.

    Rounds of mix ∝ SPARSE + expected number of its words that each topic has.
    """
    mix = torch.full((len(counts), len(topic)), 1 / len(topic))
    for _ in range(rounds):
        mix = SPARSE + mix * ((counts / (mix @ topic)) @ topic.T)
        mix = mix / mix.sum(1, keepdim=True)
    return mix
