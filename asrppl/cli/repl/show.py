"""How outcomes and values are printed."""

from typing import TYPE_CHECKING, cast

from asrppl.cli.repl.laws import Law
from asrppl.commands import printable

if TYPE_CHECKING:
    from asrppl.cli.repl.evaluation import Outcome

_INSTANCES = 5
MANY = 40
"""Numbers that are shown one by one, at most."""


def show_value(value: object) -> str:
    """Return a value as it would be typed, long lists cut short; a tuple is a set."""
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
        case Law():
            if value.family == "categorical":
                return show_value(value.parameters[0])
            return f"{value.family}({', '.join(map(show_value, value.parameters))})"
        case list():
            items = cast(list[object], value)
            shown = [*map(show_value, items[:MANY])]
            return f"[{', '.join(shown)}{f', … {len(items):,} in all' if len(items) > MANY else ''}]"
        case tuple() | set():
            return "{" + ", ".join(map(show_value, cast(tuple[object, ...], value))) + "}"
        case dict():
            parts = cast(dict[str, object], value).items()
            return "{" + ", ".join(f"{name}: {show_value(part)}" for name, part in parts) + "}"
        case _:
            return str(value)


def print_outcome(prefix: str, outcome: "Outcome") -> None:
    """Print whether a rule holds, its violation, and the instances that break it, the worst first."""
    from asrppl.lower.instances import plain

    violation = outcome.violation
    if not bool((violation > 0).any()):
        print(printable(f"{prefix}holds"))
        return
    if violation.numel() > MANY:
        kept = float((violation <= 0).to(violation.dtype).mean())
        average = f"{float(violation.mean()):g} on average over {violation.numel():,} {outcome.over}"
        print(printable(f"{prefix}does not hold: violation {average}; kept by {kept:.1%}"))
        return
    print(printable(f"{prefix}does not hold: violation {show_value(plain(violation))}"))
    for instance in outcome.broken[:_INSTANCES]:
        batch = f"[{', '.join(map(str, instance.batch))}] " if violation.ndim else ""
        indices = ", ".join(f"{name}={number}" for name, number in instance.at)
        part = f"   {instance.part}" if instance.part else ""
        print(printable(f"  {batch}{indices}: {instance.violation:g}{part}"))
    if len(outcome.broken) > _INSTANCES:
        print(f"  and {len(outcome.broken) - _INSTANCES} more")


def value(found: object) -> str:
    """Return the value of a term as it is printed: a record by its fields, many entries by their mean and ends."""
    if isinstance(found, dict):
        return ", ".join(f"{name}={value(part)}" for name, part in cast(dict[str, object], found).items())
    if not isinstance(found, list):
        return show_value(found)
    numbers = _flat(cast(list[object], found))
    if len(numbers) <= MANY:
        return show_value(cast(object, found))
    mean = sum(numbers) / len(numbers)
    return f"{mean:g} on average over {len(numbers):,}, from {min(numbers):g} to {max(numbers):g}"


def _flat(found: object) -> list[float]:
    if not isinstance(found, list):
        return [cast(float, found)]
    return [number for part in cast(list[object], found) for number in _flat(part)]
