"""Rule files as they are read: one reader, with one set of words for what it cannot read."""

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

MAX_BYTES = 1_000_000
"""A file that is larger holds no rules: it is not read to its end."""


def read_text(path: str | Path) -> str:
    """Return the text of a rule file: UTF-8, line ends as they are, without a byte order mark.

    Raises:
        OSError: there is no such file, it is too large, or it is none: a folder, a pipe or a device, at once.
        UnicodeDecodeError: it is not UTF-8.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        kind = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(kind):
            what = "a pipe" if stat.S_ISFIFO(kind) else "a socket" if stat.S_ISSOCK(kind) else "a device"
            raise OSError(errno.EINVAL, f"is {what}, not a file", str(path))
        return read_stream(file, str(path))


def read_stream(file: BinaryIO, name: str) -> str:
    """Return the text of a rule file that is open already, as standard input is (errors as `read_text` has them)."""
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"is larger than {MAX_BYTES:,} bytes", name)
    return data.decode("utf-8-sig")  # a byte order mark is none of the text


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that others see the whole of it or what was there before, with the permissions it had.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(path)  # a full disk is met while writing, where nothing says of which file
        raise


def _open_at_once(path: str, flags: int) -> int:
    # A pipe that nobody writes to would keep an ordinary open waiting.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def unreadable(error: OSError | UnicodeDecodeError) -> str:
    """Return in words why a file cannot be read."""
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 text: byte {error.start} cannot be read"
    return error.strerror or str(error)


class Library(Protocol):
    """Where imported files come from; they go by the name that messages give them."""

    def identity(self, name: str) -> object:
        """Return what is the same for one file under two names; None where it lies outside its importer's folder."""
        ...

    def read(self, name: str) -> str:
        """Return a file's text (errors as `read_text` has them)."""
        ...

    def beside(self, name: str) -> list[str]:
        """Return the names of the rule files in the folder where ``name`` is looked for."""
        ...


class Folder:
    """A library on disk: the folder of the file ``main``, and what is below."""

    def __init__(self, main: str, folder: Path) -> None:
        self._root = PurePosixPath(main).parent
        self._folder = folder

    def _path(self, name: str) -> Path:
        return self._folder / PurePosixPath(name).relative_to(self._root)

    def identity(self, name: str) -> object:
        """See `Library`."""
        path = self._path(name).resolve()  # follows links, which may lead out
        return path if path.is_relative_to(self._folder.resolve()) else None

    def read(self, name: str) -> str:
        """See `Library`."""
        return read_text(self._path(name))

    def beside(self, name: str) -> list[str]:
        """See `Library`."""
        return [found.name for found in self._path(name).parent.glob("*.asr")]


class Kept:
    """A library in memory: texts by name. One text under two names is one file, as a link is on disk."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def identity(self, name: str) -> object:
        """See `Library`."""
        return self._texts.get(name, name)

    def read(self, name: str) -> str:
        """See `Library`."""
        if name not in self._texts:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return self._texts[name]

    def beside(self, name: str) -> list[str]:
        """See `Library`."""
        folder = PurePosixPath(name).parent
        return [known.name for known in map(PurePosixPath, self._texts) if known.parent == folder]
