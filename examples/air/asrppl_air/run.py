"""A run's folder: what is in it, and who may write there."""

import json
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from asrppl_air.checkpoint import write_atomically


class FolderInUseError(RuntimeError):
    """The output folder already holds a run, or another command trains it."""


@contextmanager
def new_folder(path: Path) -> Generator[None]:
    """Make the folder `path`; where the body fails, take away again what was made for it, as far as it is empty."""
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for folder in new:
            with suppress(OSError):
                folder.rmdir()
        raise


class RunFolder:
    """`settings.json`, `log.jsonl`, `checkpoint.pt` and `metrics.json` of one training run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = path / "settings.json"
        self.log = path / "log.jsonl"
        self.checkpoint = path / "checkpoint.pt"
        self.metrics = path / "metrics.json"

    def holds_run(self) -> bool:
        """Whether a run has been started here."""
        return any(file.exists() for file in (self.settings, self.log, self.checkpoint, self.metrics))

    def verify_free(self) -> None:
        """Raise `FolderInUseError` where a run is in the folder already."""
        if self.holds_run():
            raise FolderInUseError(
                f"{self.path} already holds a run: continue it with --resume, or give another folder with --out"
            )

    def sweep(self) -> None:
        """Remove what a kill in the middle of a write left behind."""
        for part in self.path.glob(".*.part"):
            part.unlink(missing_ok=True)

    def write_json(self, path: Path, values: dict[str, Any]) -> None:
        """Write `values` to one of the folder's files, atomically."""
        write_atomically(path, (json.dumps(values, indent=2) + "\n").encode())

    def append_log(self, entry: dict[str, Any]) -> None:
        """Add a line to the log."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        """The log's entries; a last line that a kill cut short is left out."""
        if not self.log.exists():
            return []
        return list(_entries(self.log.read_text(encoding="utf-8").splitlines()))

    def rewind_log(self, step: int) -> None:
        """Drop the entries after `step`: the steps that a resumed run will do again."""
        kept = [json.dumps(entry) for entry in self.read_log() if entry["step"] <= step]
        write_atomically(self.log, "".join(line + "\n" for line in kept).encode())


def _entries(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return
