"""The report's means over draws and data."""

from collections.abc import Sequence

import torch
from torch import Tensor

from asrppl.infer.watch.pyro_internals import unmark
from asrppl.infer.watch.recording import Frame, Site


def enumerates(site: Site) -> bool:
    """Whether a site's draws are enumerated, in parallel or one by one."""
    return site.infer.get("_enumerate_dim") is not None or "_enum_total" in site.infer


def mean_over(
    violation: Tensor,
    mask: Tensor | None,
    enumerated: Sequence[Site],
    frames: Sequence[Frame],
    max_plate_nesting: float,
) -> Tensor:
    """Return the mean over data and particles, exact over enumerated draws: their probabilities are at hand."""
    violation = unmark(violation)
    if mask is not None:
        violation = torch.where(unmark(mask), violation, violation.new_zeros(()))
    if not enumerated:
        return violation.mean()
    with torch.no_grad():
        probability = probability_of(violation, enumerated, frames)
    if probability is not None:
        violation = violation * probability
    dims = [dim for dim in range(-violation.dim(), 0) if dim < -max_plate_nesting]
    if dims:
        violation = violation.sum(dims)
    return violation.mean()


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
