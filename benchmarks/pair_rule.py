"""The compiled pair rule against the same work written by hand.

`forall i != j: nonoverlap(box[i], box[j])` at batch 64, forward and backward, one thread; rival and rule run in turn in
one process, and the ratio is that of the median times.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

import asrppl
from asrppl.bind.values import bind_values
from benchmarks.timing import Row

BATCH = 64
LENGTHS = (3, 10, 50)


def rival(centres: Tensor, sides: Tensor, off_diagonal: Tensor) -> Tensor:
    """Return the overlap of all ordered pairs of squares, by hand."""
    d = (centres[:, :, None] - centres[:, None]).abs().amax(-1)
    s2 = (sides[:, :, None] + sides[:, None]) / 2
    return ((s2 - d).clamp_min(0) * off_diagonal).sum()


def compiled(centres: Tensor, sides: Tensor) -> Callable[[], Tensor]:
    """Return the rule as a training step runs it: columns to tensors, then the plan."""
    program = asrppl.parse("rule apart: forall i != j: nonoverlap(box[i], box[j])")
    boxes = torch.cat((centres, sides[..., None]), -1)
    plan = program.plan(bind_values(program.free, {"box": boxes}).signature, elements=BATCH)

    def call() -> Tensor:
        x, y = centres.unbind(-1)
        return plan({("box", "x"): x, ("box", "y"): y, ("box", "w"): sides})["apart"].sum()

    return call


def run(repeats: int) -> list[Row]:
    """A row for each number of objects."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows: list[Row] = []
    for length in LENGTHS:
        centres = (torch.rand(BATCH, length, 2) * 50).requires_grad_()
        sides = (torch.rand(BATCH, length) * 10 + 5).requires_grad_()
        off_diagonal = 1 - torch.eye(length)
        rule = compiled(centres, sides)
        by_hand = partial(rival, centres, sides, off_diagonal)
        torch.testing.assert_close(rule(), by_hand())
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(repeats):
            for kept, function in zip(times, (by_hand, rule), strict=True):
                start = time.process_time()
                function().backward()
                kept.append(time.process_time() - start)
        warm = repeats // 10
        ratio = statistics.median(times[1][warm:]) / statistics.median(times[0][warm:])
        rows.append(Row(f"pair rule, N = {length}", ratio, "≤ 1.3"))
    return rows
