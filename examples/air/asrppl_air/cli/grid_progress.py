"""Progress over a grid of runs: one line for all of it and one for each that runs now."""

import shutil
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from asrppl.commands import printable
from asrppl_air.cli.progress import duration, progress_line

if TYPE_CHECKING:
    from asrppl_air.reproduce.pace import Pace

_SECONDS_A_LOG = 30.0
_SECONDS_A_FRAME = 0.2
_BAR = 24


def bar(share: float, width: int = _BAR) -> str:
    """A bar of characters that every terminal has."""
    filled = int(width * min(max(share, 0.0), 1.0))
    return f"|{'#' * filled}{' ' * (width - filled)}|"


def summary(pace: "Pace", bars: bool = False) -> str:
    """One line: runs, steps, pace of all that run, time left."""
    runs, all_runs = pace.runs
    steps, all_steps = pace.steps
    left = pace.seconds_left()
    parts = [
        f"runs {runs}/{all_runs}",
        f"steps {steps:,}/{all_steps:,}",
        f"{pace.steps_per_second:.1f} steps/s",
        "time left not known yet" if left is None else f"{duration(left)} left",
    ]
    if pace.failed:
        parts.append(f"{len(pace.failed)} failed")
    head = bar(steps / all_steps if all_steps else 1.0) + " " if bars else ""
    return head + "  ".join(parts)


class GridBoard:
    """Lines that are drawn over each other on a terminal; in a log, written every half minute."""

    def __init__(self, pace: "Pace", clock: Callable[[], float] = time.monotonic) -> None:
        self._pace = pace
        self._clock = clock
        self._terminal = sys.stderr.isatty()
        self._drawn = 0
        self._last = -_SECONDS_A_LOG
        self._width = max((len(cell.name) for cell in pace.cells), default=0)

    def say(self, line: str) -> None:
        """Write a line that stays."""
        self._wipe()
        print(printable(line), file=sys.stderr, flush=True)

    def show(self) -> None:
        """Bring the lines up to date, now and then."""
        now = self._clock()
        if now - self._last < (_SECONDS_A_FRAME if self._terminal else _SECONDS_A_LOG):
            return
        self._last = now
        self.draw()

    def draw(self) -> None:
        """Write the lines."""
        lines = [summary(self._pace, bars=self._terminal), *self._runs()]
        self._wipe()
        if self._terminal:
            # A line that wraps would throw the count of lines out.
            columns = shutil.get_terminal_size().columns - 1
            lines = [line[:columns] for line in lines]
            self._drawn = len(lines)
        else:
            lines[1:] = [f"  {line}" for line in lines[1:]]
        print("\n".join(lines), file=sys.stderr, flush=True)

    def _runs(self) -> list[str]:
        lines: list[str] = []
        for name, progress in self._pace.running.items():
            if progress is None:
                lines.append(f"{name:<{self._width}}  preparing")
                continue
            head = f"{name:<{self._width}} {progress.step:>7,}/{progress.steps:,}"
            if self._terminal:
                head += " " + bar(progress.step / progress.steps, 12)
            lines.append(f"{head}  {progress_line(progress)}")
        return lines

    def _wipe(self) -> None:
        if self._drawn:
            # up to the first of the lines, and clear from there to the end of the screen
            print(f"\x1b[{self._drawn}F\x1b[J", end="", file=sys.stderr, flush=True)
            self._drawn = 0
