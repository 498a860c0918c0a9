"""Index variables: what they run over, and what guards them."""

import math
from collections.abc import Callable
from typing import Literal, TypeVar

from asrppl.check.context import MAX_GRID, MAX_PAIRS, MAX_RANK, MAX_VALUES, Access, Context, Scope, entries
from asrppl.check.expand import build
from asrppl.check.expand.arrays import term
from asrppl.check.expand.foreign import mend_of_domain, verify_length
from asrppl.check.expand.names import unfold
from asrppl.check.expand.presence import defined
from asrppl.check.expand.values import Env, IndexVariable, Local, NumberSet, Poison
from asrppl.core.typed import (
    Constant,
    Erroneous,
    Formula,
    IndexValue,
    Read,
    Term,
    TruthValue,
    TypedFormula,
    TypedTerm,
    Variable,
)
from asrppl.core.walk import is_poisoned, walk
from asrppl.diagnostics import Note, replacing
from asrppl.source import Span
from asrppl.syntax import ast
from asrppl.words import CLOSED_NAMES

Body = TypeVar("Body", bound=TypedFormula | TypedTerm)
Visit = Callable[[Scope, Env], tuple[list[Formula], Body]]
Written = Literal["nothing", "varies", "constant"]
_NO_VALUES: tuple[int, ...] = ()


def bind(ctx: Context, env: Env, binder: ast.Binder, visit: Visit[Body]) -> tuple[Scope, list[Formula], Body]:
    """Expand what stands under a binder: ``visit`` is given its scope and the environment with its variables.

    In a typed pass a variable's values follow from what it indexes: they are set when its body has been expanded. A
    body that depends on them (by a computed index, say, or by an access in a guard that leaves its axis) is expanded
    once more then.
    """
    good = verify_names(ctx, binder.names, env)
    if len(ctx.scopes) + len(binder.names) > MAX_RANK:
        ctx.refuse(
            "ASR059",
            binder.span,
            f"more than {MAX_RANK} index variables are in scope here",
            env,
            help="the grid of all their values would be too large; split the rule",
        )
    domain, explicit = _written_domain(ctx, binder, env)
    if ctx.lengths_known and (domain != "constant" or binder.where is not None):
        scope, written, body = _settle(ctx, env, binder, explicit if domain == "constant" else None, visit)
    else:
        scope, written, body = _visit(ctx, env, binder, [explicit] * len(binder.names), visit)
    if ctx.static:
        if good and domain != "constant":
            _verify_indexing(ctx, scope, domain, (*written, body), env)
        verify_length(ctx, scope, env)
        return scope, written, body
    domains = [variable.values for variable in scope.variables]
    alone = binder.distinct and domains[0] == domains[1] and len(domains[0]) == 1
    if ctx.lengths_known and (alone or not all(domains)) and not ctx.sink.failed:
        ctx.add("ASR066", binder.span, "this runs over no instance, so it says nothing", env)
    if ctx.scopes:
        ctx.scopes[-1].grid = max(ctx.scopes[-1].grid, _grid(domains) * scope.grid)
    return scope, written, body


def _grid(domains: list[tuple[int, ...]]) -> int:
    return math.prod(max(1, len(values)) for values in domains)


def _visit(
    ctx: Context,
    env: Env,
    binder: ast.Binder,
    domains: list[tuple[int, ...]],
    visit: Visit[Body],
    *,
    later: bool = False,
) -> tuple[Scope, list[Formula], Body]:
    """Expand the body with these values of the variables; ``later``: they have none yet, and at most these."""
    first = len(ctx.scopes)
    variables = tuple(
        Variable(name.text, first + position, _NO_VALUES if later else values)
        for position, (name, values) in enumerate(zip(binder.names, domains, strict=True))
    )
    size = math.prod(ctx.lengths) * _grid(domains)
    if size > MAX_PAIRS:
        ctx.refuse_grid(binder.span, env)
    if size > MAX_GRID and ctx.large is None:
        ctx.large = binder.span, env  # what is asked of them says whether that is too large
    scope = Scope(binder, variables, len(ctx.guards))
    bindings: dict[str, Local] = {variable.name: IndexVariable(variable) for variable in variables}
    ctx.scopes.extend([scope] * len(variables))
    ctx.lengths.extend(max(1, len(values)) for values in domains)
    try:
        return scope, *visit(scope, env.bind(bindings))
    finally:
        del ctx.scopes[first:]
        del ctx.lengths[first:]


def _settle(
    ctx: Context, env: Env, binder: ast.Binder, explicit: tuple[int, ...] | None, visit: Visit[Body]
) -> tuple[Scope, list[Formula], Body]:
    """Expand a body, find its variables' values from what they index, and set them, or expand it with them."""
    known = [len(scope.present) for scope in ctx.scopes]
    outer, ctx.trial = ctx.trial, True
    try:
        found = _visit(ctx, env, binder, [explicit or _NO_VALUES] * len(binder.names), visit, later=True)
    finally:
        void = ctx.void
        ctx.trial, ctx.void = outer, void and outer
    if ctx.void:  # what is around it is expanded once more, and this with it
        return found
    scope = found[0]
    domains = [_indexed_domain(ctx, scope, variable.slot, explicit, env) for variable in scope.variables]
    if not void and not ctx.void and _fits(ctx, scope, domains):
        for variable, values in zip(scope.variables, domains, strict=True):
            variable.set_values(values)
        return found
    if outer:
        ctx.void = True
        return found
    for around, count in zip(ctx.scopes, known, strict=True):
        del around.present[count:]
    return _visit(ctx, env, binder, domains, visit)


def _fits(ctx: Context, scope: Scope, domains: list[tuple[int, ...]]) -> bool:
    """Whether the values keep all that the variables index inside its axes, and the grids inside their limit."""
    inside = all(
        min(values) + access.add >= 0 and max(values) + access.add < access.length
        for variable, values in zip(scope.variables, domains, strict=True)
        for access in scope.accesses
        if values and access.slot == variable.slot and access.length is not None
    )
    return inside and math.prod(ctx.lengths) * _grid(domains) * scope.grid <= MAX_GRID


def verify_names(ctx: Context, names: tuple[ast.Name, ...], env: Env) -> bool:
    """Check that names introduced locally hide nothing and differ from each other."""
    seen: set[str] = set()
    good = True
    for name in names:
        text, notes, help = name.text, (), "take another name"
        definition = env.module.find(text)
        if text in seen:
            code, message, help = "ASR026", f"`{text}` is bound twice", None
        elif text in env.bindings:
            code, message = "ASR028", f"`{text}` is bound already"
            _note_hidden(ctx, env.bindings[text], name)
        elif definition is not None:
            code, message = "ASR028", f"`{text}` hides what the file defines under this name"
            notes = (Note(f"`{text}` is defined here", definition.node.name.span),)
        elif text in CLOSED_NAMES:
            code, message = "ASR028", f"`{text}` is built in"
        else:
            seen.add(text)
            continue
        good = False
        ctx.add(code, name.span, message, env, help=help, notes=notes)
    return good


def _note_hidden(ctx: Context, hidden: Local, name: ast.Name) -> None:
    # Uses of the name inside were likely meant for the outer variable too: that it indexes nothing is not said as well.
    if isinstance(hidden, IndexVariable):
        slot = hidden.variable.slot
        ctx.scopes[slot].accesses.append(Access(slot, "", None, 0, "no", name.span))


# ---- domains


def _written_domain(ctx: Context, binder: ast.Binder, env: Env) -> tuple[Written, tuple[int, ...]]:
    """Return what ``in`` says: nothing, a domain whose ends vary, or constants (before binding perhaps unknown)."""
    if binder.domain is None:
        return "nothing", _NO_VALUES
    domain, domain_env = unfold(ctx, binder.domain, env)
    span = binder.domain.span
    match domain:
        case ast.Range():
            ends = [_constant_end(ctx, end, domain_env) for end in (domain.low, domain.high)]
            if any(end == "varies" for end in ends):
                return "varies", _NO_VALUES
            low, high = ends
            if not isinstance(low, int) or not isinstance(high, int):
                return "constant", _NO_VALUES
            if high - low + 1 > MAX_VALUES:
                ctx.refuse("ASR061", span, f"an index may run over {MAX_VALUES:,} values at most", env)
            return "constant", tuple(range(low, high + 1))
        case ast.SetLiteral() | ast.Name():
            value = ctx.value(domain, domain_env)
            if isinstance(value, Poison):  # reported, or a parameter of which nothing is known yet
                return "constant", _NO_VALUES
            if isinstance(value, NumberSet):
                if all(float(item).is_integer() for item in value.items):
                    return "constant", tuple(int(item) for item in value.items)
                ctx.add("ASR047", span, "an index runs over whole numbers", env)
                return "constant", _NO_VALUES
        case _:
            pass
    help, ours = mend_of_domain(binder, domain, domain_env)
    edits = replacing(span, *ours) if domain is binder.domain else ()  # else it stands in a definition
    ctx.add("ASR047", span, "an index runs over a range or a set of whole numbers", env, help=help, edits=edits)
    return "constant", _NO_VALUES


def _constant_end(ctx: Context, expr: ast.Expr, env: Env) -> int | Literal["varies", "unknown"]:
    # Looked at as part of a guard, so that what it reads does not shape anybody's domain.
    ctx.guards.append(None)
    try:
        end = term(ctx, expr, env)
    finally:
        ctx.guards.pop()
    if isinstance(end, Constant):
        if float(end.value).is_integer():
            return int(end.value)
        ctx.add("ASR067", expr.span, "the ends of a range are whole numbers", env)
        return "unknown"
    reads = [part for part in walk(end) if isinstance(part, Read | IndexValue | Erroneous)]
    only_lengths = all(
        isinstance(read, Erroneous) or (isinstance(read, Read) and read.component == "len") for read in reads
    )
    return "unknown" if reads and only_lengths else "varies"


def _indexed_domain(
    ctx: Context, scope: Scope, slot: int, explicit: tuple[int, ...] | None, env: Env
) -> tuple[int, ...]:
    """Return the values that keep what the variable indexes inside its axes.

    Accesses in guards count only where there are no others; but an access in the variable's own guard that falls
    outside makes the instance absent, which is the same as leaving the value out.
    """
    accesses = [access for access in scope.accesses if access.slot == slot and access.length is not None]
    outside = [access for access in accesses if access.guard == "no"]
    if explicit is not None:
        outside = []
    elif not outside:
        outside = accesses
    counted = outside + [access for access in accesses if access.guard == "own" and access not in outside]
    if explicit is None:
        _verify_lengths(ctx, counted, env)
    low = max((-access.add for access in counted), default=None)
    high = min((access.length - 1 - access.add for access in counted if access.length is not None), default=None)
    if low is None or high is None:
        return explicit or _NO_VALUES
    if explicit is not None:
        return tuple(value for value in explicit if low <= value <= high)
    if high - low + 1 > MAX_VALUES:
        if ctx.trial:
            ctx.void = True
            return _NO_VALUES
        ctx.refuse("ASR061", scope.binder.span, f"an index may run over {MAX_VALUES:,} values at most", env)
    return tuple(range(low, high + 1))


def _verify_lengths(ctx: Context, accesses: list[Access], env: Env) -> None:
    for access in accesses[1:]:
        if access.length != accesses[0].length:
            name = accesses[0].name
            ctx.add(
                "ASR046",
                access.span,
                f"`{access.name}` has {entries(access.length)} along this axis, and "
                f"`{name}` under the same index has {accesses[0].length}",
                env,
                help="give the index a domain with `in`",
                notes=(Note(f"`{name}` is indexed here", accesses[0].span),),
            )
            return


def _verify_indexing(
    ctx: Context, scope: Scope, written: Written, inside: tuple[Formula | Body, ...], env: Env
) -> None:
    used = {access.slot for access in scope.accesses}
    if all(variable.slot in used for variable in scope.variables) or any(map(is_poisoned, inside)):
        return
    for name, variable in zip(scope.binder.names, scope.variables, strict=True):
        if variable.slot not in used:
            what = "so its domain must be constant" if written == "varies" else "so it needs a domain"
            ctx.add(
                "ASR045",
                name.span,
                f"`{name.text}` indexes nothing, {what}",
                env,
                help=scope.calls.get(variable.slot) or f"add `in 0..3`, say: `{name.text} in 0..3`",
            )


# ---- guards


def written_guard(ctx: Context, scope: Scope, env: Env) -> list[Formula]:
    """Expand what the binder itself says: ``!=``, a range whose ends vary, ``where``."""
    binder = scope.binder
    guards: list[Formula] = []
    if binder.distinct:
        left, right = (build.index_value(v, n.span) for v, n in zip(scope.variables, binder.names, strict=True))
        guards.append(build.differ(left, right, binder.span))
    ctx.guards.append(scope)
    try:
        guards += _varying_range(ctx, scope, env)
        if binder.where is not None:
            guards.append(ctx.condition(binder.where, env))
    finally:
        ctx.guards.pop()
    return guards


def _varying_range(ctx: Context, scope: Scope, env: Env) -> list[Formula]:
    if scope.binder.domain is None:
        return []
    domain, domain_env = unfold(ctx, scope.binder.domain, env)
    if not isinstance(domain, ast.Range):
        return []
    low, high = term(ctx, domain.low, domain_env), term(ctx, domain.high, domain_env)
    if isinstance(low, Constant) and isinstance(high, Constant):
        return []
    for end, expr in ((low, domain.low), (high, domain.high)):
        if not isinstance(end, Constant):
            _verify_whole(ctx, end, expr.span, env)
    parts: list[Formula] = []
    for variable, name in zip(scope.variables, scope.binder.names, strict=True):
        value = build.index_value(variable, name.span)
        ctx.ask(value)
        known = variable.values
        # Without those conditions that all its values meet.
        if not (isinstance(low, Constant) and known and min(known) >= low.value):
            parts.append(_comparison(low, value, domain.span))
        if not (isinstance(high, Constant) and known and max(known) <= high.value):
            parts.append(_comparison(value, high, domain.span))
    return parts


def _comparison(left: Term, right: Term, span: Span) -> Formula:
    return build.where_defined(build.at_most(left, right, span), defined(span, left, right))


def _verify_whole(ctx: Context, end: Term, span: Span, env: Env) -> None:
    if ctx.signature is None and isinstance(end, Read) and end.component is None and end.name:
        ctx.uses.add(end.name, len(end.indices), "int", span)
    elif ctx.signature is not None and end.kind not in build.WHOLE:
        ctx.add("ASR067", span, "the ends of a range are whole numbers, and this takes real values", env)


def present(scope: Scope) -> Formula | None:
    """Return the condition that what the scope's variables index is there, known once its body is expanded."""
    return build.conjunction(scope.present, scope.binder.span) if scope.present else None


def guard_of(scope: Scope, written: list[Formula]) -> Formula | None:
    """Return what the binder says as one condition, None where it says nothing."""
    whole = build.conjunction(written, scope.binder.span)
    return None if isinstance(whole, TruthValue) and whole.value else whole


def chosen(scope: Scope, written: list[Formula]) -> Formula | None:
    """Return presence and guard as one condition, for what only asks which indices are meant."""
    return guard_of(scope, [*scope.present, *written])
