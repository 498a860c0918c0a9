"""Recorded sites, exposed values and params as the tensors that a program is bound to."""

from dataclasses import replace

from torch import Tensor
from torch.distributions import Categorical, Distribution

from asrppl.bind.bound import Bound
from asrppl.bind.finite import Support, finite_log_probs
from asrppl.bind.records import RecordError, from_columns, from_fields
from asrppl.infer.sites.layout import Reading, index, move_plates, refuse, stack
from asrppl.infer.sites.presence import read_presence
from asrppl.infer.sites.referent import Item, Referent, Resolution
from asrppl.infer.watch.recording import Recording, Site, unwrap


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
        flat = replace(referent, family=1) if referent.family > 1 else referent
        indexed = {plate for plate, _ in referent.plates}
        reading.frames[name] = tuple(frame for frame in items[0].plates if frame.name not in indexed)
        if referent.free.draw or referent.free.shape != "distribution":
            _read_values(name, flat, items, reading)
        laws = _laws(flat, items)
        if laws or referent.free.shape == "distribution":
            _read_distribution(name, flat, items, laws, recording, reading)
        read_presence(name, flat, items, reading)
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


def _read_values(name: str, referent: Referent, items: list[Item], reading: Reading) -> None:
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


# ---- distributions


Law = tuple[Support, Tensor]


def _laws(referent: Referent, items: list[Item]) -> list[Law]:
    """Return the laws of sites whose draws means are taken over, where the guide gives each finitely many values."""
    free = referent.free
    if not free.expected or free.given or free.shape in ("box", "record", "probabilities", "function"):
        return []
    if referent.origin != "guide" or not referent.site_distribution:
        return []
    found = [finite_log_probs(item.fn) if isinstance(item, Site) else None for item in items]
    laws = [law for law in found if law is not None]
    return laws if len(laws) == len(found) and len({support for support, _ in laws}) == 1 else []


def _read_distribution(
    name: str, referent: Referent, items: list[Item], found: list[Law], recording: Recording, reading: Reading
) -> None:
    event_axes = referent.event_axes
    if referent.site_distribution:
        if referent.origin == "model":
            refuse(
                referent,
                "ASR089",
                f"`{name}` is observed: its distribution in the model is the likelihood, and no posterior",
                "write `q(..)` of a site that the guide draws",
            )
        found = found or [_log_probs(item.fn if isinstance(item, Site) else None, referent) for item in items]
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
        refuse(referent, "ASR085", f"the sites of `{name}` have different supports")
    reading.supports[name] = found[0][0]
    moved = [
        move_plates(log_probs, event_axes + 1, referent, item)
        for (_, log_probs), item in zip(found, items, strict=True)
    ]
    axes = event_axes + 1 + len(referent.plates)
    reading.tensors[name, "log_probs"] = stack(moved, axes) if referent.family else moved[0]
    reading.ranks[name] = axes - 1 + referent.family


def _log_probs(fn: Distribution | None, referent: Referent) -> Law:
    found = None if fn is None else finite_log_probs(fn)
    if found is None:
        what = "a value without one" if fn is None else f"distributed as {type(unwrap(fn)).__name__}"
        refuse(
            referent,
            "ASR089",
            f"`q({referent.free.name})` needs a distribution over finitely many numbers; {referent.title} is {what}",
            'expose one in the guide: asrppl.expose("' + referent.free.name + '", dist.Categorical(...))',
        )
    return found
