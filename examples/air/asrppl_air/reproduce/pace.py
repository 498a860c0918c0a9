"""How far a grid of runs is, and how long it will take: from the cost of a step in each setting, as measured."""

import heapq
from collections.abc import Sequence
from pathlib import Path

from asrppl_air.reproduce.grid import Cell
from asrppl_air.reproduce.jobs import CellUpdate
from asrppl_air.reproduce.state import State, state_of
from asrppl_air.train import Progress


class Pace:
    """The grid `cells`, trained `jobs` at a time, as their `states` under `out` and the updates say that it stands."""

    def __init__(self, cells: Sequence[Cell], out: Path, jobs: int) -> None:
        self.cells = list(cells)
        self.jobs = jobs
        self.states: dict[str, State] = {cell.name: state_of(cell, out) for cell in cells}
        self.running: dict[str, Progress | None] = {}
        self.failed: dict[str, str] = {}
        # Where each run stands, and how long it took: (steps, seconds).
        self._done = {name: (state.step, state.seconds) for name, state in self.states.items()}
        self._finished = {name for name, state in self.states.items() if state.stage == "finished"}

    def start(self, cell: Cell) -> None:
        """Note that `cell` was started."""
        self.running[cell.name] = None

    def note(self, update: CellUpdate) -> None:
        """Bring up to date."""
        name = update.of.name
        if update.progress is not None:
            self.running[name] = update.progress
            self._done[name] = update.progress.step, update.progress.seconds
            return
        self.running.pop(name, None)
        if update.result is not None:
            self._done[name] = update.of.options.steps, float(update.result["seconds"])
            self._finished.add(name)
        elif update.error is not None:
            self.failed[name] = update.error

    @property
    def runs(self) -> tuple[int, int]:
        """Runs that are finished, and all."""
        return len(self._finished), len(self.cells)

    @property
    def steps(self) -> tuple[int, int]:
        """Steps that are done, and all."""
        return sum(self._done[cell.name][0] for cell in self.cells), sum(cell.options.steps for cell in self.cells)

    @property
    def steps_per_second(self) -> float:
        """Of all that run now, together."""
        batches = {cell.name: cell.options.batch for cell in self.cells}
        known = [(name, progress) for name, progress in self.running.items() if progress is not None]
        return sum(progress.images_per_second / batches[name] for name, progress in known)

    def step_cost(self, cell: Cell) -> float | None:
        """Seconds a step: of this run, else of its setting, else of all; None where nothing was measured yet."""
        for group in (
            [cell],
            [other for other in self.cells if other.setting == cell.setting],
            self.cells,
        ):
            steps = sum(self._done[other.name][0] for other in group)
            seconds = sum(self._done[other.name][1] for other in group)
            if steps >= 100 or (steps and group is self.cells):
                return seconds / steps
        return None

    def seconds_left(self) -> float | None:
        """Until the last run ends, each taken by the first free process; None where nothing was measured yet."""
        free = [0.0] * self.jobs
        for cell in self.cells:
            if cell.name in self._finished or cell.name in self.failed or self.states[cell.name].stage == "refused":
                continue
            cost = self.step_cost(cell)
            if cost is None:
                return None
            left = cost * (cell.options.steps - self._done[cell.name][0])
            heapq.heapreplace(free, free[0] + left)
        return max(free)
