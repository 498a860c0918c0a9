"""Which axes of what a name was found to be are index axes, by the rank that the rules read it at."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from torch import Tensor
from torch.distributions import Distribution

from asrppl.bind.finite import finite_log_probs, is_one_hot
from asrppl.bind.laws import law_of
from asrppl.core.free import FreeName
from asrppl.diagnostics import Sink
from asrppl.infer.sites.referent import Item, Referent
from asrppl.infer.watch.recording import Exposure, Frame, Recording, Site, full_size


def settle(referent: Referent, recording: Recording, data: str | None, sink: Sink) -> Referent:
    """Return ``referent`` with its event axes and index plates settled by the rank that the rules read it at.

    Either none of its plates are index axes, or those that are not the data plate, or all.
    """
    use = referent.free
    items = list(referent.items(recording))
    first = items[0]
    known = {(item_shape(item), tuple((f.name, f.dim) for f in item.plates)) for item in items}
    if len(known) > 1:
        sink.add("ASR085", use.span, f"the sites of `{use.name}` differ in shape or in plates: {_list_shapes(items)}")
        return referent
    options: list[tuple[Frame, ...]] = [(), tuple(f for f in first.plates if f.name != data), first.plates]
    for event_dim in event_dims(first, use):
        own = event_dim - inner_axes(first, use) + referent.family
        if own < referent.family:
            continue
        for drop in (False, True):
            if drop and not _can_drop(first, event_dim, use):
                continue
            for plates in options:
                if use.rank is None or own - drop + len(plates) == use.rank:
                    chosen = tuple((frame.name, int(frame.dim or 0)) for frame in plates)
                    columns = use.shape in ("box", "record") and isinstance(first.value, Tensor)
                    return replace(referent, event_dim=event_dim, plates=chosen, columns=columns, drop=drop)
    fn = first.fn if isinstance(first, Site) else first.value
    only_law = use.shape == "distribution" and not use.draw
    if only_law and isinstance(fn, Distribution) and finite_log_probs(fn) is None and law_of(fn) is None:
        return referent  # whatever its rank, it is refused where it is read, for the better reason
    axes = [f"{' × '.join(map(str, referent.lengths))} numbered sites"] if referent.family else []
    axes += [f"plate {frame.name!r} ({full_size(frame)})" for frame in first.plates]
    axes += [f"event axis of length {size}" for size in item_shape(first)]
    sink.add(
        "ASR084",
        use.span,
        f"`{use.name}` is read with {use.rank} {'index' if use.rank == 1 else 'indices'}"
        f"{' as a ' + use.shape if use.shape in ('box', 'record') else ''}, "
        f"but {referent.title} has {', '.join(axes) if axes else 'no axes'}",
        help="index its event axes; and of its plates none, all, or those that are not the data plate",
    )
    return referent


def event_dims(item: Item, use: FreeName) -> Iterator[int]:
    """Yield how many event axes ``item`` may have: one answer, but for a deterministic site that does not say.

    `pyro.deterministic` takes all axes of its value for event axes unless told otherwise, also within plates.
    """
    if isinstance(item, Site) and item.deterministic and item.plates and item.event_dim == item.value.dim():
        wanted = (use.rank or 0) + (use.shape in ("box", "record", "probabilities"))
        fitting = [
            event_dim
            for event_dim in range(item.value.dim() + 1)
            if all(
                item.value.dim() - event_dim >= -int(frame.dim or 0)
                and item.value.shape[int(frame.dim or 0) - event_dim] == frame.size
                for frame in item.plates
            )
        ]
        yield from sorted(fitting, key=lambda event_dim: abs(event_dim - wanted))
    if isinstance(item, Exposure) and isinstance(item.value, Tensor) and use.shape == "distribution" and not use.draw:
        yield max(1, item.event_dim)  # probabilities: the last axis is theirs, whether or not the call said so
        return
    yield item.event_dim


def inner_axes(item: Item, use: FreeName) -> int:
    """Return how many event axes are no index axes: the columns of a record, or probabilities."""
    if isinstance(item, Exposure) and not isinstance(item.value, Tensor):
        return 0
    if use.shape == "distribution" and not use.draw:
        # q(name) reads a site's distribution; an exposed tensor in its place holds probabilities.
        return 1 if isinstance(item, Exposure) or (isinstance(item, Site) and is_one_hot(item.fn)) else 0
    return 1 if use.shape in ("box", "record", "probabilities") else 0


def item_shape(item: Item) -> tuple[int, ...]:
    """Return the lengths of the event axes."""
    value = item.value
    if isinstance(value, Tensor):
        return tuple(value.shape[value.dim() - item.event_dim :])
    if isinstance(value, Distribution):
        return tuple(value.event_shape)
    part = next(iter(value.values()))
    return tuple(part.shape[part.dim() - item.event_dim :])


def _can_drop(item: Item, event_dim: int, use: FreeName) -> bool:
    value = item.value
    last = event_dim - inner_axes(item, use)
    return isinstance(value, Tensor) and last >= 1 and value.shape[value.dim() - event_dim + last - 1] == 1


def _list_shapes(items: Collection[Item]) -> str:
    return ", ".join(f"{item.name!r} {item_shape(item)}" for item in items)
