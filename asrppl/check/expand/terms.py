"""Expressions that are not formulas: numbers, arrays, boxes, sets."""

import math
from dataclasses import replace

from asrppl.check.context import MAX_VALUES, Access, Context, Scope
from asrppl.check.expand import build
from asrppl.check.expand.arrays import field, index_array, index_table, offset, scalar, term
from asrppl.check.expand.binders import bind, chosen, written_guard
from asrppl.check.expand.calls import call, defined, divergence, is_operator, restricted
from asrppl.check.expand.foreign import foreign_name
from asrppl.check.expand.functionals import mass
from asrppl.check.expand.names import FORMULAS, is_entry, is_unknown, look_up, unfold
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
    Table,
    Thunk,
    Unknown,
    Value,
)
from asrppl.check.lint.warn import warn_ignored_in_reduction
from asrppl.core.signature import Kind
from asrppl.core.typed import Choose, Constant, CountTerm, Formula, Offset, Reduction, Term, TypedDistribution
from asrppl.core.walk import is_poisoned
from asrppl.diagnostics import replacing
from asrppl.source import Span
from asrppl.syntax import ast


def expand_value(ctx: Context, expr: ast.Expr, env: Env) -> Value:
    """Expand an expression that is not a formula."""
    if isinstance(expr, ast.Name) and isinstance(thunk := env.bindings.get(expr.text), Thunk):
        return _argument(ctx, thunk, expr, env)
    return _expand(ctx, expr, env)


def _argument(ctx: Context, thunk: Thunk, name: ast.Name, env: Env) -> Value:
    """Expand a parameter of a ``def``: an entry of an array once, since that neither reads nor reports anything."""
    before = ctx.steps
    if thunk.array is not None and before + thunk.steps <= ctx.most:
        ctx.steps += thunk.steps
        return thunk.array
    value = _expand(ctx, name, env)
    if isinstance(value, Array) and is_entry(thunk.expr, thunk.env):
        thunk.array, thunk.steps = value, ctx.steps - before
    return value


def _expand(ctx: Context, expr: ast.Expr, env: Env) -> Value:
    expr, env = unfold(ctx, expr, env)
    match expr:  # what is most frequent first
        case ast.Name():
            return _name(ctx, expr, env)
        case ast.Field():
            if is_unknown(expr.base, env):
                return Poison()
            return field(ctx, ctx.value(expr.base, env), expr.name, expr.span, env)
        case ast.Index():
            return _index(ctx, expr, env)
        case ast.Binary():
            return _arithmetic(ctx, expr, env)
        case ast.Number():
            return build.number(expr.value, expr.span)
        case ast.Call():
            return call(ctx, expr, env)
        case ast.Truth():
            return Constant(Kind.BOOL, build.NO_LEVELS, expr.span, expr.value)
        case ast.Divergence():
            return divergence(ctx, expr, env)
        case ast.Restricted():
            return restricted(ctx, expr, env)
        case ast.SetLiteral():
            return _number_set(ctx, expr, env)
        case ast.Interval():
            ctx.add("ASR038", expr.span, "an interval stands after `in` only", env)
            return Poison()
        case ast.Range():
            return _number_range(ctx, expr, env)
        case ast.Vector():
            return _table(ctx, expr, env)
        case ast.Negate():
            operand = term(ctx, expr.operand, env)
            return defined(ctx, lambda: build.unary("neg", operand, expr.span), expr.span, env)
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
                help="count where it holds, `count i: …`, or choose by it, `if … then 1 else 0`; "
                "a rule's weight stands before its `:`, `rule name weight 2: …`",
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
            if isinstance(found.value, Table):
                return replace(found.value, name=node.text, span=node.span)
            return build.constant(found.value, node.span)
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
            if node.text == "inf" and node.text not in ctx.sites and node.text not in ctx.given:
                return Constant(Kind.REAL, build.NO_LEVELS, node.span, math.inf)
            if ctx.static and foreign_name(ctx, node, env):
                return Poison()
            return Array(node.text, (), node.span, env)


def _index(ctx: Context, node: ast.Index, env: Env) -> Value:
    operator = is_operator(node.base)
    if operator is not None:
        return bracketed(ctx, operator, node, env)
    base, base_env = unfold(ctx, node.base, env)
    if isinstance(base, ast.Name):
        found = look_up(base.text, base_env)
        if isinstance(found, Unknown):
            _note_indices_of_unknown(ctx, node, env)
            return Poison()
        if isinstance(found, LetDefinition):
            count = len(found.node.indices)
            message = f"`{base.text}` takes {count} {'index' if count == 1 else 'indices'}, not {len(node.indices)}"
            ctx.add("ASR043", node.span, message, env)
            return Poison()
        if found is None and base.text == "q":
            inside = ", ".join(index.span.text for index in node.indices)
            mend = f"q({inside})"
            edits = replacing(node.span, mend)
            ctx.add("ASR053", node.span, "`q` takes round brackets", env, help=f"write `{mend}`", edits=edits)
            return Poison()
        if found is None and base.text == "inf":
            value = Array(base.text, (), base.span, base_env)
        else:
            value = _name(ctx, base, base_env)
    else:
        value = ctx.value(base, base_env)
    if isinstance(value, Array):
        return index_array(ctx, value, node.indices, node.span, env)
    if isinstance(value, Table):
        return index_table(ctx, value, node.indices, node.span, env)
    if isinstance(value, TypedDistribution):
        return mass(ctx, value, node.indices, node.span, env)
    if not isinstance(value, Poison):
        ctx.add("ASR043", node.span, "this cannot be indexed", env)
    return Poison()


def _note_indices_of_unknown(ctx: Context, node: ast.Index, env: Env) -> None:
    for index in node.indices:
        found = offset(ctx, index, env)
        if isinstance(found, Offset) and found.variable is not None:
            access = Access(found.variable.slot, "", None, found.add, "no", node.span)
            ctx.scopes[found.variable.slot].accesses.append(access)


def _number_set(ctx: Context, node: ast.SetLiteral, env: Env) -> Value:
    items: list[float] = []
    for item in node.items:
        if isinstance(item, FORMULAS):
            mend = f"formulas stand in parentheses: `({item.span.text})`"
            ctx.add("ASR037", item.span, "a set has numbers, and this is a formula", env, help=mend)
            return Poison()
        value = term(ctx, item, env)
        if isinstance(value, Constant):
            items.append(value.value)
        else:
            if not is_poisoned(value):
                ctx.add("ASR033", item.span, "the elements of a set are constants here", env)
            return Poison()
    return NumberSet(tuple(dict.fromkeys(items)))


def _number_range(ctx: Context, node: ast.Range, env: Env) -> Value:
    low, high = term(ctx, node.low, env), term(ctx, node.high, env)
    ends: list[int] = []
    for end in (low, high):
        if not isinstance(end, Constant) or not float(end.value).is_integer():
            if not is_poisoned(end):
                ctx.add("ASR033", end.span, "the ends of a range are whole constants here", env)
            return Poison()
        ends.append(int(end.value))
    first, last = ends
    if not first <= last < first + MAX_VALUES:
        many = f"a set may have {MAX_VALUES:,} values at most"
        ctx.add("ASR047", node.span, many if first <= last else "this range is empty", env)
        return Poison()
    return NumberSet(tuple(range(first, last + 1)))


def _table(ctx: Context, node: ast.Vector, env: Env) -> Value:
    rows: list[tuple[tuple[float | bool, ...], tuple[int, ...]]] = []
    for item in node.items:
        found = ctx.value(item, env)
        value = found if isinstance(found, Table) else scalar(ctx, found, item.span, env)
        if isinstance(value, Table) and not value.indices:
            rows.append((value.values, value.shape))
        elif isinstance(value, Constant) and math.isfinite(value.value):
            rows.append(((value.value,), ()))
        else:
            if isinstance(value, Table | Constant) or not is_poisoned(value):
                ctx.add("ASR033", item.span, "the entries of brackets are constants", env)
            return Poison()
    if len({shape for _, shape in rows}) > 1:
        ctx.add("ASR033", node.span, "the rows of brackets are of one length", env)
        return Poison()
    return Table(tuple(value for values, _ in rows for value in values), (len(rows), *rows[0][1]))


_JOINED = {"+": "+-", "-": "+-", "*": "*"}  # which operators go on with a run of one
_SHORT = 8  # fewer terms are joined one after the other, as they are written


def _arithmetic(ctx: Context, node: ast.Binary, env: Env) -> Term:
    # Sums nest to the left, as deep as they are long: that side is walked, not recursed into.
    spine: list[ast.Binary] = [node]
    while isinstance(left := spine[-1].left, ast.Binary):
        spine.append(left)
    runs: list[list[ast.Binary]] = []
    for part in reversed(spine):
        if runs and part.operator in _JOINED.get(runs[-1][0].operator, ""):
            runs[-1].append(part)
        else:
            runs.append([part])
    deep = len(spine)
    if deep >= _SHORT:
        deep = sum(len(run) if len(run) < _SHORT else len(run).bit_length() for run in runs)
    ctx.descend(node.span, env, deep)
    try:
        result = term(ctx, left, env)
        for run in runs:
            result = _joined(ctx, result, [(part, term(ctx, part.right, env)) for part in run], env)
    finally:
        ctx.depth -= deep
    return result


def _joined(ctx: Context, first: Term, rest: list[tuple[ast.Binary, Term]], env: Env) -> Term:
    """Join the terms of a sum or product: many of them pairwise, so that no tree is as deep as the text is long."""
    if len(rest) < _SHORT:
        for part, right in rest:
            first = _binary(ctx, part.operator, first, right, part.span, env)
        return first
    level = [("*" if rest[0][0].operator == "*" else "+", first), *((part.operator, term) for part, term in rest)]
    span = rest[-1][0].span
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = level[-1:] if len(level) % 2 else []
        # a - b + c - d is (a - b) + (c - d), and - a - b is - (a + b)
        level = [
            (sign, _binary(ctx, other if sign != "-" else "+" if other == "-" else "-", left, right, span, env))
            for (sign, left), (other, right) in pairs
        ] + odd
    return level[0][1]


def _binary(ctx: Context, operator: str, left: Term, right: Term, span: Span, env: Env) -> Term:
    try:
        return build.binary(operator, left, right, span)
    except build.UndefinedError:
        infinite = any(isinstance(side, Constant) and math.isinf(side.value) for side in (left, right))
        help = "`inf` is a bound, as in `x in [0, inf]`, and no number to calculate with" if infinite else None
        zero = operator == "/" and not infinite
        ctx.add("ASR065", span, "this divides by zero" if zero else "this has no finite value", env, help=help)
        return build.poison(span)


def _conditional(ctx: Context, node: ast.Conditional, env: Env) -> Term:
    condition = build.settled(ctx.condition(node.condition, env))
    then, otherwise = term(ctx, node.then, env), term(ctx, node.otherwise, env)
    kinds = {then.kind, otherwise.kind}
    mixed = next((kind for kind in (Kind.REAL, Kind.SCALAR) if kind in kinds), Kind.INT)
    kind = then.kind if len(kinds) == 1 else mixed
    return Choose(kind, build.levels_of((condition, then, otherwise)), node.span, condition, then, otherwise)


def _reduction(ctx: Context, node: ast.Reduced, env: Env) -> Term:
    def visit(scope: Scope, inner: Env) -> tuple[list[Formula], Term]:
        return written_guard(ctx, scope, inner), term(ctx, node.body, inner)

    scope, written, body = bind(ctx, env, node.binder, visit)
    if ctx.static:
        warn_ignored_in_reduction(ctx, node, scope, written, body, env)
    if node.reduction == "argmax" and len(node.binder.names) > 1:
        ctx.add("ASR039", node.binder.span, "`argmax` gives the value of one index", env, help="nest two of them")
        return build.poison(node.span)
    nothing = ctx.lengths_known and not all(variable.values for variable in scope.variables)
    if nothing and node.reduction in ("sum", "prod"):
        return build.number(int(node.reduction == "prod"), node.span)
    guard = chosen(scope, [build.settled(part) for part in written])
    kind = body.kind
    if node.reduction == "mean":
        kind = Kind.REAL
    elif node.reduction == "argmax" or (node.reduction in ("sum", "prod") and kind is Kind.BOOL):
        kind = Kind.INT
    levels = body.levels | (guard.levels if guard is not None else build.NO_LEVELS)
    return Reduction(kind, levels, node.span, node.reduction, scope.variables, guard, body)


def _count(ctx: Context, node: ast.Count, env: Env) -> Term:
    def visit(scope: Scope, inner: Env) -> tuple[list[Formula], Formula]:
        return written_guard(ctx, scope, inner), build.settled(ctx.condition(node.body, inner))

    scope, written, body = bind(ctx, env, node.binder, visit)
    if ctx.lengths_known and not all(variable.values for variable in scope.variables):
        return build.number(0, node.span)
    guard = chosen(scope, [build.settled(part) for part in written])
    whole = build.conjunction([guard, body] if guard is not None else [body], node.body.span)
    return CountTerm(Kind.INT, whole.levels, node.span, scope.variables, whole)


def constant(ctx: Context, expr: ast.Expr, env: Env) -> float | None:
    """Expand an expression that has to be a constant number; None after an error."""
    value = scalar(ctx, ctx.value(expr, env), expr.span, env)
    if isinstance(value, Constant) and math.isfinite(value.value):
        return int(value.value) if isinstance(value.value, bool) else value.value
    if not is_poisoned(value):
        ctx.add("ASR033", expr.span, "a constant is needed here: numbers and params", env)
    return None
