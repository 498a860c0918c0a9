"""Where asrppl keeps what it can make, or fetch, again."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path | None:
    """Return the user's own cache folder, None where there is none to be found.

    That is $ASRPPL_CACHE, or `asrppl` in the system's folder for caches; relative ones are passed over.
    """
    own = os.environ.get("ASRPPL_CACHE")
    if own and Path(own).is_absolute():
        return Path(own)
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        folder = os.environ.get(variable)
        if folder and Path(folder).is_absolute():
            return Path(folder) / "asrppl"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "asrppl"
