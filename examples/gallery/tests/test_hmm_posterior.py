"""The HMM: its sentences, its posterior against a sum over all paths, what the rules do to it, and the program."""

import json
from itertools import product
from pathlib import Path

import pytest
import torch

from examples.gallery.hmm_posterior.__main__ import RULES, main
from examples.gallery.hmm_posterior.data import LENGTH, OWN, TAGS, VERB, WORDS, sentences
from examples.gallery.hmm_posterior.model import HMM
from examples.gallery.hmm_posterior.train import fit


def test_sentences_keep_what_the_rules_say() -> None:
    tags, words = sentences(300, seed=0)
    assert tags.shape == words.shape == (300, LENGTH)
    verbs = (tags == VERB).sum(1)
    assert set(verbs.tolist()) == {1, 2}
    assert not bool((tags[:, 0] == VERB).any())
    before, after = tags[:, :-1], tags[:, 1:]
    assert set(after[(before == 0) | (before == 3)].tolist()) == {1, 3}
    assert not bool(((before == VERB) & (after == VERB)).any())
    own = (words // (WORDS // len(TAGS)) == tags).double().mean()
    assert float(own) == pytest.approx(OWN + (1 - OWN) / len(TAGS), abs=0.03)


def test_the_posterior_is_that_of_a_sum_over_all_paths() -> None:
    hmm = HMM(seed=0)
    words = torch.tensor([[3, 17, 30]])
    start, move, emit = (each.softmax(-1) for each in (hmm.start, hmm.move, hmm.emit))
    total = torch.zeros(())
    share = torch.zeros(3, len(TAGS))
    for path in product(range(len(TAGS)), repeat=3):
        p = start[path[0]] * emit[path[0], words[0, 0]]
        for t in range(1, 3):
            p = p * move[path[t - 1], path[t]] * emit[path[t], words[0, t]]
        total = total + p
        share[torch.arange(3), torch.tensor(path)] += p
    found, posterior = hmm.posterior(words)
    torch.testing.assert_close(found, total.log()[None])
    torch.testing.assert_close(posterior[0], share / total)


def test_what_is_measured() -> None:
    hmm = HMM(seed=0)
    tags, words = sentences(50, seed=1)
    with torch.no_grad():  # a state for each tag, verbs and nouns having changed places
        names = torch.tensor([0, VERB, 1, 3])
        hmm.emit.fill_(-3.0)
        hmm.emit[names[:, None], torch.arange(WORDS).view(len(TAGS), -1)] = 3.0
    found = hmm.measure(tags, words)
    assert found["mapped"] > 0.75
    assert found["named"] < found["mapped"] - 0.3
    assert found["verb_f1"] < 0.3


def test_the_rules_move_what_they_speak_of() -> None:
    _, words = sentences(40, seed=0)
    (plain, _), (ruled, left) = (fit(words, RULES[name], seed=0, steps=30) for name in ("no rule", "order"))
    forbidden = torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 1, 0], [1, 0, 1, 0]])
    plain_rate, ruled_rate = (float((hmm.move.detach().softmax(-1) * forbidden).sum()) for hmm in (plain, ruled))
    assert ruled_rate < 0.6 * plain_rate
    assert left["first"] < 0.1


def test_the_program_writes_table_and_figure(tmp_path: Path) -> None:
    main(["--steps", "1", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)])
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert all(f"\n| {name} |" in text for name in RULES)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert len(json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))) == len(RULES)
