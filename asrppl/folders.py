"""Where asrppl keeps what it can make, or fetch, again; and what it remembers."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path | None:
    """Return the user's own cache folder, None where there is none to be found.

    That is $ASRPPL_CACHE, or `asrppl` in the system's folder for caches; relative ones are passed over.
    """
    return _folder("ASRPPL_CACHE", "XDG_CACHE_HOME", "Library/Caches" if sys.platform == "darwin" else ".cache")


def state_folder() -> Path | None:
    """Return the user's own folder for what is remembered from session to session, None where none is to be found.

    That is $ASRPPL_STATE, or `asrppl` in the system's folder for states; relative ones are passed over.
    """
    home = "Library/Application Support" if sys.platform == "darwin" else ".local/state"
    return _folder("ASRPPL_STATE", "XDG_STATE_HOME", home)


def _folder(own: str, system: str, below_home: str) -> Path | None:
    named = os.environ.get(own)
    if named and Path(named).is_absolute():
        return Path(named)
    for variable in (system, "LOCALAPPDATA"):
        folder = os.environ.get(variable)
        if folder and Path(folder).is_absolute():
            return Path(folder) / "asrppl"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / below_home / "asrppl"
