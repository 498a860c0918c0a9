"""What changes levels: ``E[…]``, ``P[…]``, ``aggregate(…)``."""

from asrppl.check.context import Context
from asrppl.check.expand import build
from asrppl.check.expand.arrays import scalar
from asrppl.check.expand.names import sort
from asrppl.check.expand.presence import defined, drawn
from asrppl.check.expand.values import Array, Env, NumberSet, Poison, Record, Table, Value
from asrppl.core.signature import Kind, Level
from asrppl.core.typed import (
    AggregateDistribution,
    AggregateTerm,
    Distribution,
    Expectation,
    ExpectedDistribution,
    Formula,
    Parametric,
    Probability,
    Read,
    Term,
    TypedDistribution,
)
from asrppl.source import Span
from asrppl.syntax import ast

_DRAW = frozenset({Level.DRAW})
_DATUM = frozenset({Level.DATUM})


def bracketed(ctx: Context, operator: str, index: ast.Index, env: Env) -> Value:
    """Expand ``E[t]`` or ``P[φ]``."""
    if len(index.indices) != 1 or operator == "aggregate":
        help = "write `aggregate(…)`" if operator == "aggregate" else f"write `{operator}[…]` of one expression"
        ctx.add("ASR053", index.span, f"`{operator}` is not an array", env, help=help)
        return Poison()
    body, span = index.indices[0], index.span
    kind = sort(ctx, body, env)
    if operator == "P":
        if kind == "number":
            ctx.add(
                "ASR053",
                span,
                "`P[…]` is the probability of a formula, and this is a number",
                env,
                help="its expectation is `E[…]`",
            )
            return Poison()
        with ctx.uses.inside_a_mean():
            formula = ctx.condition(body, env)
        return Probability(Kind.REAL, formula.levels - _DRAW, span, formula)
    if kind == "formula":
        ctx.add(
            "ASR053",
            span,
            "`E[…]` is the expectation of a number, and this is a formula",
            env,
            help=_counted(body) or "its probability is `P[…]`",
        )
        return Poison()
    with ctx.uses.inside_a_mean():
        value = ctx.value(body, env)
        if isinstance(value, Poison):
            return value
        if isinstance(value, TypedDistribution):
            return _expected_distribution(ctx, value, span, env)
        term = scalar(ctx, value, body.span, env)
    where = drawn(span, term)  # a draw without a value is not meant
    if Level.DRAW not in term.levels and where is None:
        return term  # what reads no draw is its own expectation
    levels = term.levels if where is None else term.levels | where.levels
    return Expectation(Kind.REAL, levels - _DRAW, span, term, where)


def _counted(body: ast.Expr) -> str | None:
    """Return how to count where a comparison holds, where a count without brackets was compared."""
    if not isinstance(body, ast.Chain) or not isinstance(count := body.operands[0], ast.Count):
        return None
    begin = body.span.text[: count.body.span.start - body.span.start]
    return f"to count where it holds, put it into brackets: `E[{begin}({body.span.text[len(begin) :]})]`"


def _expected_distribution(ctx: Context, body: Distribution, span: Span, env: Env) -> Distribution | Poison:
    where = drawn(span, body)
    if Level.DRAW not in body.levels and where is None:
        return body
    if isinstance(body, Parametric):
        return _mixture(ctx, body, "E[mean(…)]", span, env)
    levels = body.levels if where is None else body.levels | where.levels
    return ExpectedDistribution(body.support, levels - _DRAW, span, body, where)


def _mixture(ctx: Context, body: Parametric, written: str, span: Span, env: Env) -> Poison:
    """Report a mixture over draws or data of a law that has no list of probabilities."""
    message = f"a mixture of laws has no closed form where each is {body.law.title}"
    ctx.add("ASR120", span, message, env, help=f"take the mean of what you say of each: `{written}`")
    return Poison()


def _settled(ctx: Context, body: ast.Expr, term: Term) -> str:
    """Return how `aggregate` of a draw is written."""
    written = body.span.text
    entry = ctx.signature.get(term.name) if ctx.signature is not None and isinstance(term, Read) else None
    if entry is not None and (entry.support is not None or (entry.law is not None and entry.law.closes("mean"))):
        return f"write `aggregate(mean(q({written})))`, or `aggregate(E[{written}])`"
    return f"write `aggregate(E[{written}])`, the mean over draws and data"


def aggregate(ctx: Context, body: ast.Expr, where: ast.Expr | None, span: Span, env: Env) -> Value:
    """Expand ``aggregate(t)`` or ``aggregate(t where g)``."""
    if sort(ctx, body, env) == "formula":
        ctx.add(
            "ASR053",
            body.span,
            "`aggregate` is the mean of a number over the data, and this is a formula",
            env,
            help=_counted(body) or f"aggregate its probability: `aggregate(P[{body.span.text}])`",
        )
        return Poison()
    with ctx.over_data():
        value = ctx.value(body, env)
        if isinstance(value, Array):
            value = scalar(ctx, value, body.span, env)
    if isinstance(value, Poison):
        return value
    condition: Formula | None = None
    if where is not None:
        with ctx.over_data():
            condition = ctx.condition(where, env)
        if not ctx.static and Level.DRAW in condition.levels:
            ctx.add(
                "ASR054",
                where.span,
                "which data `aggregate` takes in must not vary with draws",
                env,
                help="select by something observed, or by its probability: `P[…] >= 0.5`",
            )
    there = None if isinstance(value, Array | Record | NumberSet | Table) else defined(span, value)
    if there is not None:  # a datum without a value is left out
        condition = there if condition is None else build.conjunction((condition, there), span)
    outer = condition.levels if condition is not None else build.NO_LEVELS
    if isinstance(value, TypedDistribution):
        if isinstance(value, Parametric):
            return _mixture(ctx, value, f"aggregate(mean({body.span.text}))", span, env)
        # aggregate(q(n)) means aggregate(E[q(n)]): the mixture over draws and data at once.
        inner = value.body if isinstance(value, ExpectedDistribution) else value
        return AggregateDistribution(inner.support, (inner.levels | outer) - _DRAW - _DATUM, span, inner, condition)
    term = scalar(ctx, value, body.span, env)
    if not ctx.static and Level.DRAW in term.levels:
        ctx.add(
            "ASR054",
            body.span,
            "`aggregate` is a mean over the data, and this still varies with draws",
            env,
            help=_settled(ctx, body, term),
        )
        return Poison()
    return AggregateTerm(Kind.REAL, (term.levels | outer) - _DRAW - _DATUM, span, term, condition)
