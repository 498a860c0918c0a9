"""Values as people give them, made into what the reference interpreter takes: plain Python, one datum at a time."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from asrppl.core.families import family, members
from asrppl.core.free import FreeName, FreeNames
from asrppl.core.laws import Law
from asrppl.core.signature import BOX_FIELDS, Entry, Kind, Level, Signature
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.reference import Given
from asrppl.reference.values import given, lengths
from asrppl.suggest import did_you_mean
from asrppl.worlds.parts import batch_of, parts_of, refused

Values = Mapping[str, object]
Datum = Mapping[str, Given]


@dataclass(frozen=True, slots=True)
class Data:
    """The values of all data.

    Args:
        batch: the lengths of the leading axes, which are a batch; empty for one datum.
        values: of each datum, the last batch axis fastest.
    """

    batch: tuple[int, ...]
    values: tuple[Datum, ...]

    def places(self) -> Iterator[tuple[int, ...]]:
        """Yield where each datum stands in the batch."""
        return itertools.product(*map(range, self.batch))


def data_of(free: FreeNames, values: Values) -> Data:
    """Return values as the interpreter takes them.

    The last axes of a value are those that rules index, those before are a batch. Lists, tuples, arrays and tensors
    are read; of a box, 4 columns (x, y, w, h) or 3 (x, y, size), or a mapping of fields; of ``q(name)``, probabilities
    along one further last axis, or ``loc`` and ``scale`` of a Normal.

    Raises:
        AsrError: a value is missing, is read by no rule, or does not fit how rules read it.
    """
    whole = {name: parts_of(use, found) for name, use in free.items() if (found := _given(use, values)) is not None}
    _verify_names(free, values, whole)
    shapes = {name: batch_of(free[name], parts) for name, parts in whole.items()}
    batches = {shape for shape in shapes.values() if shape}
    if len(batches) > 1:
        shown = ", ".join(f"`{name}`: {' x '.join(map(str, shape))}" for name, shape in shapes.items() if shape)
        raise refused("ASR073", f"the batches of the values differ in shape: {shown}")
    batch = next(iter(batches), ())
    data: list[Datum] = []
    for place in itertools.product(*map(range, batch)):
        datum: dict[str, Given] = {}
        for name, parts in whole.items():
            batched = shapes[name] != ()
            here = {
                part: _at(nested, place) if batched and part != "support" else nested for part, nested in parts.items()
            }
            datum[name] = _read(free[name], here)
        data.append(datum)
    return Data(batch, tuple(data))


def given_to(free: FreeNames, names: Iterable[str]) -> dict[str, FreeName]:
    """Return those of ``names`` that rules read, `z_0`, `z_1`, … of a numbered family among them, and as what."""
    names = list(names)
    return {
        known: use for name, use in free.items() for known in (name, *members(use, names).values()) if known in names
    }


def lengths_of(free: FreeNames, values: Values) -> dict[str, tuple[int, ...]]:
    """Return how long the axes are that rules index, of the values that are there, fit and have entries."""
    found: dict[str, tuple[int, ...]] = {}
    for name, use in free.items():
        with contextlib.suppress(AsrError):
            value = _given(use, values)
            if value is not None and use.rank:
                parts = parts_of(use, value)
                batch = len(batch_of(use, parts))
                first = next(nested for part, nested in parts.items() if part != "support")
                axes = lengths(first)[batch : batch + use.rank]
                found |= {name: axes} if 0 not in axes else {}
    return found


def signature_of(free: FreeNames, datum: Datum) -> Signature:
    """Return what the names of a datum are, for the checker."""
    return Signature.of({name: _entry(free[name], value) for name, value in datum.items()})


# ---- what is given


def _given(use: FreeName, values: Values) -> object | None:
    if use.name in values:
        return values[use.name]
    numbered = members(use, values) if use.rank else {}
    if not numbered:
        return None
    found = family(use, numbered)
    if found.missing is not None:
        raise refused("ASR085", f"`{use.name}` has a gap: there is no `{found.missing}`")
    nested: list[object] = [values[name] for name in found.members]
    for length in reversed(found.lengths[1:]):
        nested = [nested[at : at + length] for at in range(0, len(nested), length)]
    return nested


def _verify_names(free: FreeNames, values: Values, found: Mapping[str, object]) -> None:
    problems = [
        Diagnostic(
            "ASR070",
            f"no value was given for `{name}`",
            use.span,
            help=did_you_mean(name, values) or f"give it one: {name}=...",
            data=(("name", name),),
        )
        for name, use in free.items()
        if name not in found
    ]
    read = given_to(free, values)
    for name in values:
        if name not in read:
            help = did_you_mean(name, free) or f"the rules read {', '.join(sorted(free)) or 'nothing'}"
            message = f"a value was given for `{name}`, which no rule reads"
            problems.append(Diagnostic("ASR071", message, help=help, data=(("name", name),)))
    if problems:
        raise AsrError(problems)


def _at(nested: object, place: Sequence[int]) -> object:
    for index in place:
        nested = cast(list[object], nested)[index]
    return nested


def _read(use: FreeName, parts: Mapping[str, object]) -> Given:
    try:
        if "function" in parts:
            return given(use.name, parts["function"])
        found = given(use.name, parts, cast(Any, use.kind))
        columns = lengths(found.value)[-1:]
        if use.shape == "record" and found.value is not None and not use.declared:
            raise ValueError(
                f"the columns of the value of `{use.name}` have no names: declare them, "
                f"`site {use.name}[i]: (a, b, c)`; or are these boxes? They have x, y, w, h, and size"
            )
        declared = len(use.fields or ()) if use.declared else 0
        if use.shape == "box" and found.value is not None and columns[0] not in ((declared,) if declared else (3, 4)):
            raise ValueError(f"`{use.name}` is a box: 4 columns (x, y, w, h) or 3 (x, y, size), and not {columns[0]}")
        if use.shape == "record" and found.value is not None and columns[0] != declared:
            raise ValueError(
                f"`{use.name}` has {declared} columns, {', '.join(use.fields or ())}, and not {columns[0]}"
            )
        return found
    except ValueError as error:
        raise refused("ASR072", str(error), use) from None


def _entry(use: FreeName, value: Given) -> Entry:
    """Return what a name is, as binding its value would say."""
    if value.function is not None:
        return Entry(function=True)
    data = frozenset({Level.DATUM})  # what is known varies with no draw
    fields: tuple[str, ...] | None = None
    axes = value.axes
    squares = False
    if use.shape in ("box", "record"):
        fields = BOX_FIELDS if use.shape == "box" and not use.declared else use.fields
        axes = axes if value.fields else axes[:-1]
        squares = use.shape == "box" and ("size" in value.fields or lengths(value.value)[-1:] == (3,))
    support: tuple[int | float, ...] | None = None
    law: Law | None = None
    if value.probs is not None:
        leaf = value.probs
        while isinstance(leaf, list):
            leaf = cast(list[object], leaf)[0]
        if isinstance(leaf, Mapping):
            support = tuple(cast(Mapping[int | float, float], leaf))
        else:
            law = Law("Normal")
    kind = {"bool": Kind.BOOL, "int": Kind.INT, "real": Kind.REAL}[value.kind]
    return Entry(
        axes=axes,
        kind=kind,
        levels=data,
        fields=fields,
        squares=squares,
        support=support,
        law=law,
        masked=value.mask is not None,
        given=use.given,
        distribution_levels=data,
    )
