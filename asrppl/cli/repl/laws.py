"""Laws as they are typed, `x ~ normal(0, 1)`: plain data, without torch."""

import re
from collections.abc import Callable
from typing import NamedTuple

from asrppl.core.laws import NAMED
from asrppl.suggest import did_you_mean

TILDE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*~(.*)", re.DOTALL)
_CALL = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*\((.*)\)\s*", re.DOTALL)
FAMILIES = (*NAMED, "uniform", "categorical")


class LawError(ValueError):
    """A text is no law, or there is no such law; the message says why."""


class Law(NamedTuple):
    """A family by its name in the language (or `uniform(low, high)`, `categorical(probabilities)`), and parameters."""

    family: str
    parameters: tuple[object, ...]


def read_law(text: str, read: Callable[[str], object], split: Callable[[str], list[str]]) -> Law:
    """Return the law of a text such as ``normal(0, 1)`` or ``[0.2, 0.8]``.

    Args:
        text: what stands behind the tilde.
        read: reads a parameter.
        split: takes the text of the parameters apart.

    Raises:
        LawError: it is none.
    """
    if text.strip().startswith("["):
        return Law("categorical", (read(text),))
    found = _CALL.fullmatch(text)
    if found is None:
        raise LawError("a law is normal(0, 1), or another family, or the probabilities of 0, 1, 2: [0.2, 0.5, 0.3]")
    family = found.group(1)
    if family not in FAMILIES:
        near = did_you_mean(family, FAMILIES) or f"there are {', '.join(FAMILIES)}"
        raise LawError(f"there is no law {family}; {near}")
    return Law(family, tuple(read(part) for part in split(found.group(2))))
