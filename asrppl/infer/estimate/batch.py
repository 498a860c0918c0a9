"""What the batch axes of a run are, and means over them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from asrppl.bind.shapes import broadcast_shape


@dataclass(frozen=True, slots=True)
class Batch:
    """What the batch axes of a run are.

    Args:
        plates: how many on the right are plates; those further left are draws.
        probability: of the draws along enumerated axes; None where nothing is enumerated.
        mask: which data are there, None for all.
        about: names of the moments and comparisons that are there for each datum.
        shared: of means over the data of this process those over the data of all that share the batch; None where it
            has all of them.
    """

    plates: int
    probability: Tensor | None = None
    mask: Tensor | None = None
    about: frozenset[str] = frozenset()
    shared: Callable[[Sequence[Tensor]], list[Tensor]] | None = None

    def detached(self) -> "Batch":
        """Return the batch with probabilities that are numbers: how they move is no matter of what they weigh."""
        return self if self.probability is None else replace(self, probability=self.probability.detach())

    def mean(self, value: Tensor, axes: int, *, whole: bool) -> Tensor:
        """Return the mean over draws, and over data where ``whole``, as ``(*axes, *plates)``.

        Args:
            value: as ``(*axes, *batch)``.
            axes: how many on the left are no batch axes.
            whole: whether the plates go too.
        """
        batch = value.dim() - axes
        weight = self.probability
        if weight is not None:
            batch = max(batch, weight.dim())
            value = value.reshape((*value.shape[:axes], *(1,) * (batch - value.dim() + axes), *value.shape[axes:]))
        plates = min(self.plates, batch)
        draws = tuple(range(-batch, -plates)) if batch > plates else ()
        if draws:
            if weight is None:
                value = value.mean(draws)
            else:
                weight = weight.reshape((*(1,) * (batch - weight.dim()), *weight.shape)).to(value.dtype)
                value = (value * weight).sum(draws) / weight.expand(
                    broadcast_shape([weight.shape, value.shape[axes:]])
                ).sum(draws)
        if self.plates > plates:
            value = value.reshape((*value.shape[:axes], *(1,) * (self.plates - plates), *value.shape[axes:]))
        if not whole:
            return value
        dims = tuple(range(axes, value.dim()))
        return value.mean(dims) if dims else value
