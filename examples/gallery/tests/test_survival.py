"""Survival curves: their data, what the score counts, what the rules do, and the program."""

import json
from pathlib import Path

import pytest
import torch

from examples.gallery.survival.__main__ import NAMES, main
from examples.gallery.survival.data import NODES, YEAR, Women, read_gbsg2, split, synthetic
from examples.gallery.survival.train import TIMES, Curves, fit, known, measure, more_nodes, scored

HEAD = "horTh,age,menostat,tsize,tgrade,pnodes,progrec,estrec,time,cens"


def test_what_is_read_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "lifelines" / "datasets"
    folder.mkdir(parents=True)
    (tmp_path / "lifelines" / "__init__.py").write_text("raise ImportError('only the file is read')")
    (folder / "gbsg2.csv").write_text(f"{HEAD}\nno,70,Post,21,II,1,0,0,1461,1\nyes,56,Pre,12,III,1,0,0,487,0\n")
    monkeypatch.syspath_prepend(tmp_path)
    women = read_gbsg2()
    assert women.features.tolist() == [[0, 70, 21, 2, 0, 0, 0, 1], [0, 56, 12, 3, 0, 0, 1, 0]]
    torch.testing.assert_close(women.years * YEAR, torch.tensor([1461.0, 487.0]))
    assert women.relapsed.tolist() == [1, 0]


def test_what_counts_of_women_who_are_no_longer_seen() -> None:
    women = Women(torch.zeros(4, 1), torch.tensor([0.7, 1.2, 2.2, 9.0]), torch.tensor([1.0, 0.0, 1.0, 0.0]))
    free, weight = known(women, women)
    assert free[:, 1].tolist() == [0, 1, 1, 1]  # at one year
    assert weight[1, 2:].tolist() == [0.0] * (len(TIMES) - 2)  # last seen after 1.2 years
    assert weight[:, 0].tolist() == [1.0] * 4
    # After 1.2 years the two that are left stand for three: each counts 3 / 2.
    torch.testing.assert_close(weight[2:, 3], torch.tensor([1.5, 1.5]))
    torch.testing.assert_close(weight[0, 3], torch.tensor(1.0))
    even = torch.full((4, len(TIMES)), 0.5)
    torch.testing.assert_close(scored(even, free, torch.ones_like(free)), torch.tensor(2.0).log())


def test_moved_copies_have_more_nodes_and_nothing_else() -> None:
    features = synthetic().features
    moved = more_nodes(features, torch.Generator().manual_seed(0))
    assert bool((moved[:, NODES] >= features[:, NODES]).all())
    assert float((moved - features)[:, NODES].max()) > 0.5
    assert torch.equal(moved[:, 1:], features[:, 1:])


def test_products_of_hazards_fall_by_construction() -> None:
    torch.manual_seed(0)
    train, held_out = split(synthetic(), 0)
    assert measure(Curves(3, hazards=True), train, held_out)["rising"] == 0.0
    assert measure(Curves(3, hazards=False), train, held_out)["rising"] > 0.9


def test_with_the_rules_curves_fall() -> None:
    train, held_out = split(synthetic(), 0)
    free, held = (
        measure(fit(train, method, seed=0, steps=120)[0], train, held_out) for method in ("no rule", "survival.asr")
    )
    assert free["rising"] > 0.4
    assert held["rising"] < 0.25 * free["rising"]
    assert held["with_nodes"] < free["with_nodes"]
    assert held["concordance"] > 0.55


def test_the_program_writes_table_and_figure(tmp_path: Path) -> None:
    main(["--data", "synthetic", "--steps", "2", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)])
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    for name in NAMES.values():
        assert f"\n| {name} |" in text
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    runs = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert len(runs) == len(NAMES)
