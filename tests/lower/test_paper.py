"""The compiled rules against the paper's functionals, written in NumPy (sections 4.1 and 4.2)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.distributions import Categorical

from asrppl.program import load, parse

EXAMPLES = Path(__file__).parents[2] / "examples" / "air" / "asrppl_air" / "rule_files"
Array = NDArray[np.float64]


def _hinge(x: Array) -> Array:
    return np.maximum(x, 0)


def _pairs(x: Array) -> tuple[Array, Array]:
    return x[:, :, None], x[:, None, :]


def _f1(x: Array, y: Array, s: Array) -> Array:
    (xi, xj), (yi, yj), (si, sj) = _pairs(x), _pairs(y), _pairs(s)
    overlap = _hinge((si + sj) / 2 - np.maximum(abs(xi - xj), abs(yi - yj)))
    return (overlap * (1 - np.eye(x.shape[1]))).sum((1, 2))


@pytest.fixture
def boxes() -> Array:
    generator = np.random.default_rng(0)
    # Whole numbers, so that boxes touch exactly and stand exactly on the frame, too.
    return np.concatenate((generator.integers(0, 51, (200, 3, 2)), generator.integers(8, 20, (200, 3, 1))), -1).astype(
        float
    )


def test_nonoverlap_is_f1_to_the_last_bit(boxes: Array) -> None:
    x, y, s = boxes[..., 0], boxes[..., 1], boxes[..., 2]
    found = parse("rule apart: forall i != j: nonoverlap(box[i], box[j])").violations({"box": boxes})["apart"]
    assert np.array_equal(found.numpy(), _f1(x, y, s))


def test_the_overlap_file_is_f1_to_f7(boxes: Array) -> None:
    x, y, s = boxes[..., 0], boxes[..., 1], boxes[..., 2]
    side, low, high, eps = 50, 11, 15, 3
    si, sj = _pairs(s)
    inside = _hinge(s / 2 - x) + _hinge(x + s / 2 - side) + _hinge(s / 2 - y) + _hinge(y + s / 2 - side)  # F2 to F5
    exact = {
        "apart": _f1(x, y, s),
        "framed": inside.sum(1),
        "sized": (_hinge(low - s) + _hinge(s - high)).sum(1),
        "same_size": _hinge(abs(si - sj) - eps).sum((1, 2)),
    }
    program = load(EXAMPLES / "overlap.asr")
    found = program.violations({"box": boxes})
    for name, values in exact.items():
        np.testing.assert_allclose(found[name].numpy(), values, rtol=0, atol=1e-12)
    weights = {"apart": 1, "framed": 1, "sized": 20, "same_size": 10}
    total = sum(weights[name] * values.mean() for name, values in exact.items())
    assert float(program.penalty({"box": boxes})) == pytest.approx(total)


def test_the_number_file_is_kl_to_a_point_and_kl_of_the_mean() -> None:
    q = np.random.default_rng(1).dirichlet(np.ones(5), 8)
    found = load(EXAMPLES / "number.asr").violations({"n": Categorical(torch.tensor(q))})
    np.testing.assert_allclose(found["admissible"].numpy(), np.minimum(-np.log(q[:, 1]), -np.log(q[:, 3])))
    mean = q.mean(0)
    exact = 0.5 * np.log(0.5 / mean[1]) + 0.5 * np.log(0.5 / mean[3])
    assert float(found["balanced"]) == pytest.approx(exact)
