"""A classifier with few labels: what the ELBO learns without a label, what the rules add, and the program."""

import json
from pathlib import Path

import pytest
import torch
from pyro.infer import TraceEnum_ELBO
from torch import Tensor

from examples.gallery.class_balance import __main__ as program
from examples.gallery.class_balance.model import CLASSES, Classifier
from examples.gallery.class_balance.train import few, fit


@pytest.fixture(scope="module")
def images() -> tuple[Tensor, Tensor]:
    """200 points about ten centres, ten times as spread along two directions that tell nothing; and their classes."""
    draws = torch.Generator().manual_seed(0)
    classes = torch.arange(200) % CLASSES
    points = torch.eye(CLASSES)[classes] + 0.25 * torch.randn(200, CLASSES, generator=draws)
    return torch.cat([points, 2.5 * torch.randn(200, 2, generator=draws), torch.ones(200, 1)], 1), classes


def test_few_of_each_class_are_known(images: tuple[Tensor, Tensor]) -> None:
    known = few(images[1], 3)
    assert torch.bincount(images[1][known]).tolist() == [3] * CLASSES


def test_images_without_a_label_teach_the_elbo_nothing(images: tuple[Tensor, Tensor]) -> None:
    points, classes = images
    known = few(classes, 1)
    slopes: list[Tensor] = []
    for others in (points[~known], points[~known][:30]):
        classifier = Classifier(others, points[known], classes[known])
        torch.nn.init.normal_(classifier.w, generator=torch.Generator().manual_seed(0))
        TraceEnum_ELBO(max_plate_nesting=1).differentiable_loss(classifier.model, classifier.guide).backward()
        assert classifier.w.grad is not None
        slopes.append(classifier.w.grad)
    torch.testing.assert_close(*slopes, atol=1e-4, rtol=1e-4)


def test_the_rules_bring_the_shares_near_and_make_each_image_surer(images: tuple[Tensor, Tensor]) -> None:
    points, classes = images
    known = few(classes, 1)
    plain, ruled = (
        fit(points, classes, known, rules, 110).measure(points[~known], classes[~known])
        for rules in ([], ["balance", "sure"])
    )
    assert ruled["off"] < 0.7 * plain["off"]
    assert ruled["entropy"] < plain["entropy"] - 0.3


def test_what_is_measured() -> None:
    classifier = Classifier(torch.ones(1, 1), torch.ones(1, 1), torch.tensor([0]))
    with torch.no_grad():
        classifier.w[0, 0] = 50.0  # says class 0 of everything, for certain
    found = classifier.measure(torch.ones(4, 1), torch.tensor([0, 0, 0, 1]))
    assert found["accuracy"] == 0.75
    assert found["off"] == pytest.approx(0.25)
    assert found["log_loss"] == pytest.approx(12.5)
    assert found["entropy"] == pytest.approx(0.0, abs=1e-6)


def test_the_program_writes_table_and_figure(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    program.main(["--steps", "1", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)])
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert all(f"\n| {labels} | {name} |" in text for labels in program.LABELS for name in program.RULES)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert len(json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))) == 6
