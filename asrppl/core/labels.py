"""What people are told of levels, weights and names: one wording for commands, notebooks and messages."""

from asrppl.core.free import FreeName
from asrppl.core.rules import Schedule
from asrppl.core.signature import Level

_LEVELS = {
    frozenset({Level.DRAW, Level.DATUM}): "sample",
    frozenset({Level.DATUM}): "posterior",
    frozenset({Level.DRAW}): "global",
    frozenset[Level](): "population",
}
_SHAPES = {"scalar": "number", "bool": "Boolean", "int": "integer", "real": "real"}


def level_name(levels: frozenset[Level]) -> str:
    """Return what the level of a rule is called, from what its violation varies with."""
    return _LEVELS[levels]


def weight_text(schedule: Schedule, hard: float | None) -> str:
    """Return a rule's weight as its file writes it."""
    if hard is not None:
        return f"hard within {hard:g}" if hard else "hard"
    if schedule.constant:
        return f"weight {schedule.end:g}"
    since = f"{schedule.since}.." if schedule.since else ""
    return f"weight {schedule.start:g} -> {schedule.end:g} over {since}{schedule.steps} steps"


def indexed(free: FreeName) -> str:
    """Return an expected name with as many indices, or arguments, as its uses give it."""
    letters = ("i", "j", "k", "l", "m", "n")
    indices = [letters[place] if place < len(letters) else f"i{place}" for place in range(free.rank or 0)]
    if free.shape == "function":
        return f"{free.name}({', '.join(indices)})"
    return f"{free.name}[{', '.join(indices)}]" if indices else free.name


def type_of(free: FreeName) -> str:
    """Return an expected name's type in words."""
    return f"given {_type_of(free)}" if free.given else _type_of(free)


def _type_of(free: FreeName) -> str:
    if free.shape == "record" and free.fields is not None:
        return f"({', '.join(free.fields)})"
    if free.shape == "distribution" and free.draw:
        return "value and distribution"
    return _SHAPES.get(free.shape, free.shape)
