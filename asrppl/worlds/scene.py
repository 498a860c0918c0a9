"""What rules say of values, to look at: the findings of `why`, and the boxes among the values as a picture."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from asrppl.core.free import FreeNames
from asrppl.files import Kept
from asrppl.notebook import text
from asrppl.reference import Given
from asrppl.source import Source
from asrppl.worlds.data import data_of
from asrppl.worlds.picture import Panel, indexed, panels_svg, rectangles
from asrppl.worlds.why import Why, why
from asrppl.worlds.wording import lines_of

_LOOKED = 20
"""Broken instances of a rule that are looked into: their boxes are marked."""
_PANELS = 12
"""Data that are drawn."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What rules say of values.

    Args:
        found: of each rule at each datum.
        svg: the boxes, those that break a rule marked; None where rules read none.
    """

    found: tuple[Why, ...]
    svg: str | None

    def __str__(self) -> str:
        return "\n".join(line for why in self.found for line in lines_of(why))

    def _repr_html_(self) -> str:
        return f"{self.svg or ''}{text(str(self))}"


def scene(program: Mapping[str, Any], free: FreeNames, values: Mapping[str, object]) -> Scene:
    """Return what a program says of values.

    Args:
        program: what `Program.to_dict` returns.
        free: the names that it reads.
        values: as `Program.violations` takes them.

    Raises:
        AsrError: the values do not fit.
    """
    files, main = program["files"], program["main"]
    source, only = Source(main, files[main]), list(program["factors"])
    found = why(source, values, program["params"], library=Kept(files), shown=_LOOKED, only=only)
    data = data_of(free, values)
    panels = [
        Panel(
            f"datum {', '.join(map(str, place))}" if place else "",
            tuple(box for name, use in free.items() if use.shape == "box" for box in _boxes(name, datum[name])),
            frozenset(_broken(found, place, number)),
        )
        for number, (place, datum) in enumerate(list(zip(data.places(), data.values, strict=True))[:_PANELS])
    ]
    return Scene(tuple(found), panels_svg(panels))


def _boxes(name: str, value: Given) -> Iterator[tuple[str, tuple[float, float, float, float]]]:
    """Yield the boxes that are there."""
    nested = value.value if value.value is not None else _rows([value.fields[part] for part in _columns(value.fields)])
    masked = value.mask is not None and _entries(name, value.mask)
    for label, box in rectangles(name, nested):
        if not masked or masked[label]:
            yield label, box


def _columns(fields: Mapping[str, object]) -> tuple[str, ...]:
    return ("x", "y", "size") if "size" in fields else ("x", "y", "w", "h")


def _rows(columns: Sequence[object]) -> object:
    """Return rows of components, from the components one by one."""
    if isinstance(columns[0], list):
        return [_rows(parts) for parts in zip(*cast(Sequence[list[object]], columns), strict=True)]
    return list(columns)


def _entries(name: str, nested: object) -> dict[str, object]:
    """Return the entries of an array by the labels that `rectangles` gives them."""
    if not isinstance(nested, list):
        return {name: nested}
    found: dict[str, object] = {}
    for index, inner in enumerate(cast(list[object], nested)):
        found |= _entries(indexed(name, index), inner)
    return found


# `why` writes an entry as rules do, with its datum where there are several.
_ENTRY = re.compile(r"(\w+(?:\[[^\]]*\])?)\.\w+(?: of datum (\d+))?")


def _broken(found: Sequence[Why], place: tuple[int, ...], number: int) -> Iterator[str]:
    """Yield the labels of what broken instances read at one datum."""
    for each in found:
        if each.datum in ((), place):
            for instance in each.instances:
                for entry in (_ENTRY.fullmatch(entry) for entry, _ in instance.reads):
                    if entry is not None and entry[2] in (None, str(number)):
                        yield entry[1]
