"""Random bits flipped in the files that we read: each gives what was written, or an error that is meant for users.

    python -m tests.flips --flips 3000 --seed 0

A file with a digest may never give anything else. Rule files and IDX files have none, since people write them or they
come from elsewhere: there a flip may give other content, and must not end in a traceback.
"""

import argparse
import gzip
import os
import random
import struct
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from asrppl import AsrError, AsrWarning, load
from asrppl.syntax import grammar
from asrppl_air.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from asrppl_air.data import cache
from asrppl_air.data.idx import IMAGES, IdxError, read_idx
from asrppl_air.metrics import Metrics
from asrppl_air.reproduce.results import ResultsError, merge_results, read_results
from asrppl_air.run import RunFolder
from asrppl_air.sealed import DamagedError, read_json

RULES = "param L = {1, 3}\nrule near weight 2 -> 10 over 20 steps: forall i: abs(x[i]) <= 1.5 or n in L\n"


@dataclass(frozen=True)
class Format:
    """A kind of file: `write` makes one and gives its path, `read` reads it; `sealed` ones give the same or nothing."""

    name: str
    write: Callable[[Path], Path]
    read: Callable[[Path], str]
    errors: tuple[type[Exception], ...]
    sealed: bool = True


def _checkpoint(folder: Path) -> Path:
    save_checkpoint(folder / "checkpoint.pt", {"options": {"seed": 0}, "weights": torch.arange(200.0)})
    return folder / "checkpoint.pt"


def _settings(folder: Path) -> Path:
    RunFolder(folder).write_json(folder / "settings.json", {"seed": 0, "rules": None, "lr": 0.002})
    return folder / "settings.json"


def _log(folder: Path) -> Path:
    run = RunFolder(folder)
    for step in (20, 40, 60):
        run.append_log({"step": step, "loss": 3.25, "seconds": 1.5})
    return run.log


def _read_log(path: Path) -> str:
    # The last line may be one that a kill cut short, and is left out then; what joins two lines makes one of them.
    return str(RunFolder(path.parent).read_log()[:1])


def _scenes(folder: Path) -> Path:
    with cached_in(folder):
        cache.cached_scenes("dsprites3", None, cache.KEPT_FROM, 0)
        return next((folder / "scenes").glob("*.npz"))


def _read_scenes(path: Path) -> str:
    recipe = cache.recipe_of("dsprites3", None, cache.KEPT_FROM, 0, False)
    with cached_in(path.parents[1]):
        cache.kept_files()  # which lists them, whatever is in them
    found = cache.read_kept(path, recipe)
    if found is None:
        raise DamagedError("to be made again")
    return str([float(array.double().sum()) for array in (found.images, found.counts, found.boxes)])


def _table(folder: Path) -> Path:
    with cached_in(folder):
        grammar.parser.cache_clear()
        grammar.parser()
        return next(folder.glob("grammar-*.json"))


def _read_table(path: Path) -> str:
    if grammar.read_table(path) is None:
        raise DamagedError("to be made again")
    return "the table"


def _rules(folder: Path) -> Path:
    (folder / "rules.asr").write_text(RULES)
    return folder / "rules.asr"


def _idx(folder: Path, packed: bool = False) -> Path:
    content = struct.pack(">4I", IMAGES, 3, 28, 28) + bytes(range(196)) * 12
    path = folder / ("train-images-idx3-ubyte" + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def _results(folder: Path) -> Path:
    key = {"method": "air", "setting": "13", "protocol": "short", "seed": 0}
    merge_results(folder, "table1", [{**key, "metrics": Metrics(1.0, 2.0, 3.0, 4.0).to_dict()}])
    return folder / "table1.json"


FORMATS = (
    Format("checkpoint.pt", _checkpoint, lambda path: str(load_checkpoint(path)), (CheckpointError,)),
    Format("settings.json", _settings, lambda path: str(read_json(path.read_bytes())), (ValueError,)),
    Format("log.jsonl", _log, _read_log, (CheckpointError,)),
    Format("cached scenes", _scenes, _read_scenes, (DamagedError,)),
    Format("cached grammar", _table, _read_table, (DamagedError,)),
    Format("rule file", _rules, lambda path: str(load(path).to_dict()), (AsrError, OSError), sealed=False),
    Format("IDX", _idx, lambda path: str(read_idx(path.parent, path.stem, IMAGES).sum()), (IdxError,), sealed=False),
    Format(
        "IDX, gzipped",
        lambda folder: _idx(folder, packed=True),
        lambda path: str(read_idx(path.parent, path.stem, IMAGES).sum()),
        (IdxError,),
        sealed=False,
    ),
    Format("results", _results, lambda path: str(read_results(path.parent, "table1")), (ResultsError,)),
)


@contextmanager
def cached_in(folder: Path) -> Generator[None]:
    """Let caches be in `folder`."""
    before = os.environ.get("ASRPPL_CACHE")
    os.environ["ASRPPL_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["ASRPPL_CACHE"]
        else:
            os.environ["ASRPPL_CACHE"] = before


def flip(form: Format, flips: int, seed: int) -> Counter[str]:
    """Flip a bit of a file, `flips` times, each time of the whole one; count what came of it.

    Raises:
        AssertionError: what was read is not what was written, of a file with a digest.
        Exception: what no user should see.
    """
    draw, came = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore", AsrWarning)
        path = form.write(Path(name))
        whole, expected = path.read_bytes(), form.read(path)
        for _ in range(flips):
            # Half of them near the ends, where headers, directories and digests are.
            edge = draw.choice((draw.randrange(min(200, len(whole))), -1 - draw.randrange(min(200, len(whole)))))
            place, bit = draw.choice((edge, draw.randrange(len(whole)))), draw.randrange(8)
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            try:
                found = form.read(path)
            except form.errors:
                came["refused"] += 1
                continue
            came["the same" if found == expected else "other content"] += 1
            assert found == expected or not form.sealed, f"{form.name}: bit {bit} of byte {place} is not seen"
    return came


def main() -> None:
    """Flip bits of all formats, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=3000, help="of each format (default: 3000)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for form in FORMATS:
        came = flip(form, args.flips, args.seed)
        print(
            f"{form.name:<16} " + ", ".join(f"{number:,} {what}" for what, number in sorted(came.items())), flush=True
        )


if __name__ == "__main__":
    main()
