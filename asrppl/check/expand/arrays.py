"""Reading what is bound: indices, fields, and the step from an expression to a scalar term."""

from asrppl.check.context import Context
from asrppl.check.expand import build
from asrppl.check.expand.names import is_unknown
from asrppl.check.expand.values import Array, Env, NumberSet, Poison, Record, Value
from asrppl.core.signature import BOX_FIELDS, Entry, Kind
from asrppl.core.typed import BinaryTerm, Constant, IndexValue, Offset, Read, Term, TypedTerm
from asrppl.core.walk import is_poisoned, walk
from asrppl.source import Span
from asrppl.suggest import did_you_mean
from asrppl.syntax import ast


def term(ctx: Context, expr: ast.Expr, env: Env) -> Term:
    """Expand ``expr`` to a scalar term."""
    return scalar(ctx, ctx.value(expr, env), expr.span, env)


def scalar(ctx: Context, value: Value, span: Span, env: Env) -> Term:
    """Return ``value`` as a scalar term; what is none is an error."""
    match value:
        case TypedTerm():
            return value
        case Poison():
            return build.poison(span)
        case Array():
            return complete(ctx, value, None, span)
        case Record():
            what, help = "a box", "pick a field: `.x`, `.y`, `.w`, `.h`"
        case NumberSet():
            what, help = "a set", "sets stand after `in`, and in `uniform(…)`"
        case _:
            what, help = "a distribution", "take its `mean(…)`, or `kl(… || …)` to another"
    ctx.add("ASR038", span, f"a number is needed here, and this is {what}", env, help=help)
    return build.poison(span)


def entry_of(ctx: Context, name: str, span: Span, env: Env) -> Entry | None:
    """Return the signature's entry for ``name``; None where there is none, which is an error."""
    assert ctx.signature is not None
    entry = ctx.signature.get(name)
    if entry is None:
        ctx.add("ASR063", span, f"nothing gives `{name}`", env, help=did_you_mean(name, ctx.signature))
    return entry


# ---- indices


def offset(ctx: Context, expr: ast.Expr, env: Env) -> Offset | None:
    """Expand an index: a variable plus or minus a constant, or a constant. None after an error."""
    if is_unknown(expr, env):
        return None
    found = as_offset(index := term(ctx, expr, env))
    if found is None:
        if not is_poisoned(index):  # of a parameter, or an index of a `let`, nothing is known yet
            _refuse_index(ctx, expr, index, env)
        return None
    unknown = ctx.static and any(isinstance(part, Read) and part.component == "len" for part in walk(index))
    if found.variable is None and found.add < 0 and not unknown:
        ctx.add("ASR044", expr.span, "indices start at 0", env, help="the last entry of `a` is `a[len(a) - 1]`")
        return None
    return found


def as_offset(index: Term) -> Offset | None:
    """Return a typed term as an index, None where it is not of that form."""
    match index:
        case Constant(value=value) if float(value).is_integer():
            return Offset(None, int(value))
        case IndexValue():
            return Offset(index.variable)
        case BinaryTerm(operator="+" | "-"):
            left, right = as_offset(index.left), as_offset(index.right)
            if left is None or right is None:
                return None
            if index.operator == "-":
                return Offset(left.variable, left.add - right.add) if right.variable is None else None
            if left.variable is not None and right.variable is not None:
                return None
            return Offset(left.variable or right.variable, left.add + right.add)
        case Read(component="len"):
            return Offset(None, 0)  # before binding: some constant
        case _:
            return None


def _refuse_index(ctx: Context, expr: ast.Expr, index: Term, env: Env) -> None:
    if isinstance(index, Read) and not index.indices:
        message = f"`{index.name}` is not an index variable"
        other = "k" if index.name != "k" else "j"
        help = (
            f"bind it with a quantifier, as in `forall {index.name}: …`; "
            f"if it is a draw, write `forall {other}: {index.name} == {other} implies …`"
        )
    else:
        message = "an index is a variable plus or minus a constant, or a constant"
        help = "let a quantifier run over the entries, and say in its `where` which are meant"
    ctx.add("ASR042", expr.span, message, env, help=help)


def index_array(ctx: Context, array: Array, indices: tuple[ast.Expr, ...], span: Span, env: Env) -> Array:
    """Give ``array`` further indices."""
    given = tuple(offset(ctx, index, env) for index in indices)
    return Array(array.name, (*array.indices, *given), span, array.env)


# ---- reading


def complete(ctx: Context, array: Array, field: str | None, span: Span) -> Term:
    """Return the scalar that ``array`` is with all its indices, or its field.

    ``span`` is the scalar's; what is wrong with the array itself is reported where its name is written, which may be
    outside the ``def`` that reads it.
    """
    place = array.span
    rank = len(array.indices)
    indices = [index for index in array.indices if index is not None]
    if ctx.signature is None:
        ctx.uses.add(array.name, rank, "value" if field is None else "field", place, field)
        component = _declared_field(ctx, array, field, span)
        note_accesses(ctx, array.name, tuple(indices), None, place, array.env)
        if len(indices) < rank or component == "":
            return build.poison(span)
        return Read(Kind.SCALAR, build.ALL_LEVELS, span, array.name, component, tuple(indices))
    entry = entry_of(ctx, array.name, place, array.env)
    if entry is None or len(indices) < rank:
        return build.poison(span)
    if entry.function:
        ctx.add("ASR062", place, f"`{array.name}` was bound to a function", array.env, help="call it")
        return build.poison(span)
    if rank != len(entry.axes):
        refuse_rank(ctx, array, len(entry.axes), entry, place)
        return build.poison(span)
    component = _bound_field(ctx, array, entry, field, span)
    if component == "":
        return build.poison(span)
    note_accesses(ctx, array.name, tuple(indices), entry, place, array.env)
    return Read(entry.kind, entry.levels, span, array.name, component, tuple(indices))


def refuse_rank(ctx: Context, array: Array, axes: int, entry: Entry, span: Span) -> None:
    """Report that ``array`` has another number of indices than what it was bound to has axes."""
    what = "no index axis" if axes == 0 else f"{axes} index {'axis' if axes == 1 else 'axes'}"
    origin = f" ({entry.origin})" if entry.origin else ""
    help = None
    if entry.fields is None and axes == len(array.indices) + 1:
        help = f"if its last axis holds components, name them: `site {array.name}…: (…)`"
    ctx.add(
        "ASR043",
        span,
        f"`{array.name}`{origin} has {what}, and is given {len(array.indices)} here",
        array.env,
        help=help,
    )


def note_accesses(
    ctx: Context, name: str, indices: tuple[Offset, ...], entry: Entry | None, span: Span, env: Env
) -> None:
    """Record what indexes the axes of ``name``; what may be absent guards the innermost index's binder."""
    for position, index in enumerate(indices):
        ctx.access(name, index, entry.axes[position] if entry is not None else None, span, env)
    if entry is None or not entry.masked:
        return
    slots = [index.variable.slot for index in indices if index.variable is not None]
    if slots:
        mask = Read(Kind.BOOL, entry.levels, span, name, "mask", indices)
        masks = ctx.scopes[max(slots)].masks
        if mask not in masks:
            masks.append(mask)


# ---- fields


def field(ctx: Context, base: Value, name: ast.Name, span: Span, env: Env) -> Value:
    """Expand ``base.name``."""
    match base:
        case Poison():
            return base
        case Array():
            return complete(ctx, base, name.text, span)
        case Record():
            if name.text in base.fields:
                thunk = base.fields[name.text]
                return ctx.value(thunk.expr, thunk.env)
            if name.text == "size" and base.squares:
                thunk = base.fields["w"]
                return ctx.value(thunk.expr, thunk.env)
            _refuse_field(ctx, name.text, BOX_FIELDS, span, env)
            return Poison()
        case _:
            ctx.add("ASR040", span, f"this has no fields, so no `.{name.text}`", env)
            return Poison()


def _declared_field(ctx: Context, array: Array, field: str | None, span: Span) -> str | None:
    site = ctx.sites.get(array.name)
    if site is None:
        return field
    if len(array.indices) != len(site.indices):
        count = len(site.indices)
        ctx.add(
            "ASR043",
            span,
            f"`{array.name}` is declared with {count} {'index' if count == 1 else 'indices'}, "
            f"and is given {len(array.indices)} here",
            array.env,
        )
        return ""
    fields = tuple(name.text for name in site.fields) if site.fields is not None else None
    return _component(ctx, array, fields, False, field, span)


def _bound_field(ctx: Context, array: Array, entry: Entry, field: str | None, span: Span) -> str | None:
    return _component(ctx, array, entry.fields, entry.squares, field, span)


def _component(
    ctx: Context, array: Array, fields: tuple[str, ...] | None, squares: bool, field: str | None, span: Span
) -> str | None:
    """Return the component that ``field`` names (None for a scalar), "" after an error."""
    if fields is None:
        if field is None:
            return None
        ctx.add(
            "ASR040",
            span,
            f"`{array.name}` has no components, so no `.{field}`",
            array.env,
            help=f"if its last axis holds components, name them: `site {array.name}…: (…)`",
        )
        return ""
    if field is None:
        ctx.add(
            "ASR038",
            span,
            f"a number is needed here, and `{array.name}` has the fields {_list(fields)}",
            array.env,
            help=f"pick one: `{span.text}.{fields[0]}`",
        )
        return ""
    if field in fields:
        return field
    if field == "size" and squares:
        return "w"
    if field in ("w", "h") and "size" in fields:  # a square by its centre and side
        return "size"
    _refuse_field(ctx, field, fields, span, array.env)
    return ""


def _refuse_field(ctx: Context, field: str, fields: tuple[str, ...], span: Span, env: Env) -> None:
    if field == "size" and set(BOX_FIELDS) <= set(fields):
        ctx.add(
            "ASR041",
            span,
            "`.size` is for squares, and these boxes have two sides, `.w` and `.h`",
            env,
            help="read `.w` or `.h`, or give 3 columns: x, y and size",
        )
        return
    help = did_you_mean(field, fields) or f"its fields are {_list(fields)}"
    ctx.add("ASR040", span, f"there is no field `{field}`", env, help=help)


def _list(fields: tuple[str, ...]) -> str:
    return ", ".join(f"`{field}`" for field in fields)
