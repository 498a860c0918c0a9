"""Values as the page has them: a text of lines ``NAME = VALUE``."""

import copy
import re
from collections.abc import Mapping
from typing import Any, cast

from asrppl.literals import ASSIGNMENT, LiteralError, parse_value


def parse_values(text: str) -> tuple[dict[str, object], list[dict[str, Any]]]:
    """Return the values of lines ``box = [[10, 10, 8], [14, 12, 8]]`` by name, and what is wrong with other lines.

    A line that starts with white space goes on with the one above; ``#`` starts a comment.
    """
    values: dict[str, object] = {}
    problems: list[dict[str, Any]] = []
    for line, statement in _statements(text):
        found = ASSIGNMENT.fullmatch(statement)
        message = None
        if found is None:
            message = "a value is written NAME = VALUE: box = [[10, 10, 8], [14, 12, 8]]"
        elif found[1] in values:
            message = f"`{found[1]}` is given twice"
        else:
            try:
                values[found[1]] = parse_value(found[2])
            except LiteralError as error:
                message = f"`{found[1]}`: {error}"
        if message is not None:
            problems.append({"line": line, "name": None if found is None else found[1], "message": message})
    return values, problems


def _statements(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        code = line.partition("#")[0].rstrip()
        if code[:1].isspace() and found:
            found[-1] = found[-1][0], f"{found[-1][1]} {code.strip()}"
        elif code.strip():
            found.append((number, code))
    return found


_ENTRY = re.compile(r"(\w+)(?:\[([\d, ]+)\])?(?:\.(\w+))?")
_COLUMNS = {3: ("x", "y", "size"), 4: ("x", "y", "w", "h")}


def with_entry(values: Mapping[str, object], entry: str, new: object) -> dict[str, object] | None:
    """Return values in which the number ``box[0].x`` is another; None where their text does not show it so."""
    found = _ENTRY.fullmatch(entry)
    if found is None or found[1] not in values:
        return None
    changed: dict[Any, Any] = copy.deepcopy(dict(values))
    inside: Any = changed
    path: list[Any] = [found[1], *map(int, filter(None, (found[2] or "").split(",")))]
    for step in path[:-1]:
        inside = inside[step]
        if not isinstance(inside, list):
            return None
    if found[3] is not None:
        inside, last = inside[path[-1]], path[-1]
        columns = _COLUMNS.get(len(inside), ()) if isinstance(inside, list) else ()
        if found[3] not in columns:
            return None
        path = [last, columns.index(found[3])]
    inside[path[-1]] = new
    return changed


def are_rows(value: object) -> bool:
    """Whether a value may be boxes, a row each or one row in all: x, y and one side or two."""
    return _is_row(value) or (isinstance(value, list) and bool(value) and all(map(_is_row, cast(list[object], value))))


def _is_row(row: object) -> bool:
    if not isinstance(row, list):
        return False
    sides = cast(list[object], row)
    return len(sides) in (3, 4) and all(isinstance(side, int | float) for side in sides)
