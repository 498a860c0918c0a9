"""Calls: of built-in functions and of functions that Python binds."""

from collections.abc import Callable

from asrppl.check.context import Context
from asrppl.check.expand import build, operators
from asrppl.check.expand.arrays import entry_of, term
from asrppl.check.expand.distributions import make, named
from asrppl.check.expand.foreign import foreign_call, mend_of_call, note_call_of_index, over_index
from asrppl.check.expand.functionals import functional
from asrppl.check.expand.names import arguments_by_name, look_up, resolve_call
from asrppl.check.expand.values import Array, Env, NumberSet, Poison, Record, Table, Thunk, Unknown, Value
from asrppl.core.signature import Kind
from asrppl.core.typed import Apply, Term, TypedDistribution
from asrppl.core.walk import moves
from asrppl.diagnostics import replacing
from asrppl.source import Span
from asrppl.syntax import ast
from asrppl.words import DISTRIBUTIONS, DIVERGENCES, ELEMENTWISE, LAWS, MOMENTS, OPERATORS, PROBES

_ARITY = (
    {"clamp": 3, "mod": 2, "len": 1}
    | dict.fromkeys((*ELEMENTWISE, *DISTRIBUTIONS, *MOMENTS), 1)
    | dict.fromkeys(PROBES, 2)
)


def call(ctx: Context, node: ast.Call, env: Env) -> Value:
    """Expand a call that is not one of a ``def``."""
    name, definition, builtin = resolve_call(node.function.text, env)
    if definition is not None or isinstance(look_up(node.function.text, env), Unknown):
        return Poison()  # its arguments were refused; or a parameter without a call
    if not builtin:
        return _apply(ctx, name, node, env)
    if name == "box":
        return _box(ctx, node, env)
    if name in LAWS:
        return named(ctx, name, node, env)
    arguments = _plain_arguments(ctx, name, node, env)
    if arguments is None:
        return Poison()
    if name in ("E", "P"):
        mend = f"{name}[{', '.join(argument.span.text for argument in arguments)}]"
        message = f"`{name}` takes square brackets"
        ctx.add("ASR053", node.span, message, env, help=f"write `{mend}`", edits=replacing(node.span, mend))
        return Poison()
    if name == "aggregate":
        if len(arguments) == 1:
            return operators.aggregate(ctx, arguments[0], None, node.span, env)
        ctx.add("ASR039", node.span, "`aggregate` takes 1 argument", env)
        return Poison()
    if name in DIVERGENCES:
        if len(arguments) == 2 and name != "kl":
            return functional(ctx, name, arguments, node.span, env)
        both = " || ".join(part.span.text for part in arguments) if len(arguments) == 2 else "p || r"
        mend = f"{name}({both})"
        edits = replacing(node.span, mend) if len(arguments) == 2 else ()
        ctx.add("ASR039", node.span, f"`{name}` takes two distributions", env, help=f"write `{mend}`", edits=edits)
        return Poison()
    if name in ("min", "max"):
        return _extremum(ctx, name, arguments, node, env)
    if len(arguments) != _ARITY[name]:
        count = "1 argument" if _ARITY[name] == 1 else f"{_ARITY[name]} arguments"
        ctx.add("ASR039", node.span, f"`{name}` takes {count}, not {len(arguments)}", env)
        return Poison()
    if name in DISTRIBUTIONS:
        return make(ctx, name, arguments[0], node.span, env)
    if name in MOMENTS:
        return _moment(ctx, name, arguments[0], node.span, env)
    if name in PROBES:
        return functional(ctx, name, arguments[:1], node.span, env, arguments[1])
    if name == "len":
        return _length(ctx, arguments[0], node.span, env)
    terms = [term(ctx, argument, env) for argument in arguments]
    if name in ("floor", "mod") and not ctx.static and any(moves(part) for part in terms):
        ctx.add(
            "ASR038",
            node.span,
            f"`{name}` takes whole numbers and given ones: of reals that training moves it would jump",
            env,
            help=f"hold its argument fixed: `{name}(detach({arguments[0].span.text})"
            + (f", {arguments[1].span.text})`" if name == "mod" else ")`"),
        )
        return Poison()
    if name == "mod":
        return defined(ctx, lambda: build.binary("mod", terms[0], terms[1], node.span), node.span, env)
    if name in ELEMENTWISE:
        return defined(ctx, lambda: build.unary(name, terms[0], node.span), node.span, env)
    value, low, high = terms
    return defined(
        ctx, lambda: build.binary("min", build.binary("max", value, low, node.span), high, node.span), node.span, env
    )


def defined(ctx: Context, make_term: Callable[[], Term], span: Span, env: Env) -> Term:
    """Return the term made, or report that constants combine to something without a value."""
    try:
        return make_term()
    except build.UndefinedError:
        ctx.add("ASR065", span, "this has no finite value", env)
        return build.poison(span)


def _plain_arguments(ctx: Context, name: str, node: ast.Call, env: Env) -> tuple[ast.Expr, ...] | None:
    for argument in node.arguments:
        if argument.name is not None:
            mend = mend_of_call(node, env)
            message, help = f"the arguments of `{name}` have no names", None if mend is None else mend.help
            edits = () if mend is None else mend.edits(node.span)
            ctx.add("ASR039", argument.name.span, message, env, help=help, edits=edits)
            return None
    return tuple(argument.value for argument in node.arguments)


def _extremum(ctx: Context, name: str, arguments: tuple[ast.Expr, ...], node: ast.Call, env: Env) -> Value:
    if len(arguments) < 2:
        ctx.add(
            "ASR039",
            node.span,
            f"`{name}` takes two arguments or more",
            env,
            help=over_index(name, arguments[0], env).help if arguments else f"over an index: `{name} i: a[i]`",
            edits=over_index(name, arguments[0], env).edits(node.span) if arguments else (),
        )
        return Poison()
    level = [term(ctx, argument, env) for argument in arguments]
    while len(level) > 1:  # pairwise, so that no tree is as deep as the list is long
        odd = level[-1:] if len(level) % 2 else []
        level = [build.binary(name, *pair, node.span) for pair in zip(level[::2], level[1::2], strict=False)] + odd
    return level[0]


def _moment(ctx: Context, name: str, argument: ast.Expr, span: Span, env: Env) -> Value:
    if name == "mean" and not isinstance(ctx.value(argument, env), TypedDistribution | Poison):
        ctx.add(
            "ASR052",
            argument.span,
            "`mean(…)` takes a distribution",
            env,
            edits=over_index("mean", argument, env).edits(span),
            help=f"{over_index('mean', argument, env).help} for the mean over an index; `E[…]` is under the guide, "
            "`aggregate(…)` over the data",
        )
        return Poison()
    return functional(ctx, name, (argument,), span, env)


def _length(ctx: Context, argument: ast.Expr, span: Span, env: Env) -> Value:
    value = ctx.value(argument, env)
    match value:
        case NumberSet():
            return build.number(len(value.items), span)
        case Table():
            if len(value.indices) < len(value.shape):
                return build.number(value.shape[len(value.indices)], span)
        case Array():
            given = len(value.indices)
            if ctx.signature is None:
                ctx.uses.add(value.name, given + 1, "length", argument.span)
                return build.unknown_length(span, value.name)
            entry = entry_of(ctx, value.name, argument.span, env)
            if entry is None:
                return Poison()
            if given < len(entry.axes):
                return build.number(entry.axes[given], span)
            ctx.add("ASR043", argument.span, f"`{argument.span.text}` has no axis left to take the length of", env)
        case Poison():
            pass
        case _:
            ctx.add("ASR038", argument.span, "`len` takes an array or a set", env)
    return Poison()


def _box(ctx: Context, node: ast.Call, env: Env) -> Value:
    if len(node.arguments) == 1 and node.arguments[0].name is None:
        written = f"`{node.function.text}[{node.arguments[0].value.span.text}]`"
        ctx.add(
            "ASR039", node.span, "`box(x, y, w, h)` makes a box", env, help=f"an entry of `box` is read so: {written}"
        )
        return Poison()
    given = arguments_by_name(ctx, node, ("x", "y", "w", "h"), env, "box(x, y, w, h)")
    if given is None:
        return Poison()
    fields = {name: Thunk(expr, env) for name, expr in given.items()}
    return Record(fields, node.span, squares=given["w"] == given["h"])


def _apply(ctx: Context, name: str, node: ast.Call, env: Env) -> Value:
    if ctx.static and name == node.function.text and foreign_call(ctx, node, env):
        return Poison()
    arguments = _plain_arguments(ctx, name, node, env)
    if arguments is None:
        return Poison()
    terms = tuple(term(ctx, argument, env) for argument in arguments)
    levels = build.levels_of(terms)
    if ctx.signature is None:
        note_call_of_index(ctx, node, env)
        ctx.uses.add(name, len(terms), "function", node.function.span)
        return Apply(Kind.SCALAR, levels | build.ALL_LEVELS, node.span, name, terms)
    entry = entry_of(ctx, name, node.function.span, env)
    if entry is None:
        return Poison()
    if not entry.function:
        ctx.add(
            "ASR062",
            node.function.span,
            f"`{name}` was not bound to a function",
            env,
            help=f"index it with square brackets: `{name}[…]`",
        )
        return Poison()
    return Apply(entry.kind, levels | entry.levels, node.span, name, terms)


def divergence(ctx: Context, node: ast.Divergence, env: Env) -> Value:
    """Expand ``kl(p || r)`` and the like."""
    name, _, builtin = resolve_call(node.function.text, env)
    if not builtin or name not in DIVERGENCES:
        ctx.add("ASR039", node.span, "`||` separates the two distributions of `kl`, `js` and `tv`", env)
        return Poison()
    return functional(ctx, name, (node.left, node.right), node.span, env)


def restricted(ctx: Context, node: ast.Restricted, env: Env) -> Value:
    """Expand ``aggregate(t where g)``."""
    name, _, builtin = resolve_call(node.function.text, env)
    if not builtin or name != "aggregate":
        ctx.add("ASR039", node.where.span, "only `aggregate(… where …)` takes a `where`", env)
        return Poison()
    return operators.aggregate(ctx, node.value, node.where, node.span, env)


def is_operator(expr: ast.Expr) -> str | None:
    """Return ``E``, ``P`` or ``aggregate`` where ``expr`` is that name."""
    return expr.text if isinstance(expr, ast.Name) and expr.text in OPERATORS else None
