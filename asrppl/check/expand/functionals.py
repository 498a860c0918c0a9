"""Functionals of distributions: which there are of which, and what is said of those without a closed form."""

from asrppl.check.context import Access, Context
from asrppl.check.expand import build
from asrppl.check.expand.arrays import offset, term
from asrppl.check.expand.distributions import distribution
from asrppl.check.expand.values import Env
from asrppl.core.laws import FAMILIES, Law
from asrppl.core.signature import Kind
from asrppl.core.typed import Constant, Distribution, Functional, Offset, Parametric, PointMass, Term, TypedDistribution
from asrppl.core.walk import is_poisoned, moves
from asrppl.source import Span
from asrppl.syntax import ast

_WORDS = {"var": "variance", "sd": "standard deviation", "kl": "divergence", "js": "divergence", "tv": "divergence"}
_BY_DRAWS = {
    "mean": "`E[{x}]` says it",
    "var": "`E[{x} ^ 2] - E[{x}] ^ 2` says it",
    "sd": "`sqrt(E[{x} ^ 2] - E[{x}] ^ 2)` says it",
    "cdf": "`P[{x} <= {at}]` says it",
    "quantile": "that it is at most c says `P[{x} <= c] >= {at}`",
}
"""The same of draws, which every law has."""


def functional(
    ctx: Context, name: str, arguments: tuple[ast.Expr, ...], span: Span, env: Env, at: ast.Expr | None = None
) -> Term:
    """Expand a functional of one distribution, of one ``at`` a number, or of two."""
    found = [distribution(ctx, argument, env, f"`{name}`") for argument in arguments]
    where = term(ctx, at, env) if at is not None else None
    parts = tuple(part for part in found if part is not None)
    if len(parts) < len(found) or (where is not None and is_poisoned(where)):
        return build.poison(span)
    laws = [part for part in parts if isinstance(part, Parametric)]
    if laws:
        known = all(part.support or isinstance(part, Parametric) for part in parts)  # before binding not all are
        if known and not _closes(ctx, name, parts, arguments, where, span, env):
            return build.poison(span)
    elif name == "kl":
        _verify_finite(ctx, parts[0], parts[1], arguments, span, env)
    if where is not None and not _verify_place(ctx, name, parts[0], where, span, env):
        return build.poison(span)
    levels = build.NO_LEVELS.union(*(part.levels for part in parts), where.levels if where is not None else ())
    match name:
        case "kl" | "js" | "tv" | "entropy" | "mean" | "var" | "sd" | "cdf" | "quantile":
            return Functional(Kind.REAL, levels, span, name, parts, where)
        case _:
            raise AssertionError(name)


def mass(ctx: Context, of: TypedDistribution, indices: tuple[ast.Expr, ...], span: Span, env: Env) -> Term:
    """Expand ``q(n)[k]``, the probability of one value; outside the support it is 0."""
    if len(indices) != 1:
        ctx.add("ASR043", span, f"a distribution is asked for one value, not for {len(indices)}", env)
        return build.poison(span)
    if isinstance(of, Parametric):
        message = f"this is {of.law.title}, and only laws of finitely many values are asked for one of them"
        help = None if FAMILIES[of.law.family].discrete else "a value of a law with a density has probability 0"
        ctx.add("ASR120", span, message, env, help=help)
        return build.poison(span)
    (index,) = indices
    at = term(ctx, index, env)
    if isinstance(at, Constant):
        value: Term = at  # any number: laws are not of whole numbers alone
    else:
        found = offset(ctx, index, env)
        if found is None:
            return build.poison(span)
        value = at
        if isinstance(found, Offset) and found.variable is not None:
            _note(ctx, found, of, span)
    return Functional(Kind.REAL, of.levels | value.levels, span, "mass", (_typed(of),), value)


def _typed(of: TypedDistribution) -> Distribution:
    assert isinstance(of, Distribution)
    return of


def _note(ctx: Context, index: Offset, of: TypedDistribution, span: Span) -> None:
    """Let an index variable without a domain of its own run over 0, 1, … K − 1, where those are the values."""
    assert index.variable is not None
    scope = ctx.scopes[index.variable.slot]
    length = len(of.support) if of.support and of.support == tuple(range(len(of.support))) else None
    if scope.binder.domain is None or length is None:
        guard = ctx.place(scope)
        scope.accesses.append(Access(index.variable.slot, span.text, length, index.add, guard, span))


# ---- closed forms


def _closes(
    ctx: Context,
    name: str,
    parts: tuple[Distribution, ...],
    arguments: tuple[ast.Expr, ...],
    at: Term | None,
    span: Span,
    env: Env,
) -> bool:
    """Report a functional that has no closed form, with what says the same."""
    if len(parts) == 2:
        return _closes_to(ctx, name, parts, arguments, span, env)
    (part,), (argument,) = parts, arguments
    assert isinstance(part, Parametric)
    law, text = part.law, argument.span.text
    if name == "entropy" and law.family == "Delta" and part.parameters[0].kind in build.WHOLE:
        return True
    if law.closes(name):
        jumps = name == "cdf" and law.family == "Delta" and not ctx.static and any(map(moves, part.parameters))
        if not jumps:
            return True
        message = f"`{text}` is a point mass, whose cdf is a step: no gradient sees where it jumps"
        ctx.add("ASR120", span, message, env, help=f"compare its place: `mean({text})`")
        return False
    word = _WORDS.get(name, name)
    if name in FAMILIES[law.family].missing and not law.transforms:
        ctx.add(
            "ASR120", span, f"`{text}` is {law.title}, which has no {word}", env, help="take its `quantile(…, 0.5)`"
        )
        return False
    if law.family == "Delta":
        ctx.add("ASR120", span, f"`{text}` is a point mass of reals, whose {word} is infinite", env)
        return False
    message = f"`{text}` is {law.title}, whose {word} has no closed form with a gradient"
    ctx.add("ASR120", span, message, env, help=_by_draws(name, argument, at))
    return False


def _by_draws(name: str, argument: ast.Expr, at: Term | None) -> str | None:
    match argument:
        case ast.Call(function=ast.Name(text="q"), arguments=(inner,)) if name in _BY_DRAWS:
            return _BY_DRAWS[name].format(x=inner.span.text, at=at.span.text if at is not None else "")
        case _:
            return None


def _closes_to(
    ctx: Context, name: str, parts: tuple[Distribution, ...], arguments: tuple[ast.Expr, ...], span: Span, env: Env
) -> bool:
    p, r = parts
    left, right = (argument.span.text for argument in arguments)
    if not isinstance(p, Parametric) or not isinstance(r, Parametric):
        law, text, other = (p.law, left, right) if isinstance(p, Parametric) else (_law(r), right, left)
        message = (
            f"`{other}` has finitely many values, and `{text}` is {law.title}: no value of one compares to the other"
        )
        ctx.add("ASR120", span, message, env)
        return False
    if name == "kl" and p.law.closes_to(r.law):
        return True
    if "Delta" in (p.law.family, r.law.family):
        text = left if p.law.family == "Delta" else right
        ctx.add("ASR051", span, f"this is infinite: `{text}` is a point mass of one value", env)
        return False
    one, other = p.law.support, r.law.support
    if name == "kl" and one is not None and other is not None and not (other[0] <= one[0] and one[1] <= other[1]):
        what = "negative values" if one[0] < other[0] else "values above 1"
        swapped = f"did you mean `kl({right} || {left})`?" if r.law.closes_to(p.law) else None
        ctx.add(
            "ASR051", span, f"this is infinite: `{left}` may take {what}, and `{right}` does not", env, help=swapped
        )
        return False
    if name != "kl":
        both = f"write `kl({left} || {right})`" if p.law.closes_to(r.law) else _partners(p.law)
        message = f"`{name}` of {p.law.title} and {r.law.title} has no closed form: it has one for finitely many values"
        ctx.add("ASR120", span, message, env, help=both)
        return False
    message = f"the divergence from {p.law.title} to {r.law.title} has no closed form"
    ctx.add("ASR120", span, message, env, help=_partners(p.law))
    return False


def _law(part: Distribution) -> Law:
    assert isinstance(part, Parametric)
    return part.law


def _partners(law: Law) -> str | None:
    if law.transforms or not FAMILIES[law.family].divergences:
        return None
    known = ", ".join(f"`{family.lower()}`" for family in FAMILIES[law.family].divergences)
    return f"from {law.title} there is `kl` to {known}"


# ---- places


def _verify_place(ctx: Context, name: str, part: Distribution, at: Term, span: Span, env: Env) -> bool:
    """Check what a cdf or quantile is asked at."""
    if name == "quantile":
        if isinstance(at, Constant) and not 0 < at.value < 1:
            message = f"`quantile` takes a probability between 0 and 1, and this is {at.value:g}"
            ctx.add("ASR039", at.span, message, env)
            return False
        if not isinstance(part, Parametric) and part.support:
            message = "a quantile of finitely many values jumps from one to the next, and no gradient sees that"
            ctx.add("ASR120", span, message, env, help="bound its cdf: `cdf(…, c) >= p` says that it is at most c")
            return False
        return True
    steps = part.law.family == "Delta" if isinstance(part, Parametric) else bool(part.support)
    if name == "cdf" and steps and not ctx.static and moves(at):
        message = "the cdf of finitely many values is a step, and of reals that training moves it would jump"
        ctx.add("ASR038", span, message, env, help=f"hold the place fixed: `detach({at.span.text})`")
        return False
    return True


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
