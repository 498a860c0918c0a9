"""Which recorded thing each free name of a program means, and which of its plates are index axes."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

from torch import Tensor
from torch.distributions import Distribution

from asrppl.bind.distributions import finite_log_probs
from asrppl.bind.plates import common_plates, find_data_plate, plate_names, verify_whole
from asrppl.bind.recording import Exposure, Frame, Parameter, Recording, Site, full_size
from asrppl.check.typed import FreeName, FreeNames
from asrppl.diagnostics import Sink

Origin = Literal["bind", "exposed", "guide", "model", "param"]
Item = Site | Exposure | Parameter


@dataclass(frozen=True, slots=True)
class Source:
    """What a free name was found to be, and how its axes are read.

    Args:
        free: the name and what its uses ask for.
        origin: where it was found.
        members: names of the sites: one, or a numbered family's in order.
        family: whether the numbers are the first index axis.
        event_dim: how many axes on the right of a member's value are no batch axes.
        plates: name and axis of the plates that became index axes, outermost first.
        columns: whether the last event axis holds the fields of a record.
        drop: whether a last index axis of length 1 is left out.
        site_distribution: whether ``q(name)`` is the distribution of the sites (else what was exposed or bound).
    """

    free: FreeName
    origin: Origin
    members: tuple[str, ...]
    family: bool = False
    event_dim: int = 0
    plates: tuple[tuple[str, int], ...] = ()
    columns: bool = False
    drop: bool = False
    site_distribution: bool = True

    @property
    def event_axes(self) -> int:
        """How many axes on the right of the tensors read come from event axes."""
        return self.event_dim - self.columns - self.drop

    @property
    def rank(self) -> int:
        """How many axes on the right of the tensors read are no batch axes."""
        return self.family + len(self.plates) + self.event_axes

    @property
    def title(self) -> str:
        """How messages call it."""
        what = {
            "bind": "bind=",
            "exposed": f"exposed {self.free.name!r}",
            "guide": "guide site",
            "model": "model site",
            "param": "param",
        }[self.origin]
        if self.origin in ("bind", "exposed"):
            return what
        if self.family:
            return f"{what}s {self.members[0]!r} to {self.members[-1]!r}"
        return f"{what} {self.members[0]!r}"

    def items(self, recording: Recording) -> Iterator[Item]:
        """Yield the recorded members."""
        table = table_of(recording, self.origin)
        for member in self.members:
            yield table[member]


@dataclass(frozen=True, slots=True)
class Resolution:
    """All names resolved: ``data`` is the name of the data plate, None where there is none."""

    sources: Mapping[str, Source]
    data: str | None


def table_of(recording: Recording, origin: Origin) -> Mapping[str, Item]:
    """Return what ``recording`` holds of one origin, by name."""
    match origin:
        case "exposed":
            return recording.exposed
        case "param":
            return recording.params
        case "model":
            return {**recording.guide, **recording.model}
        case _:
            return recording.guide


def resolve(
    free: FreeNames,
    recording: Recording,
    *,
    given: Collection[str] = (),
    own: Collection[str] = (),
    data: str | None = None,
) -> Resolution:
    """Return what every name of ``free`` means in ``recording``.

    Args:
        free: the program's free names.
        recording: one run of guide and model.
        given: names that ``bind=`` gives.
        own: names that the rule file defines.
        data: the data plate's name, if the caller says.

    Raises:
        AsrError: all findings at once: ASR080 to ASR088.
    """
    sink = Sink()
    tables = _tables(recording)
    for name in own:
        for origin, table in tables.items():
            if name in table:
                sink.error(
                    "ASR082",
                    None,
                    f"the rules define `{name}`, which hides the {_describe(origin)} {name!r}",
                    help="rename it in the rules; both would be called the same",
                )
    found: dict[str, Source] = {}
    for name, use in free.items():
        source = _find(use, recording, tables, given, sink)
        if source is not None:
            found[name] = source
    candidates = common_plates(recording)
    if data is not None and data not in plate_names(recording):
        there = sorted(plate_names(recording))
        close = get_close_matches(data, there, n=1)
        sink.error(
            "ASR087",
            None,
            f"there is no plate {data!r} for the data; plates there are: {', '.join(map(repr, there)) or 'none'}",
            help=f'did you mean regularize(..., data="{close[0]}")?' if close else None,
        )
    sink.raise_if_failed()
    sources = {
        name: source if source.origin == "bind" else _settle(source, recording, candidates, data, sink)
        for name, source in found.items()
    }
    sink.raise_if_failed()
    indexed = {plate: source.free for source in sources.values() for plate, _ in source.plates}
    plate = data if data is not None else find_data_plate(recording, candidates, indexed.keys(), sink)
    verify_whole(recording, indexed, sink)
    sink.raise_if_failed()
    return Resolution(sources, plate)


# ---- finding


def _tables(recording: Recording) -> dict[Origin, Mapping[str, Item]]:
    guide = {name: site for name, site in recording.guide.items() if site.traced and not site.factor}
    model = {
        name: site
        for name, site in recording.model.items()
        if site.traced and not site.factor and site.observed and name not in guide
    }
    return {
        "exposed": recording.exposed,
        "guide": {name: site for name, site in guide.items() if not site.observed},
        "model": {**{name: site for name, site in guide.items() if site.observed}, **model},
        "param": recording.params,
    }


def _describe(origin: Origin) -> str:
    return {
        "bind": "bound value",
        "exposed": "exposed value",
        "guide": "guide site",
        "model": "site",
        "param": "param",
    }[origin]


def _find(
    use: FreeName, recording: Recording, tables: Mapping[Origin, Mapping[str, Item]], given: Collection[str], sink: Sink
) -> Source | None:
    name = use.name
    if name in given:
        if name in recording.exposed:
            sink.error("ASR081", use.span, f"`{name}` is in bind= and the guide exposes it too", help="give it once")
        return Source(use, "bind", (name,))
    exposed = recording.exposed.get(name)
    if exposed is not None and (use.pattern is None):
        of_distribution = isinstance(exposed.value, Distribution)
        only_distribution = use.shape == "distribution" and not use.draw
        value = exposed.value
        if only_distribution and isinstance(value, Tensor) and not value.is_floating_point():
            pass  # a count, say: no probabilities, so q(name) is that of the site
        elif not (of_distribution and use.draw):
            return Source(use, "exposed", (name,), site_distribution=False)
        # Only the distribution is exposed; the draws are those of the site of that name.
        elif name in tables["guide"]:
            return Source(use, "guide", (name,), site_distribution=False)
        else:
            sink.error(
                "ASR089",
                use.span,
                f"`{name}` was exposed as a distribution, and its value is read too",
                help=f"read only `q({name})`, or draw a site {name!r}",
            )
            return None
    for origin in ("guide", "model", "param"):
        if use.pattern is None and name in tables[origin]:
            if (
                origin == "model"
                and name in recording.guide
                and name in recording.model
                and _both_computed(recording, name)
            ):
                sink.error("ASR081", use.span, f"both the guide and the model have a deterministic site {name!r}")
            return Source(use, origin, (name,))
    if use.pattern is not None or use.rank is None or use.rank >= 1:
        for origin in ("guide", "model", "param"):
            members = _family(use, tables[origin], sink)
            if members:
                return Source(use, origin, members, family=True)
            if members is None:
                return None
    _missing(use, recording, tables, sink)
    return None


def _both_computed(recording: Recording, name: str) -> bool:
    return recording.guide[name].deterministic and recording.model[name].deterministic


def member(use: FreeName) -> re.Pattern[str]:
    """Return what the names of numbered sites look like: ``name_{i}``, or as a ``site`` statement has them."""
    pattern = use.pattern if use.pattern is not None else f"{use.name}_{{i}}"
    before, _, rest = pattern.partition("{")
    return re.compile(re.escape(before) + r"(0|[1-9]\d*)" + re.escape(rest.partition("}")[2]))


def _family(use: FreeName, table: Mapping[str, Item], sink: Sink) -> tuple[str, ...] | None:
    """Return the members in order, () where there are none, None after an error."""
    expression = member(use)
    numbered = {int(match[1]): name for name in table if (match := expression.fullmatch(name))}
    if not numbered:
        return ()
    missing = [i for i in range(max(numbered) + 1) if i not in numbered]
    if missing:
        there = ", ".join(repr(numbered[i]) for i in sorted(numbered))
        sink.error(
            "ASR085", use.span, f"the sites of `{use.name}` are not numbered 0, 1, 2, … without gaps: there are {there}"
        )
        return None
    return tuple(numbered[i] for i in sorted(numbered))


def _missing(use: FreeName, recording: Recording, tables: Mapping[Origin, Mapping[str, Item]], sink: Sink) -> None:
    name = use.name
    latents = [site for site in recording.model.values() if not site.observed and site.name not in recording.guide]
    for site in latents:
        if site.name == name or re.fullmatch(re.escape(name) + r"_\d+", site.name):
            if site.infer.get("enumerate") == "parallel":
                why = "the model enumerates it: a term that reads it tilts the model instead of taking an expectation"
                mend = "let the guide sample it (it can be enumerated there), so that q is a distribution over it"
            else:
                why = "the guide does not sample it, so there is no q of it"
                mend = "sample it in the guide"
            sink.error("ASR083", use.span, f"`{name}` is a latent of the model, but {why}", help=mend)
            return
    if name in plate_names(recording):
        sink.error("ASR080", use.span, f"`{name}` is a plate; the rules read sites, and index the plates by rank")
        return
    if any(member(use).fullmatch(exposed) for exposed in recording.exposed):
        sink.error(
            "ASR080",
            use.span,
            f"`{name}` was exposed in numbered parts, and only sites and params are put together by number",
            help=f'expose it whole: asrppl.expose("{name}", torch.stack(parts, -1), event_dim=1)',
        )
        return
    known = sorted(
        ({_base(known) for table in tables.values() for known in table} | {k for t in tables.values() for k in t})
        - {name}
    )
    close = get_close_matches(name, known, n=3)
    writable = [k for k in close if k.isidentifier()]
    there = ", ".join(f"`{k}`" for k in (writable or [k for k in known if k.isidentifier()][:8]))
    if writable:
        help = f"did you mean {there}?"
    elif close:
        help = (
            f"rules cannot write {close[0]!r}; expose its value in the guide under a name that they can: "
            f'asrppl.expose("{name}", value, event_dim=...)'
        )
    else:
        help = f"names there are: {there}" if there else None
    looked = f"sites numbered {use.pattern!r}" if use.pattern is not None else f"`{name}`"
    sink.error(
        "ASR080",
        use.span,
        f"nothing gives {looked}: no bind=, exposed value, site, param or family of numbered sites is called so",
        help=help,
    )


def _base(name: str) -> str:
    return re.sub(r"_\d+$", "", name)


# ---- axes


def _settle(source: Source, recording: Recording, candidates: Collection[str], data: str | None, sink: Sink) -> Source:
    """Return ``source`` with its event axes and index plates settled by the rank that the rules read it at."""
    use = source.free
    items = list(source.items(recording))
    first = items[0]
    known = {(item_shape(item), tuple((f.name, f.dim) for f in item.plates)) for item in items}
    if len(known) > 1:
        sink.error("ASR085", use.span, f"the sites of `{use.name}` differ in shape or in plates: {_list_shapes(items)}")
        return source
    data_plates = {data} if data is not None else set(candidates)
    options = [plates for plates in _plate_options(first.plates, data_plates, named=data is not None)]
    for event_dim in event_dims(first, use):
        own = event_dim - inner_axes(first, use) + source.family
        if own < source.family:
            continue
        for drop in (False, True):
            if drop and not _can_drop(first, event_dim, use):
                continue
            for plates in options:
                if use.rank is None or own - drop + len(plates) == use.rank:
                    chosen = tuple((frame.name, int(frame.dim or 0)) for frame in plates)
                    columns = use.shape in ("box", "record") and isinstance(first.value, Tensor)
                    return replace(source, event_dim=event_dim, plates=chosen, columns=columns, drop=drop)
    fn = first.fn if isinstance(first, Site) else first.value
    if use.shape == "distribution" and not use.draw and isinstance(fn, Distribution) and finite_log_probs(fn) is None:
        return source  # whatever its rank, it is refused where it is read, for the better reason
    axes = [f"{len(items)} numbered sites"] if source.family else []
    axes += [f"plate {frame.name!r} ({full_size(frame)})" for frame in first.plates]
    axes += [f"event axis of length {size}" for size in item_shape(first)]
    sink.error(
        "ASR084",
        use.span,
        f"`{use.name}` is read with {use.rank} {'index' if use.rank == 1 else 'indices'}"
        f"{' as a ' + use.shape if use.shape in ('box', 'record') else ''}, "
        f"but {source.title} has {', '.join(axes) if axes else 'no axes'}",
        help=_rank_help(first.plates, candidates, data),
    )
    return source


def _rank_help(plates: tuple[Frame, ...], candidates: Collection[str], data: str | None) -> str:
    help = "index its event axes, and either all or none of its plates that are not the data plate"
    if data is not None and any(frame.name == data for frame in plates):
        return f"{help}: {data!r} takes no index, since a rule speaks of one datum"
    if data is None and len(candidates) > 1:
        return f'{help}; several could be the data\'s, so name it: regularize(..., data="{next(iter(candidates))}")'
    return help


def _plate_options(
    plates: tuple[Frame, ...], data_plates: Collection[str], *, named: bool
) -> Iterator[tuple[Frame, ...]]:
    yield ()
    others = tuple(frame for frame in plates if frame.name not in data_plates)
    if others:
        yield others
    if plates and plates != others and not named:
        yield plates  # every plate around the observed sites is indexed, as in a model of eight schools


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
        return 1 if isinstance(item, Exposure) else 0
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
