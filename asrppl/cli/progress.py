"""Progress of training on a terminal (bars) or in a log (now and then a line)."""

import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asrppl.air.train import Progress

_SECONDS_A_LINE = 15.0


def describe(progress: "Progress") -> str:
    """Loss, violations and pace, for the end of a bar or a line."""
    violations = "".join(f"  {name} {value:.3g}" for name, value in progress.violations.items())
    return f"loss {progress.loss:.1f}{violations}  {progress.images_per_second:.0f} images/s"


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Board:
    """One line of progress for each of `names`."""

    def __init__(self, names: Sequence[str]) -> None:
        self._width = max(map(len, names))
        self._names = names
        self._bars: dict[str, Any] = {}
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
            left = clock(progress.seconds_left)
            line = f"{name:<{self._width}}  {progress.step:>6}/{progress.steps}  {describe(progress)}  {left} left"
            print(line, file=sys.stderr, flush=True)

    def _draw(self, name: str, progress: "Progress") -> None:
        if name not in self._bars:
            layout = "{desc} {percentage:3.0f}%|{bar:24}| {n_fmt}/{total_fmt}{postfix}"
            self._bars[name] = self._bar(
                total=progress.steps,
                desc=f"{name:<{self._width}}",
                position=self._names.index(name),
                bar_format=layout,
                dynamic_ncols=True,
                file=sys.stderr,
            )
        bar = self._bars[name]
        bar.n = progress.step
        bar.set_postfix_str(f"{describe(progress)}  {clock(progress.seconds_left)} left", refresh=False)
        bar.refresh()

    def close(self) -> None:
        """Leave the bars as they stand."""
        for bar in self._bars.values():
            bar.close()


@contextmanager
def board(*names: str) -> Generator[Board]:
    """A `Board`, closed at the end."""
    lines = Board(names)
    try:
        yield lines
    finally:
        lines.close()
