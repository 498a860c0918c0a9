"""Recorded sites, exposed values and params as the tensors that a program is bound to."""

from dataclasses import replace

from torch import Tensor
from torch.distributions import Distribution

from asrppl.bind.bound import Bound
from asrppl.bind.records import RecordError, from_columns, from_fields
from asrppl.infer.sites.laws import read_expected, read_law
from asrppl.infer.sites.layout import Reading, index, refuse, stack
from asrppl.infer.sites.presence import read_presence
from asrppl.infer.sites.referent import Item, Referent, Resolution
from asrppl.infer.watch.recording import Recording


def read(resolution: Resolution, recording: Recording, given: Bound) -> Reading:
    """Return the tensors that ``resolution`` names in ``recording``, with those that ``bind=`` gave.

    Raises:
        AsrError: columns that make no record (ASR086), or ``q(..)`` of what has no law that is known (ASR089).
    """
    reading = Reading(tensors=dict(given.tensors))
    for name, referent in resolution.referents.items():
        if referent.origin == "bind":
            reading.frames[name] = ()
            continue
        items = list(referent.items(recording))
        flat = replace(referent, family=1) if referent.family > 1 else referent
        indexed = {plate for plate, _ in referent.plates}
        reading.frames[name] = tuple(frame for frame in items[0].plates if frame.name not in indexed)
        if referent.free.draw or referent.free.shape != "distribution":
            _read_members(name, flat, items, reading)
        if referent.free.law:
            read_law(name, flat, items, recording, reading)
        else:
            read_expected(name, flat, items, reading)
        read_presence(name, flat, items, reading, drawn=name in resolution.drawn)
        if flat is not referent:
            _split_numbers(name, flat, referent.lengths, reading)
    return reading


def _split_numbers(name: str, flat: Referent, lengths: tuple[int, ...], reading: Reading) -> None:
    """Give each number of the sites' names an axis of its own."""
    for key, tensor in list(reading.tensors.items()):
        if key[0] == name:
            axes = reading.ranks[name] + 1 if key[1] == "log_probs" else flat.rank
            reading.tensors[key] = tensor.unflatten(tensor.dim() - axes, lengths)
    if name in reading.ranks:
        reading.ranks[name] += len(lengths) - 1


# ---- values


def read_values(name: str, referent: Referent, items: list[Item], reading: Reading) -> None:
    """Put the values of a name's members into ``reading``."""
    flat = replace(referent, family=1) if referent.family > 1 else referent
    _read_members(name, flat, items, reading)
    if flat is not referent:
        _split_numbers(name, flat, referent.lengths, reading)


def _read_members(name: str, referent: Referent, items: list[Item], reading: Reading) -> None:
    members = [_components(item, referent) for item in items]
    squares = "w" in members[0] and members[0]["w"] is members[0]["h"]
    for component in members[0]:
        if component == "h" and squares:
            reading.tensors[name, "h"] = reading.tensors[name, "w"]
            continue
        parts = [member[component] for member in members]
        reading.tensors[name, component] = stack(parts, referent.rank - 1) if referent.family else parts[0]


def _components(item: Item, referent: Referent) -> dict[str | None, Tensor]:
    value, use = item.value, referent.free
    if isinstance(value, Distribution):
        refuse(referent, "ASR089", f"`{use.name}` was exposed as a distribution, and its value is read too")
    try:
        if not isinstance(value, Tensor):
            parts = {key: index(part, referent.event_dim, referent, item) for key, part in value.items()}
            return {**from_fields(use, parts, referent.title)}
        if not referent.columns:
            return {None: index(value, referent.event_dim, referent, item)}
        columns = tuple(index(column, referent.event_dim - 1, referent, item) for column in value.unbind(-1))
        return {**from_columns(use, columns, referent.title)}
    except RecordError as error:
        refuse(referent, "ASR086", error.message, error.help)
