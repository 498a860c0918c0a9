"""Runs side by side, one process and one thread each, that may be stopped and killed at any moment."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from asrppl.air.checkpoint import CheckpointError, write_atomically
from asrppl.air.errors import RUN_ERRORS
from asrppl.air.reproduce.grid import Cell
from asrppl.air.reproduce.locks import InUseError, locked
from asrppl.air.reproduce.results import Record, commit, record
from asrppl.air.reproduce.state import record_path, state_of
from asrppl.air.run import RunFolder
from asrppl.air.train import Interrupted, Progress, train

PATIENCE = 15.0  # what a run whose command was killed takes to notice, and to write its checkpoint


@dataclass(frozen=True)
class Update:
    """What a run tells: progress, or its end with a record, an error, or the step it stopped at."""

    cell: Cell
    progress: Progress | None = None
    record: Record | None = None
    stopped: int | None = None
    error: str | None = None

    @property
    def last(self) -> bool:
        """Whether nothing follows."""
        return self.progress is None


def _commits(folder: Path) -> list[str]:
    """Add this commit to those that trained the run in `folder`."""
    path, now = folder / "commits.json", commit()
    known: list[str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    if not known or known[-1] != now:
        known.append(now)
        write_atomically(path, (json.dumps(known) + "\n").encode())
    return known


def train_cell(
    cell: Cell,
    out: Path,
    device: str = "cpu",
    checkpoint_seconds: float = 120.0,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> Record:
    """Train and measure a run in its folder under `out`, from where it stands; raises what `train` raises."""
    folder = cell.folder(out)
    state = state_of(cell, out)
    if state.why is not None:
        raise CheckpointError(state.why)
    if state.record is not None:  # another command finished it while this one was on its way here
        return state.record
    run = RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run.sweep()
    commits = _commits(folder)
    begin = cell.options if state.stage == "new" else None
    try:
        trainer = train(run, begin, device=device, checkpoint_seconds=checkpoint_seconds, progress=tell)
    except CheckpointError as error:
        raise CheckpointError(f"{error}: delete the folder {folder} to train it anew") from error
    metrics = trainer.evaluate()
    run.write_json(run.metrics, metrics.to_dict())
    found = record(cell, metrics, trainer.seconds, commits)
    run.write_json(record_path(folder), found)
    return found


def work(cell: Cell, out: Path, device: str, checkpoint_seconds: float, updates: Connection) -> None:
    """What a process does: train `cell` with a lock on its folder, and tell the parent."""
    # One core a run: a second thread would only take time from the run beside it.
    torch.set_num_threads(1)

    def tell(progress: Progress) -> None:
        try:
            updates.send(Update(cell, progress))
        except OSError:  # the parent is gone: stop as if it had asked, with a checkpoint
            os.kill(os.getpid(), signal.SIGTERM)

    folder = cell.folder(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, PATIENCE):
            last = Update(cell, record=train_cell(cell, out, device, checkpoint_seconds, tell))
    except Interrupted as stop:
        last = Update(cell, stopped=stop.step)
    except InUseError as error:
        last = Update(cell, error=f"{error}, which trains it")
    except RUN_ERRORS as error:
        last = Update(cell, error=str(error))
    except Exception as error:  # the parent shows it: a child's traceback would tear the progress
        last = Update(cell, error=f"{type(error).__name__}: {error}")
    with suppress(OSError):
        updates.send(last)


class _Running:
    def __init__(self) -> None:
        self.cells: dict[Connection, Cell] = {}
        self.children: dict[Connection, BaseProcess] = {}
        self.asked = False

    def stop(self, number: int, frame: object) -> None:
        self.asked = True
        for child in self.children.values():
            if child.is_alive():
                child.terminate()

    def start(self, cell: Cell, *args: Any) -> None:
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=work, args=(cell, *args, sender), name=f"asrppl-{cell.name}", daemon=True)
        # Children are born deaf to a terminal's Ctrl-C: it reaches them through the parent, once they can act on it.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            child.start()
        finally:
            signal.signal(signal.SIGINT, before)
        sender.close()
        self.cells[receiver], self.children[receiver] = cell, child

    def receive(self, pipe: Connection) -> Update:
        try:
            update: Update = pipe.recv()
        except EOFError:
            child = self.children[pipe]
            child.join()
            cell = self.cells[pipe]
            if self.asked:
                return Update(cell, stopped=0)
            return Update(cell, error=f"its process ended without a word (status {child.exitcode})")
        return update

    def finish(self, pipe: Connection) -> None:
        self.children.pop(pipe).join()
        del self.cells[pipe]
        pipe.close()


@contextmanager
def _asked_to_stop(running: _Running) -> Generator[None]:
    """Pass Ctrl-C and SIGTERM on to the children as SIGTERM, and remember them."""
    before = {number: signal.signal(number, running.stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_cells(
    cells: Sequence[Cell],
    out: Path,
    *,
    jobs: int = 1,
    device: str = "cpu",
    checkpoint_seconds: float = 120.0,
    started: Callable[[Cell], None] = lambda cell: None,
    tell: Callable[[Update], None] = lambda update: None,
) -> bool:
    """Train `cells` in their order, `jobs` at a time, each in its folder under `out`; whether all had their turn.

    `tell` gets the updates, among them exactly one last one of every cell that was started. A run that fails does not
    stop the others. After Ctrl-C or SIGTERM no more are started, and those that run write their checkpoints.
    """
    running = _Running()
    waiting = list(cells)
    with _asked_to_stop(running):
        try:
            while running.cells or (waiting and not running.asked):
                while waiting and len(running.cells) < jobs and not running.asked:
                    cell = waiting.pop(0)
                    running.start(cell, out, device, checkpoint_seconds)
                    started(cell)
                    if running.asked:  # the signal came before this child was known
                        running.stop(signal.SIGTERM, None)
                for pipe in wait(list(running.cells)):
                    assert isinstance(pipe, Connection)
                    update = running.receive(pipe)
                    if update.last:
                        running.finish(pipe)
                    tell(update)
        finally:
            # Only where `tell` raised is there anything left: its runs are stopped, with checkpoints.
            for child in running.children.values():
                child.terminate()
            for child in running.children.values():
                child.join()
    return not running.asked
