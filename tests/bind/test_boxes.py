"""Boxes in the layouts that detectors give, and what is no box."""

import pytest
import torch

import asrppl

CORNERS = torch.tensor([[[0.0, 0.0, 4.0, 2.0], [3.0, 1.0, 5.0, 3.0]]], dtype=torch.float64)
WANTED = torch.tensor([[[2.0, 1.0, 4.0, 2.0], [4.0, 2.0, 2.0, 2.0]]], dtype=torch.float64)


def test_layouts_become_centre_and_sides() -> None:
    sides = torch.cat((CORNERS[..., :2], CORNERS[..., 2:] - CORNERS[..., :2]), -1)
    assert torch.equal(asrppl.boxes(CORNERS, "xyxy"), WANTED)
    assert torch.equal(asrppl.boxes(sides, "xywh"), WANTED)
    assert asrppl.boxes(WANTED, "cxcywh") is WANTED
    assert torch.autograd.gradcheck(lambda x: asrppl.boxes(x, "xyxy"), CORNERS.clone().requires_grad_())


def test_what_is_no_layout_or_no_box_is_named() -> None:
    with pytest.raises(ValueError, match="there is no layout 'yxyx' of boxes; there are 'xyxy', 'xywh', 'cxcywh'"):
        asrppl.boxes(CORNERS, "yxyx")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"this tensor has shape \(2, 3\)"):
        asrppl.boxes(torch.zeros(2, 3), "xyxy")


@pytest.mark.parametrize("names", [("x1", "y1", "x2", "y2"), ("left", "top", "right", "bottom")])
def test_mappings_of_corners_are_boxes(names: tuple[str, ...]) -> None:
    program = asrppl.parse("forall i != j: nonoverlap(box[i], box[j])")
    parts = dict(zip(names, CORNERS[0].unbind(-1), strict=True))
    assert torch.equal(program.violations({"box": parts})["line 1"], program.violations({"box": WANTED[0]})["line 1"])


def test_corners_that_are_not_all_there_are_named() -> None:
    program = asrppl.parse("forall i != j: nonoverlap(box[i], box[j])")
    with pytest.raises(asrppl.AsrError, match="`box` needs a field `x`; the value given has `x1`, `y1`"):
        program.violations({"box": {"x1": [0.0], "y1": [0.0]}})


def test_a_name_read_by_its_edges_alone_is_bound_as_a_box() -> None:
    program = asrppl.parse("forall i: box[i].left >= 0 and box[i].bottom <= 1")
    detected = {"box": {"x1": [0.25], "y1": [0.5], "x2": [0.75], "y2": [1.5]}}
    assert float(program.violations(detected)["line 1"]) == 0.5
