"""Numbered names: `z_0`, `z_1`, … stand for the array `z`, or a `site` statement says how they are spelt."""

import re
from collections.abc import Iterable

from asrppl.core.typed import FreeName


def member(use: FreeName, number: int) -> str:
    """Return the name of one member."""
    before, after = _spelling(use)
    return f"{before}{number}{after}"


def members(use: FreeName, names: Iterable[str]) -> dict[int, str]:
    """Return which of ``names`` are members, by number and in their order (``z_01`` is none)."""
    if use.alias is not None:
        return {}
    before, after = _spelling(use)
    expression = re.compile(re.escape(before) + r"(0|[1-9][0-9]*)" + re.escape(after))
    found = {int(match[1]): name for name in names if (match := expression.fullmatch(name))}
    return dict(sorted(found.items()))


def _spelling(use: FreeName) -> tuple[str, str]:
    if use.pattern is None:
        return f"{use.name}_", ""
    before, _, rest = use.pattern.partition("{")
    return before, rest.partition("}")[2]
