"""What is legal but hardly meant."""

from itertools import chain

from asrppl.check.context import Context, Scope
from asrppl.check.expand.bounds import bounds
from asrppl.check.expand.values import Env
from asrppl.core.signature import BOX_FIELDS, Kind
from asrppl.core.typed import AtMost, BinaryTerm, Conjunction, Equal, Formula, Read, Term, Unary
from asrppl.core.walk import is_poisoned, slots, walk
from asrppl.source import Span
from asrppl.syntax import ast


def warn_density(ctx: Context, left: Term, right: Term, span: Span, env: Env) -> None:
    """Warn of an equality that a draw with a density meets with probability 0."""
    sides = (left, right)
    if ctx.signature is None:
        if not all(_is_of_box(ctx, side) for side in sides):
            return
        message = "places and sides of boxes are reals: where boxes are drawn, no two are equal, and this never holds"
    elif any(_has_density(ctx, side) for side in sides):
        message = "a draw with a density equals nothing exactly: this never holds"
    else:
        return
    ctx.add(
        "ASR050",
        span,
        message,
        env,
        help=f"allow a distance: `abs({left.span.text} - {right.span.text}) <= eps`",
    )


def warn_traded(ctx: Context, node: ast.Logic, left: Formula, right: Formula, env: Env) -> None:
    """Warn of a drawn Boolean before a claim about ints: giving up the Boolean costs 1, whatever the claim does."""
    if ctx.static or ctx.conditions or not (isinstance(left, AtMost) and left.part == "discrete"):
        return
    ctx.ask(left, right)
    if bounds(left.left)[1] - bounds(left.right)[0] > 1:
        return
    for part in walk(right):
        if isinstance(part, AtMost | Equal) and part.part == "discrete":
            low, high = bounds(part.left), bounds(part.right)
            if low[1] - high[0] > 1 or (isinstance(part, Equal) and high[1] - low[0] > 1):
                given = node.left.span.text
                message = f"this costs at most 1: it is cheaper to make `{given}` false than to mend the claim"
                help = f"a guard is not traded: write `where {given}` after the index, or after the rule's name"
                ctx.add("ASR119", node.span, message, env, help=help)
                return


def _is_of_box(ctx: Context, side: Term) -> bool:
    """Whether the term is a field of boxes that something outside the file gives."""
    known = isinstance(side, Read) and (side.name in ctx.sites or side.name in ctx.given)
    return isinstance(side, Read) and not known and side.component in BOX_FIELDS


def _has_density(ctx: Context, side: Term) -> bool:
    """Whether the term is arithmetic of a draw with a density.

    A sum over the entries of a draw is left alone: it may be fixed (on a simplex it is 1).
    """
    assert ctx.signature is not None
    match side:
        case Read():
            entry = ctx.signature.get(side.name)
            return entry is not None and entry.density and side.kind is Kind.REAL and side.component != "mask"
        case Unary():
            return _has_density(ctx, side.operand)
        case BinaryTerm():
            return _has_density(ctx, side.left) or _has_density(ctx, side.right)
        case _:
            return False


def _ignored(scope: Scope, guards: list[Formula], part: Formula | Term) -> list[str]:
    """Return the names of the scope's variables that neither ``part`` nor a written guard mentions."""
    # The part `i != j` of a binder does not count: it chooses pairs, it does not say which are meant.
    said = guards[1:] if scope.binder.distinct else guards
    # A variable without a domain has been reported as that; and so has one that a binder further in hides.
    with_domain = {access.slot for access in scope.accesses}
    left_out = {variable.slot for variable in scope.variables if scope.binder.domain or variable.slot in with_domain}
    left_out -= {access.slot for access in scope.accesses if not access.name}
    for slot in chain(slots(part), *map(slots, said)):
        left_out.discard(slot)
        if not left_out:  # mostly after a look at a few nodes
            break
    return [variable.name for variable in scope.variables if variable.slot in left_out]


def _poisoned(guards: list[Formula], body: Formula | Term) -> bool:
    return is_poisoned(body) or any(map(is_poisoned, guards))


def warn_ignored_in_quantifier(
    ctx: Context, node: ast.Quantified, scope: Scope, guards: list[Formula], body: Formula, env: Env
) -> None:
    """Warn of a conjunct that counts once for every value of an index that it does not read."""
    parts = body.operands if isinstance(body, Conjunction) and node.quantifier == "forall" else (body,)
    if node.quantifier == "exists":
        for name in () if _poisoned(guards, body) else _ignored(scope, guards, body):
            ctx.add("ASR056", body.span, f"this does not depend on `{name}`", env, help=f"leave `exists {name}` out")
        return
    ignored = [(part, name) for part in parts for name in _ignored(scope, guards, part)]
    if ignored and not _poisoned(guards, body):
        for part, name in ignored:
            message = f"this does not depend on `{name}`, so it counts once for every value of `{name}`"
            ctx.add("ASR056", part.span, message, env, help="say it in a rule of its own")


def warn_ignored_in_reduction(
    ctx: Context, node: ast.Reduced, scope: Scope, guards: list[Formula], body: Term, env: Env
) -> None:
    """Warn of a summand that counts once for every value of an index that it does not read."""
    parts = _summands(body) if node.reduction == "sum" else [body]
    ignored = [(part, name) for part in parts for name in _ignored(scope, guards, part)]
    if ignored and not _poisoned(guards, body):
        for part, name in ignored:
            counted = f", so it counts once for every value of `{name}`" if node.reduction == "sum" else ""
            ctx.add(
                "ASR056",
                part.span,
                f"this does not depend on `{name}`{counted}",
                env,
                help="put it outside, in parentheses",
            )


def _summands(body: Term) -> list[Term]:
    found: list[Term] = []
    while isinstance(body, BinaryTerm) and body.operator in ("+", "-"):
        found.append(body.right)
        body = body.left
    return [body, *reversed(found)]
