"""Topics named by seed words: the corpus, what is measured, what the rule does, and the program."""

import json
from pathlib import Path

import pytest
import torch

from examples.gallery.seed_topics.__main__ import METHODS, main
from examples.gallery.seed_topics.data import SEEDS, TOPICS, Documents, halves, split, synthetic
from examples.gallery.seed_topics.model import folded, measure
from examples.gallery.seed_topics.train import RULES, fit


def test_the_corpus_has_seed_words_for_the_named_topics_alone() -> None:
    documents, seeded = synthetic(count=50)
    assert seeded.sum(1).tolist() == [3] * len(SEEDS) + [0] * (TOPICS - len(SEEDS))
    assert documents.counts.sum(1).tolist() == [60.0] * 50
    trained, held_out = split(documents, seed=0)
    assert (len(trained), len(held_out)) == (35, 15)
    assert float((trained.counts.sum(0) + held_out.counts.sum(0) - documents.counts.sum(0)).abs().max()) == 0
    first, second = halves(documents.counts, seed=0)
    assert bool((first + second == documents.counts).all())
    assert 0.4 < float(first.sum() / documents.counts.sum()) < 0.6


def test_the_rule_is_a_share_of_each_named_topic() -> None:
    _, seeded = synthetic(count=5)
    topic = torch.full((TOPICS, seeded.shape[1]), 1 / seeded.shape[1])
    missing = 0.05 - 3 / seeded.shape[1]
    assert float(RULES.violations({"topic": topic, "seeded": seeded})["seeds"]) == pytest.approx(5 * missing, abs=1e-5)


def test_shares_of_topics_are_found_where_topics_have_words_of_their_own() -> None:
    topic = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]) + 1e-6
    mix = folded(topic, torch.tensor([[30.0, 30.0, 20.0, 20.0]]))
    torch.testing.assert_close(mix, torch.tensor([[60.3, 40.3]]) / 100.6, atol=1e-3, rtol=0)


def test_what_is_measured_knows_names_from_maps() -> None:
    _, seeded = synthetic(count=5)
    words = seeded.shape[1]
    own = words // TOPICS
    topic = torch.full((TOPICS, words), 1e-4)
    for k in range(TOPICS):
        topic[k, k * own : (k + 1) * own] = 1 / own
    topic = topic / topic.sum(1, keepdim=True)
    counts = torch.zeros(len(SEEDS), words)
    for k in range(len(SEEDS)):
        counts[k, k * own : (k + 1) * own] = 4
    documents = Documents(counts, torch.arange(len(SEEDS)))
    right = measure(topic, documents, seeded, seed=0)
    assert right["named"] == right["mapped"] == 1
    assert right["seed_words"] > 0.95
    assert right["perplexity"] == pytest.approx(own, rel=0.2)
    turned = measure(topic.roll(1, 0), documents, seeded, seed=0)
    assert (turned["named"], turned["mapped"]) == (0, 1)
    assert turned["seed_words"] < 0.05


def test_the_rule_gives_topics_their_names() -> None:
    documents, seeded = synthetic(count=120)
    trained, held_out = split(documents, seed=0)
    (plain, broken), (ruled, kept) = (
        fit(trained.counts, seeded, ruled=ruled, seed=0, steps=80) for ruled in (False, True)
    )
    assert kept < 0.02 < broken
    found, without = (measure(topic, held_out, seeded, seed=0) for topic in (ruled, plain))
    assert found["named"] > without["named"] + 0.3


def test_the_program_writes_table_and_figure(tmp_path: Path) -> None:
    main(["--steps", "1", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)])
    text = (tmp_path / "table-synthetic.md").read_text(encoding="utf-8")
    assert all(f"\n| {name} |" in text for name in METHODS.values())
    assert (tmp_path / "figure-synthetic.png").stat().st_size > 10_000
    assert len(json.loads((tmp_path / "results-synthetic.json").read_text(encoding="utf-8"))) == len(METHODS)
