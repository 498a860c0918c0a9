"""Topics of documents, in the manner of examples/lda.py.

The topic of each word is enumerated in the model; a network makes a point of the topics of a document, in batches.
"""

from argparse import Namespace

import torch
from torch import Tensor, nn
from torch.distributions import constraints

import pyro
import pyro.distributions as dist
from examples.pyro.programs.nets import layers


def model(
    data: Tensor | None = None, args: Namespace | None = None, batch_size: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw topics, those of each document and word, and the words; return weights, topics and words."""
    assert args is not None
    with pyro.plate("topics", args.num_topics):
        weights = pyro.sample("topic_weights", dist.Gamma(1.0 / args.num_topics, 1.0))
        words = pyro.sample("topic_words", dist.Dirichlet(torch.ones(args.num_words) / args.num_words))
    with pyro.plate("documents", args.num_docs) as index:
        seen = None if data is None else data[:, index]
        topics = pyro.sample("doc_topics", dist.Dirichlet(weights))
        with pyro.plate("words", args.num_words_per_doc):
            each = pyro.sample("word_topics", dist.Categorical(topics), infer={"enumerate": "parallel"})
            seen = pyro.sample("doc_words", dist.Categorical(words[each]), obs=seen)
    return weights, words, seen


def make_predictor(args: Namespace) -> nn.Module:
    """Return the network from counts of words to topics."""
    hidden = (int(size) for size in args.layer_sizes.split("-"))
    return nn.Sequential(layers(args.num_words, *hidden, args.num_topics), nn.Softmax(dim=-1))


def parametrized_guide(predictor: nn.Module, data: Tensor, args: Namespace, batch_size: int | None = None) -> None:
    """Draw topics, and take those of a document from the network."""
    weights = pyro.param("topic_weights_q", torch.ones(args.num_topics), constraint=constraints.positive)
    start = torch.ones(args.num_topics, args.num_words)
    words = pyro.param("topic_words_q", start, constraint=constraints.greater_than(0.5))
    with pyro.plate("topics", args.num_topics):
        pyro.sample("topic_weights", dist.Gamma(weights, 1.0))
        pyro.sample("topic_words", dist.Dirichlet(words))
    pyro.module("predictor", predictor)
    with pyro.plate("documents", args.num_docs, batch_size) as index:
        counts = nn.functional.one_hot(data[:, index], args.num_words).sum(0).to(start.dtype)
        pyro.sample("doc_topics", dist.Delta(predictor(counts), event_dim=1))
