"""A run's folder: what is in it, and who may write there."""

import json
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from asrppl_air.checkpoint import CheckpointError, write_atomically
from asrppl_air.locks import InUseError, locked
from asrppl_air.sealed import read_json, seal_json

PATIENCE = 15.0  # what a run whose command was killed takes to notice, and to write its checkpoint


class FolderInUseError(RuntimeError):
    """The output folder already holds a run, or another command is at it."""


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

    @contextmanager
    def alone(self, patience: float = 0.0) -> Generator[None]:
        """Hold the folder, made if need be, and sweep it; raises `FolderInUseError` where another command has it."""
        with new_folder(self.path), ExitStack() as held:
            try:
                held.enter_context(locked(self.path, patience))
            except InUseError as error:
                raise FolderInUseError(f"{error}, which trains it") from error
            self.sweep()
            yield

    def verify_free(self) -> None:
        """Raise `FolderInUseError` where a run is in the folder already."""
        if self.holds_run():
            raise FolderInUseError(
                f"{self.path} already holds a run: continue it with --resume, or give another folder with --out"
            )

    def sweep(self) -> None:
        """Remove what a kill in the middle of a write left behind; only for who holds the folder."""
        for part in self.path.glob(".*.part"):
            part.unlink(missing_ok=True)

    def write_json(self, path: Path, values: dict[str, Any]) -> None:
        """Write `values` and their digest to one of the folder's files, atomically."""
        write_atomically(path, (json.dumps(seal_json(values), indent=2) + "\n").encode())

    def append_log(self, entry: dict[str, Any]) -> None:
        """Add a line to the log."""
        try:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(seal_json(entry)) + "\n")
        except OSError as error:
            error.filename = str(self.log)  # (as for the other files: a full disk does not say it)
            raise

    def read_log(self) -> list[dict[str, Any]]:
        """The log's entries; a last line that a kill cut short is left out. Raises `CheckpointError`."""
        if not self.log.exists():
            return []
        lines = self.log.read_bytes().splitlines()
        entries: list[dict[str, Any]] = []
        for number, line in enumerate(lines, 1):
            try:
                entry = read_json(line)
                float(entry["step"])
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines):
                    break
                mend = "delete the file: the run goes on without its first lines"
                raise CheckpointError(f"{self.log}: line {number} is no line of a log, or damaged: {mend}") from error
            entries.append(entry)
        return entries

    def rewind_log(self, step: int) -> None:
        """Drop the entries after `step`: the steps that a resumed run will do again."""
        kept = [json.dumps(seal_json(entry)) for entry in self.read_log() if entry["step"] <= step]
        write_atomically(self.log, "".join(line + "\n" for line in kept).encode())
