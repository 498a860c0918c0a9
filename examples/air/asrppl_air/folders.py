"""Where what can be made, or fetched, again is kept."""

import os
from pathlib import Path


def cache_folder() -> Path | None:
    """$ASRPPL_CACHE, or `asrppl` in the system's folder for caches; None where there is neither."""
    from platformdirs import user_cache_path  # an extra: only when it is asked for

    own = os.environ.get("ASRPPL_CACHE")
    folder = Path(own) if own else user_cache_path("asrppl", appauthor=False)
    return folder if folder.is_absolute() else None
