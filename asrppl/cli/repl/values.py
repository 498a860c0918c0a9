"""Values as they are typed: literals, and lists, sets, records and laws of expressions of the language."""

import re
from collections.abc import Callable
from typing import cast

from asrppl.literals import LiteralError, is_literal, parse_value, verify

_FIELD = re.compile(r'\s*"?([A-Za-z_][A-Za-z0-9_]*)"?\s*:(.*)', re.DOTALL)


def read_value(text: str, evaluate: Callable[[str], object]) -> object:
    """Return the value of a text such as ``1 / 3``, ``[a, 2 * a]`` or ``{x: a + 1, y: 3}``.

    Args:
        text: the value.
        evaluate: gives the value of an expression of the language; literals do without.

    Raises:
        LiteralError: it is no value.
        AsrError: an expression in it has errors.
    """
    if is_literal(text):
        return parse_value(text)
    found = _read(text.strip(), evaluate)
    verify(found)
    return found


def _read(text: str, evaluate: Callable[[str], object]) -> object:
    if is_literal(text):
        return parse_value(text)
    inside = text[1:-1]
    if _encloses(text, "[]"):
        return [_read(part, evaluate) for part in split(inside)]
    if _encloses(text, "{}"):
        parts = split(inside)
        fields = [_FIELD.fullmatch(part) for part in parts]
        named = [found for found in fields if found is not None]
        if len(named) == len(parts):
            return {found.group(1): _read(found.group(2).strip(), evaluate) for found in named}
        items = [_read(part, evaluate) for part in parts]
        if named or any(isinstance(item, list | dict | set) for item in items):
            raise LiteralError("a set has numbers, {1, 3}, a record named fields, {x: [1, 2], y: [3, 4]}")
        return set(items)
    if not text:
        raise LiteralError("a value is missing")
    return evaluate(text)


def _encloses(text: str, brackets: str) -> bool:
    """Whether one pair of brackets stands around all of a text."""
    if len(text) < 2 or text[0] != brackets[0] or text[-1] != brackets[1]:
        return False
    depth = 0
    for at, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0:
            return at == len(text) - 1
    return False


def split(text: str) -> list[str]:
    """Return the parts of a text between commas that stand outside of all brackets (a last comma ends nothing)."""
    parts: list[str] = []
    depth = start = 0
    for at, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts


def part_of(values: dict[str, object], text: str) -> object | None:
    """Return what ``box`` or ``box[0]`` stands for in the values, None where the text is anything else."""
    found = _PART.fullmatch(text)
    if found is None:
        return None
    part = values.get(found.group(1))
    for index in re.findall(r"[0-9]+", found.group(2)):
        items = cast(list[object], part) if isinstance(part, list) else []
        if len(items) <= int(index):
            return None
        part = items[int(index)]
    return part


_PART = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)((?:\[[0-9]+(?:, *[0-9]+)*\])?)")
