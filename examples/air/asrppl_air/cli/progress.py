"""Progress of training on a terminal (bars) or in a log (now and then a line)."""

import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asrppl_air.train import Progress

_SECONDS_A_LINE = 15.0


# What a bar may take of the line, in columns.
_LEAST, _MOST = 6, 24


def progress_line(progress: "Progress", short: bool = False) -> str:
    """Time left, loss, pace and violations; `short` is for terminals of 80 columns: rules by their first letters."""
    left, pace = f"{duration(progress.seconds_left)} left", f"{progress.images_per_second:.0f}"
    if short:
        violations = [f"{name.replace('line ', 'L')[:3]} {value:.2g}" for name, value in progress.violations.items()]
        return f"{left}  loss {progress.loss:.0f}  {pace} img/s  {' '.join(violations)}"
    violations = [f"{name} {value:.3g}" for name, value in progress.violations.items()]
    return "  ".join((left, f"loss {progress.loss:.1f}", f"{pace} images/s", *violations))


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, hours only where there are any."""
    whole = int(seconds)
    minutes = f"{whole // 60 % 60:02d}:{whole % 60:02d}" if whole >= 3600 else f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{minutes}" if whole >= 3600 else minutes


def _plain(text: str) -> str:
    """For tqdm, which reads its layouts as format strings."""
    return text.replace("{", "{{").replace("}", "}}")


class Board:
    """One line of progress for each of `names`."""

    def __init__(self, names: Sequence[str]) -> None:
        self._width = max(map(len, names))
        self._names = names
        self._bars: dict[str, Any] = {}
        self._room: dict[str, int] = {}
        self._last: dict[str, float] = {}
        self._bar: Any = None
        if sys.stderr.isatty():
            from tqdm import tqdm  # an extra: only where there is something to draw on

            self._bar = tqdm

    def show(self, name: str, progress: "Progress") -> None:
        """Bring the line of `name` up to date."""
        if self._bar is not None:
            self._draw(name, progress)
            return
        now, done = time.monotonic(), progress.step == progress.steps
        if done or now - self._last.get(name, -_SECONDS_A_LINE) >= _SECONDS_A_LINE:
            self._last[name] = now
            print(f"{self._head(name, progress)}  {progress_line(progress)}", file=sys.stderr, flush=True)

    def _head(self, name: str, progress: "Progress") -> str:
        digits = len(str(progress.steps))
        return f"{name:<{self._width}} {progress.step:>{digits}}/{progress.steps}"

    def _draw(self, name: str, progress: "Progress") -> None:
        if name not in self._bars:
            self._bars[name] = self._bar(
                total=progress.steps, position=self._names.index(name), dynamic_ncols=True, file=sys.stderr
            )
        bar = self._bars[name]
        columns: int = bar.format_dict["ncols"] or 80
        head, tail = self._head(name, progress), progress_line(progress)
        # A line that wraps would leave its upper half behind at each refresh: the bar gives way first, then names.
        self._room[name] = columns - len(f"{head} ||  {tail}") - 1
        room = min(_MOST, *self._room.values())
        if self._room[name] < 0:
            tail = progress_line(progress, short=True)
        middle = f" |{{bar:{room}}}| " if room >= _LEAST else "  "
        bar.bar_format = _plain(head) + middle + _plain(tail)
        bar.n = progress.step
        bar.refresh()

    def close(self) -> None:
        """Leave the bars as they stand."""
        # In their order on the screen: tqdm writes each where the first stands, over what is longer there.
        for name in self._names:
            if name in self._bars:
                self._bars[name].close()


@contextmanager
def board(*names: str) -> Generator[Board]:
    """A `Board`, closed at the end."""
    lines = Board(names)
    try:
        yield lines
    finally:
        lines.close()
