"""A folder of few digits in MNIST's format, which loads at once."""

import struct
from pathlib import Path

import numpy as np

from asrppl_air.data.draws import Draws


def write_digits(folder: Path) -> str:
    """Write 30 images to train with and 10 to test with; return the folder as `--mnist` takes it."""
    for prefix, number in (("train", 30), ("t10k", 10)):
        images = np.zeros((number, 28, 28), dtype=np.uint8)
        ink = Draws(number).below(256, number * 200).reshape(number, 20, 10)
        images[:, 4:24, 9:19] = np.where(ink > 100, ink, 0)
        header = struct.pack(">4I", 2051, number, 28, 28)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        labels = struct.pack(">2I", 2049, number) + bytes(i % 10 for i in range(number))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(labels)
    return str(folder)
