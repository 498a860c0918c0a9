"""Example worlds, as they are shown."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shown:
    """What was found of one goal.

    Args:
        rule: the rule to break, "" for the world that keeps all.
        values: by name, as `why` and `Program.violations` read them; None where there is none, or none was found.
        costs: of the world by rule; where none was found, of the one that came nearest (``nearest``).
        how: by which engine, or why there is none.
        proved: whether it is proved that there is none.
        nearest: where none was found, the world that costs least.
    """

    rule: str
    values: Mapping[str, object] | None
    costs: Mapping[str, float]
    how: str
    proved: bool = False
    nearest: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """Worlds for a file's rules.

    Args:
        keeps: the one that keeps all.
        breaks: those that break one rule alone, in the order of the file.
        said: what was chosen: lengths, ranges.
        data: how many data a world has.
        boxes: the names that are boxes.
        conflict: rules that no world keeps together; empty where that is not proved.
        smallest: whether no smaller set is such.
    """

    keeps: Shown
    breaks: tuple[Shown, ...]
    said: tuple[str, ...]
    data: int
    boxes: tuple[str, ...]
    conflict: tuple[str, ...] = ()
    smallest: bool = True
