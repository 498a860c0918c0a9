"""Atoms: comparisons, membership, and how a count compares with a bound."""

import math
from typing import Literal

from asrppl.check.context import Context, Scope
from asrppl.check.expand import build
from asrppl.check.expand.arrays import term
from asrppl.check.expand.binders import bind, guard_of, present, written_guard
from asrppl.check.expand.names import FORMULAS, unfold
from asrppl.check.expand.presence import defined
from asrppl.check.expand.values import Env, NumberSet, Poison, Table
from asrppl.check.lint.warn import warn_density
from asrppl.core.signature import Kind
from asrppl.core.typed import AtLeast, Constant, Every, Formula, Read, Term, TruthValue
from asrppl.diagnostics import replacing
from asrppl.source import Span
from asrppl.syntax import ast

Comparison = Literal["<=", "<", ">=", ">", "==", "!="]
_NEGATED: dict[Comparison, Comparison] = {"<=": ">", "<": ">=", ">=": "<", ">": "<=", "==": "!=", "!=": "=="}
_SWAPPED: dict[Comparison, Comparison] = {"<=": ">=", "<": ">", ">=": "<=", ">": "<", "==": "==", "!=": "!="}


def chain(ctx: Context, node: ast.Chain, env: Env, positive: bool) -> Formula:
    """Expand ``a <= b <= c``: each neighbouring pair compared (the parser sees to one direction)."""
    parts = [
        _compare(ctx, _comparison(operator), left, right, env, positive, left.span.to(right.span))
        for operator, left, right in zip(node.operators, node.operands, node.operands[1:], strict=False)
    ]
    return (build.conjunction if positive else build.disjunction)(parts, node.span)


def _comparison(operator: str) -> Comparison:
    match operator:
        case "<=" | "<" | ">=" | ">" | "==" | "!=":
            return operator
        case _:
            raise AssertionError(operator)


def _compare(
    ctx: Context, operator: Comparison, left: ast.Expr, right: ast.Expr, env: Env, positive: bool, span: Span
) -> Formula:
    if operator in ("==", "!=") and isinstance(left, FORMULAS) and isinstance(right, FORMULAS):
        both = f"{left.span.text} iff {right.span.text}"
        mend = both if operator == "==" else f"not ({both})"
        message, edits = f"`{operator}` compares numbers, and these are formulas", replacing(span, f"({mend})")
        ctx.add("ASR037", span, message, env, help=f"write `{mend}`", edits=edits)
        return build.truth(build.poison(span), positive, span)
    if not positive:
        operator = _NEGATED[operator]
    ways: tuple[tuple[ast.Expr, ast.Expr, Comparison], ...] = (
        (left, right, operator),
        (right, left, _SWAPPED[operator]),
    )
    for counted, bound, oriented in ways:
        node, node_env = unfold(ctx, counted, env)
        if isinstance(node, ast.Count):
            bound_term = term(ctx, bound, env)
            if _is_count_bound(bound_term):
                return _compare_count(ctx, oriented, node, node_env, bound_term, span)
            break
    return _atom(ctx, operator, term(ctx, left, env), term(ctx, right, env), span, env, positive)


def _atom(ctx: Context, operator: Comparison, left: Term, right: Term, span: Span, env: Env, positive: bool) -> Formula:
    return build.where_defined(_compared(ctx, operator, left, right, span, env, positive), defined(span, left, right))


def _compared(
    ctx: Context, operator: Comparison, left: Term, right: Term, span: Span, env: Env, positive: bool
) -> Formula:
    match operator:
        case "<=":
            return build.at_most(left, right, span)
        case ">=":
            return build.at_most(right, left, span)
        case "<":
            return build.less(left, right, span)
        case ">":
            return build.less(right, left, span)
        case "==":
            if not ctx.conditions:
                warn_density(ctx, left, right, span, env)
            return build.equal(left, right, span)
        case "!=":
            return _differ(ctx, left, right, span, env, positive)


def _differ(ctx: Context, left: Term, right: Term, span: Span, env: Env, positive: bool) -> Formula:
    if build.is_poison(left) or build.is_poison(right):
        return build.truth(build.poison(span), True, span)
    for one, other in ((left, right), (right, left)):
        if one.kind in build.WHOLE and isinstance(other, Constant) and not build.is_whole(other):
            return TruthValue(build.NO_LEVELS, span, True)
    for side in (left, right) if not ctx.conditions else ():
        if ctx.static and isinstance(side, Read) and side.component is None:
            ctx.uses.add(side.name, len(side.indices), "int", side.span)
        elif not build.is_whole(side) and not (ctx.static and (side.kind is Kind.SCALAR or isinstance(side, Constant))):
            what = "`!=` between reals" if positive else "the negation of `==` between reals"
            distance = f"abs({left.span.text} - {right.span.text}) >= m"
            ctx.add(
                "ASR049",
                span,
                f"{what} holds almost everywhere, so it teaches nothing",
                env,
                help=f"say how far apart they have to be: `{distance}`",
            )
            break
    return build.differ(left, right, span)


# ---- counts


def _is_count_bound(bound: Term) -> bool:
    # A bound that takes fractions cannot be turned into a number of indices, unless it is a constant.
    return isinstance(bound, Constant) or bound.kind is not Kind.REAL


def _compare_count(ctx: Context, operator: Comparison, node: ast.Count, env: Env, bound: Term, span: Span) -> Formula:
    formula = _count_atoms(ctx, operator, node, env, bound, span)
    missing = defined(span, bound)
    if missing is None:
        return formula
    # Where the bound has no value, nothing is claimed. A condition is false there, and priced as one comparison.
    claimed = Every(formula.levels | missing.levels, span, (), None, missing, formula)
    if not ctx.conditions:
        return claimed
    zero = build.number(0, span)
    return build.conjunction((claimed, build.where_defined(build.at_most(zero, zero, span), missing)), span)


def _count_atoms(ctx: Context, operator: Comparison, node: ast.Count, env: Env, bound: Term, span: Span) -> Formula:
    if isinstance(bound, Constant) and math.isinf(bound.value):
        return TruthValue(build.NO_LEVELS, span, operator == "!=" or (operator[0] == "<") == (bound.value > 0))
    if isinstance(bound, Constant) and not build.is_whole(bound):
        match operator:
            case "<=" | "<":
                operator, bound = "<=", build.number(math.floor(bound.value), bound.span)
            case ">=" | ">":
                operator, bound = ">=", build.number(math.ceil(bound.value), bound.span)
            case "==" | "!=":
                return TruthValue(build.NO_LEVELS, span, operator == "!=")
    match operator:
        case ">=":
            return _at_least(ctx, node, env, bound, span)
        case ">":
            return _at_least(ctx, node, env, _shifted(bound, 1), span)
        case "<=":
            return _at_most(ctx, node, env, bound, span)
        case "<":
            return _at_most(ctx, node, env, _shifted(bound, -1), span)
        case "==":
            parts = (_at_least(ctx, node, env, bound, span), _at_most(ctx, node, env, bound, span))
            return build.conjunction(parts, span)
        case "!=":
            more = _at_least(ctx, node, env, _shifted(bound, 1), span)
            return build.disjunction((more, _at_most(ctx, node, env, _shifted(bound, -1), span)), span)


def _shifted(bound: Term, by: int) -> Term:
    return build.binary("+", bound, build.number(by, bound.span), bound.span)


def _at_least(ctx: Context, node: ast.Count, env: Env, bound: Term, span: Span) -> Formula:
    return _counted(ctx, node, env, bound, span, upper=False)


def _at_most(ctx: Context, node: ast.Count, env: Env, bound: Term, span: Span) -> Formula:
    return _counted(ctx, node, env, bound, span, upper=True)


def _counted(ctx: Context, node: ast.Count, env: Env, bound: Term, span: Span, *, upper: bool) -> Formula:
    both: list[Formula] = []

    def visit(scope: Scope, inner: Env) -> tuple[list[Formula], Formula]:
        written = written_guard(ctx, scope, inner)
        both[:] = [ctx.formula(node.body, inner, True)]
        if upper:
            both.append(ctx.formula(node.body, inner, False))
        return written, both[-1]

    scope, written, body = bind(ctx, env, node.binder, visit)
    if ctx.conditions and ctx.lengths_known and not all(variable.values for variable in scope.variables):
        zero = build.number(0, span)
        return build.at_most(zero, bound, span) if upper else build.at_most(bound, zero, span)
    there, guard = present(scope), guard_of(scope, written)
    levels = build.levels_of(part for part in (there, guard, body, bound) if part is not None)
    return AtLeast(levels, span, scope.variables, there, guard, body, both[0], bound, upper)


# ---- membership


def membership(ctx: Context, node: ast.Member, env: Env, positive: bool) -> Formula:
    """Expand ``t in S`` or ``t not in S``."""
    positive = positive != node.negated
    container, container_env = unfold(ctx, node.container, env)
    counted, counted_env = unfold(ctx, node.value, env)
    value = term(ctx, node.value, env)
    span = node.span

    def compared(operator: Comparison, other: Term) -> Formula:
        # `(count i: φ) in 1..3` costs what `1 <= (count i: φ) <= 3` does.
        if isinstance(counted, ast.Count) and _is_count_bound(other):
            return _compare_count(ctx, operator, counted, counted_env, other, span)
        return _atom(ctx, operator, value, other, span, env, positive)

    match container:
        case ast.Interval() | ast.Range():
            low, high = term(ctx, container.low, container_env), term(ctx, container.high, container_env)
            if isinstance(container, ast.Range):
                _verify_whole(ctx, value, low, high, node, container, env)
            if not _verify_order(ctx, low, high, container, container_env):
                return build.truth(build.poison(span), positive, span)
            if positive:
                return build.conjunction((compared(">=", low), compared("<=", high)), span)
            return build.disjunction((compared("<", low), compared(">", high)), span)
        case ast.Vector():
            found = ", ".join(item.span.text for item in container.items)
            message = "an interval has two ends, `[low, high]`"
            ctx.add("ASR047", container.span, message, env, help=f"a set is written in braces: `{{{found}}}`")
            return build.truth(build.poison(span), positive, span)
        case ast.SetLiteral():
            items = [term(ctx, item, container_env) for item in container.items]
        case _:
            found = ctx.value(container, container_env)
            if isinstance(found, Poison):
                return build.truth(build.poison(span), positive, span)
            if not isinstance(found, NumberSet):
                help = "write `{1, 3}`, `1..3` or `[0.5, 1]`; of two boxes `inside(a, b)`"
                if isinstance(found, Table) and len(found.shape) == 1:
                    help = f"a set is written in braces: `{{{', '.join(f'{value:g}' for value in found.values)}}}`"
                ctx.add("ASR047", node.container.span, "`in` takes a set, a range or an interval", env, help=help)
                return build.truth(build.poison(span), positive, span)
            items = [build.number(item, node.container.span) for item in found.items]
    operator: Comparison = "==" if positive else "!="
    for _ in items:
        ctx.step(span, env)
    parts = [compared(operator, item) for item in items]
    return (build.disjunction if positive else build.conjunction)(parts, span)


def _verify_order(ctx: Context, low: Term, high: Term, container: ast.Interval | ast.Range, env: Env) -> bool:
    """Refuse constant ends in the wrong order, between which nothing lies."""
    if not isinstance(low, Constant) or not isinstance(high, Constant) or low.value <= high.value:
        return True
    first, last = container.low.span.text, container.high.span.text
    swapped = f"[{last}, {first}]" if isinstance(container, ast.Interval) else f"{last}..{first}"
    ctx.add(
        "ASR047",
        container.span,
        f"nothing lies in here: {low.value:g} is above {high.value:g}",
        env,
        help=f"the lower end comes first: `{swapped}`",
    )
    return False


def _verify_whole(
    ctx: Context, value: Term, low: Term, high: Term, node: ast.Member, container: ast.Range, env: Env
) -> None:
    for side, expr in ((value, node.value), (low, container.low), (high, container.high)):
        if build.is_poison(side) or build.is_whole(side):
            continue
        if ctx.static and side.kind is Kind.SCALAR:
            if isinstance(side, Read) and side.component is None:
                ctx.uses.add(side.name, len(side.indices), "int", side.span)
            continue
        interval = f"{node.value.span.text} in [{container.low.span.text}, {container.high.span.text}]"
        ctx.add(
            "ASR067",
            expr.span,
            "a range holds whole numbers, and this takes real values",
            env,
            help=f"an interval of reals is written `{interval}`",
        )
        return
