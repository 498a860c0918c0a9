"""Where downloads and scenes are kept."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """$ASRPPL_CACHE, else `asrppl` in the user's own folder for caches."""
    own = os.environ.get("ASRPPL_CACHE")
    if own:
        return Path(own).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "asrppl" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "asrppl"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asrppl"
