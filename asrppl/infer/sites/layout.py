"""The layout of what is read (bind/bound.py): ``(*batch, *index axes)``.

A plate that a rule indexes leaves an axis of length 1 where it was in the batch, so that all batch axes, enumerated
ones on the far left among them, keep Pyro's places.
"""

from dataclasses import dataclass, field
from typing import NoReturn

import torch
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.bind.finite import Support
from asrppl.bind.shapes import broadcast_shape
from asrppl.core.laws import Law
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.infer.sites.referent import Item, Referent
from asrppl.infer.watch.recording import Frame


@dataclass(slots=True)
class Reading:
    """The tensors of one run.

    Args:
        tensors: by name and component, as in `Bound`.
        frames: by name, the plates that the tensors still have batch axes for.
        masks: by name, which batch entries count where no index can skip them (`poutine.mask` around a whole datum).
        supports: by name, what ``q(name)`` ranges over.
        ranks: by name, how many index axes such a ``q(name)`` has.
        laws: by name, the law of ``q(name)`` where it has a family; its parameters are laid out as the values are.
    """

    tensors: dict[InputKey, Tensor] = field(default_factory=dict[InputKey, Tensor])
    frames: dict[str, tuple[Frame, ...]] = field(default_factory=dict[str, tuple[Frame, ...]])
    masks: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    supports: dict[str, Support] = field(default_factory=dict[str, Support])
    ranks: dict[str, int] = field(default_factory=dict[str, int])
    laws: dict[str, Law] = field(default_factory=dict[str, Law])


def index(value: Tensor, event_dim: int, referent: Referent, item: Item) -> Tensor:
    """Return ``value`` with a last axis of length 1 dropped and the axes of index plates moved behind the batch."""
    if referent.drop:
        value, event_dim = value.squeeze(-1), event_dim - 1
    return move_plates(value, event_dim, referent, item)


def move_plates(value: Tensor, event_dim: int, referent: Referent, item: Item) -> Tensor:
    """Return ``value`` with the axes of index plates moved from the batch to the front of its ``event_dim`` last."""
    sizes = {frame.name: frame.size for frame in item.plates}
    for moved, (plate, dim) in enumerate(referent.plates):
        batch = value.dim() - event_dim - moved
        if batch + dim < 0:  # a value that is the same over the plate, without an axis for it
            value = value.reshape(*(1,) * -(batch + dim), *value.shape)
            batch = -dim
        place = batch + dim
        if value.shape[place] not in (1, sizes[plate]):
            refuse(
                referent,
                "ASR073",
                f"`{referent.free.name}` is read over the plate {plate!r} ({sizes[plate]}), "
                f"but {referent.title} has length {value.shape[place]} there",
                "event_dim counts the axes on the right that are no plates",
            )
        if value.shape[place] == 1 and sizes[plate] != 1:
            value = value.expand(*value.shape[:place], sizes[plate], *value.shape[place + 1 :])
        value = value.unsqueeze(place).movedim(place + 1, value.dim() - event_dim)
    return value


def stack(members: list[Tensor], axes: int) -> Tensor:
    """Stack a family on a new axis in front of its ``axes`` index axes; the members' batches broadcast."""
    shape = broadcast_shape(member.shape for member in members)
    return torch.stack([member.expand(shape) for member in members], dim=-1 - axes)


def refuse(referent: Referent, code: str, message: str, help: str | None = None) -> NoReturn:
    """Raise an `AsrError` at the first use of the name."""
    raise AsrError([Diagnostic(code, message, referent.free.span, help=help)])
