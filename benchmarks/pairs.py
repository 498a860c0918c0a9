"""How rules over pairs grow: from 50 to 100,000 boxes, forward and backward, in CPU time of one thread.

    python -m benchmarks.pairs --plot benchmarks/pairs.png

Boxes are squares of side 11 to 15 that cover three tenths of a scene, float32, one scene, whatever their number. The
same rule on the dense grid alone stands beside it up to 3,000 boxes. Memory is what the process grows by, at its peak.
"""

import argparse
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

import asrppl
from asrppl.bind.values import bind_values
from asrppl.lower import listed, lower

RULES = {
    "apart, a grid of cells": "nonoverlap(box[i], box[j])",
    "apart along x, a sweep": "abs(box[i].x - box[j].x) >= (box[i].size + box[j].size) / 2",
    "alike, sorted sums": "abs(box[i].size - box[j].size) <= 3",
}
LENGTHS = (50, 100, 200, 300, 1000, 3000, 10_000, 30_000, 100_000)
LARGEST_DENSE = 3000
LARGEST_SWEEP = 30_000  # of which a step lists 4 million pairs


def scene(length: int) -> Tensor:
    """Squares, (boxes, x y side)."""
    side = 13 * (length / 0.3) ** 0.5
    return torch.cat([torch.rand(length, 2) * side, 11 + 4 * torch.rand(length, 1)], -1)


def steps(claim: str, length: int, *, dense: bool) -> Callable[[], float]:
    """Return a function that takes a step, forward and backward, and returns its CPU time in seconds."""
    program = asrppl.parse(f"rule r: forall i != j: {claim}")
    boxes = scene(length)
    bound = bind_values(program.free, {"box": boxes})
    known = listed.DENSE
    listed.DENSE = 10**18 if dense else known
    try:
        plan = lower(program.typed(bound.signature), signature=bound.signature, elements=1)
    finally:
        listed.DENSE = known
    tensors = {key: part.clone().requires_grad_() for key, part in bound.tensors.items()}

    def step() -> float:
        start = time.process_time()
        plan(tensors)["r"].backward()
        return time.process_time() - start

    return step


def measured(claim: str, length: int, repeats: int, *, dense: bool = False) -> tuple[float, float, float]:
    """Return the median and the least of a step's times in ms, and by how many MB the process grew."""
    step = steps(claim, length, dense=dense)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step()
    times = [1000 * step() for _ in range(repeats)]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return median(times), min(times), grown * 1024 / 1e6


def drawn(found: dict[str, dict[int, float]], path: Path) -> None:
    """Draw the times by the number of boxes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for name, times in found.items():
        axes.loglog(list(times), list(times.values()), "o--" if "dense" in name else "o-", label=name, markersize=4)
    axes.set_xlabel("boxes")
    axes.set_ylabel("ms a step, forward and backward")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pairs", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="steps of each (default: 7)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the growth (needs matplotlib)")
    parser.add_argument("--largest", type=int, default=LENGTHS[-1], help="number of boxes at most")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"Python {platform.python_version()}, torch {torch.__version__}, one thread, {platform.machine()};")
    print(f"CPU time of a step in ms, the median of {arguments.repeats} (and the least).\n")
    print("| rule | boxes | listed | dense | memory, MB |\n| --- | --- | --- | --- | --- |", flush=True)
    found: dict[str, dict[int, float]] = {}
    lengths = [length for length in LENGTHS if length <= arguments.largest]
    rows: dict[tuple[str, int], list[str]] = {}
    for name, claim in RULES.items():  # before the dense grids, beside whose memory that of lists would not show
        for length in lengths:
            if length <= LARGEST_SWEEP or "sweep" not in name:
                usual, least, grown = measured(claim, length, arguments.repeats)
                found.setdefault(name, {})[length] = usual
                rows[name, length] = [f"{usual:.1f} ({least:.1f})", "", f"{grown:.0f}"]
    for name, length in rows:
        if length <= LARGEST_DENSE:
            usual, least, _ = measured(RULES[name], length, arguments.repeats, dense=True)
            found.setdefault(f"{name.split(',')[0]}, dense", {})[length] = usual
            rows[name, length][1] = f"{usual:.1f} ({least:.1f})"
    for (name, length), cells in rows.items():
        print(f"| {name} | {length:,} | {' | '.join(cells)} |", flush=True)
    if arguments.plot is not None:
        drawn(found, arguments.plot)


if __name__ == "__main__":
    main()
