"""Recorded sites, exposed values and params as the tensors that a program is bound to.

Layout (bind/bound.py): ``(*batch, *index axes)``. A plate that a rule indexes leaves an axis of length 1 where it was
in the batch, so that all batch axes, enumerated ones on the far left among them, keep Pyro's places.
"""

from dataclasses import dataclass, field
from typing import NoReturn

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution

from asrppl.bind.bound import Bound, InputKey
from asrppl.bind.finite import Support, finite_log_probs
from asrppl.bind.records import RecordError, from_columns, from_fields
from asrppl.bind.shapes import broadcast_shape
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.infer.sites.referent import Item, Referent, Resolution
from asrppl.infer.watch.recording import Exposure, Frame, Recording, Site, unwrap


@dataclass(slots=True)
class Reading:
    """The tensors of one run.

    Args:
        tensors: by name and component, as in `Bound`.
        frames: by name, the plates that the tensors still have batch axes for.
        masks: by name, which batch entries count where no index can skip them (`poutine.mask` around a whole datum).
        supports: by name, what ``q(name)`` ranges over.
        ranks: by name, how many index axes ``q(name)`` has.
    """

    tensors: dict[InputKey, Tensor] = field(default_factory=dict[InputKey, Tensor])
    frames: dict[str, tuple[Frame, ...]] = field(default_factory=dict[str, tuple[Frame, ...]])
    masks: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    supports: dict[str, Support] = field(default_factory=dict[str, Support])
    ranks: dict[str, int] = field(default_factory=dict[str, int])


def read(resolution: Resolution, recording: Recording, given: Bound) -> Reading:
    """Return the tensors that ``resolution`` names in ``recording``, with those that ``bind=`` gave.

    Raises:
        AsrError: columns that make no record (ASR086), or ``q(..)`` of what has no finite support (ASR089).
    """
    reading = Reading(tensors=dict(given.tensors))
    for name, referent in resolution.referents.items():
        if referent.origin == "bind":
            reading.frames[name] = ()
            continue
        items = list(referent.items(recording))
        indexed = {plate for plate, _ in referent.plates}
        reading.frames[name] = tuple(frame for frame in items[0].plates if frame.name not in indexed)
        if referent.free.draw or referent.free.shape != "distribution":
            _read_values(name, referent, items, reading)
            _read_masks(name, referent, items, reading)
        if referent.free.shape == "distribution":
            _read_distribution(name, referent, items, recording, reading)
    return reading


# ---- values


def _read_values(name: str, referent: Referent, items: list[Item], reading: Reading) -> None:
    members = [_components(item, referent) for item in items]
    squares = "w" in members[0] and members[0]["w"] is members[0]["h"]
    for component in members[0]:
        if component == "h" and squares:
            reading.tensors[name, "h"] = reading.tensors[name, "w"]
            continue
        parts = [member[component] for member in members]
        reading.tensors[name, component] = _stack(parts, referent.rank - 1) if referent.family else parts[0]


def _components(item: Item, referent: Referent) -> dict[str | None, Tensor]:
    value, use = item.value, referent.free
    if isinstance(value, Distribution):
        _fail(referent, "ASR089", f"`{use.name}` was exposed as a distribution, and its value is read too")
    try:
        if not isinstance(value, Tensor):
            parts = {key: _index(part, referent.event_dim, referent, item) for key, part in value.items()}
            return {**from_fields(use, parts, referent.title)}
        if not referent.columns:
            return {None: _index(value, referent.event_dim, referent, item)}
        columns = tuple(_index(column, referent.event_dim - 1, referent, item) for column in value.unbind(-1))
        return {**from_columns(use, columns, referent.title)}
    except RecordError as error:
        _fail(referent, "ASR086", error.message, error.help)


def _index(value: Tensor, event_dim: int, referent: Referent, item: Item) -> Tensor:
    """Return ``value`` with a last axis of length 1 dropped and the axes of index plates moved behind the batch."""
    if referent.drop:
        value, event_dim = value.squeeze(-1), event_dim - 1
    return _move_plates(value, event_dim, referent, item)


def _move_plates(value: Tensor, event_dim: int, referent: Referent, item: Item) -> Tensor:
    sizes = {frame.name: frame.size for frame in item.plates}
    for moved, (plate, dim) in enumerate(referent.plates):
        batch = value.dim() - event_dim - moved
        if batch + dim < 0:  # a value that is the same over the plate, without an axis for it
            value = value.reshape(*(1,) * -(batch + dim), *value.shape)
            batch = -dim
        place = batch + dim
        if value.shape[place] not in (1, sizes[plate]):
            _fail(
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


def _stack(members: list[Tensor], axes: int) -> Tensor:
    """Stack a family on a new axis in front of its ``axes`` index axes; the members' batches broadcast."""
    shape = broadcast_shape(member.shape for member in members)
    return torch.stack([member.expand(shape) for member in members], dim=-1 - axes)


# ---- presence


def _read_masks(name: str, referent: Referent, items: list[Item], reading: Reading) -> None:
    """Sort masks into presence of entries, which quantifiers skip, and presence of whole data."""
    first = items[0]
    if isinstance(first, Exposure):
        if first.mask is not None:
            reading.masks[name] = first.mask
        if first.presence is None:
            return
        presence = first.presence.bool()
        wanted = referent.event_axes + referent.drop
        presence = _index(_pad(presence, wanted), wanted, referent, first)
    else:
        if any(isinstance(item, Site) and item.partly_masked for item in items):
            _fail(
                referent,
                "ASR093",
                f"the mask within the distribution of `{name}` tells the entries of its event apart, "
                "and no estimator leaves out parts of an event yet",
                "mask whole events: `.to_event(k).mask(m)`, or expose the value with `mask=`",
            )
        masks = [item.mask for item in items if isinstance(item, Site) and item.mask is not None]
        if not masks:
            return
        if not referent.plates and all(mask is masks[0] for mask in masks):
            reading.masks[name] = masks[0]  # nothing tells the members apart: the datum itself is absent
            return
        members = [_move_plates(mask, 0, referent, item) for mask, item in zip(masks, items, strict=True)]
        presence = _stack(members, len(referent.plates)) if referent.family else members[0]
        presence = presence.reshape(*presence.shape, *(1,) * referent.event_axes)
    rank = referent.rank
    if rank == 0:
        reading.masks[name] = presence if name not in reading.masks else reading.masks[name] & presence
        return
    component = next(key[1] for key in reading.tensors if key[0] == name)
    axes = reading.tensors[name, component].shape[-rank:]
    presence = _pad(presence, rank)
    if any(have not in (1, axis) for have, axis in zip(presence.shape[-rank:], axes, strict=True)):
        _fail(
            referent,
            "ASR073",
            f"the mask of `{name}` has {_lengths(presence.shape[-rank:])} where its entries have {_lengths(axes)}",
            "a mask has one presence for each entry: shape (*batch, *index axes), without the columns of a record",
        )
    reading.tensors[name, "mask"] = presence.expand(*presence.shape[: presence.dim() - rank], *axes)


def _lengths(shape: tuple[int, ...]) -> str:
    return ("length " if len(shape) == 1 else "lengths ") + " × ".join(map(str, shape))


def _pad(value: Tensor, rank: int) -> Tensor:
    missing = max(0, rank - value.dim())
    return value.reshape(*(1,) * missing, *value.shape)


# ---- distributions


def _read_distribution(
    name: str, referent: Referent, items: list[Item], recording: Recording, reading: Reading
) -> None:
    event_axes = referent.event_axes
    if referent.site_distribution:
        if referent.origin == "model":
            _fail(
                referent,
                "ASR089",
                f"`{name}` is observed: its distribution in the model is the likelihood, and no posterior",
                "write `q(..)` of a site that the guide draws",
            )
        found = [_log_probs(item.fn if isinstance(item, Site) else None, referent) for item in items]
        if referent.drop:  # of values the last axis, of length 1, is left out too
            found = [(support, log_probs.squeeze(-2)) for support, log_probs in found]
    else:
        exposed = recording.exposed[name]
        value, event_axes = exposed.value, exposed.event_dim
        if isinstance(value, Tensor):  # probabilities along the last axis
            value, event_axes = Categorical(probs=value, validate_args=False), max(0, event_axes - 1)
        found = [_log_probs(value if isinstance(value, Distribution) else None, referent)]
    supports = {support for support, _ in found}
    if len(supports) > 1:
        _fail(referent, "ASR085", f"the sites of `{name}` have different supports")
    reading.supports[name] = found[0][0]
    moved = [
        _move_plates(log_probs, event_axes + 1, referent, item)
        for (_, log_probs), item in zip(found, items, strict=True)
    ]
    axes = event_axes + 1 + len(referent.plates)
    reading.tensors[name, "log_probs"] = _stack(moved, axes) if referent.family else moved[0]
    reading.ranks[name] = axes - 1 + referent.family
    site = items[0]
    if name not in reading.masks and isinstance(site, Site) and site.mask is not None and not referent.rank:
        reading.masks[name] = site.mask


def _log_probs(fn: Distribution | None, referent: Referent) -> tuple[Support, Tensor]:
    found = None if fn is None else finite_log_probs(fn)
    if found is None:
        what = "a value without one" if fn is None else f"distributed as {type(unwrap(fn)).__name__}"
        _fail(
            referent,
            "ASR089",
            f"`q({referent.free.name})` needs a distribution over finitely many numbers; {referent.title} is {what}",
            'expose one in the guide: asrppl.expose("' + referent.free.name + '", dist.Categorical(...))',
        )
    return found


def _fail(referent: Referent, code: str, message: str, help: str | None = None) -> NoReturn:
    raise AsrError([Diagnostic(code, message, referent.free.span, help=help)])
