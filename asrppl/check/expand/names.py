"""Expanding names, ``let``s and ``def``s: from an expression to what it stands for."""

from collections.abc import Mapping
from typing import Literal

from asrppl.check.context import Context
from asrppl.check.expand.values import (
    Array,
    DefDefinition,
    Definition,
    Env,
    IndexVariable,
    LetDefinition,
    Local,
    NumberSet,
    ParamDefinition,
    Poison,
    Record,
    Table,
    Thunk,
    Unknown,
    Value,
)
from asrppl.core.signature import makes_box
from asrppl.core.typed import Distribution
from asrppl.diagnostics import Note
from asrppl.source import Span
from asrppl.syntax import ast
from asrppl.words import BUILTINS, OPERATORS, PARAMETER_TYPES

FORMULAS = (ast.Chain, ast.Member, ast.Not, ast.Logic, ast.Quantified)
"""Constructs that are formulas whatever their names stand for."""
_TRAIL = 4  # of the calls that led to a place so many are shown

Resolved = Local | Definition | None


def look_up(name: str, env: Env) -> Resolved:
    """Return what ``name`` stands for as a value: None for a name that the guide has to give."""
    bound = env.bindings.get(name)
    if bound is not None:
        return bound
    module = env.module
    if name in module.broken:
        return Unknown()
    found = module.own.get(name) or module.imported.get(name)
    if found is not None:
        module.used.add(name)
    return found


def resolve_call(name: str, env: Env) -> tuple[str, DefDefinition | None, bool]:
    """Return what a call of ``name`` calls: the name in the end, its ``def``, and whether it is a built-in.

    A parameter of a ``def`` may stand for a function: it is followed to the function's name.
    """
    while isinstance(bound := env.bindings.get(name), Thunk) and isinstance(bound.expr, ast.Name):
        name, env = bound.expr.text, bound.env
    if name in BUILTINS and name not in env.bindings:
        return name, None, True
    found = env.module.find_def(name)
    if found is not None:
        env.module.used.add(name)
    return name, found, False


def unfold(ctx: Context, expr: ast.Expr, env: Env) -> tuple[ast.Expr, Env]:
    """Expand ``expr`` until its outermost construct is neither a defined name nor a call of a ``def``."""
    while True:
        ctx.steps += 1  # as `Context.step` does: this is run for every node
        if ctx.steps > ctx.most:
            ctx.refuse_steps(expr.span, env)
        match expr:
            case ast.Binary() | ast.Field() | ast.Number():  # what is most frequent, and stands for itself
                return expr, env
            case ast.Name():
                found = look_up(expr.text, env)
                if isinstance(found, Thunk):
                    expr, env = found.expr, found.env
                elif isinstance(found, LetDefinition) and not found.node.indices:
                    expr, env = found.node.value, _inside(found, {}, env, expr.span)
                else:
                    return expr, env
            case ast.Call():
                _, found, _ = resolve_call(expr.function.text, env)
                if found is None or found.node.name.text in found.module.broken:
                    return expr, env
                bindings = _call_bindings(ctx, expr, found, env)
                if bindings is None:
                    return expr, env
                expr, env = found.node.body, _inside(found, bindings, env, expr.span)
            case ast.Index():
                base, base_env = unfold(ctx, expr.base, env)
                found = look_up(base.text, base_env) if isinstance(base, ast.Name) else None
                if not isinstance(found, LetDefinition) or len(expr.indices) != len(found.node.indices):
                    return expr, env
                bindings = {
                    index.text: _thunk(given, env)
                    for index, given in zip(found.node.indices, expr.indices, strict=True)
                }
                expr, env = found.node.value, _inside(found, bindings, env, expr.span)
            case _:
                return expr, env


def _inside(definition: LetDefinition | DefDefinition, bindings: Mapping[str, Local], env: Env, span: Span) -> Env:
    kind = "called" if isinstance(definition, DefDefinition) else "used"
    note = Note(f"`{definition.node.name.text}` is {kind} here", span)
    trail = env.trail if note in env.trail else (note, *env.trail)[:_TRAIL]
    return Env(definition.module, bindings, trail)


# ---- arguments


def arguments_by_name(
    ctx: Context, call: ast.Call, names: tuple[str, ...], env: Env, signature: str
) -> dict[str, ast.Expr] | None:
    """Return the arguments of ``call`` under the names of parameters; None after an error."""
    given: dict[str, ast.Expr] = {}
    for position, argument in enumerate(call.arguments):
        if argument.name is not None:
            name = argument.name.text
            if name not in names:
                ctx.add("ASR039", argument.name.span, f"`{signature}` has no parameter `{name}`", env)
                return None
        elif position < len(names):
            name = names[position]
        else:
            ctx.add("ASR039", call.span, f"`{signature}` takes {_count(len(names))}, not {len(call.arguments)}", env)
            return None
        if name in given:
            ctx.add("ASR039", argument.span, f"`{signature}` is given `{name}` twice", env)
            return None
        given[name] = argument.value
    missing = [name for name in names if name not in given]
    if missing:
        message = f"`{signature}` takes {_count(len(names))}: `{missing[0]}` is missing"
        ctx.add("ASR039", call.span, message, env)
        return None
    return given


def _count(number: int) -> str:
    return "no arguments" if number == 0 else "1 argument" if number == 1 else f"{number} arguments"


def _call_bindings(ctx: Context, call: ast.Call, found: DefDefinition, env: Env) -> dict[str, Local] | None:
    parameters = found.node.parameters
    names = tuple(parameter.name.text for parameter in parameters)
    signature = f"{found.node.name.text}({', '.join(names)})"
    given = arguments_by_name(ctx, call, names, env, signature)
    if given is None:
        return None
    bindings: dict[str, Local] = {name: _thunk(expr, env) for name, expr in given.items()}
    for parameter in parameters:
        thunk = bindings[parameter.name.text]
        if parameter.type is None:
            continue
        if isinstance(thunk, IndexVariable):
            thunk = Thunk(given[parameter.name.text], env)
        if isinstance(thunk, Thunk) and not _fits(ctx, parameter, thunk, found):
            bindings[parameter.name.text] = Unknown()
    return bindings


def _thunk(expr: ast.Expr, env: Env) -> Local:
    # A name that is handed on stands for what it stands for here, else chains of names could grow without bound.
    if isinstance(expr, ast.Name):
        bound = env.bindings.get(expr.text)
        if bound is not None:
            return bound
    return Thunk(expr, env)


def _fits(ctx: Context, parameter: ast.Parameter, thunk: Thunk, found: DefDefinition) -> bool:
    """Check an argument against the type that the parameter is declared with."""
    kind = parameter.type.text if parameter.type is not None else ""
    wanted = f"the parameter `{parameter.name.text}` of `{found.node.name.text}` takes a {kind}"
    note = Note(f"`{parameter.name.text}` is declared here", parameter.span)
    span, env = thunk.expr.span, thunk.env
    if kind == "formula":
        ctx.descend(span, env)
        try:
            if sort(ctx, thunk.expr, env) != "number":
                return True
        finally:
            ctx.depth -= 1
        ctx.add("ASR036", span, f"{wanted}, and this is a number", env, notes=(note,))
        return False
    if kind not in PARAMETER_TYPES:
        return True
    if isinstance(thunk.expr, FORMULAS):
        ctx.add("ASR037", span, f"{wanted}, and this is a formula", env, notes=(note,))
        return False
    value = ctx.value(thunk.expr, env)
    if isinstance(value, Poison):
        return False
    if kind == "number":
        if not isinstance(value, Record):
            return True
        ctx.add("ASR038", span, f"{wanted}, and this is a box", env, notes=(note,))
        return False
    if _can_be_box(ctx, value, span):
        return True
    help = "a box is an entry of something bound to boxes, `box(x:, y:, w:, h:)` and `square(x:, y:, size:)` by its "
    help += "centre, or `frame(left, top, right, bottom)` by its edges"
    if isinstance(thunk.expr, ast.Vector) and len(thunk.expr.items) == 4:
        numbers = ", ".join(item.span.text for item in thunk.expr.items)
        help = f"between edges it is `frame({numbers})`, about a centre `box({numbers})`"
    ctx.add("ASR038", span, f"{wanted}, and this is {_said(value)}", env, help=help, notes=(note,))
    return False


def _said(value: Value) -> str:
    if isinstance(value, Table | NumberSet):
        return "a list of numbers" if isinstance(value, Table) else "a set"
    return "a distribution" if isinstance(value, Distribution) else "no box" if isinstance(value, Array) else "a number"


def _can_be_box(ctx: Context, value: Value, span: Span) -> bool:
    if isinstance(value, Record):
        return True
    if not isinstance(value, Array):
        return False
    if ctx.signature is None:
        ctx.uses.add(value.name, len(value.indices), "box", span)
        site = ctx.sites.get(value.name)
        return site is None or site.fields is None or makes_box([field.text for field in site.fields])
    entry = ctx.signature.get(value.name)
    return entry is None or (entry.fields is not None and makes_box(entry.fields))


# ---- formula or number?


def sort(ctx: Context, expr: ast.Expr, env: Env) -> Literal["formula", "number", "either"]:
    """Tell a formula from a number by its construct: "either" is decided by what it is bound to."""
    expr, env = unfold(ctx, expr, env)
    match expr:
        case _ if isinstance(expr, FORMULAS):
            return "formula"
        case ast.Truth():
            return "either"
        case ast.Name():
            found = look_up(expr.text, env)
            return "number" if isinstance(found, IndexVariable | ParamDefinition) else "either"
        case ast.Index() | ast.Field():
            base = expr.base
            if isinstance(expr, ast.Index) and isinstance(base, ast.Name) and base.text in OPERATORS:
                return "number"
            return "either"
        case ast.Call():
            name, _, builtin = resolve_call(expr.function.text, env)
            return "number" if builtin and name != "q" else "either"
        case _:
            return "number"


def is_entry(expr: ast.Expr, env: Env) -> bool:
    """Whether ``expr`` is a name under index variables, ``a[i, j]``, or a name alone, none of them a parameter's."""
    if isinstance(expr, ast.Index):
        names = [index.text for index in expr.indices if isinstance(index, ast.Name)]
        if len(names) < len(expr.indices) or not all(isinstance(env.bindings.get(n), IndexVariable) for n in names):
            return False
        expr = expr.base
    return isinstance(expr, ast.Name) and look_up(expr.text, env) is None


def is_unknown(expr: ast.Expr, env: Env) -> bool:
    """Whether ``expr`` is a name of which nothing can be said (`Unknown`)."""
    return isinstance(expr, ast.Name) and isinstance(look_up(expr.text, env), Unknown)
