"""The report's means over draws and data."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from asrppl.infer.watch.pyro_internals import unmark
from asrppl.infer.watch.recording import Frame, Site


def enumerates(site: Site) -> bool:
    """Whether a site's draws are enumerated, in parallel or one by one."""
    return site.infer.get("_enumerate_dim") is not None or "_enum_total" in site.infer


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean over data and particles, exact over enumerated draws: their probabilities are at hand.

    Args:
        mask: which data are there, None for all; those that are not count as 0.
        enumerated: sites whose draws are enumerated.
        frames: the plates that what is averaged varies over.
        max_plate_nesting: axes further left are draws.
    """

    mask: Tensor | None
    enumerated: Sequence[Site]
    frames: Sequence[Frame]
    max_plate_nesting: float
    _known: dict[torch.Size, Tensor | float | None] = field(
        default_factory=dict[torch.Size, "Tensor | float | None"], repr=False
    )

    def __call__(self, value: Tensor) -> Tensor:
        """Return the mean of ``(*draws, *plates)``, 0-d."""
        value = unmark(value)
        if self.mask is not None:
            value = torch.where(unmark(self.mask), value, value.new_zeros(()))
        if not self.enumerated:
            return value.mean()
        probability = self.probability(value)
        if probability is not None:
            value = value * probability
        dims = [dim for dim in range(-value.dim(), 0) if dim < -self.max_plate_nesting]
        if dims:
            value = value.sum(dims)
        return value.mean()

    def probability(self, value: Tensor) -> Tensor | float | None:
        """Return the probability of the enumerated draws that a value of such a shape was computed from."""
        if not self.enumerated:
            return None
        if value.shape not in self._known:
            with torch.no_grad():
                self._known[value.shape] = probability_of(value, self.enumerated, self.frames)
        return self._known[value.shape]


def probability_of(violation: Tensor, enumerated: Sequence[Site], frames: Sequence[Frame]) -> Tensor | float | None:
    """Return the probability of the enumerated draws that the violation was computed from, and of those before them."""
    wanted = {dim for dim in range(-violation.dim(), 0) if violation.shape[dim] > 1}
    names = {frame.name for frame in frames}
    found: Tensor | float | None = None
    for site in reversed(enumerated):  # those that come later may depend on those before
        total = site.infer.get("_enum_total")
        dim = site.infer.get("_enumerate_dim")
        if total is not None:
            # Each value is a run of its own; a site in plates that the rule does not vary over is counted that often.
            inside = all(frame.name in names for frame in site.plates)
            part: Tensor | float = site.fn.log_prob(site.value).exp() if inside else 1 / total
        elif dim not in wanted:
            continue
        elif (samples := site.infer.get("num_samples")) is not None:
            part = 1 / samples
        else:
            part = site.fn.log_prob(site.value).exp()
            wanted |= {axis for axis in range(-part.dim(), 0) if part.shape[axis] > 1}
        found = part if found is None else found * part
    return found
