"""Distributions: of a site, named by its family, and over a finite support."""

import math
from typing import cast

from asrppl.check.context import Context
from asrppl.check.expand import build
from asrppl.check.expand.arrays import as_offset, entry_of, note_accesses, refuse_rank, term
from asrppl.check.expand.components import component_of, declared_component, fields_of
from asrppl.check.expand.names import arguments_by_name, unfold
from asrppl.check.expand.values import Array, Env, NumberSet, Poison, Value
from asrppl.core.laws import FAMILIES, NAMED, Law, component
from asrppl.core.signature import EDGES, Entry, Kind, makes_box
from asrppl.core.typed import (
    CategoricalOf,
    Constant,
    Distribution,
    Offset,
    Parametric,
    PointMass,
    Posterior,
    Read,
    Term,
    TypedDistribution,
    TypedTerm,
    UniformOver,
)
from asrppl.core.walk import is_poisoned
from asrppl.diagnostics import replacing
from asrppl.source import Span
from asrppl.syntax import ast

_LEAST = 1e-6
"""How near to 0 (or to 1, where that is its other end) a parameter that varies may come: what a scale is kept from."""


def distribution(ctx: Context, expr: ast.Expr, env: Env, where: str) -> Distribution | None:
    """Expand ``expr`` to a distribution; None after an error. ``where`` says what takes it."""
    value = ctx.value(expr, env)
    if isinstance(value, TypedDistribution):
        return value
    if not isinstance(value, Poison) and not build.is_poison(value):
        meant = f"q({expr.span.text})" if isinstance(value, Array) else None
        ctx.add(
            "ASR052",
            expr.span,
            f"{where} takes a distribution: `q(n)`, `normal(m, s)`, `uniform(S)`, `delta(k)` or `categorical(p)`",
            env,
            help=f"did you mean `{meant}`?" if meant is not None else None,
            edits=replacing(expr.span, meant) if meant is not None else (),
        )
    return None


def make(ctx: Context, function: str, argument: ast.Expr, span: Span, env: Env) -> Value:
    """Expand a call of ``q``, ``delta``, ``uniform`` or ``categorical``."""
    if function == "delta":
        return _delta(ctx, argument, span, env)
    if function == "q":
        return _of_site(ctx, argument, span, env)
    value = ctx.value(argument, env)
    if isinstance(value, Poison):
        return value
    if function == "uniform":
        if isinstance(value, NumberSet):
            return UniformOver(value.items, build.NO_LEVELS, span)
        ctx.add("ASR052", argument.span, "`uniform` takes a set of constants, as in `uniform({1, 3})`", env)
        return Poison()
    array = _array(ctx, function, value, argument.span, env)
    if isinstance(array, Poison):
        return array
    indices = cast(tuple[Offset, ...], array.indices)
    if ctx.signature is None:
        ctx.uses.add(array.name, len(indices), "probabilities", argument.span)
        note_accesses(ctx, array.name, indices, None, argument.span, array.env)
        return CategoricalOf((), build.ALL_LEVELS, span, array.name, indices)
    entry = _entry(ctx, array, 1, argument.span)
    if entry is None:
        return Poison()
    _, missing = note_accesses(ctx, array.name, indices, entry, argument.span, array.env)
    support = tuple(range(entry.axes[-1]))
    return CategoricalOf(support, entry.levels, span, array.name, indices, entry.given, missing)


def _array(ctx: Context, function: str, value: Value, place: Span, env: Env) -> Array | Poison:
    """Return the array that ``q`` or ``categorical`` is of, its indices all offsets."""
    if not isinstance(value, Array):
        if not isinstance(value, Poison) and not build.is_poison(value):
            what = "the name of a site" if function == "q" else "an array of probabilities"
            ctx.add("ASR052", place, f"`{function}` takes {what}", env)
        return Poison()
    if all(isinstance(index, Offset) for index in value.indices):
        return value
    if any(isinstance(index, TypedTerm) for index in value.indices):
        message = f"an index inside `{function}(…)` is a variable plus or minus a constant, or a constant"
        help = "let a quantifier run over the entries, and say in its `where` which are meant"
        ctx.add("ASR042", place, message, env, help=help)
    return Poison()


def _entry(ctx: Context, array: Array, own: int, place: Span) -> Entry | None:
    """Return what ``array`` was bound to, with as many indices as axes but for its ``own``; None after an error."""
    entry = entry_of(ctx, array.name, place, array.env)
    if entry is not None and len(entry.axes) - own != len(array.indices):
        refuse_rank(ctx, array, len(entry.axes) - own, entry, place)
        return None
    return entry


# ---- of a site


def _of_site(ctx: Context, argument: ast.Expr, span: Span, env: Env) -> Value:
    """Expand ``q(x)``, ``q(z[i])``, ``q(box[i].w)``."""
    expr, inner = unfold(ctx, argument, env)
    field: str | None = None
    if isinstance(expr, ast.Field):
        field, base = expr.name.text, ctx.value(expr.base, inner)
        if isinstance(base, Array) and field in EDGES and _is_edge(ctx, base, field):
            message = f"`.{field}` is computed from a centre and a side, and has no law of its own"
            ctx.add("ASR052", argument.span, message, env, help=f"take the law of `.{EDGES[field][0]}`")
            return Poison()
    else:
        base = ctx.value(argument, env)
    array = _array(ctx, "q", base, argument.span, env)
    if isinstance(array, Poison):
        return array
    indices, place = cast(tuple[Offset, ...], array.indices), argument.span
    if ctx.signature is None:
        shape = "distribution" if field is None else "field"
        ctx.uses.add(array.name, len(indices), shape, array.span if field else place, field, place, law=True)
        if field is not None and declared_component(ctx, array, field, place) == "":
            return Poison()
        note_accesses(ctx, array.name, indices, None, place, array.env)
        return Posterior((), build.ALL_LEVELS, span, array.name, indices)
    entry = _entry(ctx, array, 0, place)
    if entry is None:
        return Poison()
    if entry.support is None and entry.law is None:
        origin = f" ({entry.origin})" if entry.origin else ""
        help = f'a guide can hand one over: `asrppl.expose("{array.name}", Normal(loc, scale))`'
        ctx.add("ASR052", place, f"`{array.name}`{origin} has no law that rules can read", array.env, help=help)
        return Poison()
    part = component_of(ctx, array, entry.fields, entry.squares, field, place)
    if part == "":
        return Poison()
    resolved, missing = note_accesses(ctx, array.name, indices, entry, place, array.env)
    if entry.law is None:
        assert entry.support is not None
        return Posterior(entry.support, entry.distribution_levels, span, array.name, indices, missing)
    point = entry.law.family == "Delta"
    kind = entry.kind if point else Kind.REAL
    given = entry.given and point  # what was observed is data; parameters are what training moves
    parameters = tuple(
        Read(kind, entry.distribution_levels, span, array.name, component(name, part), resolved, given, missing)
        for name in entry.law.parts
    )
    return Parametric((), entry.distribution_levels, span, entry.law, parameters)


def _is_edge(ctx: Context, array: Array, field: str) -> bool:
    known = fields_of(ctx, array)
    return field not in known and (not known or makes_box(known))


# ---- by the name of a family


def named(ctx: Context, family: str, node: ast.Call, env: Env) -> Value:
    """Expand ``normal(m, s)`` and the like; the arguments are Pyro's, in its order or by their names."""
    known = FAMILIES[NAMED[family]]
    signature = f"{family}({', '.join(known.parameters)})"
    given = arguments_by_name(ctx, node, known.parameters, env, signature)
    if given is None:
        return Poison()
    parameters: list[Term] = []
    for name in known.parameters:
        value = term(ctx, given[name], env)
        parameters.append(_inside(ctx, value, known.bounds.get(name), f"`{name}` of `{family}`", given[name].span, env))
    if any(map(is_poisoned, parameters)):
        return Poison()
    return Parametric((), build.levels_of(parameters), node.span, Law(NAMED[family]), tuple(parameters))


def _inside(ctx: Context, value: Term, bounds: tuple[float, float] | None, what: str, span: Span, env: Env) -> Term:
    """Return a parameter, kept inside its bounds where it varies; a constant outside is an error."""
    if bounds is None:
        return value
    low, high = bounds
    if isinstance(value, Constant):
        if low < value.value < high:
            return value
        lies = "is positive" if high == math.inf else "lies between 0 and 1"
        ctx.add("ASR039", span, f"{what} {lies}, and this is {value.value:g}", env)
        return build.poison(span)
    if is_poisoned(value):
        return value
    value = build.binary("max", value, build.number(_LEAST, span), span)
    return value if high == math.inf else build.binary("min", value, build.number(1 - _LEAST, span), span)


def _delta(ctx: Context, argument: ast.Expr, span: Span, env: Env) -> Value:
    at = term(ctx, argument, env)
    if isinstance(at, Constant):
        return PointMass((at.value,), build.NO_LEVELS, span, float(at.value))
    offset = as_offset(at)
    if offset is not None and offset.variable is not None:
        ctx.ask(at)
        support = tuple(value + offset.add for value in offset.variable.values)
        return PointMass(support, build.NO_LEVELS, span, offset)
    if not build.is_poison(at):
        ctx.add("ASR052", argument.span, "`delta` takes a constant, or an index variable", env)
    return Poison()
