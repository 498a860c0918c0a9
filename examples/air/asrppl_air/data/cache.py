"""Scenes that were made once are kept: one file for each recipe, named by the recipe's checksum.

The file (.npz) also holds the recipe itself, and ends with a digest, so that a file that is damaged, or is another
recipe's, is noticed and made again. Processes that make the same scenes at once write the same file, each atomically.
Where the folder cannot be written, scenes are made afresh each time; to empty it is always safe.
"""

import hashlib
import io
import json
import time
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asrppl_air.checkpoint import write_atomically
from asrppl_air.data.digits import Digits
from asrppl_air.data.scenes import DATA_SETS, DataSet, Scenes, make_scenes
from asrppl_air.folders import cache_folder
from asrppl_air.sealed import seal, unseal
from asrppl_air.untyped import tensor_of

RECIPE = 1  # the version of how scenes are made: a change of any pixel of any data set takes another number
KEPT_FROM = 1_000  # images; fewer are made in less time than it takes to look at the folder
_DAY = 86_400.0  # seconds
_ARRAYS = ("images", "counts", "boxes")


def recipe_of(data: DataSet, digits: Digits | None, number: int, seed: int, antialias: bool) -> str:
    """All that decides the scenes, as a line of JSON."""
    source = None if digits is None else hashlib.sha256(np.ascontiguousarray(digits.images).tobytes()).hexdigest()
    return json.dumps(
        {
            "recipe": RECIPE,
            "data": data,
            "number": number,
            "seed": seed,
            "antialias": antialias,
            "digits": source,
        },
        sort_keys=True,
    )


@dataclass(frozen=True)
class KeptFile:
    """A file of kept scenes: where, how many bytes, and the recipe (None where it is damaged)."""

    path: Path
    size: int
    recipe: dict[str, Any] | None


def _folder() -> Path | None:
    cache = cache_folder()
    return None if cache is None else cache / "scenes"


def kept_files() -> list[KeptFile]:
    """The files of the cache folder, by name."""
    folder = _folder()
    if folder is None or not folder.is_dir():
        return []
    return [KeptFile(path, path.stat().st_size, _recipe_in(path)) for path in sorted(folder.glob("*.npz"))]


def _recipe_in(path: Path) -> dict[str, Any] | None:
    try:
        with zipfile.ZipFile(path) as archive:
            recipe = json.loads(archive.read("recipe.json"))
            # A file that is not ours, or of a version that writes less, is one that no run will read.
            return {name: recipe[name] for name in ("data", "number", "seed", "antialias", "digits")}
    except Exception:  # a damaged file raises whatever its bytes lead to
        return None


def read_kept(path: Path, recipe: str) -> Scenes | None:
    """The scenes in a file; None where it is damaged, or of another recipe."""
    try:
        with zipfile.ZipFile(io.BytesIO(unseal(path.read_bytes()))) as archive:
            if archive.read("recipe.json").decode() != recipe:
                return None
            return Scenes(*(tensor_of(_read_array(archive, name)) for name in _ARRAYS))
    except Exception:  # whatever is wrong with a cache, the scenes can be made again
        return None


def _read_array(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(f"{name}.npy") as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
        # The archive compares checksums where it meets the end of a member.
        if file.read(1):
            raise ValueError(f"{name} has bytes left over")
        return array


def _write(path: Path, recipe: str, scenes: Scenes) -> None:
    buffer = io.BytesIO()
    # The lightest compression: canvases are mostly black, and a tenth of the bytes is read as fast as all of them.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("recipe.json", recipe)
        for name in _ARRAYS:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, getattr(scenes, name).numpy(), allow_pickle=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, seal(buffer.getvalue()))
    _sweep(path.parent)


def _sweep(folder: Path) -> None:
    """Remove what writes that were killed a day ago or before have left: later ones may be going on."""
    for part in folder.glob(".*.part"):
        with suppress(OSError):
            if part.stat().st_mtime < time.time() - _DAY:
                part.unlink()


def cached_scenes(data: DataSet, digits: Digits | None, number: int, seed: int, *, antialias: bool = False) -> Scenes:
    """`make_scenes`, from the cache folder where it holds them, to the bit; else made, and kept if there are many."""
    folder = _folder()
    if folder is None or number < KEPT_FROM:
        return make_scenes(data, digits, number, seed, antialias=antialias)
    recipe = recipe_of(data, digits if DATA_SETS[data].source == "digits" else None, number, seed, antialias)
    path = folder / f"{data}-{hashlib.sha256(recipe.encode()).hexdigest()[:24]}.npz"
    found = read_kept(path, recipe)
    if found is not None:
        return found
    scenes = make_scenes(data, digits, number, seed, antialias=antialias)
    with suppress(OSError):  # a cache that cannot be written costs time, nothing else
        _write(path, recipe, scenes)
    return scenes
