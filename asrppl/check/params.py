"""The values of ``param``s: as written, or as Python, the CLI or the REPL override them."""

import math
import reprlib
from collections.abc import Iterable, Mapping

from asrppl.check.context import Context, LimitError
from asrppl.check.expand.names import sort
from asrppl.check.expand.terms import constant
from asrppl.check.expand.values import Env, Module, NumberSet, ParamDefinition, Poison
from asrppl.check.modules import names_in
from asrppl.suggest import did_you_mean
from asrppl.syntax import ast

ParamValue = float | Iterable[float]
"""What a ``param`` may be set to: a number, or the numbers of a set."""


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


def _default(ctx: Context, definition: ParamDefinition) -> float | NumberSet | None:
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
        if sort(ctx, expr, env) == "formula" or isinstance(expr, ast.Truth | ast.Interval | ast.Range):
            ctx.add("ASR030", expr.span, "a param is a number or a set of numbers", env)
            return None
        value = ctx.value(expr, env)
        if isinstance(value, NumberSet | Poison):
            return value if isinstance(value, NumberSet) else None
        return constant(ctx, expr, env)
    except LimitError:
        return None


def _overridden(
    ctx: Context, definition: ParamDefinition, default: float | NumberSet | None, given: ParamValue
) -> float | NumberSet | None:
    name = definition.node.name.text
    if default is None:
        return None
    is_set = isinstance(default, NumberSet)
    wanted = "a set of numbers" if is_set else "a number"
    shown = reprlib.repr(given)  # a set may have a million numbers
    if isinstance(given, str) or isinstance(given, Iterable) != is_set:
        ctx.add("ASR032", definition.node.name.span, f"the param `{name}` is {wanted}, and was given {shown}")
        return default
    values = list(given) if isinstance(given, Iterable) else [given]
    numbers = [_number(value) for value in values]
    plain = [number for number in numbers if number is not None]
    if len(plain) < len(numbers) or not plain:
        ctx.add("ASR032", definition.node.name.span, f"the param `{name}` is {wanted}, and was given {shown}")
        return default
    if is_set:
        return NumberSet(tuple(dict.fromkeys(plain)))
    return plain[0]


def _number(value: object) -> float | None:
    """Return a plain, finite Python number; one of NumPy or torch is taken by its value."""
    if isinstance(value, bool | str):
        return None
    if isinstance(value, int):
        return value
    try:
        number = float(value)  # pyright: ignore[reportArgumentType]  # whatever converts is welcome
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number):
        return None
    return number
