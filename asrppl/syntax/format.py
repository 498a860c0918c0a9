"""Tree → text with as few parentheses as the grammar allows; ``parse(format(tree)) == tree``.

It prints trees: comments and line breaks are no part of one, and are not kept.
"""

from typing import NamedTuple, assert_never

from asrppl.syntax import ast
from asrppl.syntax.precedence import (
    ARITHMETIC,
    ATOM,
    COMPARE,
    IFF,
    LOGIC,
    NOT,
    POSTFIX,
    POWER,
    SUM,
    UNARY,
)


class _Printed(NamedTuple):
    """Text, how tightly it binds, and whether it ends in an open body, which would swallow what follows it.

    ``inside`` is the text for a place right after an opening parenthesis, where a leading count would run on to the
    closing one; "" where that makes no difference.
    """

    text: str
    level: int
    open: bool = False
    inside: str = ""

    def then(self, rest: str, level: int, open: bool = False) -> "_Printed":
        return _Printed(self.text + rest, level, open, self.inside and self.inside + rest)


def format_file(file: ast.File) -> str:
    """Return the file as text, one statement a line."""
    return "".join(f"{format_statement(statement)}\n" for statement in file.statements)


def format_expression(expression: ast.Expr) -> str:
    """Return an expression as text."""
    return _print(expression).text


def format_statement(statement: ast.Statement) -> str:
    """Return a statement as text, on one line."""
    match statement:
        case ast.Import():
            return f"import {statement.path}" if statement.bare else f'import "{statement.path}"'
        case ast.Param():
            return f"param {statement.name.text} = {_domain(statement.value)}"
        case ast.Given():
            kind = "" if statement.type is None else f": {statement.type.text}"
            return f"given {statement.name.text}{_indices(statement.indices)}{kind}"
        case ast.Site():
            pattern = "" if statement.pattern is None else f' = "{statement.pattern}"'
            fields = "" if statement.fields is None else f": ({_names(statement.fields)})"
            return f"site {statement.name.text}{_indices(statement.indices)}{pattern}{fields}"
        case ast.Let():
            return f"let {statement.name.text}{_indices(statement.indices)} = {_at(statement.value)}"
        case ast.Def():
            parameters = ", ".join(
                parameter.name.text + (f": {parameter.type.text}" if parameter.type is not None else "")
                for parameter in statement.parameters
            )
            return f"def {statement.name.text}({parameters}) = {_at(statement.body)}"
        case ast.Rule():
            if statement.name is None:
                printed = _print(statement.formula)
                # No statement starts with a sign.
                return f"({_inside(statement.formula, printed)})" if printed.text.startswith("-") else printed.text
            formula = _at(statement.formula)
            options = "".join(f" {_option(option)}" for option in statement.options)
            return f"rule {statement.name.text}{options}: {formula}"
        case _:
            assert_never(statement)


def _option(option: ast.Option) -> str:
    match option:
        case ast.Weight():
            start = _at(option.start, SUM, closed=True)
            if option.end is None or option.steps is None:
                return f"weight {start}"
            end, steps = _at(option.end, SUM, closed=True), _at(option.steps, SUM, closed=True)
            since = "" if option.since is None else _at(option.since, SUM, closed=True) + ".."
            return f"weight {start} -> {end} over {since}{steps} steps"
        case ast.Hard():
            return "hard" if option.within is None else f"hard within {_at(option.within, SUM, closed=True)}"
        case ast.Smooth():
            return f"smooth {_at(option.power, SUM, closed=True)}"
        case ast.Margin():
            return f"margin {_at(option.amount, SUM, closed=True)}"
        case ast.Power():
            return f"power {_at(option.exponent, SUM, closed=True)}"
        case ast.Where():
            return f"where {_at(option.condition, closed=True)}"
        case _:
            assert_never(option)


def _names(names: tuple[ast.Name, ...]) -> str:
    return ", ".join(name.text for name in names)


def _indices(indices: tuple[ast.Name, ...]) -> str:
    return f"[{_names(indices)}]" if indices else ""


def _list(expressions: tuple[ast.Expr, ...]) -> str:
    return ", ".join(_at(expression) for expression in expressions)


def _at(expression: ast.Expr, level: int = IFF, *, closed: bool = False) -> str:
    return _fit(expression, level, closed=closed).text


def _fit(expression: ast.Expr, level: int, *, closed: bool = False) -> _Printed:
    """Print for a place that takes ``level`` and tighter, and nothing that ends in an open body if ``closed``."""
    return _enclosed(expression, _print(expression), level, closed=closed)


def _enclosed(expression: ast.Expr, printed: _Printed, level: int, *, closed: bool) -> _Printed:
    if printed.level < level or (closed and printed.open):
        return _Printed(f"({_inside(expression, printed)})", ATOM)
    return printed


def _inside(expression: ast.Expr, printed: _Printed) -> str:
    if isinstance(expression, ast.Count):  # its body then needs no parentheses of its own
        return f"count {_binder(expression.binder)}: {_at(expression.body)}"
    return printed.inside or printed.text


def _binder(binder: ast.Binder) -> str:
    names = " != ".join(name.text for name in binder.names) if binder.distinct else _names(binder.names)
    domain = "" if binder.domain is None else f" in {_domain(binder.domain)}"
    where = "" if binder.where is None else f" where {_at(binder.where)}"
    return names + domain + where


def _domain(domain: ast.Expr) -> str:
    return _print(domain).text if isinstance(domain, ast.Range) else _at(domain, SUM)


def _argument(argument: ast.Argument) -> str:
    if argument.name is not None:
        return f"{argument.name.text}: {_at(argument.value)}"
    return _print(argument.value).text if isinstance(argument.value, ast.Range) else _at(argument.value)


def _infix(node: ast.Binary | ast.Logic) -> _Printed:
    # Chains nest to the left, as deep as they are long: that side is walked, not recursed into.
    spine: list[ast.Binary | ast.Logic] = [node]
    while isinstance(left := spine[-1].left, ast.Binary | ast.Logic):
        spine.append(left)
    printed = _print(left)
    for part in reversed(spine):
        level, of_left, of_right = LOGIC[part.operator] if isinstance(part, ast.Logic) else ARITHMETIC[part.operator]
        last = _fit(part.right, of_right, closed=level == POWER)
        first = _enclosed(part.left, printed, of_left, closed=True)
        printed = first.then(f" {part.operator} {last.text}", level, last.open)
    return printed


def _print(node: ast.Expr) -> _Printed:
    match node:
        case ast.Number():
            return _Printed(repr(node.value), ATOM)
        case ast.Truth():
            return _Printed("true" if node.value else "false", ATOM)
        case ast.Name():
            return _Printed(node.text, ATOM)
        case ast.Call():
            return _Printed(f"{node.function.text}({', '.join(map(_argument, node.arguments))})", ATOM)
        case ast.Divergence():
            return _Printed(f"{node.function.text}({_at(node.left)} || {_at(node.right)})", ATOM)
        case ast.Restricted():
            return _Printed(f"{node.function.text}({_at(node.value)} where {_at(node.where)})", ATOM)
        case ast.Index():
            return _Printed(f"{_at(node.base, POSTFIX)}[{_list(node.indices)}]", POSTFIX)
        case ast.Field():
            return _Printed(f"{_at(node.base, POSTFIX)}.{node.name.text}", POSTFIX)
        case ast.SetLiteral():
            return _Printed(f"{{{_list(node.items)}}}", ATOM)
        case ast.Interval():
            return _Printed(f"[{_at(node.low)}, {_at(node.high)}]", ATOM)
        case ast.Vector():
            return _Printed(f"[{_list(node.items)}]", ATOM)
        case ast.Range():
            return _Printed(f"{_at(node.low, SUM)}..{_at(node.high, SUM)}", COMPARE)
        case ast.Negate():
            operand = _fit(node.operand, UNARY)
            return _Printed(f"-{operand.text}", UNARY, operand.open)
        case ast.Binary() | ast.Logic():
            return _infix(node)
        case ast.Chain():
            rest = zip(node.operators, node.operands[1:], strict=True)
            text = "".join(f" {operator} {_at(operand, SUM)}" for operator, operand in rest)
            return _fit(node.operands[0], SUM).then(text, COMPARE)
        case ast.Member():
            word = "not in" if node.negated else "in"
            return _fit(node.value, SUM).then(f" {word} {_domain(node.container)}", COMPARE)
        case ast.Not():
            operand = _fit(node.operand, NOT)
            return _Printed(f"not {operand.text}", NOT, operand.open)
        case ast.Conditional():
            condition, then, otherwise = _at(node.condition), _at(node.then, SUM), _at(node.otherwise, SUM)
            return _Printed(f"if {condition} then {then} else {otherwise}", UNARY, open=True)
        case ast.Quantified():
            return _Printed(f"{node.quantifier} {_binder(node.binder)}: {_at(node.body)}", NOT, open=True)
        case ast.Reduced():
            return _Printed(f"{node.reduction} {_binder(node.binder)}: {_at(node.body, SUM)}", UNARY, open=True)
        case ast.Count():
            binder = _binder(node.binder)
            text = f"count {binder}: {_at(node.body, POSTFIX)}"
            return _Printed(text, UNARY, inside=f"(count {binder}: {_at(node.body)})")
        case _:
            assert_never(node)
