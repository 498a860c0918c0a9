"""The runs of a grid: each trained in its folder from where it stands, several at a time."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from asrppl_air.checkpoint import CheckpointError
from asrppl_air.processes import InTurns, SideBySide, Together, Update
from asrppl_air.reproduce.grid import Cell
from asrppl_air.reproduce.results import Record, commit, record
from asrppl_air.reproduce.state import record_path, state_of
from asrppl_air.run import PATIENCE, RunFolder
from asrppl_air.sealed import read_json
from asrppl_air.train import Training, training, unless

CellUpdate = Update[Cell, Record]


def _commits(run: RunFolder) -> list[str]:
    """Add this commit to those that trained the run."""
    path, now = run.path / "commits.json", commit()
    try:
        known: list[str] = read_json(path.read_bytes())["commits"] if path.exists() else []
    except (ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error}): delete it, and what trained the run is forgotten"
        ) from error
    if not known or known[-1] != now:
        known.append(now)
        run.write_json(path, {"commits": known})
    return known


def train_cell(
    cell: Cell,
    out: Path,
    device: str = "cpu",
    checkpoint_seconds: float = 120.0,
    stop: Callable[[], bool] | None = None,
) -> Training[Record]:
    """Train and measure a run in its folder under `out`, from where it stands; raises what `training` raises."""
    folder = cell.folder(out)
    state = state_of(cell, out)
    if state.why is not None:
        raise CheckpointError(state.why)
    if state.record is not None:  # another command finished it while this one was on its way here
        return state.record
    run = RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    commits = _commits(run)
    begin = cell.options if state.stage == "new" else None
    try:
        trainer = yield from training(run, begin, device=device, checkpoint_seconds=checkpoint_seconds, stop=stop)
    except CheckpointError as error:
        raise CheckpointError(f"{error}: delete the folder {folder} to train it anew") from error
    metrics = trainer.evaluate(unless(stop, trainer))
    run.write_json(run.metrics, metrics.to_dict())
    found = record(cell, metrics, trainer.seconds, commits, device)
    run.write_json(record_path(folder), found)
    return found


def work(
    cell: Cell, out: Path, device: str, checkpoint_seconds: float, stop: Callable[[], bool] | None = None
) -> Training[Record]:
    """`train_cell` with a lock on the cell's folder; raises `FolderInUseError` where another command holds it."""
    with RunFolder(cell.folder(out)).alone(PATIENCE):
        return (yield from train_cell(cell, out, device, checkpoint_seconds, stop))


def run_cells(
    cells: Sequence[Cell],
    out: Path,
    *,
    jobs: int = 1,
    device: str = "cpu",
    checkpoint_seconds: float = 120.0,
    started: Callable[[Cell], None] = lambda cell: None,
    tell: Callable[[CellUpdate], None] = lambda update: None,
) -> bool:
    """Train `cells` in their order, `jobs` at a time, each in its folder under `out`; whether all had their turn.

    On a processor each has a process of its own, on a GPU they take turns in this one. `tell` gets the updates, among
    them exactly one last one of every cell that was started. A run that fails does not stop the others. After Ctrl-C
    or SIGTERM no more are started, and those that run write their checkpoints.
    """
    waiting = list(cells)
    together: Together[Cell, Record] = SideBySide() if device == "cpu" else InTurns(device)
    with together as running:
        while running or (waiting and not running.stopping):
            while waiting and len(running) < jobs and not running.stopping:
                cell = waiting.pop(0)
                running.start(cell, cell.name, partial(work, cell, out, device, checkpoint_seconds))
                started(cell)
            for update in running.updates():
                tell(update)
        return not running.stopping
