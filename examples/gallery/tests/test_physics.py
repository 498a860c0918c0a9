"""The function that is to obey an equation: its prior, its rule, what is measured, and the program."""

import json
from pathlib import Path

import pytest
import torch

from examples.gallery.physics.__main__ import LAWS, METHODS, main
from examples.gallery.physics.model import GRID, RATE, REACH, SPREAD, STEP, features, observe, truth
from examples.gallery.physics.train import RULES, fit, measure


def test_the_features_are_those_of_a_gaussian_process() -> None:
    kernel = SPREAD**2 * (-0.5 * ((GRID[:, None] - GRID) / REACH) ** 2).exp()
    torch.testing.assert_close(features() @ features().T, kernel, atol=1e-3, rtol=0)


def test_the_rule_holds_of_its_solution_alone() -> None:
    assert RULES.violations({"h": truth("decay"), "k": RATE})["decay"] == pytest.approx(0.0, abs=1e-4)
    assert float(RULES.violations({"h": truth("decay"), "k": 0.4})["decay"]) > 1
    slope, middle = truth("ambient").diff() / STEP, (truth("ambient")[1:] + truth("ambient")[:-1]) / 2
    wanted = ((slope + RATE * middle).abs() - 0.05).relu().square().sum()
    torch.testing.assert_close(RULES.violations({"h": truth("ambient"), "k": RATE})["decay"], wanted)


def test_places_are_measured_once_and_none_ahead() -> None:
    places, y = observe("decay", seed=3)
    assert len(places.unique()) == len(y)
    assert float(GRID[places].max()) <= 2.5 + 1e-6


def test_with_the_rule_h_is_nearer_the_solution() -> None:
    places, y = observe("decay", seed=0)
    plain, ruled = (fit(places, y, method, seed=0, steps=200)[0].mean(0) for method in ("smooth", "rule"))
    ahead = GRID > 2.5
    assert float((ruled - truth("decay"))[ahead].square().mean()) < float(
        (plain - truth("decay"))[ahead].square().mean()
    )


def test_what_is_measured() -> None:
    true = truth("decay")
    places = torch.tensor([0, 1])
    found = measure((true + 0.5).expand(10, -1), torch.full((10,), RATE), places, true)
    assert found["rmse"] == pytest.approx(0.5, abs=1e-5)
    assert found["rmse_ahead"] == pytest.approx(0.5, abs=1e-5)
    right = measure(true.expand(10, -1), torch.full((10,), RATE), places, true)
    assert right["log_density"] - found["log_density"] == pytest.approx(0.5**2 / 0.4**2 / 2, abs=0.1)


def test_the_program_writes_table_and_figure(tmp_path: Path) -> None:
    main(["--steps", "1", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)])
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert all(f"\n| {LAWS[law]} | {method} |" in text for law in LAWS for method in METHODS)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    runs = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert len(runs) == len(LAWS) * len(METHODS)
