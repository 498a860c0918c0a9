"""Reading what is bound: indices, fields, and the step from an expression to a scalar term."""

from collections.abc import Callable
from dataclasses import replace

from asrppl.check.context import Context
from asrppl.check.expand import build
from asrppl.check.expand.bounds import bounds
from asrppl.check.expand.components import component_of, declared_component, fields_of, refuse_field
from asrppl.check.expand.names import is_unknown
from asrppl.check.expand.presence import defined
from asrppl.check.expand.values import Array, Env, IndexVariable, NumberSet, Poison, Record, Table, Value
from asrppl.check.fields import fields_of_boxes
from asrppl.core import typed
from asrppl.core.signature import BOX_FIELDS, EDGES, Entry, Kind, Level, makes_box
from asrppl.core.typed import BinaryTerm, Computed, Constant, Formula, Index, IndexValue, Offset, Read, Term, TypedTerm
from asrppl.core.walk import is_poisoned, moves, variable_slots, walk
from asrppl.diagnostics import replacing
from asrppl.source import Span
from asrppl.suggest import did_you_mean
from asrppl.syntax import ast

_DATA = frozenset({Level.DATUM})


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
            what, help = "a box", f"pick a field: {fields_of_boxes(True)}"
        case NumberSet():
            what, help = "a set", "sets stand after `in`, and in `uniform(…)`"
        case Table():
            what, help = "a list of numbers", f"give it an index: `{span.text}[i]`"
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


def offset(ctx: Context, expr: ast.Expr, env: Env) -> Offset | Term | None:
    """Expand an index: a variable plus or minus a constant, or any whole term. None after an error."""
    bound = env.bindings.get(expr.text) if isinstance(expr, ast.Name) else None
    if isinstance(bound, IndexVariable):  # most indices are, and are read often: at once, without the term
        ctx.step(expr.span, env)
        return Offset(bound.variable)
    if is_unknown(expr, env):
        return None
    index = term(ctx, expr, env)
    found = as_offset(index)
    if found is None:
        return _computed(ctx, expr, index, env)
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


def _computed(ctx: Context, expr: ast.Expr, index: Term, env: Env) -> Term | None:
    """Check an index that is no variable plus a constant: it takes whole numbers, which training may not move."""
    if is_poisoned(index):  # of a parameter, or an index of a `let`, nothing is known yet
        return None
    if ctx.static and isinstance(index, Read) and index.component is None and index.name:
        ctx.uses.add(index.name, len(index.indices), "int", expr.span)
        return index
    if index.kind is Kind.REAL or isinstance(index, Constant):
        help = "an index is a whole number; of given reals it is `floor(…)`"
        ctx.add("ASR042", expr.span, "this index takes real values", env, help=help)
        return None
    if not ctx.static and not ctx.conditions and moves(index):
        message = "which entry this reads would jump with what it reads, and no gradient sees that"
        help = "hold the choice fixed: wrap what it reads in `detach(…)`, or declare it `given`"
        ctx.add("ASR042", expr.span, message, env, help=help)
        return None
    return index


def index_array(ctx: Context, array: Array, indices: tuple[ast.Expr, ...], span: Span, env: Env) -> Array:
    """Give ``array`` further indices."""
    given = tuple(offset(ctx, index, env) for index in indices)
    return Array(array.name, (*array.indices, *given), span, array.env)


def index_table(ctx: Context, table: Table, indices: tuple[ast.Expr, ...], span: Span, env: Env) -> Term | Table:
    """Give a constant array further indices: an entry once there are as many as it has axes."""
    given = (*table.indices, *(offset(ctx, index, env) for index in indices))
    found = tuple(index for index in given if index is not None)
    if len(found) < len(given):
        return build.poison(span)
    if len(found) < len(table.shape):
        return replace(table, indices=found, span=span)
    if len(found) > len(table.shape):
        axes = "1 axis" if len(table.shape) == 1 else f"{len(table.shape)} axes"
        ctx.add("ASR043", span, f"this has {axes}, and is given {len(found)} indices", env)
        return build.poison(span)
    place = table.span or span
    resolved, missing = resolve_indices(ctx, table.name, found, table.shape, place, env)
    kinds = {type(value) for value in table.values}
    kind = Kind.BOOL if kinds == {bool} else Kind.REAL if float in kinds else Kind.INT
    constants = tuple(index.add for index in resolved if isinstance(index, Offset) and index.variable is None)
    if len(constants) == len(resolved) and not ctx.sink.failed and missing is None:
        place_of = 0
        for index, length in zip(constants, table.shape, strict=True):
            place_of = place_of * length + min(index, length - 1)
        return build.constant(table.values[place_of], span)
    levels = build.levels_of(index.term for index in resolved if isinstance(index, Computed))
    values = tuple(float(value) for value in table.values)
    return typed.Table(kind, levels, span, values, table.shape, resolved, missing)


# ---- reading


def complete(ctx: Context, array: Array, field: str | None, span: Span) -> Term:
    """Return the scalar that ``array`` is with all its indices, or its field.

    ``span`` is the scalar's; what is wrong with the array itself is reported where its name is written, which may be
    outside the ``def`` that reads it.
    """
    place = array.span
    rank = len(array.indices)
    indices = tuple(index for index in array.indices if index is not None)
    if ctx.signature is None:
        ctx.uses.add(array.name, rank, "value" if field is None else "field", place, field, span)
        component = declared_component(ctx, array, field, span)
        resolved, _ = note_accesses(ctx, array.name, indices, None, place, array.env)
        if len(indices) < rank or component == "":
            return build.poison(span)
        kind, is_given = _given_kind(ctx, array.name), array.name in ctx.given
        levels = _DATA if is_given else build.ALL_LEVELS
        return Read(kind, levels, span, array.name, component, resolved, is_given)
    entry = entry_of(ctx, array.name, place, array.env)
    if entry is None or len(indices) < rank:
        return build.poison(span)
    if entry.function:
        ctx.add("ASR062", place, f"`{array.name}` was bound to a function", array.env, help="call it")
        return build.poison(span)
    if rank != len(entry.axes):
        refuse_rank(ctx, array, len(entry.axes), entry, place)
        return build.poison(span)
    component = component_of(ctx, array, entry.fields, entry.squares, field, span)
    if component == "":
        return build.poison(span)
    resolved, missing = note_accesses(ctx, array.name, indices, entry, place, array.env)
    levels = entry.levels.union(*(index.term.levels for index in resolved if isinstance(index, Computed)))
    return Read(entry.kind, levels, span, array.name, component, resolved, entry.given, missing)


def _given_kind(ctx: Context, name: str) -> Kind:
    statement = ctx.given.get(name)
    kind = statement.type.text if statement is not None and statement.type is not None else None
    return {"bool": Kind.BOOL, "int": Kind.INT}.get(kind or "", Kind.SCALAR)


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
    ctx: Context, name: str, indices: tuple[Offset | Term, ...], entry: Entry | None, span: Span, env: Env
) -> tuple[tuple[Index, ...], Formula | None]:
    """Record what indexes the axes of ``name``.

    Returns:
        The indices, and the condition under which there is an entry where no binder sees to that: what an index
        variable reaches that is absent makes its instance absent.
    """
    axes = entry.axes if entry is not None else None
    resolved, missing = resolve_indices(ctx, name, indices, axes, span, env)
    if entry is None or not entry.masked:
        return resolved, missing
    levels = entry.presence_levels.union(*(index.term.levels for index in resolved if isinstance(index, Computed)))
    mask = build.truth(Read(Kind.BOOL, levels, span, name, "mask", resolved), True, span)
    if missing is not None:  # outside its axes it has no mask to ask
        mask = build.disjunction((typed.Complement(missing.levels, span, missing), mask), span)
    left_over = _skip(ctx, mask, name, further=False)
    return resolved, build.conjunction([part for part in (missing, left_over) if part is not None], span) if (
        missing is not None or left_over is not None
    ) else None


def resolve_indices(
    ctx: Context,
    name: str,
    indices: tuple[Offset | Term, ...],
    axes: tuple[int, ...] | None,
    span: Span,
    env: Env,
) -> tuple[tuple[Index, ...], Formula | None]:
    """Return the indices with what is known of their axes, and the condition for all of them to be inside."""
    resolved: list[Index] = []
    missing: list[Formula] = []
    for position, index in enumerate(indices):
        length = axes[position] if axes is not None and position < len(axes) else None
        if isinstance(index, Offset):
            resolved.append(index)
            if ctx.access(name, index, length, span, env) and index.variable is not None and length is not None:
                at, first, last = build.index_value(index.variable, span), -index.add, length - 1 - index.add
                if min(index.variable.values) < first:
                    missing.append(build.at_most(build.number(first, span), at, span))
                if max(index.variable.values) > last:
                    missing.append(build.at_most(at, build.number(last, span), span))
            continue
        resolved.append(Computed(index, length or 0))
        if length is None:
            continue
        ctx.ask(index)
        low, high = bounds(index)
        inside: list[Formula] = []
        if low < 0:
            inside.append(build.at_most(build.number(0, span), index, span))
        if high > length - 1:
            inside.append(build.at_most(index, build.number(length - 1, span), span))
        there = defined(span, index)
        for condition in [*inside, *([there] if there is not None else [])]:
            left_over = _skip(ctx, condition, name, further=True)
            missing += [left_over] if left_over is not None else []
    return tuple(resolved), build.conjunction(missing, span) if missing else None


def _skip(ctx: Context, condition: Formula, name: str, *, further: bool) -> Formula | None:
    """Let the innermost binder whose variable the condition reads skip what does not meet it.

    Returns:
        The condition where there is no such binder (or an aggregate over the data is in between), or where the access
        stands in the guard of a binder ``further`` in: the comparison that reads it is false there.
    """
    slots = {slot for slot in variable_slots(condition) if slot < len(ctx.scopes)}
    if not slots or max(slots) < ctx.outside:
        return condition
    scope = ctx.scopes[max(slots)]
    if further and ctx.place(scope) == "nested":
        return condition
    if not ctx.void and condition not in scope.present:
        scope.present.append(condition)
    return None


# ---- fields


def field(ctx: Context, base: Value, name: ast.Name, span: Span, env: Env) -> Value:
    """Expand ``base.name``."""
    match base:
        case Poison():
            return base
        case Array():
            known = fields_of(ctx, base)
            if not base.indices and isinstance(env.bindings.get(name.text), IndexVariable) and name.text not in known:
                message = f"`.{name.text}` reads a field, and an index stands in brackets"
                mend = f"{base.span.text}[{name.text}]"
                ctx.add("ASR040", span, message, env, help=f"write `{mend}`", edits=replacing(span, mend))
                return Poison()
            if name.text in EDGES and name.text not in known and (not known or makes_box(known)):
                return _edge(lambda part: complete(ctx, base, part, span), name.text, span)
            return complete(ctx, base, name.text, span)
        case Record():

            def read(part: str) -> Term:
                thunk = base.fields[part]
                return scalar(ctx, ctx.value(thunk.expr, thunk.env), thunk.expr.span, thunk.env)

            if name.text in EDGES:
                return _edge(read, name.text, span)
            part = "w" if name.text == "size" and base.squares else name.text
            if part in base.fields:
                return ctx.value(base.fields[part].expr, base.fields[part].env)
            refuse_field(ctx, name.text, BOX_FIELDS, base.squares, span, env)
            return Poison()
        case IndexValue():
            binder = ctx.scopes[base.variable.slot].binder
            if binder.domain is None or ("ASR047", binder.domain.span) not in ctx.reported:
                message = f"`{base.variable.name}` is an index, a whole number, and has no field `{name.text}`"
                mend = f"read the field of an entry: `box[{base.variable.name}].{name.text}`"
                ctx.add("ASR040", span, message, env, help=mend)
            return Poison()
        case _:
            ctx.add("ASR040", span, f"this has no fields, so no `.{name.text}`", env)
            return Poison()


def _edge(read: Callable[[str], Term], name: str, span: Span) -> Term:
    centre, operator, side = EDGES[name]
    half = build.binary("/", read(side), build.number(2, span), span)
    return build.binary(operator, read(centre), half, span)
