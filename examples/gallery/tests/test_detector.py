"""The detector: its images, what is measured of boxes, what the rule does, and the program."""

import json
from pathlib import Path

import pytest
import torch

from examples.gallery.detector.__main__ import main
from examples.gallery.detector.data import SIDE, SLOTS, make
from examples.gallery.detector.train import METHODS, Detector, fit, iou, measure, shared


def test_objects_are_apart_within_the_image_and_in_their_quarter() -> None:
    images = make(300, 0)
    assert set(images.there.sum(1).tolist()) <= {1, 2, 3, 4}
    for i in range(SLOTS):
        for j in range(i):
            assert float(shared(images.boxes[:, i], images.boxes[:, j]).amin(-1).max()) < 1e-6
    centre, half = images.boxes[..., :2], images.boxes[..., 2:] / 2
    assert bool(((centre - half >= -1e-6) & (centre + half <= 1 + 1e-6)).all(-1)[images.there].all())
    right, low = images.boxes[..., 0] >= 0.5, images.boxes[..., 1] >= 0.5
    assert bool((right == torch.tensor([False, True, False, True]))[images.there].all())
    assert bool((low == torch.tensor([False, False, True, True]))[images.there].all())


def test_what_is_drawn_is_where_the_boxes_say() -> None:
    images = make(20, 1)
    lit = images.pixels[:, 0] > 0.5
    rows, columns = (torch.arange(SIDE) + 0.5) / SIDE, (torch.arange(SIDE) + 0.5) / SIDE
    x, y, w, h = images.boxes.unbind(-1)
    inside = (columns - x[..., None]).abs()[:, :, None] <= w[..., None, None] / 2
    inside = (inside & ((rows - y[..., None]).abs()[..., None] <= h[..., None, None] / 2)).any(1)
    assert float(lit[inside].float().mean()) > 0.65
    assert float(lit[~inside].float().mean()) < 0.35


def test_intersection_over_union() -> None:
    box = torch.tensor([0.5, 0.5, 0.2, 0.2])
    torch.testing.assert_close(iou(box, box), torch.tensor(1.0))
    torch.testing.assert_close(iou(box, torch.tensor([0.6, 0.5, 0.2, 0.2])), torch.tensor(1 / 3))
    assert float(iou(box, torch.tensor([0.8, 0.5, 0.2, 0.2]))) == 0.0


def test_what_is_measured() -> None:
    images = make(50, 2)

    class Known(Detector):
        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return images.there.float() - 0.5, images.boxes * self.scale

    known = Known()
    known.scale = torch.ones(4)
    assert measure(known, images) == {"iou": pytest.approx(1.0), "found": 1.0, "overlapping": 0.0, "counts": 1.0}
    known.scale = torch.tensor([1.0, 1.0, 2.0, 2.0])  # boxes of double sides
    found = measure(known, images)
    assert found["iou"] == pytest.approx(0.25, abs=1e-5)
    assert found["overlapping"] > 0.3


def test_with_the_rule_fewer_pairs_overlap() -> None:
    held_out = make(300, 9)
    free, held = (measure(fit(make(60, 0), method, seed=0, steps=130)[0], held_out) for method in METHODS[:2])
    assert free["overlapping"] > 0.01
    assert held["overlapping"] < 0.6 * free["overlapping"]


def test_the_program_writes_table_and_figure(tmp_path: Path) -> None:
    main(["--steps", "1", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)])
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    for method in METHODS:
        assert f"\n| {method} |" in text
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    runs = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert len(runs) == len(METHODS)
