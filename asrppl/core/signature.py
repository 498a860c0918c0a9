"""The torch-free description of what each free name of a program was bound to.

The checker types a program against a signature, and the lowered graph is specialised to it; neither sees a tensor.
A signature is hashable: it is the key under which a lowered program is kept.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from asrppl.core.laws import Law


class Kind(Enum):
    """What values a scalar takes, read from its support (not from its dtype)."""

    REAL = "real"
    INT = "int"
    BOOL = "bool"
    SCALAR = "scalar"  # known to be a number, not yet of what kind: before binding only


class Level(Enum):
    """What a quantity varies with."""

    DRAW = "z"  # draws from the guide
    DATUM = "x"  # the datum


NO_LEVELS: frozenset[Level] = frozenset()
"""Of what varies with nothing."""

BOX_FIELDS = ("x", "y", "w", "h")
EDGES: Mapping[str, tuple[str, Literal["+", "-"], str]] = {
    "left": ("x", "-", "w"),
    "right": ("x", "+", "w"),
    "top": ("y", "-", "h"),
    "bottom": ("y", "+", "h"),
}
"""A box's edges: its centre along an axis, less or plus half of its side."""


def makes_box(fields: Collection[str]) -> bool:
    """Whether a record with these fields is a box: by its centre and sides, or its centre and one side."""
    return {"x", "y"} <= set(fields) and ({"w", "h"} <= set(fields) or "size" in fields)


@dataclass(frozen=True, slots=True)
class Entry:
    """What one name stands for.

    Args:
        axes: lengths of its index axes, outermost first (data plates and other batch axes are not among them).
        kind: of each scalar.
        levels: what it varies with.
        fields: components of a record (``BOX_FIELDS`` for a box), None for a scalar.
        squares: a box whose ``w`` and ``h`` are one value, so that ``.size`` has a meaning.
        support: the finite support, in the order of the log-probabilities, where ``q(name)`` has one.
        law: of each scalar, where ``q(name)`` has a family and no finite support; its parameters are components.
        density: drawn from a distribution with a density, so that it equals nothing.
        reparameterised: a reparameterised draw: the pathwise gradient of an indicator of it is silently wrong.
        masked: some entries may be absent.
        presence_levels: what it varies with which of them are there.
        given: data, which training does not change.
        function: a function that Python bound; ``axes`` is then empty.
        distribution_levels: what ``q(name)`` varies with (its probabilities may read the datum, or draws before it).
        distribution_reparameterised: among those draws are reparameterised ones.
        first: of numbered names the lowest numbers, 0 or 1 each; empty for others.
        origin: how it was found, for messages ("guide site 'n'", "bind=").
        data: which of its axes is the data plate's, None where none is.
    """

    axes: tuple[int, ...] = ()
    kind: Kind = Kind.REAL
    levels: frozenset[Level] = frozenset({Level.DRAW, Level.DATUM})
    fields: tuple[str, ...] | None = None
    squares: bool = False
    support: tuple[int | float, ...] | None = None
    law: Law | None = None
    density: bool = False
    reparameterised: bool = False
    masked: bool = False
    presence_levels: frozenset[Level] = frozenset({Level.DRAW, Level.DATUM})
    given: bool = False
    function: bool = False
    distribution_levels: frozenset[Level] = frozenset({Level.DRAW, Level.DATUM})
    distribution_reparameterised: bool = False
    first: tuple[int, ...] = ()
    origin: str = ""
    data: int | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """Entries in the order of their names."""

    entries: tuple[tuple[str, Entry], ...]
    _by_name: dict[str, Entry] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", dict(self.entries))

    @classmethod
    def of(cls, entries: Mapping[str, Entry]) -> "Signature":
        """Return the signature of ``entries``, in the order of names."""
        return cls(tuple(sorted(entries.items())))

    def get(self, name: str) -> Entry | None:
        """Return the entry of ``name``, None where there is none."""
        return self._by_name.get(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.entries)
