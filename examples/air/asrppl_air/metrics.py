"""The paper's four measures (section 6): nELBO, ACC, SE, mIoU."""

from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asrppl_air.untyped import integers


@dataclass(frozen=True)
class Metrics:
    """nELBO in nats per image, ACC a share, SE summed over pixels per image, mIoU a share.

    `miou_inclusive` is mIoU as the authors' program counts it (see `iou`); None where it was not measured.
    """

    nelbo: float
    acc: float
    se: float
    miou: float
    miou_inclusive: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """For `metrics.json`."""
        return asdict(self)


def iou(a: NDArray[Any], b: NDArray[Any], *, inclusive: bool = False) -> NDArray[np.float64]:
    """Areas of intersection over union, (n, m), of boxes (n, 4) and (m, 4): x, y of the centre, width, height.

    With `inclusive`, corners are taken for the first and last pixel of a box, as the authors' program does: every
    length, the intersection's too, is one pixel longer. That is kinder to boxes a little off, most of all small ones.
    """
    a, b = a[:, None, :].astype(np.float64), b[None, :, :].astype(np.float64)
    low = np.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = np.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    one = float(inclusive)
    shared = np.maximum(high - low + one, 0).prod(-1)
    union = (a[..., 2:] + one).prod(-1) + (b[..., 2:] + one).prod(-1) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def match(table: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the pairs whose entries have the greatest sum."""
    # scipy comes with the extra: importing this module must not ask for it
    rows, columns = import_module("scipy.optimize").linear_sum_assignment(-table)
    return rows, columns


def image_iou(inferred: NDArray[Any], true: NDArray[Any], *, inclusive: bool = False) -> float:
    """The sum of IoUs under the best matching, divided by the larger number of boxes; 1 where there are none at all."""
    larger = max(len(inferred), len(true))
    if not larger:
        return 1.0
    table = iou(inferred, true, inclusive=inclusive)
    return float(table[match(table)].sum() / larger)


def mean_iou(
    boxes: Tensor, counts: Tensor, true_boxes: Tensor, true_counts: Tensor, *, inclusive: bool = False
) -> float:
    """mIoU of `boxes` (N, K, 3), squares of which the first `counts` (N,) are there, against the truth (N, K', 4).

    By areas, or `inclusive` (see `iou`).
    """
    squares = torch.cat([boxes, boxes[..., 2:]], -1).cpu().numpy()
    truth = true_boxes.cpu().numpy()
    pairs = zip(integers(counts), integers(true_counts), strict=True)
    return float(
        np.mean([image_iou(squares[i, :n], truth[i, :m], inclusive=inclusive) for i, (n, m) in enumerate(pairs)])
    )


def squared_error(reconstruction: Tensor, images: Tensor) -> float:
    """SE: the squared error summed over pixels, mean over images."""
    return float((reconstruction - images).square().flatten(1).sum(1).mean())


def accuracy(counts: Tensor, true_counts: Tensor) -> float:
    """ACC: the share of images whose number of objects is right."""
    return float((counts == true_counts).double().mean())
