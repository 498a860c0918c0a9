"""A part of a formula as it reads for one instance: numbers in place of index variables, arguments written in."""

from dataclasses import fields, replace
from typing import Any, cast

from asrppl.reference.formulas import NEGATED
from asrppl.reference.names import Closure, Scope, Variable
from asrppl.reference.sorts import DECIDED
from asrppl.syntax import ast, format_expression
from asrppl.worlds.watched import Watched

LONGEST = 160
"""Characters of a formula that are shown."""


def text_of(watched: Watched, expr: ast.Expr, scope: Scope, positive: bool) -> str:
    """Return a formula, or its negation, for the values that its index variables have now."""
    tree = instantiated(watched, expr, scope)
    if positive and tree == expr:  # nothing is written in: as its author has it
        text = " ".join(expr.span.text.split())
    else:
        text = format_expression(tree if positive else _negated(tree))
    return text if len(text) <= LONGEST else text[: LONGEST - 2] + " …"


def _negated(tree: ast.Expr) -> ast.Expr:
    match tree:
        case ast.Chain() if len(tree.operators) == 1:
            return replace(tree, operators=(NEGATED[tree.operators[0]],))
        case ast.Member():
            return replace(tree, negated=not tree.negated)
        case ast.Not():
            return tree.operand
        case _:
            return ast.Not(tree.span, tree)


def instantiated(watched: Watched, expr: ast.Expr, scope: Scope) -> ast.Expr:
    """Return an expression with what its scope has for its names; what the file defines stays a name."""
    match expr:
        case ast.Name():
            bound = scope.names.get(expr.text)
            if isinstance(bound, Variable):
                return expr if bound.value is None else number(expr, bound.value)
            return instantiated(watched, bound.expr, bound.scope) if isinstance(bound, Closure) else expr
        case ast.Quantified() | ast.Reduced() | ast.Count():
            inner, _ = scope.bind(expr.binder.names)
            domain = None if expr.binder.domain is None else instantiated(watched, expr.binder.domain, scope)
            where = None if expr.binder.where is None else instantiated(watched, expr.binder.where, inner)
            binder = replace(expr.binder, domain=domain, where=where)
            return replace(expr, binder=binder, body=instantiated(watched, expr.body, inner))
        case ast.Index():
            indices = tuple(_index(watched, index, scope) for index in expr.indices)
            return replace(expr, base=instantiated(watched, expr.base, scope), indices=indices)
        case ast.Field():
            return replace(expr, base=instantiated(watched, expr.base, scope))
        case ast.Call():
            arguments = tuple(replace(part, value=instantiated(watched, part.value, scope)) for part in expr.arguments)
            return replace(expr, arguments=arguments)
        case _:
            return _rebuilt(watched, expr, scope)


def _rebuilt(watched: Watched, expr: ast.Expr, scope: Scope) -> ast.Expr:
    changed: dict[str, object] = {}
    for part in fields(expr):
        value: object = getattr(expr, part.name)
        if isinstance(value, tuple):
            items = cast(tuple[object, ...], value)
            changed[part.name] = tuple(
                instantiated(watched, cast(ast.Expr, item), scope) if isinstance(item, ast.Node) else item
                for item in items
            )
        elif isinstance(value, ast.Node) and part.name not in ("span", "function"):
            changed[part.name] = instantiated(watched, cast(ast.Expr, value), scope)
    return cast(ast.Expr, replace(cast(Any, expr), **changed))


def _index(watched: Watched, expr: ast.Expr, scope: Scope) -> ast.Expr:
    """Return an index as a number, where index variables and constants say which."""
    if watched.part(expr, scope) == DECIDED and not isinstance(expr, ast.Quantified | ast.Logic | ast.Chain | ast.Not):
        try:
            value = watched.term(expr, scope)
        except TypeError:  # it reads a variable that is bound further in, and has no value yet
            value = None
        if isinstance(value, int):
            return number(expr, value)
    return instantiated(watched, expr, scope)


def number(expr: ast.Expr, value: float) -> ast.Expr:
    """Return a number, in the place of an expression."""
    found = ast.Number(expr.span, abs(value))
    return found if value >= 0 else ast.Negate(expr.span, found)
