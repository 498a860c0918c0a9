"""The values of ``param``s: as written, or as Python, the CLI or the REPL override them."""

import math
import reprlib
from collections.abc import Iterable, Mapping
from typing import cast

from asrppl.check.context import Context, LimitError
from asrppl.check.expand.names import sort
from asrppl.check.expand.terms import constant
from asrppl.check.expand.values import Env, Module, NumberSet, ParamDefinition, Poison, Table
from asrppl.check.modules import names_in
from asrppl.core.typed import Constant
from asrppl.suggest import did_you_mean
from asrppl.syntax import ast
from asrppl.syntax.build import MAX_INTEGER

ParamValue = float | bool | Iterable[float] | Iterable[Iterable[float]]
"""What a ``param`` may be set to: a number or a Boolean, or the numbers of a set, of a list or of rows."""
Given = float | bool | NumberSet | Table


def give_values(ctx: Context, modules: list[Module], overrides: Mapping[str, ParamValue]) -> None:
    """Set the value of every param, imported files first; overrides of params that nobody has are errors."""
    known: list[str] = []
    for module in modules:
        for definition in module.own.values():
            if isinstance(definition, ParamDefinition):
                known.append(definition.node.name.text)
                default = _default(ctx, definition)
                name = definition.node.name.text
                definition.value = (
                    _overridden(ctx, definition, default, overrides[name]) if name in overrides else default
                )
    for name in overrides:
        if name not in known:
            help = did_you_mean(name, known) or (
                f"its params are {', '.join(f'`{k}`' for k in known)}" if known else None
            )
            ctx.sink.add("ASR031", None, f"the rules have no param `{name}`", help=help, name=name)


def _default(ctx: Context, definition: ParamDefinition) -> Given | None:
    expr, env = definition.node.value, Env(definition.module, {})
    for used in names_in(expr):
        other = definition.module.find(used)
        if (
            isinstance(other, ParamDefinition)
            and other.value is None
            and other.node.span.start > definition.node.span.start
        ):
            ctx.add("ASR033", expr.span, f"`{used}` is defined further down", help="move its param up")
            return None
    try:
        if isinstance(expr, ast.Truth):
            return expr.value
        if sort(ctx, expr, env) == "formula" or isinstance(expr, ast.Interval):
            what = "a param is a number, true or false, a set, or a list of numbers"
            ctx.add("ASR030", expr.span, what, env)
            return None
        value = ctx.value(expr, env)
        if isinstance(value, NumberSet | Table):
            return value
        if isinstance(value, Poison):
            return None
        if isinstance(value, Constant) and isinstance(value.value, bool):
            return value.value
        return constant(ctx, expr, env)
    except LimitError:
        return None


def _overridden(ctx: Context, definition: ParamDefinition, default: Given | None, given: ParamValue) -> Given | None:
    name = definition.node.name.text
    match default:
        case None:
            return None
        case NumberSet():
            wanted, value = "a set of numbers", _numbers(given)
            found = NumberSet(tuple(dict.fromkeys(value))) if value else None
        case Table():
            wanted = "a list of numbers" if len(default.shape) == 1 else "rows of numbers"
            found = _table(given, len(default.shape))
        case bool():
            wanted, found = "true or false", given if isinstance(given, bool) else None
        case _:
            wanted, found = "a number", None if isinstance(given, Iterable) else _number(given)
    if found is None:
        shown = reprlib.repr(given)  # a set may have a million numbers
        why = ", too large to be held exactly" if _too_large(given) else ""
        ctx.add("ASR032", definition.node.name.span, f"the param `{name}` is {wanted}, and was given {shown}{why}")
        return default
    return found


def _numbers(given: object) -> list[float] | None:
    """Return the plain numbers of a collection, None where it is none or something in it is no number."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        return None
    values = [_number(value) for value in cast(Iterable[object], given)]
    plain = [value for value in values if value is not None]
    return plain if plain and len(plain) == len(values) else None


def _table(given: object, axes: int) -> Table | None:
    if axes == 1:
        plain = _numbers(given)
        return Table(tuple(plain), (len(plain),)) if plain else None
    if isinstance(given, str) or not isinstance(given, Iterable):
        return None
    rows = [_table(row, axes - 1) for row in cast(Iterable[object], given)]
    whole = [row for row in rows if row is not None]
    if not whole or len(whole) < len(rows) or len({row.shape for row in whole}) > 1:
        return None
    return Table(tuple(value for row in whole for value in row.values), (len(whole), *whole[0].shape))


def _number(value: object) -> float | None:
    """Return a plain, finite Python number; one of NumPy or torch is taken by its value."""
    if isinstance(value, bool | str):
        return None
    if isinstance(value, int):
        return None if abs(value) > MAX_INTEGER else value
    try:
        number = float(value)  # pyright: ignore[reportArgumentType]  # whatever converts is welcome
    except (TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    return number


def _too_large(given: object) -> bool:
    """Whether there is an integer in what was given that no float holds."""
    if isinstance(given, Iterable) and not isinstance(given, str):
        return any(map(_too_large, cast(Iterable[object], given)))
    return isinstance(given, int) and abs(given) > MAX_INTEGER
