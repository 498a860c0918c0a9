"""The signature of recorded names: axes, kinds, levels and what is known of draws."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.distributions import constraints

from asrppl.bind.arrays import too_small
from asrppl.bind.bound import Bound, InputKey
from asrppl.bind.given import kind_of_given, misfit
from asrppl.core.laws import is_of_law
from asrppl.core.signature import BOX_FIELDS, Entry, Kind, Level, Signature
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.infer.sites.auxiliary import Auxiliaries, UnknownLawError
from asrppl.infer.sites.laws import refuse_unknown
from asrppl.infer.sites.layout import Reading
from asrppl.infer.sites.referent import Item, Referent, Resolution
from asrppl.infer.watch.recording import Draw, Recording, Site

Provenance = Mapping[InputKey, frozenset[Draw]]
"""The draws that each tensor was computed from."""


def signature_of(
    resolution: Resolution, recording: Recording, reading: Reading, given: Bound, provenance: Provenance | None
) -> Signature:
    """Return what each name is.

    Args:
        resolution: the names.
        recording: one run.
        reading: its tensors.
        given: what ``bind=`` gave; its arrays vary with nothing, or with the datum where they have batch axes.
        provenance: of the tensors; None where the run could not be tracked, which is read as the worst case.
    """
    entries: dict[str, Entry] = {}
    for name, referent in resolution.referents.items():
        if referent.origin == "bind":
            entry = given.signature.get(name)
            if entry is not None:
                absent = entry.origin.startswith("no site")
                entries[name] = replace(
                    entry, levels=_given_levels(name, entry, given), origin=entry.origin if absent else "bind="
                )
            continue
        _verify_range(name, referent, reading)
        entry = _entry(name, referent, recording, reading, provenance)
        drawn = Level.DRAW in entry.levels or any(
            isinstance(item, Site) and not item.observed and not item.deterministic
            for item in referent.items(recording)
        )
        entry = _as_declared(name, referent, entry, reading, drawn=drawn) if referent.free.given else entry
        entries[name] = replace(entry, data=referent.data_axis(resolution.data, recording))
    return Signature.of(entries)


def _verify_range(name: str, referent: Referent, reading: Reading) -> None:
    """Refuse a value, or a law, of a dtype in which rules would end in infinities at their boundaries."""
    for (owner, _), tensor in reading.tensors.items():
        if owner == name and (small := too_small(tensor)) is not None:
            message, help = f"`{name}` ({referent.title}) is {small}", "let the guide compute it in float32 or bfloat16"
            raise AsrError([Diagnostic("ASR072", message, referent.free.span, help=help)])


def _as_declared(name: str, referent: Referent, entry: Entry, reading: Reading, *, drawn: bool) -> Entry:
    """Return the entry of a name that is declared `given` as data, of the kind that the rules say."""
    free = referent.free
    if drawn or referent.origin == "param":
        what = "the guide draws it, or computes it from draws" if drawn else "it is trained"
        message = f"`{name}` ({referent.title}) is declared `given`, and {what}"
        help = f"leave `given {name}` out; to hold what it chooses fixed, wrap it in `detach(…)`"
        raise AsrError([Diagnostic("ASR062", message, free.span, help=help)])
    for key, tensor in reading.tensors.items():
        if key[0] == name and key[1] != "mask" and not is_of_law(key[1]):
            wrong = misfit(name, free.kind, tensor)
            if wrong is not None:
                raise AsrError([Diagnostic("ASR072", wrong, free.span)])
    return replace(entry, given=True, kind=kind_of_given(free.kind, entry.kind))


def _given_levels(name: str, entry: Entry, given: Bound) -> frozenset[Level]:
    batched = any(
        tensor.dim() > len(entry.axes) + (key[1] == "log_probs")
        for key, tensor in given.tensors.items()
        if key[0] == name
    )
    return frozenset({Level.DATUM}) if batched else frozenset()


def _entry(
    name: str, referent: Referent, recording: Recording, reading: Reading, provenance: Provenance | None
) -> Entry:
    first = next(iter(referent.items(recording)))
    parts = [key[1] for key in reading.tensors if key[0] == name and key[1] != "mask"]
    components = [part for part in parts if not is_of_law(part)]
    law_parts = tuple(part for part in parts if is_of_law(part))
    datum = frozenset({Level.DATUM}) if reading.frames[name] else frozenset[Level]()
    distribution_draws = _draws(name, law_parts, first, provenance) if law_parts else frozenset[Draw]()
    distribution_levels = datum | (frozenset({Level.DRAW}) if distribution_draws else frozenset[Level]())
    presence_draws = _draws(name, ("mask",), first, provenance)
    if name in reading.laws:
        _verify_law(name, referent, recording, reading, distribution_draws, tracked=provenance is not None)
    known = Entry(
        support=reading.supports.get(name),
        law=reading.laws.get(name),
        masked=(name, "mask") in reading.tensors,
        presence_levels=datum | (frozenset({Level.DRAW}) if presence_draws else frozenset[Level]()),
        given=isinstance(first, Site) and first.observed,
        first=referent.first,
        distribution_levels=distribution_levels,
        distribution_reparameterised=any(draw.pathwise and draw.continuous for draw in distribution_draws),
        origin=referent.title,
    )
    if not components:
        assert law_parts
        of_values = law_parts[0] != "log_probs"
        tensor = reading.tensors[name, law_parts[0]]
        last = tensor.dim() if of_values else tensor.dim() - 1
        rank = referent.rank if of_values else reading.ranks[name]
        drawn = frozenset[Level]() if known.given else frozenset({Level.DRAW})
        return replace(
            known,
            axes=tuple(tensor.shape[last - rank : last]),
            kind=_support_kind(known.support) if known.support is not None else _kind_of_law(first),
            levels=distribution_levels | drawn,
        )
    value = reading.tensors[name, components[0]]
    draws = _draws(name, (*components, "mask"), first, provenance)
    is_draw = isinstance(first, Site) and not first.observed
    kind = Kind.REAL if referent.free.shape == "box" else _kind(first, value)
    fields = None if components == [None] else tuple(str(component) for component in components)
    continuous = any(draw.continuous for draw in draws)
    return replace(
        known,
        axes=tuple(value.shape[value.dim() - referent.rank :]) if referent.rank else (),
        kind=kind,
        levels=datum | (frozenset({Level.DRAW}) if draws else frozenset[Level]()),
        fields=fields,
        squares=fields == BOX_FIELDS and reading.tensors[name, "w"] is reading.tensors[name, "h"],
        density=kind is Kind.REAL and continuous,
        reparameterised=any(draw.pathwise and draw.continuous for draw in draws)
        and not (is_draw and kind is not Kind.REAL),
    )


def _verify_law(
    name: str, referent: Referent, recording: Recording, reading: Reading, draws: frozenset[Draw], *, tracked: bool
) -> None:
    """Refuse a Delta around something drawn whose law is another one than was read (ASR089)."""
    sites = [item for item in referent.items(recording) if isinstance(item, Site) and not item.observed]
    if not referent.site_distribution:
        return
    try:
        if reading.laws[name].family == "Delta":
            if draws and sites:
                what = repr(min(draw.site for draw in draws)) if tracked else "something"
                raise UnknownLawError(f"what it is at is computed from the draw of {what}")
            return
        auxiliaries = Auxiliaries(recording)
        for site in sites:
            auxiliaries.verify(site)
    except UnknownLawError as error:
        refuse_unknown(referent, error)


def _draws(name: str, components: tuple[str | None, ...], item: Item, provenance: Provenance | None) -> frozenset[Draw]:
    if provenance is not None:
        return frozenset(draw for component in components for draw in provenance.get((name, component), frozenset()))
    if isinstance(item, Site) and item.likelihood:
        return frozenset()
    pathwise = isinstance(item, Site) and item.pathwise
    return frozenset({Draw(name, pathwise, continuous=True, model=False)})


def _kind(item: Item, value: Tensor) -> Kind:
    if isinstance(item, Site) and not item.deterministic:
        return constraint_kind(getattr(item.fn, "support", constraints.real))
    if value.dtype == torch.bool:
        return Kind.BOOL
    return Kind.REAL if value.dtype.is_floating_point else Kind.INT


def constraint_kind(support: object) -> Kind:
    """Return what values a support holds: by what it is, since draws of a Bernoulli are floats."""
    while (base := getattr(support, "base_constraint", None)) is not None:
        support = base
    if support is constraints.boolean or support is constraints.one_hot:
        return Kind.BOOL
    return Kind.INT if getattr(support, "is_discrete", False) else Kind.REAL


def _kind_of_law(item: Item) -> Kind:
    fn = item.fn if isinstance(item, Site) else getattr(item, "value", None)
    return constraint_kind(getattr(fn, "support", constraints.real))


def _support_kind(support: tuple[int | float, ...]) -> Kind:
    return Kind.INT if all(isinstance(value, int) for value in support) else Kind.REAL
