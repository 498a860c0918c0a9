"""Formulas, in negation normal form from the start: negation is a direction of expansion, not a node."""

from dataclasses import replace
from itertools import pairwise

from asrppl.check.context import Context, Scope
from asrppl.check.expand import build
from asrppl.check.expand.arrays import scalar
from asrppl.check.expand.binders import bind, guard_of, present, written_guard
from asrppl.check.expand.comparisons import chain, membership
from asrppl.check.expand.names import sort, unfold
from asrppl.check.expand.presence import defined
from asrppl.check.expand.values import Env, Poison
from asrppl.check.lint.reflexive import warn_of_equal_indices
from asrppl.check.lint.warn import warn_ignored_in_quantifier, warn_traded
from asrppl.core.signature import Kind
from asrppl.core.typed import (
    Apply,
    Choose,
    Constant,
    CountTerm,
    Every,
    Formula,
    Read,
    Reduction,
    Some,
    Term,
    TruthValue,
)
from asrppl.core.walk import is_poisoned
from asrppl.diagnostics import replacing
from asrppl.source import Span
from asrppl.syntax import ast


def expand_formula(ctx: Context, expr: ast.Expr, env: Env, positive: bool) -> Formula:
    """Expand a formula, negated where not ``positive``."""
    written = expr
    expr, env = unfold(ctx, expr, env)
    match expr:
        case ast.Truth():
            return TruthValue(build.NO_LEVELS, expr.span, expr.value == positive)
        case ast.Not():
            return ctx.formula(expr.operand, env, not positive)
        case ast.Logic():
            return _logic(ctx, expr, env, positive)
        case ast.Quantified():
            return _quantified(ctx, expr, env, positive)
        case ast.Chain():
            return chain(ctx, expr, env, positive)
        case ast.Member():
            return membership(ctx, expr, env, positive)
        case _:
            return _boolean(ctx, expr, env, positive, written.span)


def _boolean(ctx: Context, expr: ast.Expr, env: Env, positive: bool, span: Span) -> Formula:
    value = ctx.value(expr, env)
    if isinstance(value, Poison):
        return build.truth(build.poison(span), positive, span)
    term = scalar(ctx, value, span, env)
    if isinstance(term, Apply):
        term = replace(term, kind=Kind.BOOL)  # what it returns is looked at when it has returned
    if is_poisoned(term):
        return build.truth(build.poison(span), positive, span)
    if not _can_be_boolean(ctx, term):
        _refuse_number(ctx, term, span, env)
        return build.truth(build.poison(span), positive, span)
    if ctx.static and isinstance(term, Read) and term.component is None and term.name:
        ctx.uses.add(term.name, len(term.indices), "bool", span)
    return build.where_defined(build.truth(term, positive, span), defined(span, term))


def _can_be_boolean(ctx: Context, term: Term) -> bool:
    if term.kind is Kind.BOOL:
        return True
    return ctx.static and isinstance(term, Read) and term.kind is Kind.SCALAR


def _refuse_number(ctx: Context, term: Term, span: Span, env: Env) -> None:
    # What runs as far right as it can would take the comparison in.
    text = f"({span.text})" if isinstance(term, Choose | Reduction | CountTerm) else span.text
    what = "this is a number"
    if isinstance(term, Read) and not ctx.static:
        what = f"`{term.name}` takes {'whole numbers' if term.kind is Kind.INT else 'real values'}"
    help = "compare it with something" if isinstance(term, Constant) else f"compare it with something: `{text} >= 1`"
    ctx.add("ASR036", span, f"a formula is needed here, and {what}", env, help=help)


# ---- logic


def _operands(node: ast.Logic) -> list[ast.Expr]:
    """Return the operands of a chain of one operator, the outermost first written first."""
    spine: list[ast.Expr] = []
    current: ast.Expr = node
    while isinstance(current, ast.Logic) and current.operator == node.operator:
        spine.append(current.right)
        current = current.left
    return [current, *reversed(spine)]


def _logic(ctx: Context, node: ast.Logic, env: Env, positive: bool) -> Formula:
    match node.operator:
        case "and" | "or":
            operands = _operands(node)
            for left, right in pairwise(operands):
                _verify_alternative(ctx, node.operator, left, right, env)
            parts = [ctx.formula(operand, env, positive) for operand in operands]
            both = (node.operator == "and") == positive
        case "implies":
            parts = [ctx.formula(node.left, env, not positive), ctx.formula(node.right, env, positive)]
            both = not positive
            if positive:
                warn_traded(ctx, node, parts[0], parts[1], env)
        case "iff":
            # Each side is expanded twice, once for each direction.
            one = [ctx.formula(node.left, env, False), ctx.formula(node.right, env, positive)]
            other = [ctx.formula(node.left, env, True), ctx.formula(node.right, env, not positive)]
            return build.conjunction(
                (build.disjunction(one, node.span), build.disjunction(other, node.span)), node.span
            )
    return (build.conjunction if both else build.disjunction)(parts, node.span)


def _verify_alternative(ctx: Context, operator: str, left: ast.Expr, right: ast.Expr, env: Env) -> None:
    """Catch `n == 1 or 3`, and say what it was meant for."""
    if not isinstance(left, ast.Chain) or len(left.operators) != 1 or sort(ctx, right, env) != "number":
        return
    value, bound = left.operands
    text, first, second = value.span.text, bound.span.text, right.span.text
    match left.operators[0], operator:
        case "==", "or":
            meant = f"{text} in {{{first}, {second}}}"
        case "!=", "and":
            meant = f"{text} not in {{{first}, {second}}}"
        case comparison, _:
            meant = f"{left.span.text} {operator} {text} {comparison} {second}"
    message, edits = "a formula is needed here, and this is a number", replacing(left.span.to(right.span), meant)
    ctx.add("ASR036", right.span, message, env, help=f"did you mean `{meant}`?", edits=edits)


# ---- quantifiers


def _quantified(ctx: Context, node: ast.Quantified, env: Env, positive: bool) -> Formula:
    universal = (node.quantifier == "forall") == positive

    def visit(scope: Scope, inner: Env) -> tuple[list[Formula], Formula]:
        return written_guard(ctx, scope, inner), ctx.formula(node.body, inner, positive)

    scope, written, body = bind(ctx, env, node.binder, visit)
    if ctx.static:
        warn_of_equal_indices(ctx, node, env)
        warn_ignored_in_quantifier(ctx, node, scope, written, body, env)
    if ctx.lengths_known and not all(variable.values for variable in scope.variables):
        return TruthValue(build.NO_LEVELS, node.span, universal)
    there, guard = present(scope), guard_of(scope, written)
    levels = build.levels_of(part for part in (there, guard, body) if part is not None)
    return (Every if universal else Some)(levels, node.span, scope.variables, there, guard, body)
