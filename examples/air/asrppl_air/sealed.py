"""Digests in the files that a run writes, so that a flipped bit is seen when they are read."""

import hashlib
import json
import re
from typing import Any, cast

_MARK = b"\nsha256 "
_LENGTH = len(_MARK) + 64 + 1
_KEY = "sha256"
_DIGEST = re.compile("[0-9a-f]{64}")


class DamagedError(ValueError):
    """Content that is not what its digest was made of."""


def seal(content: bytes) -> bytes:
    """`content`, followed by its digest; readers of zip files, such as torch.load, pass over what follows."""
    return content + _MARK + hashlib.sha256(content).hexdigest().encode() + b"\n"


def is_sealed(content: bytes) -> bool:
    """Whether there is a digest at the end."""
    return content[-_LENGTH:].startswith(_MARK)


def unseal(sealed: bytes) -> bytes:
    """What `seal` was given. Raises `DamagedError`."""
    content = sealed[:-_LENGTH]
    if seal(content) != sealed:
        raise DamagedError("its content does not match its SHA-256: bits have changed, or it was edited")
    return content


def seal_json(values: dict[str, Any]) -> dict[str, Any]:
    """`values`, with their digest as a last entry."""
    return {**values, _KEY: _digest(values)}


def read_json(text: str | bytes) -> dict[str, Any]:
    """The object that `seal_json` wrote, without its digest; one that never had a digest is read as it is.

    Raises `ValueError`, of which `DamagedError` is one kind.
    """
    return unseal_json(json.loads(text))


def unseal_json(found: Any) -> dict[str, Any]:
    """What `seal_json` was given, which `found` is with its digest; one that never had a digest is returned as it is.

    Raises `DamagedError`.
    """
    if not isinstance(found, dict):
        raise DamagedError("it is no JSON object")
    values = dict(cast(dict[str, Any], found))
    digest = values.pop(_KEY, None)
    # A digest under another name is one whose name was damaged.
    lost = digest is None and any(isinstance(value, str) and _DIGEST.fullmatch(value) for value in values.values())
    if lost or digest not in (None, _digest(values)):
        raise DamagedError(f'its content does not match its "{_KEY}": bits have changed, or it was edited')
    return values


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
