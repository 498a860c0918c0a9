"""Locks that a kill releases: the operating system's, on an open file or folder."""

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


class InUseError(RuntimeError):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path, patience: float = 0.0) -> Generator[None]:
    """Hold the lock on the file or folder `path` (a file is made where there is nothing).

    Waits `patience` seconds for it. Raises `InUseError`. On Windows, which cannot lock folders, nothing is locked.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o644)
    try:
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise InUseError(f"{path.parent / path.name}: in use by another command") from None
                time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)
