"""Sentences of a made-up language: tags by a chain, words by their tags."""

import torch
from torch import Tensor

TAGS = ("determiner", "noun", "verb", "adjective")
VERB = 2
LENGTH = 8
WORDS = 40
OWN = 0.8  # how probable it is that a word is one of its tag's own ten; else it is any of the forty

START = torch.tensor([0.6, 0.3, 0.0, 0.1])
MOVE = torch.tensor([[0.0, 0.65, 0.0, 0.35], [0.3, 0.2, 0.4, 0.1], [0.5, 0.2, 0.0, 0.3], [0.0, 0.8, 0.0, 0.2]])


def sentences(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return tags and words, ``(count, LENGTH)`` each.

    A sentence has one or two verbs: chains that come out with none or with more are drawn again.
    """
    draws = torch.Generator().manual_seed(seed)
    kept: list[Tensor] = []
    while len(kept) < count:
        tags = [int(torch.multinomial(START, 1, generator=draws))]
        while len(tags) < LENGTH:
            tags.append(int(torch.multinomial(MOVE[tags[-1]], 1, generator=draws)))
        if tags.count(VERB) in (1, 2):
            kept.append(torch.tensor(tags))
    tags = torch.stack(kept)
    own = WORDS // len(TAGS)
    usual = 1.0 / torch.arange(1, own + 1)  # words of a tag are as frequent as ranks have it
    word = tags * own + torch.multinomial(usual, tags.numel(), replacement=True, generator=draws).view_as(tags)
    other = torch.randint(WORDS, tags.shape, generator=draws)
    return tags, torch.where(torch.rand(tags.shape, generator=draws) < OWN, word, other)
