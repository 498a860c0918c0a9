"""The signature of recorded names: axes, kinds, levels and what is known of draws."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.distributions import constraints

from asrppl.bind.bound import Bound, InputKey
from asrppl.bind.given import kind_of_given, misfit
from asrppl.core.signature import BOX_FIELDS, Entry, Kind, Level, Signature
from asrppl.diagnostics import AsrError, Diagnostic
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
        entry = _entry(name, referent, recording, reading, provenance)
        drawn = Level.DRAW in entry.levels or any(
            isinstance(item, Site) and not item.observed and not item.deterministic
            for item in referent.items(recording)
        )
        entry = _as_declared(name, referent, entry, reading, drawn=drawn) if referent.free.given else entry
        entries[name] = replace(entry, data=referent.data_axis(resolution.data, recording))
    return Signature.of(entries)


def _as_declared(name: str, referent: Referent, entry: Entry, reading: Reading, *, drawn: bool) -> Entry:
    """Return the entry of a name that is declared `given` as data, of the kind that the rules say."""
    free = referent.free
    if drawn or referent.origin == "param":
        what = "the guide draws it, or computes it from draws" if drawn else "it is trained"
        message = f"`{name}` ({referent.title}) is declared `given`, and {what}"
        help = f"leave `given {name}` out; to hold what it chooses fixed, wrap it in `detach(…)`"
        raise AsrError([Diagnostic("ASR062", message, free.span, help=help)])
    for key, tensor in reading.tensors.items():
        if key[0] == name and key[1] not in ("mask", "log_probs"):
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
    components = [key[1] for key in reading.tensors if key[0] == name and key[1] not in ("mask", "log_probs")]
    datum = frozenset({Level.DATUM}) if reading.frames[name] else frozenset[Level]()
    log_probs = reading.tensors.get((name, "log_probs"))
    distribution_draws = _draws(name, ("log_probs",), first, provenance)
    distribution_levels = datum | (frozenset({Level.DRAW}) if distribution_draws else frozenset[Level]())
    if not components:
        assert log_probs is not None
        axes = tuple(log_probs.shape[log_probs.dim() - 1 - reading.ranks[name] : -1])
        kind = _support_kind(reading.supports[name])
        return Entry(
            axes=axes,
            kind=kind,
            levels=distribution_levels | {Level.DRAW},
            support=reading.supports[name],
            masked=(name, "mask") in reading.tensors,
            distribution_levels=distribution_levels,
            first=referent.first,
            origin=referent.title,
        )
    value = reading.tensors[name, components[0]]
    draws = _draws(name, (*components, "mask"), first, provenance)
    is_draw = isinstance(first, Site) and not first.observed
    kind = Kind.REAL if referent.free.shape == "box" else _kind(first, value)
    fields = None if components == [None] else tuple(str(component) for component in components)
    continuous = any(draw.continuous for draw in draws)
    return Entry(
        axes=tuple(value.shape[value.dim() - referent.rank :]) if referent.rank else (),
        kind=kind,
        levels=datum | (frozenset({Level.DRAW}) if draws else frozenset[Level]()),
        fields=fields,
        squares=fields == BOX_FIELDS and reading.tensors[name, "w"] is reading.tensors[name, "h"],
        support=reading.supports.get(name),
        density=kind is Kind.REAL and continuous,
        reparameterised=any(draw.pathwise and draw.continuous for draw in draws)
        and not (is_draw and kind is not Kind.REAL),
        masked=(name, "mask") in reading.tensors,
        given=isinstance(first, Site) and first.observed,
        first=referent.first,
        distribution_levels=distribution_levels,
        origin=referent.title,
    )


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


def _support_kind(support: tuple[int | float, ...]) -> Kind:
    return Kind.INT if all(isinstance(value, int) for value in support) else Kind.REAL
