"""Expressions that are not formulas: numbers, arrays, boxes, sets."""

from asrppl.check.context import MAX_DEPTH, Access, Context, Scope
from asrppl.check.expand import build
from asrppl.check.expand.arrays import field, index_array, offset, scalar, term
from asrppl.check.expand.binders import bind, whole_guard, written_guard
from asrppl.check.expand.calls import call, defined, divergence, is_operator, restricted
from asrppl.check.expand.names import is_unknown, look_up, unfold
from asrppl.check.expand.operators import bracketed
from asrppl.check.expand.values import (
    Array,
    DefDefinition,
    Env,
    IndexVariable,
    LetDefinition,
    NumberSet,
    ParamDefinition,
    Poison,
    Unknown,
    Value,
)
from asrppl.check.lint.warn import warn_ignored_in_reduction
from asrppl.core.signature import Kind
from asrppl.core.typed import Choose, Constant, CountTerm, Formula, Reduction, Term
from asrppl.core.walk import is_poisoned
from asrppl.syntax import ast


def expand_value(ctx: Context, expr: ast.Expr, env: Env) -> Value:
    """Expand an expression that is not a formula."""
    expr, env = unfold(ctx, expr, env)
    match expr:
        case ast.Number():
            return build.number(expr.value, expr.span)
        case ast.Truth():
            return Constant(Kind.BOOL, build.NO_LEVELS, expr.span, expr.value)
        case ast.Name():
            return _name(ctx, expr, env)
        case ast.Call():
            return call(ctx, expr, env)
        case ast.Divergence():
            return divergence(ctx, expr, env)
        case ast.Restricted():
            return restricted(ctx, expr, env)
        case ast.Index():
            return _index(ctx, expr, env)
        case ast.Field():
            if is_unknown(expr.base, env):
                return Poison()
            return field(ctx, ctx.value(expr.base, env), expr.name, expr.span, env)
        case ast.SetLiteral():
            return _number_set(ctx, expr, env)
        case ast.Interval() | ast.Range():
            what = "an interval" if isinstance(expr, ast.Interval) else "a range"
            ctx.add("ASR038", expr.span, f"{what} stands after `in` only", env)
            return Poison()
        case ast.Negate():
            operand = term(ctx, expr.operand, env)
            return defined(ctx, lambda: build.unary("neg", operand, expr.span), expr.span, env)
        case ast.Binary():
            return _arithmetic(ctx, expr, env)
        case ast.Conditional():
            return _conditional(ctx, expr, env)
        case ast.Reduced():
            return _reduction(ctx, expr, env)
        case ast.Count():
            return _count(ctx, expr, env)
        case ast.Chain() | ast.Member() | ast.Not() | ast.Logic() | ast.Quantified():
            ctx.add(
                "ASR037",
                expr.span,
                "a number is needed here, and this is a formula",
                env,
                help="count the indices where it holds, `count i: …`, or choose by it: `if … then 1 else 0`",
            )
            return Poison()


def _name(ctx: Context, node: ast.Name, env: Env) -> Value:
    found = look_up(node.text, env)
    match found:
        case IndexVariable():
            return build.index_value(found.variable, node.span)
        case ParamDefinition():
            if found.value is None:
                return Poison()
            if isinstance(found.value, NumberSet):
                return found.value
            return build.number(found.value, node.span)
        case DefDefinition():
            ctx.add("ASR038", node.span, f"`{node.text}` is a function", env, help=f"call it: `{node.text}(…)`")
            return Poison()
        case LetDefinition():
            count = len(found.node.indices)
            ctx.add("ASR043", node.span, f"`{node.text}` takes {count} {'index' if count == 1 else 'indices'}", env)
            return Poison()
        case Unknown():
            return Poison()
        case _:
            operator = is_operator(node)
            if operator is not None:
                ctx.add(
                    "ASR053",
                    node.span,
                    f"`{operator}` stands alone here",
                    env,
                    help=f"write `{operator}(…)`" if operator == "aggregate" else f"write `{operator}[…]`",
                )
                return Poison()
            return Array(node.text, (), node.span, env)


def _index(ctx: Context, node: ast.Index, env: Env) -> Value:
    operator = is_operator(node.base)
    if operator is not None:
        return bracketed(ctx, operator, node, env)
    base, base_env = unfold(ctx, node.base, env)
    if is_unknown(base, base_env):
        _note_indices_of_unknown(ctx, node, env)
        return Poison()
    if isinstance(base, ast.Name):
        found = look_up(base.text, base_env)
        if isinstance(found, LetDefinition):
            count = len(found.node.indices)
            message = f"`{base.text}` takes {count} {'index' if count == 1 else 'indices'}, not {len(node.indices)}"
            ctx.add("ASR043", node.span, message, env)
            return Poison()
        if found is None and base.text == "q":
            ctx.add("ASR053", node.span, "`q` takes round brackets", env, help="write `q(…)`")
            return Poison()
    value = ctx.value(base, base_env)
    if isinstance(value, Array):
        return index_array(ctx, value, node.indices, node.span, env)
    if not isinstance(value, Poison):
        ctx.add("ASR043", node.span, "this cannot be indexed", env)
    return Poison()


def _note_indices_of_unknown(ctx: Context, node: ast.Index, env: Env) -> None:
    for index in node.indices:
        found = offset(ctx, index, env)
        if found is not None and found.variable is not None:
            access = Access(found.variable.slot, "", None, found.add, "no", node.span)
            ctx.scopes[found.variable.slot].accesses.append(access)


def _number_set(ctx: Context, node: ast.SetLiteral, env: Env) -> Value:
    items: list[float] = []
    for item in node.items:
        value = term(ctx, item, env)
        if isinstance(value, Constant):
            items.append(value.value)
        else:
            if not is_poisoned(value):
                ctx.add("ASR033", item.span, "the elements of a set are constants here", env)
            return Poison()
    return NumberSet(tuple(dict.fromkeys(items)))


def _arithmetic(ctx: Context, node: ast.Binary, env: Env) -> Term:
    # Sums nest to the left, as deep as they are long: that side is walked, not recursed into.
    spine: list[ast.Binary] = [node]
    while isinstance(left := spine[-1].left, ast.Binary):
        spine.append(left)
    if len(spine) > MAX_DEPTH:
        ctx.refuse(
            "ASR060",
            node.span,
            f"more than {MAX_DEPTH} terms in one expression",
            env,
            help="reduce over an index instead: `sum i: …`",
        )
    result = term(ctx, spine[-1].left, env)
    for part in reversed(spine):
        right = term(ctx, part.right, env)
        try:
            result = build.binary(part.operator, result, right, part.span)
        except build.UndefinedError:
            message = "this divides by zero" if part.operator == "/" else "this has no finite value"
            ctx.add("ASR065", part.span, message, env)
            return build.poison(node.span)
    return result


def _conditional(ctx: Context, node: ast.Conditional, env: Env) -> Term:
    condition = ctx.formula(node.condition, env)
    then, otherwise = term(ctx, node.then, env), term(ctx, node.otherwise, env)
    kinds = {then.kind, otherwise.kind}
    mixed = next((kind for kind in (Kind.REAL, Kind.SCALAR) if kind in kinds), Kind.INT)
    kind = then.kind if len(kinds) == 1 else mixed
    return Choose(kind, build.levels_of((condition, then, otherwise)), node.span, condition, then, otherwise)


def _reduction(ctx: Context, node: ast.Reduced, env: Env) -> Term:
    def visit(scope: Scope, inner: Env) -> tuple[list[Formula], Term]:
        return written_guard(ctx, scope, inner, True), term(ctx, node.body, inner)

    scope, written, body = bind(ctx, env, node.binder, visit)
    if ctx.static:
        warn_ignored_in_reduction(ctx, node, scope, written, body, env)
    if ctx.lengths_known and not all(variable.values for variable in scope.variables):
        return build.number(0, node.span)
    guards = whole_guard(scope, written, True)
    guard = build.conjunction(guards, node.binder.span) if guards else None
    kind = body.kind
    if node.reduction == "mean":
        kind = Kind.REAL
    elif node.reduction == "sum" and kind is Kind.BOOL:
        kind = Kind.INT
    levels = body.levels | (guard.levels if guard is not None else build.NO_LEVELS)
    return Reduction(kind, levels, node.span, node.reduction, scope.variables, guard, body)


def _count(ctx: Context, node: ast.Count, env: Env) -> Term:
    def visit(scope: Scope, inner: Env) -> tuple[list[Formula], Formula]:
        return written_guard(ctx, scope, inner, True), ctx.formula(node.body, inner)

    scope, written, body = bind(ctx, env, node.binder, visit)
    if ctx.lengths_known and not all(variable.values for variable in scope.variables):
        return build.number(0, node.span)
    whole = build.conjunction([*whole_guard(scope, written, True), body], node.body.span)
    return CountTerm(Kind.INT, whole.levels, node.span, scope.variables, whole)


def constant(ctx: Context, expr: ast.Expr, env: Env) -> float | None:
    """Expand an expression that has to be a constant number; None after an error."""
    value = scalar(ctx, ctx.value(expr, env), expr.span, env)
    if isinstance(value, Constant):
        return int(value.value) if isinstance(value.value, bool) else value.value
    if not is_poisoned(value):
        ctx.add("ASR033", expr.span, "a constant is needed here: numbers and params", env)
    return None
