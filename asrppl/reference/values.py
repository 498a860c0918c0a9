"""Values as the reference interpreter takes them: plain Python, those of one datum."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, cast

Kind = Literal["bool", "int", "real"]
Plain = bool | int | float


@dataclass(frozen=True)
class Given:
    """What a name is bound to. All parts but ``function`` are nested lists, indexed first axis first.

    Args:
        kind: of the numbers.
        value: of numbers, or of rows whose entries are components.
        fields: one nested list a component.
        mask: presence.
        probs: probabilities by value, or Normals.
        function: of plain numbers.
    """

    kind: Kind
    value: object = None
    fields: Mapping[str, object] = field(default_factory=dict[str, object])
    mask: object = None
    probs: object = None
    function: Callable[..., object] | None = None

    @cached_property  # asked for at every access
    def axes(self) -> tuple[int, ...]:
        """The lengths of the axes that may be indexed (of rows also the last, which holds components)."""
        nested = self.value
        if nested is None:
            nested = next(iter(self.fields.values()), None)
        if nested is None:
            nested = self.probs
        return lengths(nested)


def lengths(nested: object) -> tuple[int, ...]:
    """Return the lengths of nested lists, outermost first."""
    found: list[int] = []
    while isinstance(nested, Sequence) and not isinstance(nested, str):
        items = cast(Sequence[object], nested)
        found.append(len(items))
        if not items:
            break
        nested = items[0]
    return tuple(found)


def entry(nested: object, place: Sequence[int]) -> object:
    """Return what stands at a place inside all axes."""
    for index in place:
        nested = cast(Sequence[object], nested)[index]
    return nested


def given(name: str, value: object, kind: Kind | None = None) -> Given:
    """Return a value as the interpreter reads it.

    Args:
        name: for errors.
        value: a number, nested lists of numbers, a function, or a mapping of some of ``value``, ``mask``, ``probs``
            (probabilities along the last axis, with ``support``: 0, 1, 2, … without), ``law`` (nested lists of
            `statistics.NormalDist`, in place of ``probs``) and of fields.
        kind: what its numbers are read as; without it ints and Booleans are what they are.

    Raises:
        ValueError: an entry is no number of that kind.
    """
    if isinstance(value, Given):
        return value
    if callable(value):
        return Given(kind or "real", function=value)
    parts: dict[str, object] = (
        dict(cast(Mapping[str, object], value)) if isinstance(value, Mapping) else {"value": value}
    )
    mask, probs, support = parts.pop("mask", None), parts.pop("probs", None), parts.pop("support", None)
    law, whole = parts.pop("law", None), parts.pop("value", None)
    leaves = list(_leaves(whole)) + [leaf for part in parts.values() for leaf in _leaves(part)]
    if kind is not None:
        whole = _read_as(name, whole, kind)
        parts = {part: _read_as(name, nested, kind) for part, nested in parts.items()}
    elif leaves:
        kind = _kind(name, leaves)
    else:
        kind = "int"  # of a distribution over 0, 1, 2, …
    if probs is not None:
        probs = _by_value(probs, cast(Sequence[Plain] | None, support))
    return Given(kind, whole, parts, mask, probs if law is None else law)


def _leaves(nested: object) -> list[object]:
    if isinstance(nested, Sequence) and not isinstance(nested, str):
        return [leaf for item in cast(Sequence[object], nested) for leaf in _leaves(item)]
    return [] if nested is None else [nested]


def _kind(name: str, leaves: list[object]) -> Kind:
    for leaf in leaves:
        if not isinstance(leaf, bool | int | float):
            raise ValueError(f"the value of `{name}` has an entry that is no number: {leaf!r}")
    if all(isinstance(leaf, bool) for leaf in leaves):
        return "bool"
    return "real" if any(isinstance(leaf, float) for leaf in leaves) else "int"


def _read_as(name: str, nested: object, kind: Kind, place: str = "") -> object:
    if nested is None:
        return None
    if isinstance(nested, Sequence) and not isinstance(nested, str):
        items = cast(Sequence[object], nested)
        return [_read_as(name, item, kind, f"{place}[{at}]") for at, item in enumerate(items)]
    if isinstance(nested, bool | int | float):
        if kind == "real":
            return float(nested)
        if kind == "int" and float(nested).is_integer():
            return int(nested)
        if kind == "bool" and nested in (0, 1):
            return bool(nested)
    raise ValueError(f"`{name}{place}` is {nested!r}, and `{name}` is declared {kind}")


def _by_value(probs: object, support: Sequence[Plain] | None) -> object:
    row = cast(Sequence[object], probs)
    if isinstance(row[0], Sequence):
        return [_by_value(inner, support) for inner in row]
    if isinstance(row[0], Mapping):
        return row
    numbers = cast(Sequence[Plain], row)
    return dict(zip(support if support is not None else range(len(row)), map(float, numbers), strict=True))
