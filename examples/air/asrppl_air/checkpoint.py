"""Checkpoints that a kill at any moment leaves whole."""

import io
import os
import platform
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyro
import torch

from asrppl_air.sealed import DamagedError, is_sealed, seal, unseal

FORMAT = 3
_UNSEALED = 2  # the format before this one is the same, without a digest at the end of the file


class CheckpointError(RuntimeError):
    """A checkpoint that is missing, damaged, or written by another version of the format."""


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path` so that a reader, or a power cut, finds the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(path)  # a full disk is met while writing, where nothing says of which file
        raise
    # The rename itself must reach the disk too, which only the folder's descriptor can ask for (POSIX).
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def versions() -> dict[str, str]:
    """Versions of what a run depends on."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "pyro": str(pyro.__version__),
        "numpy": np.__version__,
    }


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, strings, containers) atomically to `path`, with format, versions and digest."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "versions": versions(), **state}, buffer)
    write_atomically(path, seal(buffer.getvalue()))


def load_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any]:
    """What `save_checkpoint` wrote; nothing in the file is executed. Raises `CheckpointError`."""
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no checkpoint")
    content = path.read_bytes()
    sealed = is_sealed(content)
    try:
        content = unseal(content) if sealed else content
    except DamagedError as error:
        raise CheckpointError(f"{path}: a damaged checkpoint: {error}") from error
    try:
        state: Any = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except Exception as error:  # a file that is none raises whatever its bytes lead to
        raise CheckpointError(f"{path}: not a checkpoint, or a damaged one ({error})") from error
    found = cast(dict[str, Any], state).get("format") if isinstance(state, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise CheckpointError(
            f"{path}: written by a newer asrppl (format {found}; this one reads up to {FORMAT}): install that one"
        )
    if found == FORMAT and not sealed:
        raise CheckpointError(f"{path}: a damaged checkpoint: the digest at its end is gone")
    if found not in (FORMAT, _UNSEALED):
        raise CheckpointError(f"{path}: not a checkpoint of asrppl, or of another version (format {FORMAT} is read)")
    if not isinstance(cast(dict[str, Any], state).get("options"), dict):
        raise CheckpointError(f"{path}: a checkpoint without the options of its run")
    return cast(dict[str, Any], state)
