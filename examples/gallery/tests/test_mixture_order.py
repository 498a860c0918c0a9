"""The mixture in order: its data, what is measured, what the rule does to labels, and the program."""

import json
from pathlib import Path

import pytest
import torch

from examples.gallery.mixture_order.__main__ import SORTED, main
from examples.gallery.mixture_order.data import CENTRES, PROPORTIONS, make
from examples.gallery.mixture_order.train import METHODS, fit, measure


def test_groups_have_the_same_kinds_at_levels_of_their_own() -> None:
    train, held_out = make(groups=3, each=400, seed=1)
    assert train.group.bincount().tolist() == [400] * 3
    assert held_out.group.bincount().tolist() == [1600] * 3
    torch.testing.assert_close(train.levels.diff(dim=-1), CENTRES.diff().expand(3, 2))
    assert len(train.levels[:, 0].unique()) == 3
    torch.testing.assert_close(held_out.label.bincount() / 4800, PROPORTIONS, atol=0.03, rtol=0)
    of_one = (held_out.group == 1) & (held_out.label == 2)
    torch.testing.assert_close(held_out.x[of_one].mean(), train.levels[1, 2], atol=0.15, rtol=0)


def test_labels_that_are_swapped_are_wrong_until_they_are_sorted() -> None:
    _, held_out = make(groups=1, each=500, seed=0)
    weights, loc = PROPORTIONS.expand(2, 3), held_out.levels.expand(2, 1, 3)
    right = measure(weights, loc, held_out)
    swapped = measure(weights.flip(-1), loc.flip(-1), held_out)
    assert right["accuracy"] > 0.9
    assert swapped["accuracy"] < 0.5
    assert swapped["sorted_accuracy"] == pytest.approx(right["accuracy"])
    assert swapped["predictive"] == pytest.approx(right["predictive"], abs=1e-5)
    assert (right["ordered"], swapped["ordered"]) == (1.0, 0.0)
    assert right["found"] == swapped["found"] == 1.0
    assert right["proportions"] == pytest.approx(0.0, abs=1e-6)
    assert swapped["proportions"] == pytest.approx(0.3)
    assert swapped["sorted_proportions"] == pytest.approx(0.0, abs=1e-6)


def test_with_the_rule_components_stand_in_order_a_distance_apart() -> None:
    train, _ = make(groups=2, each=40, seed=0)
    gaps = {}
    for method in METHODS[:2]:
        _, loc = fit(train, method, seed=0, steps=150)
        gaps[method] = float(loc.mean(0).diff(dim=-1).min())
    assert gaps["no rule"] < 0
    assert gaps["order.asr"] > 0.7


def test_a_rule_that_comes_late_changes_nothing_before_it_comes() -> None:
    train, _ = make(groups=2, each=40, seed=0)
    _, free = fit(train, "no rule", seed=0, steps=3)
    for method in ("late.asr", "late.asr, weight 10"):
        _, late = fit(train, method, seed=0, steps=3)
        torch.testing.assert_close(late, free)
    _, early = fit(train, "order.asr", seed=0, steps=3)
    assert not torch.allclose(early, free)


def test_the_transform_is_in_order_from_the_first_step() -> None:
    train, _ = make(groups=2, each=40, seed=0)
    _, loc = fit(train, "ordered transform", seed=0, steps=1)
    assert bool((loc.diff(dim=-1) >= 0).all())


def test_the_program_writes_table_and_figure(tmp_path: Path) -> None:
    main(["--steps", "1", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)])
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    for method in (SORTED, *METHODS):
        assert text.count(f"\n| {method} |") == 1
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    runs = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert len(runs) == len(METHODS)
