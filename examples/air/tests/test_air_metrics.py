"""The metrics against cases worked by hand and against brute force."""

from itertools import permutations

import numpy as np
import pytest
import torch

from asrppl_air.metrics import accuracy, image_iou, iou, mean_iou, squared_error


def square(x: float, y: float, side: float) -> list[float]:
    return [x, y, side, side]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (square(10, 10, 8), square(10, 10, 8), 1.0),
        (square(10, 10, 8), square(14, 10, 8), 32 / 96),
        (square(10, 10, 8), square(18, 10, 8), 0.0),
        (square(10, 10, 8), square(10, 10, 4), 16 / 64),
        (square(10, 10, 0), square(10, 10, 0), 0.0),
        ([5, 5, 10, 2], [5, 5, 2, 10], 4 / 36),
    ],
)
def test_iou_is_the_ratio_of_areas(a, b, expected) -> None:
    assert iou(np.array([a]), np.array([b]))[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (square(10, 10, 8), square(10, 10, 8), 1.0),
        (square(10, 10, 8), square(14, 10, 8), 45 / 117),  # 5 × 9 of 2 × 81 − 45, for 32 of 96 by areas
        (square(10, 10, 8), square(18, 10, 8), 9 / 153),  # boxes that only touch share a line of pixels
        (square(10, 10, 8), square(20, 10, 8), 0.0),
    ],
)
def test_the_authors_iou_makes_every_length_a_pixel_longer(a, b, expected) -> None:
    assert iou(np.array([a]), np.array([b]), inclusive=True)[0, 0] == pytest.approx(expected)
    assert image_iou(np.array([a]), np.array([b]), inclusive=True) == pytest.approx(expected)


def test_matching_is_the_best_of_all_permutations() -> None:
    random = np.random.default_rng(0)
    for n, m in [(1, 3), (3, 3), (4, 2), (3, 4)]:
        inferred, true = (
            np.concatenate([random.uniform(10, 40, (k, 2)), random.uniform(10, 25, (k, 2))], 1) for k in (n, m)
        )
        table = iou(inferred, true)
        if n > m:
            table = table.T
        best = max(sum(table[i, j] for i, j in enumerate(order)) for order in permutations(range(max(n, m)), min(n, m)))
        assert image_iou(inferred, true) == pytest.approx(best / max(n, m))


def test_missing_and_surplus_boxes_divide_by_the_larger_number() -> None:
    one = np.array([square(10, 10, 8)])
    three = np.array([square(10, 10, 8), square(30, 10, 8), square(10, 30, 8)])
    assert image_iou(one, three) == pytest.approx(1 / 3)
    assert image_iou(three, one) == pytest.approx(1 / 3)
    assert image_iou(three[:0], three) == 0.0
    assert image_iou(three[:0], one[:0]) == 1.0


def test_mean_iou_reads_only_the_first_counts_boxes() -> None:
    boxes = torch.tensor([[[10.0, 10, 8], [30, 30, 8]], [[10.0, 10, 8], [30, 30, 8]]])
    truth = torch.tensor([[[10.0, 10, 8, 8], [0, 0, 0, 0]], [[30.0, 30, 8, 8], [10, 10, 8, 8]]])
    assert mean_iou(boxes, torch.tensor([1, 2]), truth, torch.tensor([1, 2])) == 1.0
    assert mean_iou(boxes, torch.tensor([2, 1]), truth, torch.tensor([1, 2])) == 0.5
    assert mean_iou(boxes + torch.tensor([4.0, 0, 0]), torch.tensor([1, 2]), truth, torch.tensor([1, 2])) < mean_iou(
        boxes + torch.tensor([4.0, 0, 0]), torch.tensor([1, 2]), truth, torch.tensor([1, 2]), inclusive=True
    )


def test_squared_error_sums_pixels_and_averages_images() -> None:
    images = torch.zeros(2, 3, 3)
    assert squared_error(images + torch.tensor([1.0, 2.0])[:, None, None], images) == pytest.approx((9 + 36) / 2)


def test_accuracy_is_the_share_of_right_counts() -> None:
    assert accuracy(torch.tensor([1, 3, 2, 0]), torch.tensor([1, 3, 3, 3])) == 0.5
