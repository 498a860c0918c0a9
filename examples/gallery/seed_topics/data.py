"""Documents as counts of words: news of 1996 and 1997, or a made-up corpus that needs no file.

The news are the 395 of Reuters that the package lda carries among its tests. Only these three files are read; lda
itself is not imported.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

SEEDS = {
    "crown": ("charles", "diana", "queen"),
    "pope": ("pope", "pontiff", "vatican"),
    "charity": ("teresa", "nuns", "calcutta"),
    "kremlin": ("yeltsin", "kremlin", "moscow"),
    "germany": ("german", "germany", "kohl"),
}
TOPICS = 8  # the first five are named, three are free
RARE = 5  # words that fewer documents have are left out
HELD_OUT = 0.3  # of the documents

# Where a piece of news was written, by its title: nothing is trained on it.
_PLACES = {
    "UK": "crown",
    "VATICAN": "pope",
    "ITALY": "pope",
    "POLAND": "pope",
    "INDIA": "charity",
    "RUSSIA": "kremlin",
    "GERMANY": "germany",
}


@dataclass(frozen=True)
class Documents:
    """Some documents.

    Args:
        counts: how often each has each word, ``(documents, words)``.
        label: which named topic it should be about, ``(documents,)``; -1 where nobody knows.
    """

    counts: Tensor
    label: Tensor

    def __len__(self) -> int:
        return len(self.counts)


def read(data: str) -> tuple[Documents, Tensor]:
    """Return all documents of ``synthetic`` or ``reuters``, and which words are seeds, ``(TOPICS, words)``."""
    return synthetic() if data == "synthetic" else reuters()


def reuters() -> tuple[Documents, Tensor]:
    """Return the news. A label is the named topic of the country that the title begins with."""
    spec = find_spec("lda")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "tests"
    tokens, titles, rows = (
        (folder / f"reuters.{each}").read_text(encoding="utf-8").splitlines() for each in ("tokens", "titles", "ldac")
    )
    counts = torch.zeros(len(rows), len(tokens))
    for document, row in enumerate(rows):
        for pair in row.split()[1:]:
            word, count = pair.split(":")
            counts[document, int(word)] = float(count)
    often = ((counts > 0).sum(0) >= RARE).nonzero().squeeze(1)
    words = [tokens[place] for place in often.tolist()]
    named = list(SEEDS)
    seeded = torch.zeros(TOPICS, len(words), dtype=torch.bool)
    for topic, name in enumerate(named):
        for word in SEEDS[name]:
            seeded[topic, words.index(word)] = True
    places = [title.split(":")[0].split(" ", 1)[1] for title in titles]
    label = torch.tensor([named.index(_PLACES[place]) if place in _PLACES else -1 for place in places])
    return Documents(counts[:, often], label), seeded


def synthetic(count: int = 300, words: int = 200, length: int = 60) -> tuple[Documents, Tensor]:
    """Return documents of a topic model whose topics are known; each topic's three first words are its seeds.

    A label is the named topic that most words of a document are from, -1 where that one is free.
    """
    draws = torch.Generator().manual_seed(0)
    own = words // TOPICS
    topic = torch.full((TOPICS, words), 0.5 / words)
    usual = 1.0 / torch.arange(1, own + 1)
    for k in range(TOPICS):
        topic[k, k * own : (k + 1) * own] += 0.5 * usual / usual.sum()
    weight = torch.rand(count, TOPICS, generator=draws).log().neg().pow(-2)  # a topic or two have most of a document
    mix = weight / weight.sum(1, keepdim=True)
    said = torch.multinomial(mix @ topic, length, replacement=True, generator=draws)
    counts = torch.stack([torch.bincount(each, minlength=words) for each in said]).float()
    seeded = torch.zeros(TOPICS, words, dtype=torch.bool)
    for k in range(len(SEEDS)):
        seeded[k, k * own : k * own + 3] = True
    most = mix.argmax(1)
    return Documents(counts, torch.where(most < len(SEEDS), most, -1)), seeded


def split(documents: Documents, seed: int) -> tuple[Documents, Documents]:
    """Return documents to train on, and those held out."""
    order = torch.randperm(len(documents), generator=torch.Generator().manual_seed(seed))
    cut = round(HELD_OUT * len(documents))
    held_out, trained = order[:cut], order[cut:]
    first, second = (Documents(documents.counts[part], documents.label[part]) for part in (trained, held_out))
    return first, second


def halves(counts: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Return two parts of each document: every occurrence of a word falls into one of them by a coin."""
    draws = torch.Generator().manual_seed(seed)
    first = torch.binomial(counts, torch.full_like(counts, 0.5), generator=draws)
    return first, counts - first
