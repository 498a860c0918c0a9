"""Recorded sites, exposed values and params as the tensors that a program is bound to.

Layout (bind/bound.py): ``(*batch, *index axes)``. A plate that a rule indexes leaves an axis of length 1 where it was
in the batch, so that all batch axes, enumerated ones on the far left among them, keep Pyro's places.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution

from asrppl.bind.bound import Bound, InputKey
from asrppl.bind.distributions import finite_log_probs
from asrppl.bind.shapes import broadcast_shape
from asrppl.core.signature import BOX_FIELDS
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.infer.sites.source import Item, Resolution, Source
from asrppl.infer.watch.recording import Exposure, Frame, Recording, Site, unwrap

Support = tuple[int | float, ...]


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
    for name, source in resolution.sources.items():
        if source.origin == "bind":
            reading.frames[name] = ()
            continue
        items = list(source.items(recording))
        indexed = {plate for plate, _ in source.plates}
        reading.frames[name] = tuple(frame for frame in items[0].plates if frame.name not in indexed)
        if source.free.draw or source.free.shape != "distribution":
            _read_values(name, source, items, reading)
            _read_masks(name, source, items, reading)
        if source.free.shape == "distribution":
            _read_distribution(name, source, items, recording, reading)
    return reading


# ---- values


def _read_values(name: str, source: Source, items: list[Item], reading: Reading) -> None:
    members = [_components(item, source) for item in items]
    squares = "w" in members[0] and members[0]["w"] is members[0]["h"]
    for component in members[0]:
        if component == "h" and squares:
            reading.tensors[name, "h"] = reading.tensors[name, "w"]
            continue
        parts = [member[component] for member in members]
        reading.tensors[name, component] = _stack(parts, source.rank - 1) if source.family else parts[0]


def _components(item: Item, source: Source) -> dict[str | None, Tensor]:
    value, use = item.value, source.free
    if isinstance(value, Distribution):
        _fail(source, "ASR089", f"`{use.name}` was exposed as a distribution, and its value is read too")
    if not isinstance(value, Tensor):
        return _record({key: _index(part, source.event_dim, source, item) for key, part in value.items()}, source)
    if not source.columns:
        return {None: _index(value, source.event_dim, source, item)}
    columns = [_index(column, source.event_dim - 1, source, item) for column in value.unbind(-1)]
    if not _plain_box(source):
        if use.fields is None or not use.declared:
            help = f"declare them: site {use.name}[i]: (a, b, c)"
            _fail(source, "ASR086", f"the columns of {source.title} have no names", help)
        if len(columns) != len(use.fields):
            names = ", ".join(use.fields)
            _fail(source, "ASR086", f"`{use.name}` is ({names}), but {source.title} has {len(columns)} columns")
        return dict(zip(use.fields, columns, strict=True))
    if len(columns) == 3:
        columns.append(columns[2])  # a square: both sides are one tensor
    if len(columns) != 4:
        _fail(
            source,
            "ASR086",
            f"`{use.name}` is read as a box, but {source.title} has {len(columns)} columns",
            "a box has 4 columns (x, y, w, h: centre and sides), or 3 (x, y, side) for squares",
        )
    return dict(zip(BOX_FIELDS, columns, strict=True))


def _plain_box(source: Source) -> bool:
    return source.free.shape == "box" and source.free.fields in (None, BOX_FIELDS)


def _record(parts: Mapping[str, Tensor], source: Source) -> dict[str | None, Tensor]:
    use = source.free
    plain = _plain_box(source)
    if plain and "size" in parts and "w" not in parts:
        parts = {**parts, "w": parts["size"], "h": parts["size"]}
    wanted = BOX_FIELDS if plain else (use.fields or tuple(parts))
    for key in wanted:
        if key not in parts:
            there = ", ".join(f"`{known}`" for known in parts)
            _fail(source, "ASR086", f"{source.title} has no field `{key}`", f"its fields are {there}")
    return {key: parts[key] for key in wanted}


def _index(value: Tensor, event_dim: int, source: Source, item: Item) -> Tensor:
    """Return ``value`` with a last axis of length 1 dropped and the axes of index plates moved behind the batch."""
    if source.drop:
        value, event_dim = value.squeeze(-1), event_dim - 1
    return _move_plates(value, event_dim, source, item)


def _move_plates(value: Tensor, event_dim: int, source: Source, item: Item) -> Tensor:
    sizes = {frame.name: frame.size for frame in item.plates}
    for moved, (plate, dim) in enumerate(source.plates):
        batch = value.dim() - event_dim - moved
        if batch + dim < 0:  # a value that is the same over the plate, without an axis for it
            value = value.reshape(*(1,) * -(batch + dim), *value.shape)
            batch = -dim
        place = batch + dim
        if value.shape[place] not in (1, sizes[plate]):
            _fail(
                source,
                "ASR073",
                f"`{source.free.name}` is read over the plate {plate!r} ({sizes[plate]}), "
                f"but {source.title} has length {value.shape[place]} there",
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


def _read_masks(name: str, source: Source, items: list[Item], reading: Reading) -> None:
    """Sort masks into presence of entries, which quantifiers skip, and presence of whole data."""
    first = items[0]
    if isinstance(first, Exposure):
        if first.mask is not None:
            reading.masks[name] = first.mask
        if first.presence is None:
            return
        presence = first.presence.bool()
        wanted = source.event_axes + source.drop
        presence = _index(_pad(presence, wanted), wanted, source, first)
    else:
        masks = [item.mask for item in items if isinstance(item, Site) and item.mask is not None]
        if not masks:
            return
        if not source.plates and all(mask is masks[0] for mask in masks):
            reading.masks[name] = masks[0]  # nothing tells the members apart: the datum itself is absent
            return
        members = [_move_plates(mask, 0, source, item) for mask, item in zip(masks, items, strict=True)]
        presence = _stack(members, len(source.plates)) if source.family else members[0]
        presence = presence.reshape(*presence.shape, *(1,) * source.event_axes)
    rank = source.rank
    if rank == 0:
        reading.masks[name] = presence if name not in reading.masks else reading.masks[name] & presence
        return
    component = next(key[1] for key in reading.tensors if key[0] == name)
    axes = reading.tensors[name, component].shape[-rank:]
    presence = _pad(presence, rank)
    if any(have not in (1, axis) for have, axis in zip(presence.shape[-rank:], axes, strict=True)):
        _fail(
            source,
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


def _read_distribution(name: str, source: Source, items: list[Item], recording: Recording, reading: Reading) -> None:
    event_axes = source.event_axes
    if source.site_distribution:
        found = [_log_probs(item.fn if isinstance(item, Site) else None, source) for item in items]
    else:
        exposed = recording.exposed[name]
        value, event_axes = exposed.value, exposed.event_dim
        if isinstance(value, Tensor):  # probabilities along the last axis
            value, event_axes = Categorical(probs=value, validate_args=False), max(0, event_axes - 1)
        found = [_log_probs(value if isinstance(value, Distribution) else None, source)]
    supports = {support for support, _ in found}
    if len(supports) > 1:
        _fail(source, "ASR085", f"the sites of `{name}` have different supports")
    reading.supports[name] = found[0][0]
    moved = [
        _move_plates(log_probs, event_axes + 1, source, item) for (_, log_probs), item in zip(found, items, strict=True)
    ]
    axes = event_axes + 1 + len(source.plates)
    reading.tensors[name, "log_probs"] = _stack(moved, axes) if source.family else moved[0]
    reading.ranks[name] = axes - 1 + source.family
    site = items[0]
    if name not in reading.masks and isinstance(site, Site) and site.mask is not None and not source.rank:
        reading.masks[name] = site.mask


def _log_probs(fn: Distribution | None, source: Source) -> tuple[Support, Tensor]:
    found = None if fn is None else finite_log_probs(fn)
    if found is None:
        what = "a value without one" if fn is None else f"distributed as {type(unwrap(fn)).__name__}"
        _fail(
            source,
            "ASR089",
            f"`q({source.free.name})` needs a distribution over finitely many numbers; {source.title} is {what}",
            'expose one in the guide: asrppl.expose("' + source.free.name + '", dist.Categorical(...))',
        )
    return found


def _fail(source: Source, code: str, message: str, help: str | None = None) -> NoReturn:
    raise AsrError([Diagnostic(code, message, source.free.span, help=help)])
