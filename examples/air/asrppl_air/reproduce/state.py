"""Where a run of the grid stands, read from its folder alone."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from asrppl_air.checkpoint import CheckpointError, load_checkpoint
from asrppl_air.metrics import Metrics
from asrppl_air.options import TrainOptions
from asrppl_air.reproduce.grid import Cell
from asrppl_air.reproduce.results import Record
from asrppl_air.run import RunFolder
from asrppl_air.sealed import read_json

Stage = Literal["new", "begun", "finished", "refused"]


@dataclass(frozen=True)
class State:
    """`step` steps are done; `why` says what is wrong with a run that is refused, `record` what a finished one gave."""

    stage: Stage
    step: int = 0
    seconds: float = 0.0
    why: str | None = None
    record: Record | None = None


def record_path(folder: Path) -> Path:
    """Where a finished run keeps its entry of the results."""
    return folder / "record.json"


def state_of(cell: Cell, out: Path) -> State:
    """Look into the folder of `cell` under `out`."""
    folder = cell.folder(out)
    run = RunFolder(folder)
    if not run.holds_run() and not record_path(folder).exists():
        return State("new")
    mend = f"delete the folder {folder} to train it anew, or give another with --out"
    try:
        began = _began(run)
    except (CheckpointError, ValueError, TypeError, KeyError, OSError) as error:
        return State("refused", why=f"{folder} is damaged ({error}): {mend}")
    finished = record_path(folder).exists()
    if finished and began.mnist is not None and cell.options.mnist is not None:
        # Its files may lie elsewhere by now: they are not needed again.
        began = replace(began, mnist=cell.options.mnist)
    differing = _differing(began, cell.options)
    if differing:
        return State("refused", why=f"{folder} was begun with other options ({'; '.join(differing)}): {mend}")
    if finished:
        try:
            record: Any = read_json(record_path(folder).read_bytes())
            Metrics(**record["metrics"])
            found: Record = {**cast(Record, record), **cell.key}
            return State("finished", cell.options.steps, float(found["seconds"]), record=found)
        except (ValueError, TypeError, KeyError) as error:
            mend = f"delete {record_path(folder)}: the run is measured again from its checkpoint"
            return State("refused", why=f"{record_path(folder)} is damaged ({error}): {mend}")
    if not run.checkpoint.exists():
        return State("refused", why=f"{folder} holds a run without a checkpoint: {mend}")
    try:
        log = run.read_log()
    except CheckpointError as error:
        return State("refused", why=str(error))
    last = log[-1] if log else {"step": 0, "seconds": 0.0}
    return State("begun", int(last["step"]), float(last["seconds"]))


def _began(run: RunFolder) -> TrainOptions:
    if run.settings.exists():
        return TrainOptions.from_dict(read_json(run.settings.read_bytes()))
    return TrainOptions.from_dict(load_checkpoint(run.checkpoint)["options"])


def _differing(began: TrainOptions, wanted: TrainOptions) -> list[str]:
    # Through JSON, as the settings came: a tuple is a list there.
    old, new = (json.loads(json.dumps(run.to_dict())) for run in (began, wanted))
    return [
        f"{name}: the text differs" if name == "rules" else f"{name}: {old[name]}, now {new[name]}"
        for name in old
        if old[name] != new[name]
    ]
