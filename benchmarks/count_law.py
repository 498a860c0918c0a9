"""The law of a count of 1,000 Bernoullis, value and gradient, against the recursion over them one by one."""

import time

import torch
from torch import Tensor

from asrppl.lower.counts import law_of_count
from benchmarks.timing import Row, medians

EVENTS = 1000


def recursion(p: Tensor) -> Tensor:
    """The law, an event more at a time: O(n²)."""
    law = torch.zeros(len(p) + 1, dtype=p.dtype)
    law[0] = 1
    for each in p:
        law = law * (1 - each) + torch.cat((law.new_zeros(1), law[:-1])) * each
    return law


def run(repeats: int) -> list[Row]:
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(EVENTS, generator=generator, dtype=torch.float64) / 100

    def timed(law: str) -> float:
        p = probabilities.clone().requires_grad_()
        started = time.process_time()
        found = law_of_count(p) if law == "tree" else recursion(p)
        found[1:4].sum().backward()
        return time.process_time() - started

    times = medians({"tree": lambda: timed("tree"), "recursion": lambda: timed("recursion")}, repeats, 3)
    return [Row(f"law of a count of {EVENTS:,} / recursion", times["tree"] / times["recursion"], "≤ 0.1")]
