"""Tree → text with as few parentheses as the grammar allows; ``parse(format(tree)) == tree``.

It prints trees: comments and line breaks are no part of one, and are not kept.
"""

from typing import NamedTuple, assert_never

from asrppl.syntax import ast

# How tightly a construct binds: the grammar's levels.
_IFF, _IMPLIES, _OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _UNARY, _POWER, _POSTFIX, _ATOM = range(12)

_LOGIC = {
    "iff": (_IFF, _IMPLIES, _IMPLIES),
    "implies": (_IMPLIES, _OR, _IMPLIES),
    "or": (_OR, _OR, _AND),
    "and": (_AND, _AND, _NOT),
}
_ARITHMETIC = {
    "+": (_SUM, _SUM, _PRODUCT),
    "-": (_SUM, _SUM, _PRODUCT),
    "*": (_PRODUCT, _PRODUCT, _UNARY),
    "/": (_PRODUCT, _PRODUCT, _UNARY),
    "^": (_POWER, _POSTFIX, _UNARY),
}


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
            start = _at(option.start, _SUM, closed=True)
            if option.end is None or option.steps is None:
                return f"weight {start}"
            end, steps = _at(option.end, _SUM, closed=True), _at(option.steps, _SUM, closed=True)
            since = "" if option.since is None else _at(option.since, _SUM, closed=True) + ".."
            return f"weight {start} -> {end} over {since}{steps} steps"
        case ast.Hard():
            return "hard" if option.within is None else f"hard within {_at(option.within, _SUM, closed=True)}"
        case ast.Smooth():
            return f"smooth {_at(option.power, _SUM, closed=True)}"
        case ast.Margin():
            return f"margin {_at(option.amount, _SUM, closed=True)}"
        case ast.Power():
            return f"power {_at(option.exponent, _SUM, closed=True)}"
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


def _at(expression: ast.Expr, level: int = _IFF, *, closed: bool = False) -> str:
    return _fit(expression, level, closed=closed).text


def _fit(expression: ast.Expr, level: int, *, closed: bool = False) -> _Printed:
    """Print for a place that takes ``level`` and tighter, and nothing that ends in an open body if ``closed``."""
    return _enclosed(expression, _print(expression), level, closed=closed)


def _enclosed(expression: ast.Expr, printed: _Printed, level: int, *, closed: bool) -> _Printed:
    if printed.level < level or (closed and printed.open):
        return _Printed(f"({_inside(expression, printed)})", _ATOM)
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
    return _print(domain).text if isinstance(domain, ast.Range) else _at(domain, _SUM)


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
        level, of_left, of_right = _LOGIC[part.operator] if isinstance(part, ast.Logic) else _ARITHMETIC[part.operator]
        last = _fit(part.right, of_right, closed=level == _POWER)
        first = _enclosed(part.left, printed, of_left, closed=True)
        printed = first.then(f" {part.operator} {last.text}", level, last.open)
    return printed


def _print(node: ast.Expr) -> _Printed:
    match node:
        case ast.Number():
            return _Printed(repr(node.value), _ATOM)
        case ast.Truth():
            return _Printed("true" if node.value else "false", _ATOM)
        case ast.Name():
            return _Printed(node.text, _ATOM)
        case ast.Call():
            return _Printed(f"{node.function.text}({', '.join(map(_argument, node.arguments))})", _ATOM)
        case ast.Divergence():
            return _Printed(f"{node.function.text}({_at(node.left)} || {_at(node.right)})", _ATOM)
        case ast.Restricted():
            return _Printed(f"{node.function.text}({_at(node.value)} where {_at(node.where)})", _ATOM)
        case ast.Index():
            return _Printed(f"{_at(node.base, _POSTFIX)}[{_list(node.indices)}]", _POSTFIX)
        case ast.Field():
            return _Printed(f"{_at(node.base, _POSTFIX)}.{node.name.text}", _POSTFIX)
        case ast.SetLiteral():
            return _Printed(f"{{{_list(node.items)}}}", _ATOM)
        case ast.Interval():
            return _Printed(f"[{_at(node.low)}, {_at(node.high)}]", _ATOM)
        case ast.Vector():
            return _Printed(f"[{_list(node.items)}]", _ATOM)
        case ast.Range():
            return _Printed(f"{_at(node.low, _SUM)}..{_at(node.high, _SUM)}", _COMPARE)
        case ast.Negate():
            operand = _fit(node.operand, _UNARY)
            return _Printed(f"-{operand.text}", _UNARY, operand.open)
        case ast.Binary() | ast.Logic():
            return _infix(node)
        case ast.Chain():
            rest = zip(node.operators, node.operands[1:], strict=True)
            text = "".join(f" {operator} {_at(operand, _SUM)}" for operator, operand in rest)
            return _fit(node.operands[0], _SUM).then(text, _COMPARE)
        case ast.Member():
            word = "not in" if node.negated else "in"
            return _fit(node.value, _SUM).then(f" {word} {_domain(node.container)}", _COMPARE)
        case ast.Not():
            operand = _fit(node.operand, _NOT)
            return _Printed(f"not {operand.text}", _NOT, operand.open)
        case ast.Conditional():
            condition, then, otherwise = _at(node.condition), _at(node.then, _SUM), _at(node.otherwise, _SUM)
            return _Printed(f"if {condition} then {then} else {otherwise}", _UNARY, open=True)
        case ast.Quantified():
            return _Printed(f"{node.quantifier} {_binder(node.binder)}: {_at(node.body)}", _NOT, open=True)
        case ast.Reduced():
            return _Printed(f"{node.reduction} {_binder(node.binder)}: {_at(node.body, _SUM)}", _UNARY, open=True)
        case ast.Count():
            binder = _binder(node.binder)
            text = f"count {binder}: {_at(node.body, _POSTFIX)}"
            return _Printed(text, _UNARY, inside=f"(count {binder}: {_at(node.body)})")
        case _:
            assert_never(node)
