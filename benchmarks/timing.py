"""What all benchmarks share: functions that time themselves, in turn, and a row of the table."""

import statistics
import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Row(NamedTuple):
    """A line of the table; `target` says which ratios are good ("≤ 1.3")."""

    name: str
    ratio: float
    target: str


def medians(steps: Mapping[str, Callable[[], float]], repeats: int, warm_up: int) -> dict[str, float]:
    """The median of what each of `steps` returns, seconds, over `repeats` rounds in which each has its turn."""
    for _ in range(warm_up):
        for step in steps.values():
            step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            times[name].append(step())
    found = {name: statistics.median(values) for name, values in times.items()}
    print(", ".join(f"{name} {1000 * value:.1f} ms" for name, value in found.items()), file=sys.stderr)
    return found
