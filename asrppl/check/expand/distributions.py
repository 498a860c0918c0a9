"""Distributions over a finite support, and functionals of them."""

from asrppl.check.context import Context
from asrppl.check.expand import build
from asrppl.check.expand.arrays import as_offset, entry_of, note_accesses, refuse_rank, term
from asrppl.check.expand.values import Array, Env, NumberSet, Poison, Value
from asrppl.core.signature import Kind
from asrppl.core.typed import (
    CategoricalOf,
    Constant,
    Distribution,
    Functional,
    Offset,
    PointMass,
    Posterior,
    Term,
    TypedDistribution,
    TypedTerm,
    UniformOver,
)
from asrppl.source import Span
from asrppl.syntax import ast


def distribution(ctx: Context, expr: ast.Expr, env: Env, where: str) -> Distribution | None:
    """Expand ``expr`` to a distribution; None after an error. ``where`` says what takes it."""
    value = ctx.value(expr, env)
    if isinstance(value, TypedDistribution):
        return value
    if not isinstance(value, Poison) and not build.is_poison(value):
        help = f"did you mean `q({expr.span.text})`?" if isinstance(value, Array) else None
        ctx.add(
            "ASR052",
            expr.span,
            f"{where} takes a distribution: `q(n)`, `uniform(S)`, `delta(k)` or `categorical(p)`",
            env,
            help=help,
        )
    return None


def make(ctx: Context, function: str, argument: ast.Expr, span: Span, env: Env) -> Value:
    """Expand a call of ``q``, ``delta``, ``uniform`` or ``categorical``."""
    if function == "delta":
        return _delta(ctx, argument, span, env)
    value = ctx.value(argument, env)
    if isinstance(value, Poison):
        return value
    if function == "uniform":
        if isinstance(value, NumberSet):
            return UniformOver(value.items, build.NO_LEVELS, span)
        ctx.add("ASR052", argument.span, "`uniform` takes a set of constants, as in `uniform({1, 3})`", env)
        return Poison()
    if not isinstance(value, Array):
        what = "the name of a site" if function == "q" else "an array of probabilities"
        ctx.add("ASR052", argument.span, f"`{function}` takes {what}", env)
        return Poison()
    indices = tuple(index for index in value.indices if isinstance(index, Offset))
    if len(indices) < len(value.indices):
        if any(isinstance(index, TypedTerm) for index in value.indices):
            message = f"an index inside `{function}(…)` is a variable plus or minus a constant, or a constant"
            help = "let a quantifier run over the entries, and say in its `where` which are meant"
            ctx.add("ASR042", argument.span, message, env, help=help)
        return Poison()
    if ctx.signature is None:
        ctx.uses.add(value.name, len(indices), "distribution" if function == "q" else "probabilities", argument.span)
        note_accesses(ctx, value.name, indices, None, argument.span, value.env)
        if function == "q":
            return Posterior((), build.ALL_LEVELS, span, value.name, indices)
        return CategoricalOf((), build.ALL_LEVELS, span, value.name, indices)
    return _bound(ctx, function, value, indices, argument.span, span)


def _bound(ctx: Context, function: str, array: Array, indices: tuple[Offset, ...], place: Span, span: Span) -> Value:
    entry = entry_of(ctx, array.name, place, array.env)
    if entry is None:
        return Poison()
    named = len(entry.axes) - (function == "categorical")
    if named != len(indices):
        refuse_rank(ctx, array, named, entry, place)
        return Poison()
    if function == "categorical":
        _, missing = note_accesses(ctx, array.name, indices, entry, place, array.env)
        support = tuple(range(entry.axes[-1]))
        return CategoricalOf(support, entry.levels, span, array.name, indices, entry.given, missing)
    if entry.support is None:
        origin = f" ({entry.origin})" if entry.origin else ""
        ctx.add(
            "ASR052",
            place,
            f"`{array.name}`{origin} has no distribution over finitely many values",
            array.env,
            help=f'a guide can hand one over: `asrppl.expose("{array.name}", Categorical(probs))`',
        )
        return Poison()
    _, missing = note_accesses(ctx, array.name, indices, entry, place, array.env)
    return Posterior(entry.support, entry.distribution_levels, span, array.name, indices, missing)


def _delta(ctx: Context, argument: ast.Expr, span: Span, env: Env) -> Value:
    at = term(ctx, argument, env)
    if isinstance(at, Constant):
        return PointMass((at.value,), build.NO_LEVELS, span, float(at.value))
    offset = as_offset(at)
    if offset is not None and offset.variable is not None:
        support = tuple(value + offset.add for value in offset.variable.values)
        return PointMass(support, build.NO_LEVELS, span, offset)
    if not build.is_poison(at):
        ctx.add("ASR052", argument.span, "`delta` takes a constant, or an index variable", env)
    return Poison()


def functional(ctx: Context, name: str, arguments: tuple[ast.Expr, ...], span: Span, env: Env) -> Term:
    """Expand a functional of one distribution, or of two."""
    found = [distribution(ctx, argument, env, f"`{name}`") for argument in arguments]
    parts = tuple(part for part in found if part is not None)
    if len(parts) < len(found):
        return build.poison(span)
    if name == "kl":
        _verify_finite(ctx, parts[0], parts[1], arguments, span, env)
    levels = build.NO_LEVELS.union(*(part.levels for part in parts))
    match name:
        case "kl" | "js" | "tv" | "entropy" | "mean" | "var":
            return Functional(Kind.REAL, levels, span, name, parts)
        case _:
            raise AssertionError(name)


def _verify_finite(
    ctx: Context, p: Distribution, r: Distribution, arguments: tuple[ast.Expr, ...], span: Span, env: Env
) -> None:
    """Refuse a kl(p || r) where p may take a value that r never takes."""
    if isinstance(r, PointMass):
        if isinstance(p, PointMass) and isinstance(p.at, float) and p.at == r.at:
            return
        missing = "other values"
    elif not p.support or not r.support:
        return  # not known before binding
    else:
        taken = {float(value) for value in r.support}
        lacking = [value for value in p.support if float(value) not in taken]
        if not lacking:
            return
        missing = f"{lacking[0]:g}"
    left, right = (argument.span.text for argument in arguments)
    swapped = f"`{span.text.split('(')[0]}({right} || {left})`"
    can_swap = isinstance(r, PointMass) or set(map(float, r.support)) <= set(map(float, p.support))
    ctx.add(
        "ASR051",
        span,
        f"this is infinite: `{left}` may take {missing}, and `{right}` does not",
        env,
        help=f"did you mean {swapped}?" if can_swap and not isinstance(p, PointMass) else None,
    )
