"""The processes that torchrun starts: each has its part of every batch, and all have the same parameters.

    torchrun --nproc-per-node 2 -m asrppl air train --rules number.asr --out runs/13

A rank makes the gradient of its own images; the mean over all of them is what each rank updates by. Rank 0 writes.
"""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed

_dist: Any = distributed  # its annotations leave types open


class Ranks:
    """The processes of a run, `count` in all, of which this is number `rank`, on `device`."""

    def __init__(self, rank: int = 0, count: int = 1, device: str = "cpu") -> None:
        self.rank = rank
        self.count = count
        self.device = device

    @property
    def writes(self) -> bool:
        """Whether this is the one that writes files, and prints."""
        return self.rank == 0

    def part(self, indices: Tensor) -> Tensor:
        """This rank's part of a batch: every `count`-th, so that parts differ by one at most."""
        return indices if self.count == 1 else indices[self.rank :: self.count]

    def weight(self, part: int, whole: int) -> float:
        """What the mean over `part` images counts in a mean over ranks, for one over `whole` images."""
        return self.count * part / whole

    def average(self, parameters: Sequence[Tensor]) -> None:
        """Replace gradients by their means over ranks."""
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        _dist.all_reduce(flat)
        place = 0
        for gradient in gradients:
            gradient.copy_(flat[place : place + gradient.numel()].view_as(gradient) / self.count)
            place += gradient.numel()

    def mean(self, numbers: Sequence[float]) -> list[float]:
        """The means over ranks."""
        return [sum(each) / self.count for each in zip(*self.gathered(list(numbers)), strict=True)]

    def gathered(self, thing: Any) -> list[Any]:
        """What each rank has, in their order."""
        if self.count == 1:
            return [thing]
        found: list[Any] = [None] * self.count
        _dist.all_gather_object(found, thing)
        return found

    def agreed(self, ask: Callable[[], bool]) -> Callable[[], bool]:
        """A question that all ranks answer alike: yes where one of them says so."""

        def ask_all() -> bool:
            answers = torch.tensor(int(ask()), device=self.device)
            _dist.all_reduce(answers)
            return int(answers) > 0

        return ask if self.count == 1 else ask_all

    @contextmanager
    def first(self) -> Generator[None]:
        """Let rank 0 through first, and the others when it is done: they find what it has put into the cache."""
        if self.count > 1 and self.rank > 0:
            _dist.barrier()
        yield
        if self.count > 1 and self.rank == 0:
            _dist.barrier()


ALONE = Ranks()


def restarted() -> bool:
    """Whether torchrun has started the processes anew after one of them failed (`--max-restarts`)."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def launcher() -> str | None:
    """What started this process, as a line for the shell goes on with `asrppl`'s arguments; None without torchrun."""
    if not _dist.is_torchelastic_launched():
        return None
    return f"torchrun --nproc-per-node {os.environ['WORLD_SIZE']} -m asrppl"


@contextmanager
def joined(device: str) -> Generator[tuple[Ranks, str]]:
    """Join the processes that torchrun has started; yields them, and the device of this one."""
    if not _dist.is_torchelastic_launched():
        yield ALONE, device
        return
    if torch.device(device).type == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    _dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Ranks(_dist.get_rank(), _dist.get_world_size(), device), device
    finally:
        _dist.destroy_process_group()
