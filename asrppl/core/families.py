"""Numbered names: `z_0`, `z_1`, … stand for the array `z`, or a `site` statement says how they are spelt.

Names with two numbers (`y_0_0`, `y_0_1`, …) are a table, of two axes.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from asrppl.core.free import FreeName

Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """Numbered names in their order.

    Args:
        members: in the order of their numbers.
        lengths: how many there are along each number.
        first: the lowest numbers, 0 or 1 each.
        missing: the name of one that should be there, None where they are whole.
    """

    members: tuple[str, ...]
    lengths: Numbers
    first: Numbers
    missing: str | None


def member(use: FreeName, *numbers: int) -> str:
    """Return the name of one member."""
    parts = _parts(use, len(numbers))
    return "".join(part + str(number) for part, number in zip(parts, numbers, strict=False)) + parts[-1]


def members(use: FreeName, names: Iterable[str]) -> dict[Numbers, str]:
    """Return which of ``names`` are members, by number and in their order (``z_01`` is none).

    Without a pattern those with one number are taken first, and those with two where the name has as many indices.
    """
    if use.alias is not None:
        return {}
    names = list(names)
    if use.pattern is not None:
        return _numbered(_parts(use, 0), names)
    return _numbered(_parts(use, 1), names) or (
        _numbered(_parts(use, 2), names) if use.rank is None or use.rank >= 2 else {}
    )


def family(use: FreeName, numbered: Mapping[Numbers, str]) -> Family:
    """Return the members that `members` found, whole or with what is missing."""
    columns = list(zip(*numbered, strict=True))
    first = tuple(min(1, min(column)) for column in columns)
    lengths = tuple(max(column) + 1 - low for column, low in zip(columns, first, strict=True))
    wanted = product(*(range(low, low + length) for low, length in zip(first, lengths, strict=True)))
    missing = next((member(use, *numbers) for numbers in wanted if numbers not in numbered), None)
    return Family(tuple(numbered.values()), lengths, first, missing)


def _numbered(parts: tuple[str, ...], names: Iterable[str]) -> dict[Numbers, str]:
    expression = re.compile(r"(0|[1-9][0-9]*)".join(map(re.escape, parts)))
    found = {tuple(map(int, match.groups())): name for name in names if (match := expression.fullmatch(name))}
    return dict(sorted(found.items()))


def _parts(use: FreeName, count: int) -> tuple[str, ...]:
    """Return what stands before, between and after the numbers."""
    if use.pattern is None:
        return (f"{use.name}_", *["_"] * (count - 1), "")
    return tuple(re.split(r"\{\w+\}", use.pattern))
