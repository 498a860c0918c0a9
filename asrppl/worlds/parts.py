"""A value as people give it, taken apart: by name of a part, nested lists of plain numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from asrppl.core.free import FreeName
from asrppl.core.signature import BOX_FIELDS, makes_box
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.reference import Given
from asrppl.reference.laws import normal
from asrppl.reference.values import lengths

_LAWS = ("probs", "law")
_ABOUT = ("mask", "support")
_CORNERS = ({"x1", "y1", "x2", "y2"}, {"left", "top", "right", "bottom"})


def parts_of(use: FreeName, value: object) -> dict[str, object]:
    """Return the parts of a value, each as nested lists: of a box its numbers are reals, however they are written.

    Raises:
        AsrError: it does not fit how rules read it.
    """
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


def _verify_parts(use: FreeName, parts: Mapping[str, object]) -> None:
    """Raise unless a value has the parts that its uses read, and no field that they do not know."""
    named = parts.keys() - {"value", *_LAWS, *_ABOUT}
    wanted = set(use.fields or ())
    fits = named == wanted or (use.shape == "box" and (makes_box(named) or any(named >= made for made in _CORNERS)))
    if named and not fits:
        fields = ", ".join(use.fields or BOX_FIELDS) if use.shape in ("box", "record") else ""
        has = f"it has {fields}" if fields else "it is a number, and has none"
        raise refused("ASR074", f"`{use.name}` is given the fields {', '.join(sorted(named))}, and {has}", use)
    laws = parts.keys() & set(_LAWS)
    if not (named or "value" in parts or laws):
        raise refused("ASR072", f"`{use.name}` is given {', '.join(sorted(parts)) or 'nothing'}, and no value", use)
    if laws and use.draw and not (named or "value" in parts):
        raise refused("ASR072", f"`{use.name}` is given as a law, and rules read its value, too: add `value`", use)
    row = lengths(parts.get("probs"))[-1:]
    if "probs" in parts and row in ((), (0,)):
        raise refused("ASR075", f"`{use.name}` takes a list of probabilities, those of 0, 1, 2 and so on", use)
    if "support" in parts and lengths(parts["support"]) != row:
        raise refused("ASR075", f"`{use.name}` needs as many probabilities as there are values in `support`", use)


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
            raise refused("ASR073", f"the rows of `{use.name}` differ in length", use)
        return items
    if isinstance(value, float) and not math.isfinite(value):
        raise refused("ASR072", f"the value of `{use.name}` has an entry that is not finite: {value!r}", use)
    if isinstance(value, bool | int | float) or value is None or not isinstance(value, str | Mapping | set):
        return value
    raise refused("ASR072", f"the value of `{use.name}` has an entry that is no number: {value!r}", use)


def _has_floats(nested: object) -> bool:
    if isinstance(nested, list):
        return any(map(_has_floats, cast(list[object], nested)))
    return isinstance(nested, float)


def _as_reals(nested: object) -> object:
    if isinstance(nested, list):
        return [_as_reals(item) for item in cast(list[object], nested)]
    return float(nested) if isinstance(nested, int) else nested


def batch_of(use: FreeName, parts: Mapping[str, object]) -> tuple[int, ...]:
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
            raise refused("ASR073", f"`{use.name}` needs {what}{last}, and its value has {len(shape)}", use)
        found.add(shape[: len(shape) - axes])
    if len(found) > 1:
        raise refused("ASR073", f"the parts of `{use.name}` differ in shape", use)
    return found.pop()


def refused(code: str, message: str, use: FreeName | None = None) -> AsrError:
    """Return an error about a value, at the place where rules read it."""
    return AsrError([Diagnostic(code, message, use.span if use is not None else None)])
