"""What values are, in words."""

from typing import cast

from asrppl.cli.repl.laws import Law


def value_type(value: object) -> str:
    """Return what a value is: ``real``, ``3 × 4 integers``, ``law normal``."""
    match value:
        case bool():
            return "Boolean"
        case int() | float():
            return "integer" if isinstance(value, int) else "real"
        case Law():
            return f"law {value.family}"
        case dict():
            return f"record ({', '.join(cast(dict[str, object], value))})"
        case set() | frozenset():
            return "set"
        case list():
            lengths, number = _shape(cast(list[object], value))
            kind = "numbers" if number is None else f"{value_type(number)}s"
            return f"{' × '.join(map(str, lengths))} {kind}"
        case _:
            return "value"


def _shape(value: object) -> tuple[list[int], object]:
    """Return the lengths of nested lists, and a number in them, a real one if one of its row is."""
    if not isinstance(value, list):
        return [], value
    items = cast(list[object], value)
    if not items:
        return [0], None
    lengths, number = _shape(next((item for item in items if isinstance(item, float)), items[0]))
    return [len(items), *lengths], number
