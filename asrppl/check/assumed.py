"""A guide that is not there yet: what a file's names are, going by how rules use them and by lengths that are given.

With it a file is typed, and lowered, before anything is bound: to see how large a rule becomes, and what code.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from asrppl.check.checker import Checked
from asrppl.check.facts import is_aggregate, is_expectation, nodes
from asrppl.core.free import FreeName
from asrppl.core.labels import indexed
from asrppl.core.laws import Law
from asrppl.core.signature import BOX_FIELDS, Entry, Kind, Level, Signature
from asrppl.syntax import ast

Lengths = Mapping[str, tuple[int, ...]]
"""By name of an array its axes' lengths (one for all of them, or each), by name of an index how many values it has."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A name that has an axis of a length that nothing tells, as ``box[i]``, and the index there ("" for none)."""

    name: str
    entry: str
    index: str


def assumed(
    checked: Checked, formulas: Sequence[ast.Expr], lengths: Lengths
) -> tuple[Signature, tuple[Missing, ...], frozenset[str]]:
    """Return what the names of a file are.

    Args:
        checked: the file.
        formulas: its rules, with definitions written out.
        lengths: what is known of lengths. An array that is given one length more than it has axes has a law of so many
            values, 0, 1, ..

    Returns:
        The signature; the names that lack a length, which have 1 in it; and the index variables that there are.
    """
    found = _Lengths(checked, formulas, lengths)
    squares = any(isinstance(part, ast.Field) and part.name.text == "size" for part in _all(formulas))
    data = _data(formulas)
    entries = {name: _entry(free, found, squares, name in data) for name, free in checked.free.items()}
    return Signature.of(entries), tuple(found.missing.values()), found.variables


class _Lengths:
    def __init__(self, checked: Checked, formulas: Sequence[ast.Expr], lengths: Lengths) -> None:
        self.given = lengths
        self.missing: dict[str, Missing] = {}
        self.uses: dict[tuple[str, int], list[ast.Expr]] = {}
        self.domains = {name: length for name, length in _domains(formulas) if length is not None}
        self.variables = frozenset(name for name, _ in _domains(formulas))
        for part in _all(formulas):
            if isinstance(part, ast.Index) and isinstance(part.base, ast.Name) and part.base.text in checked.free:
                for axis, index in enumerate(part.indices):
                    self.uses.setdefault((part.base.text, axis), []).append(index)

    def of(self, free: FreeName) -> tuple[tuple[int, ...], int | None]:
        """Return the lengths of a name's axes, and how many values its law has (None where nothing says so)."""
        rank, given = free.rank or 0, self.given.get(free.name, ())
        if free.rank is None:
            rank = 1
        values = given[-1] if len(given) == rank + 1 else None
        if len(given) >= rank:
            return given[:rank], values
        if given:
            return given[:1] * rank, None
        return tuple(self.axis(free, axis) for axis in range(rank)), None

    def axis(self, free: FreeName, axis: int) -> int:
        """Return what the indices along an axis say of its length, 1 and a note of it where they do not."""
        index, longest, known = "", 0, True
        for use in self.uses.get((free.name, axis), []):
            name, add = _offset(use)
            # An index that was renamed is given under the name that it has in its file.
            written = (name or "").rstrip("′") if name in self.variables else ""
            if written in self.given:
                return self.given[written][0]
            start = 1 if name is None else self.domains.get(name)
            if add is None or start is None:
                known = False
                index = index or written
            else:
                longest = max(longest, start + add)
        if known and longest > 0:
            return longest
        self.missing.setdefault(free.name, Missing(free.name, indexed(free), index))
        return 1


def _entry(free: FreeName, lengths: _Lengths, squares: bool, is_data: bool) -> Entry:
    if free.shape == "function":
        return Entry(function=True)
    axes, values = lengths.of(free)
    levels = frozenset({Level.DATUM}) if free.given or is_data else frozenset({Level.DRAW, Level.DATUM})
    kind = {"bool": Kind.BOOL, "int": Kind.INT}.get(free.kind or free.shape, Kind.REAL)
    support = tuple(range(values)) if values is not None and free.shape != "probabilities" else None
    fields = BOX_FIELDS if free.shape == "box" else free.fields
    return Entry(
        axes=(*axes, values or 2) if free.shape == "probabilities" else axes,
        kind=Kind.INT if support is not None and kind is Kind.REAL else kind,
        levels=levels,
        fields=fields,
        squares=squares and fields == BOX_FIELDS,
        support=support if support is not None or kind is not Kind.BOOL else (0, 1),
        law=Law("Normal") if support is None and kind is Kind.REAL else None,
        given=free.given,
        distribution_levels=frozenset({Level.DATUM}),
    )


def _data(formulas: Sequence[ast.Expr]) -> set[str]:
    """Return the names that an ``aggregate`` reads outside of means over draws: they are data, declared or not."""
    inside = [part for whole in _all(formulas) if is_aggregate(whole) for part in nodes(whole, but=_over_draws)]
    return {part.text for part in inside if isinstance(part, ast.Name)}


def _over_draws(node: object) -> bool:
    return is_expectation(node) or (isinstance(node, ast.Call) and node.function.text == "q")


def _all(formulas: Sequence[ast.Expr]) -> Iterator[ast.Node]:
    return (part for formula in formulas for part in nodes(formula))


def _domains(formulas: Sequence[ast.Expr]) -> Iterator[tuple[str, int | None]]:
    """Yield each index variable, and the end of what it runs over where that is written as numbers."""
    for part in _all(formulas):
        if isinstance(part, ast.Binder):
            high = part.domain.high if isinstance(part.domain, ast.Range) else None
            length = int(high.value) + 1 if isinstance(high, ast.Number) else None
            yield from ((name.text, length) for name in part.names)


def _offset(index: ast.Expr) -> tuple[str | None, int | None]:
    """Return the variable and the constant of an index ``i + 1``, of other ones no constant."""
    match index:
        case ast.Name(text=text):
            return text, 0
        case ast.Number(value=int(value)):
            return None, value
        case ast.Binary(operator="+" | "-", left=ast.Name(text=text), right=ast.Number(value=int(value))):
            return text, value if index.operator == "+" else -value
        case _:
            return None, None
