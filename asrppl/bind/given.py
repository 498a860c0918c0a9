"""Names declared `given`: data, whose numbers are read as the kind that the rules say."""

import torch
from torch import Tensor

from asrppl.core.signature import Kind

_WORDS = {Kind.BOOL: ("a Boolean", "0, 1, true or false"), Kind.INT: ("an int", "a whole number")}


def kind_of_given(declared: str | None, kind: Kind) -> Kind:
    """Return the kind that a given name is read as: the declared one, or that of its values."""
    return {"bool": Kind.BOOL, "int": Kind.INT}.get(declared or "", kind)


def misfit(name: str, declared: str | None, tensor: Tensor) -> str | None:
    """Return what is wrong with the values of a given name: the first entry that is not of the declared kind."""
    if declared is None:
        return None
    kind = kind_of_given(declared, Kind.REAL)
    values = tensor.detach()
    fits = (values == 0) | (values == 1) if kind is Kind.BOOL else values == values.round()
    if bool(fits.all()):
        return None
    at = [int(place) for place in torch.nonzero(~fits)[0]]
    what, wanted = _WORDS[kind]
    entry = f"[{', '.join(map(str, at))}]" if at else ""
    found = float(values[tuple(at)])
    return f"`{name}` is declared as {what}, and the value given has {found:g} at {name}{entry}, which is not {wanted}"
