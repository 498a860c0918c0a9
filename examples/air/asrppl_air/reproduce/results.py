"""Results of runs as `results/*.json` keeps them: one list of runs a table, each with its digest, merged run by run."""

import json
import platform
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch

from asrppl import __version__
from asrppl_air.checkpoint import versions, write_atomically
from asrppl_air.locks import locked
from asrppl_air.metrics import Metrics
from asrppl_air.reproduce.grid import Cell, TableName
from asrppl_air.reproduce.recipe import METHODS, SETTINGS
from asrppl_air.sealed import seal_json, unseal_json

TABLES: tuple[TableName, ...] = ("table1", "table2", "ablations")
Record = dict[str, Any]
_KEY = ("method", "setting", "protocol", "seed", "preset", "digits", "epochs", "change")
_PROTOCOLS = ("short", "paper", "ablation", "custom")


class ResultsError(RuntimeError):
    """A file of results that cannot be read."""


def commit() -> str:
    """The commit of the source tree that this package is in, with "+dirty" where its code differs; else the version."""
    parents = Path(__file__).resolve().parents
    if len(parents) < 5:
        return __version__
    root = parents[4]  # of a checkout: examples/air/asrppl_air/reproduce is four folders below
    try:
        if _git(root, "rev-parse", "--show-toplevel") != str(root):
            return __version__
        code = [name for name in ("asrppl", "grammar", "examples") if (root / name).exists()]
        changed = _git(root, "status", "--porcelain", "--", *code)
        return _git(root, "rev-parse", "HEAD") + ("+dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):  # no git, or no repository
        return __version__


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def record(cell: Cell, metrics: Metrics, seconds: float, commits: list[str], device: str = "cpu") -> Record:
    """What is kept of a finished run; `commits` are those that trained it, the last also measured it."""
    options = cell.options.to_dict()
    if options["mnist"] is not None:
        options["mnist"] = "DIR"  # where the files lie is of no use to another machine
    written: Record = {
        **cell.key,
        "metrics": metrics.to_dict(),
        "commit": commits[-1],
        "versions": {"asrppl": __version__, **versions()},
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name(device) if device != "cpu" else "cpu",
        "seconds": round(seconds, 1),
        "command": cell.command + (f" --device {device}" if device != "cpu" else ""),
        "options": options,
    }
    if len(commits) > 1:
        written["earlier_commits"] = commits[:-1]
    return written


def key_of(run: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells a run from all others; a later result of the same key replaces the earlier."""
    return tuple(run.get(name) for name in _KEY)


def _order(run: Mapping[str, Any]) -> tuple[Any, ...]:
    def place(values: tuple[Any, ...], value: Any) -> int:
        return values.index(value) if value in values else len(values)

    return (
        place(_PROTOCOLS, run["protocol"]),
        run.get("preset", "ours"),
        run.get("digits", ""),
        run.get("epochs", 0.0),
        place(SETTINGS, run["setting"]),
        place(METHODS, run["method"]),
        run.get("change", ""),
        run["seed"],
    )


def read_results(folder: Path, table: TableName) -> list[Record]:
    """The runs of a table, none where there is no file; raises `ResultsError`."""
    path = folder / f"{table}.json"
    if not path.exists():
        return []
    try:
        runs: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(runs, list):
            raise TypeError("it is not a list of runs")
        found = [unseal_json(run) for run in cast(list[Any], runs)]
        for run in found:
            Metrics(**run["metrics"])
        found.sort(key=_order)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ResultsError(
            f"{path}: not results, or damaged ones ({error}): delete the file, and run `asrppl air reproduce {table}` "
            "again: finished runs are entered anew, not trained again"
        ) from error
    return found


def merge_results(folder: Path, table: TableName, runs: list[Record]) -> None:
    """Enter `runs` in the file of `table`, in place of those with the same keys, in an order of its own.

    Raises `ResultsError` where the file cannot be read, `InUseError` where another command keeps it for a minute.
    """
    if not runs:
        read_results(folder, table)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        before = read_results(folder, table)
        merged = {key_of(run): run for run in [*before, *runs]}
        text = json.dumps([seal_json(run) for run in sorted(merged.values(), key=_order)], indent=1) + "\n"
        path = folder / f"{table}.json"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text.encode())


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    # Two commands may finish runs of one table in the same moment.
    with locked(folder, patience=60.0):
        yield
