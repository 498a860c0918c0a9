"""The reference interpreter with one's hands on its values: what a formula reads is noted, and can be changed."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

from asrppl.core.signature import EDGES
from asrppl.files import Library
from asrppl.reference import Given, Reference
from asrppl.reference.arrays import Array
from asrppl.reference.interpreter import rule_name
from asrppl.reference.laws import Law
from asrppl.reference.names import Scope
from asrppl.reference.sorts import DECIDED, GRADED
from asrppl.reference.values import Plain, entry
from asrppl.source import Source
from asrppl.syntax import ast
from asrppl.worlds.data import Datum

NEAR = 1e-9
"""What costs no more than this is kept: thirds do not add up to 1 in floating point."""


Entry = tuple[int, str, tuple[int, ...]]
"""Which datum, name and entry: what is read together, all fields of it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One number among the values.

    Args:
        name: whose it is.
        place: which entry.
        field: which field of it, "" where it has none, and "probs" for its law.
        datum: of which datum, by number.
    """

    name: str
    place: tuple[int, ...] = ()
    field: str = ""
    datum: int = 0

    @property
    def entry(self) -> Entry:
        """The entry that it is a part of."""
        return self.datum, self.name, self.place

    def __str__(self) -> str:
        index = f"[{', '.join(map(str, self.place))}]" if self.place else ""
        if self.field == "probs":
            return f"q({self.name}{index})"
        return self.name + index + (f".{self.field}" if self.field else "")


class Watched(Reference):
    """The interpreter of one datum, as of values that are known: their mean is themselves.

    Args:
        source: the rules.
        datum: values of this datum.
        params: in place of those that the rules give.
        library: where imports are looked up.
    """

    def __init__(
        self,
        source: Source,
        datum: Datum,
        *,
        params: Mapping[str, object] | None = None,
        library: Library | None = None,
    ) -> None:
        super().__init__(source, datum, params=params, library=library)
        self.everyone: Sequence[Watched] = [self]
        self.number = 0
        self._noted: dict[Cell, None] | None = None
        self._touched: set[Entry] | None = None

    def data(self) -> "Sequence[Watched]":
        """Return the interpreter of each datum that an aggregate is taken over."""
        return self.everyone

    def rule(self, name: str) -> ast.Rule:
        """Return the rule of that name."""
        return next(rule for rule in self.rules if rule_name(rule) == name)

    # ---- means of what is known

    def term(self, expr: ast.Expr, scope: Scope) -> Plain | None:
        """See `Reference`: ``E[t]`` is t, and ``P[φ]`` is 1 where φ is true."""
        match expr:
            case ast.Index(base=ast.Name(text="E" | "P" as operator)) if operator not in self.values:
                inside = expr.indices[0]
                return self.term(inside, scope) if operator == "E" else float(self.true(inside, scope))
            case _:
                return super().term(expr, scope)

    def part(self, expr: ast.Expr, scope: Scope) -> int:
        """See `Reference`: a mean of what can change is a real."""
        found = super().part(expr, scope)
        match expr:
            case ast.Index(base=ast.Name(text="E" | "P" as operator)) if operator not in self.values:
                return GRADED if found != DECIDED else DECIDED
            case _:
                return found

    # ---- what is read

    @contextmanager
    def noting(self) -> Generator[dict[Cell, None]]:
        """Note each number that is read inside the ``with``, of all data, once, in the order that they are met."""
        noted: dict[Cell, None] = {}
        for one in self.everyone:
            one._noted = noted
        try:
            yield noted
        finally:
            for one in self.everyone:
                one._noted = None

    @contextmanager
    def touching(self) -> Generator[set[Entry]]:
        """Collect which entries are read inside the ``with``, of all data (its user may empty the set at any time)."""
        touched: set[Entry] = set()
        for one in self.everyone:
            one._touched = touched
        try:
            yield touched
        finally:
            for one in self.everyone:
                one._touched = None

    def place(self, array: Array) -> tuple[int, ...] | None:
        """See `Reference`."""
        found = super().place(array)
        if self._touched is not None and array.name is not None and found is not None:
            self._touched.add((self.number, array.name, found))
        return found

    def _note(self, expr: ast.Expr, scope: Scope, fields: Sequence[str]) -> None:
        if self._noted is None:
            return
        array = self.array(expr, scope)
        place = self.place(array) if array is not None and array.name is not None else None
        if array is not None and array.name is not None and place is not None:
            self._noted |= dict.fromkeys(Cell(array.name, place, field, self.number) for field in fields)

    def _entry(self, expr: ast.Name | ast.Index, scope: Scope) -> Plain | None:
        self._note(expr, scope, ("",))
        return super()._entry(expr, scope)

    def _field(self, expr: ast.Field, scope: Scope) -> Plain | None:
        base, base_scope = self.unfold(expr.base, scope)
        array = self.array(base, base_scope) if not isinstance(base, ast.Call) else None
        if array is not None and array.name is not None:
            self._note(base, base_scope, _needed(expr.name.text, self.fields(array.name)))
        return super()._field(expr, scope)

    def law(self, expr: ast.Expr, scope: Scope) -> Law | None:
        """See `Reference`."""
        unfolded, inner = self.unfold(expr, scope)
        if isinstance(unfolded, ast.Call) and unfolded.function.text == "q":
            self._note(unfolded.arguments[0].value, inner, ("probs",))
        return super().law(expr, scope)

    def fields(self, name: str) -> tuple[str, ...]:
        """Return what the entries of a record have, in the order of its columns."""
        value, site = self.values[name], self.sites.get(name)
        if value.fields:
            return tuple(value.fields)
        if site is not None and site.fields is not None:
            return tuple(field.text for field in site.fields)
        return ("x", "y", "size") if value.axes[-1] == 3 else ("x", "y", "w", "h")

    # ---- what is changed

    def value(self, cell: Cell) -> object:
        """Return what a cell holds."""
        value = self.everyone[cell.datum].values[cell.name]
        if cell.field == "probs":
            return entry(value.probs, cell.place)
        if not cell.field:
            return entry(value.value, cell.place)
        if value.fields:
            return entry(value.fields[cell.field], cell.place)
        return entry(value.value, (*cell.place, self.fields(cell.name).index(cell.field)))

    def put(self, cell: Cell, new: object) -> None:
        """Have a cell hold another number."""
        values = self.everyone[cell.datum].values
        value = values[cell.name]
        if cell.field == "probs":
            changed = replace(value, probs=_with(value.probs, cell.place, new))
        elif not cell.field:
            changed = replace(value, value=_with(value.value, cell.place, new))
        elif value.fields:
            fields = {**value.fields, cell.field: _with(value.fields[cell.field], cell.place, new)}
            changed = replace(value, fields=fields)
        else:
            place = (*cell.place, self.fields(cell.name).index(cell.field))
            changed = replace(value, value=_with(value.value, place, new))
        values[cell.name] = changed

    @contextmanager
    def changed(self, cell: Cell, new: object) -> Generator[None]:
        """Have a cell hold another number inside the ``with``."""
        values = self.everyone[cell.datum].values
        before: Given = values[cell.name]
        self.put(cell, new)
        try:
            yield
        finally:
            values[cell.name] = before


def _needed(field: str, there: Sequence[str]) -> tuple[str, ...]:
    """Return which numbers of a record its field is worked out from."""
    if field in there:
        return (field,)
    edge = {"x1": "left", "x2": "right", "y1": "top", "y2": "bottom"}.get(field, field)
    if edge in EDGES:
        return tuple(dict.fromkeys(_side(part, there) for part in EDGES[edge][::2] if _side(part, there) in there))
    return tuple(part for part in (_side(field, there),) if part in there) or tuple(there)


def _side(field: str, there: Sequence[str]) -> str:
    if field in there:
        return field
    return "w" if field == "size" and "w" in there else "size"


def _with(nested: object, place: Sequence[int], new: object) -> object:
    if not place:
        return new
    items = list(cast(Sequence[object], nested))
    items[place[0]] = _with(items[place[0]], place[1:], new)
    return items


def everyone(make: Callable[[Datum], Watched], data: Sequence[Datum]) -> list[Watched]:
    """Return the interpreters of all data, each of which knows the others."""
    found = [make(datum) for datum in data]
    for number, one in enumerate(found):
        one.everyone, one.number = found, number
    return found
