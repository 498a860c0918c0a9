"""Who is there: every way of Pyro's to say that something is absent, as presence of entries or of whole data.

Presence of entries is a component of a name, which guards the quantifiers over its indices. Where no index tells what
is absent from what is there, it is the datum that is, and the rule counts nothing for it.
"""

import torch
from torch import Tensor

from asrppl.infer.sites.layout import Reading, move_plates, refuse, stack
from asrppl.infer.sites.referent import Item, Referent
from asrppl.infer.watch.recording import Exposure, ParamStatement, Site


def read_presence(name: str, referent: Referent, items: list[Item], reading: Reading, *, drawn: bool) -> None:
    """Put the presence of a name into ``reading``, whose values and distributions are read.

    Args:
        name: of what is read.
        referent: of it.
        items: its members.
        reading: gets its presence, or the mask of its data.
        drawn: whether draws decide the mask: it then says in which of them the name has a value.

    Raises:
        AsrError: a mask that tells the entries of one event apart (ASR093), or that does not fit (ASR073).
    """
    if any(isinstance(item, Site) and item.partly_masked for item in items):
        refuse(
            referent,
            "ASR093",
            f"the mask within the distribution of `{name}` tells the entries of its event apart, "
            "and no estimator leaves out parts of an event yet",
            "mask whole events: `.to_event(k).mask(m)`, or expose the value with `mask=`",
        )
    component = next(key[1] for key in reading.tensors if key[0] == name)
    values = reading.tensors[name, component]
    of_entries = component == "log_probs"
    rank = reading.ranks[name] if of_entries else referent.rank
    axes = tuple(values.shape[values.dim() - rank - of_entries : values.dim() - of_entries])
    around, own = _around(referent, items, rank), _given(referent, items[0], rank)
    if around is not None and rank and not _tells_apart(referent, items):
        if drawn:
            around = around.reshape((*around.shape, *(1,) * rank))
        else:
            reading.masks[name], around = around, None
    presence = around if own is None else own if around is None else around & own
    if presence is None:
        return
    if not rank and not drawn:
        reading.masks[name] = presence
        return
    presence = _pad(presence, rank)
    if any(have not in (1, axis) for have, axis in zip(presence.shape[presence.dim() - rank :], axes, strict=True)):
        refuse(
            referent,
            "ASR073",
            f"the mask of `{name}` has {_lengths(presence.shape[-rank:])} where its entries have {_lengths(axes)}",
            "a mask has one presence for each entry: shape (*batch, *index axes), without the columns of a record",
        )
    reading.tensors[name, "mask"] = presence.expand(*presence.shape[: presence.dim() - rank], *axes)


def _masks(items: list[Item]) -> list[Tensor | None]:
    return [None if isinstance(item, ParamStatement) else item.mask for item in items]


def _tells_apart(referent: Referent, items: list[Item]) -> bool:
    """Whether the masks around the items are of entries that some index tells apart."""
    masks = _masks(items)
    return bool(referent.plates) or any(mask is not masks[0] for mask in masks)


def _around(referent: Referent, items: list[Item], rank: int) -> Tensor | None:
    """Return the masks around the items, and of their distributions: one axis for each index, or none."""
    masks = _masks(items)
    if all(mask is None for mask in masks):
        return None
    if not rank or not _tells_apart(referent, items):
        return masks[0]
    there = torch.ones((), dtype=torch.bool, device=next(mask.device for mask in masks if mask is not None))
    members = [
        move_plates(there if mask is None else mask, 0, referent, item) for mask, item in zip(masks, items, strict=True)
    ]
    presence = stack(members, len(referent.plates)) if referent.family else members[0]
    return presence.reshape(*presence.shape, *(1,) * (rank - referent.family - len(referent.plates)))


def _given(referent: Referent, item: Item, rank: int) -> Tensor | None:
    """Return the ``mask=`` of what was exposed."""
    if not isinstance(item, Exposure) or item.presence is None:
        return None
    wanted = rank - len(referent.plates) + referent.drop
    presence = _pad(item.presence.bool(), wanted)
    if referent.drop:
        presence, wanted = presence.squeeze(-1), wanted - 1
    return move_plates(presence, wanted, referent, item)


def _lengths(shape: tuple[int, ...]) -> str:
    return ("length " if len(shape) == 1 else "lengths ") + " × ".join(map(str, shape))


def _pad(value: Tensor, rank: int) -> Tensor:
    missing = max(0, rank - value.dim())
    return value.reshape(*(1,) * missing, *value.shape)
