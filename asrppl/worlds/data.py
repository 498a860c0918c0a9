"""Values as people give them, made into what the reference interpreter takes: plain Python, one datum at a time."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from asrppl.core.families import family, members
from asrppl.core.free import FreeName, FreeNames
from asrppl.core.laws import Law
from asrppl.core.signature import BOX_FIELDS, Entry, Kind, Level, Signature, makes_box
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.reference import Given
from asrppl.reference.laws import normal
from asrppl.reference.values import given, lengths
from asrppl.suggest import did_you_mean

Values = Mapping[str, object]
Datum = Mapping[str, Given]

_LAWS = ("probs", "law")
_ABOUT = ("mask", "support")


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
    whole = {name: _parts(use, found) for name, use in free.items() if (found := _given(use, values)) is not None}
    _verify_names(free, values, whole)
    shapes = {name: _batch(free[name], parts) for name, parts in whole.items()}
    batches = {shape for shape in shapes.values() if shape}
    if len(batches) > 1:
        shown = ", ".join(f"`{name}`: {' x '.join(map(str, shape))}" for name, shape in shapes.items() if shape)
        raise _refused("ASR073", f"the batches of the values differ in shape: {shown}")
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
        raise _refused("ASR085", f"`{use.name}` has a gap: there is no `{found.missing}`")
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
    numbered = {name for use in free.values() for name in members(use, values).values()}
    for name in values:
        if name not in free and name not in numbered:
            help = did_you_mean(name, free) or f"the rules read {', '.join(sorted(free)) or 'nothing'}"
            message = f"a value was given for `{name}`, which no rule reads"
            problems.append(Diagnostic("ASR071", message, help=help, data=(("name", name),)))
    if problems:
        raise AsrError(problems)


def _parts(use: FreeName, value: object) -> dict[str, object]:
    """Return the parts of a value, each as nested lists: of a box its numbers are reals, however they are written."""
    if callable(value):
        return {"function": value}
    if isinstance(value, Given):
        raise TypeError(f"`{use.name}`: give plain values")
    parts: dict[str, object] = {}
    if isinstance(value, Mapping):
        parts |= {name: _lists(use, part) for name, part in cast(Mapping[str, object], value).items()}
    else:
        nested = _lists(use, value)
        parts["probs" if use.shape == "distribution" and isinstance(nested, list) else "value"] = nested
    if use.shape == "distribution" and {"loc", "scale"} <= set(parts):
        parts["law"] = _normals(parts.pop("loc"), parts.pop("scale"))
    numbers = [name for name in parts if name not in (*_LAWS, *_ABOUT)]
    if use.shape == "box" or any(_has_floats(parts[name]) for name in numbers):
        parts |= {name: _as_reals(parts[name]) for name in numbers}
    _verify_parts(use, parts)
    return parts


_CORNERS = ({"x1", "y1", "x2", "y2"}, {"left", "top", "right", "bottom"})


def _verify_parts(use: FreeName, parts: Mapping[str, object]) -> None:
    """Raise unless a value has the parts that its uses read, and no field that they do not know."""
    named = parts.keys() - {"value", *_LAWS, *_ABOUT}
    wanted = set(use.fields or ())
    fits = named == wanted or (use.shape == "box" and (makes_box(named) or any(named >= made for made in _CORNERS)))
    if named and not fits:
        fields = ", ".join(use.fields or BOX_FIELDS) if use.shape in ("box", "record") else ""
        has = f"it has {fields}" if fields else "it is a number, and has none"
        raise _refused("ASR074", f"`{use.name}` is given the fields {', '.join(sorted(named))}, and {has}", use)
    laws = parts.keys() & set(_LAWS)
    if not (named or "value" in parts or laws):
        raise _refused("ASR072", f"`{use.name}` is given {', '.join(sorted(parts)) or 'nothing'}, and no value", use)
    if laws and use.draw and not (named or "value" in parts):
        raise _refused("ASR072", f"`{use.name}` is given as a law, and rules read its value, too: add `value`", use)
    row = lengths(parts.get("probs"))[-1:]
    if "probs" in parts and row in ((), (0,)):
        raise _refused("ASR075", f"`{use.name}` takes a list of probabilities, those of 0, 1, 2 and so on", use)
    if "support" in parts and lengths(parts["support"]) != row:
        raise _refused("ASR075", f"`{use.name}` needs as many probabilities as there are values in `support`", use)


def _normals(loc: object, scale: object) -> object:
    if isinstance(loc, list) and isinstance(scale, list):
        return [_normals(*pair) for pair in zip(cast(list[object], loc), cast(list[object], scale), strict=True)]
    return normal(float(cast(float, loc)), float(cast(float, scale)))


def _lists(use: FreeName, value: object) -> object:
    if hasattr(value, "tolist"):  # arrays and tensors
        value = cast(Any, value).tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = [_lists(use, item) for item in cast(Sequence[object], value)]
        if len({lengths(item) for item in items}) > 1:
            raise _refused("ASR073", f"the rows of `{use.name}` differ in length", use)
        return items
    if isinstance(value, float) and not math.isfinite(value):
        raise _refused("ASR072", f"the value of `{use.name}` has an entry that is not finite: {value!r}", use)
    if isinstance(value, bool | int | float) or value is None or not isinstance(value, str | Mapping | set):
        return value
    raise _refused("ASR072", f"the value of `{use.name}` has an entry that is no number: {value!r}", use)


def _has_floats(nested: object) -> bool:
    if isinstance(nested, list):
        return any(map(_has_floats, cast(list[object], nested)))
    return isinstance(nested, float)


def _as_reals(nested: object) -> object:
    if isinstance(nested, list):
        return [_as_reals(item) for item in cast(list[object], nested)]
    return float(nested) if isinstance(nested, int) else nested


# ---- its shape


def _batch(use: FreeName, parts: Mapping[str, object]) -> tuple[int, ...]:
    """Return the lengths of the axes that no index names."""
    if use.rank is None or "function" in parts:
        return ()
    found: set[tuple[int, ...]] = set()
    for name, nested in parts.items():
        if name == "support":
            continue
        columns = name == "value" and (use.shape in ("box", "record", "probabilities"))
        axes = use.rank + (columns or name == "probs")
        shape = lengths(nested)
        if len(shape) < axes:
            what = f"{axes} axes" if axes != 1 else "1 axis"
            last = ", the last its columns" if columns and use.shape != "probabilities" else ""
            raise _refused("ASR073", f"`{use.name}` needs {what}{last}, and its value has {len(shape)}", use)
        found.add(shape[: len(shape) - axes])
    if len(found) > 1:
        raise _refused("ASR073", f"the parts of `{use.name}` differ in shape", use)
    return found.pop()


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
        declared = len(use.fields or ()) if use.declared else 0
        if use.shape == "box" and found.value is not None and columns[0] not in ((declared,) if declared else (3, 4)):
            raise ValueError(f"`{use.name}` is a box: 4 columns (x, y, w, h) or 3 (x, y, size), and not {columns[0]}")
        if use.shape == "record" and found.value is not None and columns[0] != declared:
            raise ValueError(
                f"`{use.name}` has {declared} columns, {', '.join(use.fields or ())}, and not {columns[0]}"
            )
        return found
    except ValueError as error:
        raise _refused("ASR072", str(error), use) from None


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


def _refused(code: str, message: str, use: FreeName | None = None) -> AsrError:
    return AsrError([Diagnostic(code, message, use.span if use is not None else None)])
