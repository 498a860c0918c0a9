"""Values as they are typed: numbers, `true`, `false`, lists, records. Nothing is ever evaluated."""

import ast
import math
import re
import reprlib
from collections.abc import Iterable, Mapping
from typing import cast

MAX_LENGTH = 1_000_000
ASSIGNMENT = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=(?!=)(.*)", re.DOTALL)

_NO_LITERAL = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)
_WORDS = {"true": "True", "false": "False"}
_FIELD = re.compile(r'("[^"]*")|\b(true|false)\b|([{,]\s*)([A-Za-z_][A-Za-z0-9_]*)(\s*:)')


class LiteralError(ValueError):
    """A text is not a value; the message says why."""


def parse_value(text: str) -> object:
    """Return the value of a text such as ``[[10, 10, 8], [14, 12, 8]]``, ``true`` or ``{x: [1, 2], y: [3, 4]}``.

    Raises:
        LiteralError: it is no such value.
    """
    _verify_length(text)
    try:
        value: object = ast.literal_eval(_FIELD.sub(_python, text.strip()))
    except _NO_LITERAL:
        raise LiteralError("a value is a number, true, false, or a list of them: [[10, 10, 8], [14, 12, 8]]") from None
    verify(value)
    return value


def is_literal(text: str) -> bool:
    """Whether a text is made of numbers, truth values and brackets alone, well formed or not as a value."""
    _verify_length(text)
    try:
        ast.literal_eval(_FIELD.sub(_python, text.strip()))
    except _NO_LITERAL:
        return False
    return True


def _verify_length(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise LiteralError(f"the value has {len(text):,} characters, more than the {MAX_LENGTH:,} that are read")


def _python(found: re.Match[str]) -> str:
    if found.group(1) is not None:
        return found.group()
    if found.group(2) is not None:
        return _WORDS[found.group()]
    return f'{found.group(3)}"{found.group(4)}"{found.group(5)}'


def verify(value: object) -> None:
    """Raise unless ``value`` is made of numbers, in lists of one shape, or in a record or a set of such."""
    if isinstance(value, dict):
        for name, part in cast(dict[object, object], value).items():
            if not isinstance(name, str):
                raise LiteralError("the fields of a record have names: {x: [1, 2], y: [3, 4]}")
            if name in ("value", "draws") and isinstance(part, dict):  # a record with a mask, or drawn
                verify(cast(object, part))
            else:
                _shape(part)
    elif isinstance(value, set | frozenset):
        for part in cast(set[object], value):
            _shape(part)
    else:
        _shape(value)


def _shape(value: object) -> tuple[int, ...]:
    if isinstance(value, list | tuple):
        shapes = [_shape(part) for part in cast(list[object], value)]
        if len(set(shapes)) > 1:
            raise LiteralError("the rows of a list differ in length")
        return (len(shapes), *(shapes[0] if shapes else ()))
    if isinstance(value, bool):
        return ()
    if isinstance(value, int | float):
        if isinstance(value, int) and abs(value) > 2**53:
            raise LiteralError("a number is too large to be held exactly")
        if math.isnan(value) or math.isinf(value):
            raise LiteralError("a number is not finite")
        return ()
    raise LiteralError(f"{reprlib.repr(value)} is not a number")


def exact(value: object, *, is_list: bool = False) -> str:
    """Return a value as it would be typed, to the last digit; a real keeps its point.

    A tuple, as params have them, is a set unless it ``is_list``.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case Mapping():
            parts = cast(Mapping[str, object], value).items()
            return "{" + ", ".join(f"{name}: {exact(part)}" for name, part in parts) + "}"
        case list() | tuple() | set() | frozenset():
            inside = ", ".join(exact(part, is_list=is_list) for part in cast(Iterable[object], value))
            return f"[{inside}]" if is_list or isinstance(value, list) else f"{{{inside}}}"
        case _:
            return f"{value!r}"
