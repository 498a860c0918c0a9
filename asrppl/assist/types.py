"""What an expression of a file is, before a guide is there: its type and its level, in words."""

from asrppl.check import Checked
from asrppl.check.context import Context, LimitError
from asrppl.check.expand.binders import bind
from asrppl.check.expand.formulas import expand_formula
from asrppl.check.expand.names import sort
from asrppl.check.expand.terms import expand_value
from asrppl.check.expand.values import Array, Env, NumberSet, Poison, Record, Table, Unknown, Value
from asrppl.core.free import FreeName
from asrppl.core.labels import level_name, type_of
from asrppl.core.signature import Kind, Level
from asrppl.core.typed import Constant, Formula, TruthValue, TypedTerm
from asrppl.diagnostics import Sink
from asrppl.syntax import ast

_KINDS = {Kind.REAL: "real", Kind.INT: "integer", Kind.BOOL: "Boolean", Kind.SCALAR: "number"}


def type_of_definition(checked: Checked, node: ast.Param | ast.Let | ast.Def) -> str:
    """Return what a definition gives: ``number, sample level``, ``formula``, ``box``; "" where nothing can be said."""
    match node:
        case ast.Param():
            return _typed(checked, node.name, (), ())
        case ast.Let():
            return _typed(checked, node.value, node.indices, ())
        case ast.Def():  # its level depends on the arguments
            names = tuple(parameter.name.text for parameter in node.parameters)
            return _typed(checked, node.body, (), names).partition(",")[0]


def type_of_free(free: FreeName) -> str:
    """Return what a name of the guide, or of Python, has to be."""
    if free.shape == "function":
        return type_of(free)
    return f"{type_of(free)}, {level_name(_levels(free))} level"


def _levels(free: FreeName) -> frozenset[Level]:
    return frozenset({Level.DATUM}) if free.given else frozenset({Level.DRAW, Level.DATUM})


def _typed(checked: Checked, expr: ast.Expr, indices: tuple[ast.Name, ...], unknown: tuple[str, ...]) -> str:
    ctx = Context(Sink(), None, expand_value, expand_formula, sites=checked.sites, given=checked.given)
    ctx.uses.on = False
    found: list[str] = []

    def visit(env: Env) -> Formula:
        if sort(ctx, expr, env) == "formula":
            found.append(f"formula, {level_name(ctx.formula(expr, env).levels)} level")
        else:
            found.append(_value(checked, ctx.value(expr, env)))
        return TruthValue(frozenset(), expr.span, True)

    env = Env(checked.module, dict.fromkeys(unknown, Unknown()))
    try:
        if indices:
            binder = ast.Binder(expr.span, indices, False, None, None)
            bind(ctx, env, binder, lambda scope, inner: ([], visit(inner)))
        else:
            visit(env)
    except LimitError:
        return ""
    return found[-1]


def _value(checked: Checked, value: Value) -> str:
    match value:
        case Poison():
            return ""
        case Array():
            free = checked.free.get(value.name)
            return "" if free is None else type_of_free(free)
        case Record():
            return "box"
        case NumberSet():
            return "set"
        case Table():
            return "list of rows" if len(value.shape) > 1 else "list"
        case Constant():
            return f"constant {_KINDS[value.kind]}"
        case _ if isinstance(value, TypedTerm):
            return f"{_KINDS[value.kind]}, {level_name(value.levels)} level"
        case _:
            return "distribution"
