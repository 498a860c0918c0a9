"""The four IDX files of MNIST, plain or gzipped, with an error for each way they can be broken."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

IMAGES, LABELS = 2051, 2049
_HEADER = 16  # bytes of the longer of the two headers
_MOST = 1 << 30  # bytes, twenty times MNIST's largest file: a header that declares more is damaged


class IdxError(ValueError):
    """A file of digits that is missing, cut short, too long, or not what its name says."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


def find_idx(folder: Path, name: str) -> Path:
    """The file that `read_idx` reads for `name`; raises `IdxError` where there is none."""
    if not folder.is_dir():
        raise IdxError(
            folder, "no such folder; --mnist takes the one with MNIST's files (`asrppl air data mnist` gets them)"
        )
    # Some distributions write the dots of "idx3-ubyte" where the original has a hyphen.
    for variant in (name, name.replace("-idx", ".idx")):
        for suffix in ("", ".gz"):
            path = folder / (variant + suffix)
            if path.is_file():
                return path
    raise IdxError(folder / name, "missing (plain or with .gz); `asrppl air data mnist` gets all four files")


def idx_content(path: Path, size: int | None = None) -> bytes:
    """The bytes of a file, unpacked if it is gzipped; raises `IdxError` where it cannot be.

    No more is read than `size`, or what the header says, and a byte: a small file may unpack to more than there is
    memory for.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            head = file.read(_HEADER)
            return head + file.read(max(0, (_declared(head) if size is None else size) - len(head)) + 1)
    except EOFError:
        raise IdxError(path, "the gzip file is cut short; download it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise IdxError(path, f"the gzip file is damaged ({error}); download it again") from None


def _declared(head: bytes) -> int:
    """How many bytes an IDX file with this header has; 0 where it is no header of MNIST's."""
    axes = head[3] if len(head) > 3 else 0
    if head[:3] != b"\0\0\x08" or axes not in (1, 3) or len(head) < 4 * (1 + axes):
        return 0
    size = int(np.prod(struct.unpack(f">{axes}I", head[4 : 4 * (1 + axes)]), dtype=object))
    return min(4 * (1 + axes) + size, _MOST)


def read_idx(folder: Path, name: str, magic: int) -> NDArray[np.uint8]:
    """The array in the file `name` of `folder`: images (N, 28, 28) for magic 2051, labels (N,) for 2049.

    Raises `IdxError` for a file that is missing, cut short, has bytes left over, or is of another kind.
    """
    path = find_idx(folder, name)
    content = idx_content(path)
    axes = magic & 0xFF
    header = 4 * (1 + axes)
    if len(content) < header:
        raise IdxError(path, f"{len(content)} bytes, too short for an IDX header of {header}")
    found, *shape = struct.unpack(f">{1 + axes}I", content[:header])
    if found != magic:
        kind = "images" if magic == IMAGES else "labels"
        raise IdxError(path, f"its magic number is {found}, not {magic}: this is no IDX file of {kind}")
    if axes == 3 and shape[1:] != [28, 28]:
        raise IdxError(path, f"its images are {shape[1]} × {shape[2]} pixels, not 28 × 28")
    expected = header + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        wrong = "cut short" if len(content) < expected else "followed by other bytes"
        raise IdxError(path, f"{wrong}: {shape[0]} entries take {expected} bytes, there are {len(content)}")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def read_split(folder: Path, prefix: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, 28, 28) and labels (N,) of MNIST's split `prefix`, "train" or "t10k"."""
    images = read_idx(folder, f"{prefix}-images-idx3-ubyte", IMAGES)
    labels = read_idx(folder, f"{prefix}-labels-idx1-ubyte", LABELS)
    path = find_idx(folder, f"{prefix}-labels-idx1-ubyte")
    if len(images) != len(labels):
        raise IdxError(path, f"{len(labels)} labels for {len(images)} images")
    if not len(images):
        raise IdxError(path, "no digits in it")
    blank = np.flatnonzero(~images.any((1, 2)))
    if len(blank):
        raise IdxError(
            find_idx(folder, f"{prefix}-images-idx3-ubyte"), f"image {blank[0]} (from 0) is blank: no digit in it"
        )
    if labels.max() > 9:
        raise IdxError(path, f"a label of {labels.max()}; digits have labels 0 to 9")
    return images, labels.astype(np.int64)
