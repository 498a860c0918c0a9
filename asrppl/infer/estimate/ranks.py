"""The processes of `torch.distributed` that share a batch: what is a mean over data is one over all of theirs.

Each rank runs model and guide on its own part of the batch, and gradients are averaged over ranks as those of any loss
are. What is not linear in the data has to know all of it first: means are added up over ranks before cotangents are
taken, and means and multipliers are moved on by all that the ranks have found. So all of them remember the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, cast

import torch
from torch import Tensor, distributed

from asrppl.bind.shapes import broadcast
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.infer.estimate.evaluation import Evaluation
from asrppl.infer.estimate.multipliers import Place

Group = distributed.ProcessGroup

dist: Any = distributed  # its annotations leave types open


class Ranks:
    """The processes of a group; one alone where `torch.distributed` is not set up.

    Args:
        group: of `torch.distributed`, None for all its processes.
    """

    def __init__(self, group: Group | None = None) -> None:
        self.group = group

    @property
    def several(self) -> bool:
        """Whether there are others to share with."""
        return dist.is_available() and dist.is_initialized() and dist.get_world_size(self.group) > 1

    def sum(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the sums over ranks, in one exchange, of tensors that have the same shapes on each."""
        packed = torch.cat([tensor.detach().double().flatten() for tensor in tensors])
        dist.all_reduce(packed, group=self.group)
        parts: list[Tensor] = cast(Any, packed).split([tensor.numel() for tensor in tensors])
        return [part.reshape(like.shape).to(like.dtype) for part, like in zip(parts, tensors, strict=True)]

    def each(self, numbers: Sequence[int]) -> list[list[int]]:
        """Return what every rank says, in the order of ranks."""
        device = "cuda" if dist.get_backend(self.group) == "nccl" else "cpu"
        table = torch.zeros((dist.get_world_size(self.group), len(numbers)), dtype=torch.long, device=device)
        table[dist.get_rank(self.group)] = torch.tensor(numbers, device=device)
        dist.all_reduce(table, group=self.group)
        return [[int(number) for number in row] for row in table.cpu().unbind()]

    def verify_same(self, what: str, texts: Iterable[str]) -> None:
        """Raise an error on each rank where they do not all say the same.

        Raises:
            AsrError: ranks differ (ASR098); without this they would wait for each other, or mix what is not the same.
        """
        differing = self._differing([row[0] for row in self.each([_digest(texts)])])
        if differing:
            self._refuse(what, differing)

    def meet(self, texts: Iterable[str], size: int, full: int) -> "Share":
        """Return what part of the data this process has in a call.

        Args:
            texts: what the rules of this call are; they have to be the same on each rank.
            size: how many data are here.
            full: how many the data plate has.

        Raises:
            AsrError: ranks differ in the rules of a call, or in the size of a plate that is run in part (ASR098).
        """
        found = self.each([_digest(texts), size, full])
        differing = self._differing([row[0] for row in found])
        if differing:
            self._refuse("the rules that read means, or the lengths of what they index,", differing)
        sizes = tuple(row[1] for row in found)
        fulls = [row[2] for row in found]
        apart = all(own == full for own, full in zip(sizes, fulls, strict=True))
        if not apart and self._differing(fulls):
            self._refuse(f"the sizes of the data plate ({', '.join(map(str, fulls))})", self._differing(fulls))
        return Share(self, dist.get_rank(self.group), sizes, sum(sizes) if apart else full, apart)

    def _differing(self, numbers: Sequence[int]) -> list[int]:
        return [rank for rank, number in enumerate(numbers) if number != numbers[0]]

    def _refuse(self, what: str, ranks: Sequence[int]) -> None:
        names = ", ".join(map(str, ranks))
        message = f"{what} are not the same in all processes: rank {names} differs from rank 0"
        help = (
            "give each process the same rules, params and plate sizes; where a process trains by itself, "
            "`regularize(..., group=torch.distributed.new_group([rank]))`"
        )
        raise AsrError([Diagnostic("ASR098", message, help=help)])


@dataclass(frozen=True, slots=True)
class Share:
    """What part of the data one process has in a call.

    Args:
        ranks: all processes.
        rank: this one.
        sizes: how many data each has.
        size: how many there are in all.
        apart: whether each runs a plate of its own whole; the data are then all of those, in the order of ranks.
    """

    ranks: Ranks
    rank: int
    sizes: tuple[int, ...]
    size: int
    apart: bool

    @property
    def all_there(self) -> bool:
        """Whether the parts are as many as there are data."""
        return sum(self.sizes) == self.size

    @property
    def offset(self) -> int:
        """How many data the ranks before have."""
        return sum(self.sizes[: self.rank])

    def mean(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the means over all data of what are means over those of each process, in one exchange."""
        part = self.sizes[self.rank] / sum(self.sizes)
        found = self.ranks.sum([tensor.detach().double() * part for tensor in tensors])
        return [mean.to(tensor.dtype) for mean, tensor in zip(found, tensors, strict=True)]

    def rows(self, tensor: Tensor, dim: int) -> Tensor:
        """Return zeros for the data of all, along axis ``dim``, with those of this process in their place."""
        shape = list(tensor.shape)
        shape[dim] = self.sizes[self.rank]
        mine = tensor.expand(shape)
        shape[dim] = sum(self.sizes)
        found = mine.new_zeros(shape)
        found.narrow(dim, self.offset, self.sizes[self.rank]).copy_(mine)
        return found

    def hold_each_once(self, index: Tensor) -> bool:
        """Whether no datum is in the parts of two."""
        (all_of_them,) = self.ranks.sum([self.rows(index, 0)])
        return bool(all_of_them.sort().values.diff().all())

    def agree(self, answer: bool) -> bool:
        """Whether all say yes."""
        return all(row[0] for row in self.ranks.each([int(answer)]))

    def joined(
        self, found: Evaluation, place: Place | None, dim: int, about: frozenset[str]
    ) -> tuple[Evaluation, Place | None]:
        """Return what a run says and of which data, with what the runs of the other ranks say of theirs.

        Args:
            found: of this process.
            place: of its data.
            dim: the data's axis.
            about: names of the moments and comparisons that are there for each datum.
        """
        estimates = {leaf: value for leaf, value in found.estimates.items() if leaf[0] in about}
        cotangents = {leaf: value for leaf, value in found.cotangents.items() if leaf[0] in about}
        counted = {name: value for name, value in found.counted.items() if name in about}
        excess = {name: broadcast(*parts) for name, parts in found.excess.items() if name in about}
        own = [*estimates.values(), *cotangents.values(), *counted.values()]
        own += [part for parts in excess.values() for part in parts]
        tables = [self.rows(value, dim) for value in own]
        if place is not None:
            tables.append(self.rows(place.index, 0))
        every = self.ranks.sum(tables) if tables else []
        if place is not None:
            index = every.pop()
            visit = _last_visits(index)
            every = [table.index_select(dim, visit) for table in every]
            place = replace(place, index=index)
        rows = iter(every)
        return replace(
            found,
            estimates={**found.estimates, **{leaf: next(rows) for leaf in estimates}},
            cotangents={**found.cotangents, **{leaf: next(rows) for leaf in cotangents}},
            counted={**found.counted, **{name: next(rows) for name in counted}},
            excess={**found.excess, **{name: (next(rows), next(rows), next(rows)) for name in excess}},
        ), place


def _last_visits(index: Tensor) -> Tensor:
    """Return by row the last one of the same datum: where ranks draw it twice, all of them keep the same."""
    order = torch.arange(len(index), device=index.device)
    data, which = cast(tuple[Tensor, Tensor], cast(Any, index).unique(return_inverse=True))
    last = order.new_zeros(len(data)).scatter_reduce(0, which, order, "amax")
    return last[which]


def _digest(texts: Iterable[str]) -> int:
    return int.from_bytes(blake2b("\n".join(texts).encode(), digest_size=7).digest(), "big")
