"""Runs of a table: in as many processes as asked for, each kept in a JSON file as soon as it is there.

A run is named by what it was made of (`Key`), and one that is in the file already is not made again: a command that was
stopped goes on where it was.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).parent

Key = dict[str, Any]
"""What a run was made of: method, seed and settings, as plain data."""

Metrics = dict[str, Any]
"""What a run has measured, as plain data; `cpu_seconds` is its training's CPU time."""


def complete(
    path: Path,
    jobs: Sequence[Key],
    run: Callable[[Key], Metrics],
    *,
    command: str,
    packages: Sequence[str],
    workers: int,
) -> list[Metrics]:
    """Return what each of ``jobs`` has measured, in their order; those that ``path`` lacks are run.

    Args:
        path: the JSON file: a list of runs, each with its key, what it measured, and the command, commit and versions
            that made it.
        jobs: the keys.
        run: makes one run; a function that another process can import.
        command: what makes all of them again.
        packages: of which the versions are noted.
        workers: processes, each of one thread; with 1, this process.
    """
    done = _read(path)
    missing = [job for job in jobs if not any(entry["run"] == job for entry in done)]
    made_by = {"command": command, "commit": _commit(), "versions": versions(packages), "machine": platform.machine()}
    for job, metrics in _each(missing, run, workers):
        done.append({"run": job, "metrics": metrics, **made_by})
        _write(path, sorted(done, key=lambda entry: json.dumps(entry["run"])))
        print(f"{job}: {metrics}", flush=True)
    found = {json.dumps(entry["run"]): entry["metrics"] for entry in done}
    return [found[json.dumps(job)] for job in jobs]


def by_name(names: Sequence[str], found: Sequence[Metrics]) -> dict[str, list[Metrics]]:
    """Return what runs have measured by the names they go by, in the order in which names first occur.

    >>> by_name(["a", "b", "a"], [{"x": 1}, {"x": 2}, {"x": 3}])
    {'a': [{'x': 1}, {'x': 3}], 'b': [{'x': 2}]}
    """
    grouped: dict[str, list[Metrics]] = {}
    for name, metrics in zip(names, found, strict=True):
        grouped.setdefault(name, []).append(metrics)
    return grouped


def _each(jobs: Sequence[Key], run: Callable[[Key], Metrics], workers: int) -> Iterator[tuple[Key, Metrics]]:
    """Yield the runs as they are done."""
    if workers == 1:
        yield from ((job, run(job)) for job in jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        futures = {pool.submit(run, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.result()


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of Python and of ``packages``."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def spread(values: Sequence[float], digits: int = 4) -> str:
    """Return mean ± standard deviation as text.

    >>> spread([0.1, 0.3], 2)
    '0.20 ± 0.14'
    """
    sample = torch.tensor(values, dtype=torch.float64)
    deviation = float(sample.std()) if len(values) > 1 else 0.0
    return f"{float(sample.mean()):.{digits}f} ± {deviation:.{digits}f}"


def seconds(runs: Sequence[Metrics]) -> str:
    """Return the mean CPU time of runs as text."""
    return f"{sum(metrics['cpu_seconds'] for metrics in runs) / len(runs):.0f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)) + "\n"


def arguments(description: str, out: Path, seeds: int) -> argparse.ArgumentParser:
    """Return a parser of what every program of the gallery takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--seeds", type=int, default=seeds, help="how many seeds, from 0 on")
    parser.add_argument("--steps", type=int, default=None, help="training steps of each run (the program's own)")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path, default=out, help="folder of results.json, table.md and figure.png")
    return parser


def require(*modules: str) -> None:
    """Stop with the command that helps where a package of the extra `gallery` is missing."""
    from importlib.util import find_spec

    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        sys.exit(f"{', '.join(missing)}: not installed; pip install 'asrppl[gallery]' has all that the gallery needs")


@cache
def _commit() -> str:
    """Return the commit of the checkout, `unknown` without one."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10"], cwd=HERE, capture_output=True, text=True, check=False
    )
    return said.stdout.strip() or "unknown"


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)


def _read(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def _write(path: Path, entries: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    part.replace(path)
