"""Families of which a run makes no site: rules run over nothing there."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from asrppl.bind.bound import Bound
from asrppl.core.families import members
from asrppl.core.free import FreeName, FreeNames
from asrppl.core.laws import component
from asrppl.core.signature import BOX_FIELDS, Entry, Kind, Signature
from asrppl.infer.watch.recording import Recording

_KINDS = {"bool": Kind.BOOL, "int": Kind.INT}


def with_absent(free: FreeNames, recording: Recording, given: Bound, known: Mapping[str, Entry]) -> Bound:
    """Return ``given`` with arrays of no entry for the families that ``recording`` has no site of.

    A name is known to be a family by its ``site`` statement, or by a run before.

    Args:
        free: what the rules read.
        recording: of one run.
        given: what ``bind=`` gave.
        known: names that were numbered sites before, as they were then.
    """
    entries, tensors = dict(given.signature.entries), dict(given.tensors)
    sites = {*recording.guide, *recording.model, *recording.exposed, *recording.params}
    for name, use in free.items():
        numbered = use.pattern is not None and use.alias is None
        if name in entries or not (numbered or name in known) or name in sites or members(use, sites):
            continue
        entry = known.get(name) or _declared(use)
        if entry is not None:
            empty = replace(
                entry,
                axes=(0, *entry.axes[1:]),
                data=None,
                masked=False,
                reparameterised=False,
                origin=_origin(use),
            )
            entries[name] = empty
            parts = _parts(use, empty, _like(recording))
            tensors.update({(name, component): part for component, part in parts.items()})
    return Bound(Signature.of(entries), tensors, given.functions)


def families_of(signature: Signature) -> dict[str, Entry]:
    """Return the names of ``signature`` that were numbered sites."""
    return {name: entry for name, entry in signature.entries if entry.first}


def _declared(use: FreeName) -> Entry | None:
    """Return what a ``site`` statement and the uses say of a family; None where they leave a distribution open."""
    if use.law:
        return None
    fields = BOX_FIELDS if use.shape == "box" else use.fields
    axes = (0,) * ((use.rank or 1) + (use.shape == "probabilities"))
    first = (0,) * (use.pattern or "").count("{")
    return Entry(axes=axes, kind=_KINDS.get(use.shape, Kind.REAL), fields=fields, first=first)


def _origin(use: FreeName) -> str:
    return f"no site {use.pattern or use.name + '_0'!r} in this call"


def _like(recording: Recording) -> Tensor:
    """Return a tensor of the dtype and on the device that the programs compute in."""
    values = (site.value for site in (*recording.guide.values(), *recording.model.values()))
    return next((value for value in values if value.is_floating_point()), torch.zeros(()))


def _parts(use: FreeName, entry: Entry, like: Tensor) -> dict[str | None, Tensor]:
    parts: dict[str | None, Tensor] = {}
    if use.draw or use.shape != "distribution":
        side = like.new_zeros(entry.axes)
        parts = {field: side if entry.squares else like.new_zeros(entry.axes) for field in entry.fields or (None,)}
    if entry.law is not None:
        fields = entry.fields or (None,)
        names = [component(part, field) for part in entry.law.parts for field in fields]
        parts |= dict.fromkeys(names, like.new_ones(entry.axes))
    if entry.support is not None:
        parts["log_probs"] = like.new_zeros((*entry.axes, len(entry.support)))
    return parts
