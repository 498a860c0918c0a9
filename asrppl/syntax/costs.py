"""What a claim costs, as an expression of the language: the table of docs/language.md, read from the left.

It shows people what training lowers. That `or` and `exists` compare decided, discrete and graded parts in this order,
and what an `exists` or a count costs without members, is in the table and not in the expression.
"""

from collections.abc import Callable
from typing import cast

from asrppl.source import Span
from asrppl.syntax import ast

_NEGATED = {"<=": ">", "<": ">=", ">=": "<", ">": "<=", "==": "!=", "!=": "=="}


def cost_of(
    formula: ast.Expr,
    *,
    is_def: Callable[[str], bool] = lambda name: False,
    margin: float = 0.0,
    power: float = 1.0,
) -> ast.Expr:
    """Return what a claim costs.

    Args:
        formula: the claim.
        is_def: whether a name is one that the rules define: what it costs is then ``cost(name(..))``.
        margin: of the rule.
        power: of the rule.
    """
    return _Costs(formula.span, is_def, margin, power).of(formula, True)


class _Costs:
    def __init__(self, span: Span, is_def: Callable[[str], bool], margin: float, power: float) -> None:
        self.span = span
        self.is_def = is_def
        self.margin = margin
        self.power = power

    def of(self, formula: ast.Expr, positive: bool) -> ast.Expr:
        match formula:
            case ast.Truth():
                return self.number(int(formula.value != positive))
            case ast.Not():
                return self.of(formula.operand, not positive)
            case ast.Logic():
                return self.logic(formula, positive)
            case ast.Quantified():
                reduction = "sum" if (formula.quantifier == "forall") == positive else "min"
                return ast.Reduced(self.span, reduction, formula.binder, self.of(formula.body, positive))
            case ast.Chain():
                pairs = zip(formula.operators, formula.operands, formula.operands[1:], strict=False)
                parts = [self.compared(operator, left, right, positive) for operator, left, right in pairs]
                return self.added(parts) if positive else self.least(parts)
            case ast.Member():
                return self.member(formula, positive != formula.negated)
            case ast.Call() if self.is_def(formula.function.text):
                return self.unknown(formula, positive)
            case ast.Name() if self.is_def(formula.text):
                return self.unknown(formula, positive)
            case ast.Index(base=ast.Name(text=text)) if self.is_def(text):
                return self.unknown(formula, positive)
            case _:
                return ast.Binary(self.span, "-", self.number(1), formula) if positive else formula

    def logic(self, formula: ast.Logic, positive: bool) -> ast.Expr:
        match formula.operator:
            case "and" | "or":
                operands: list[ast.Expr] = []
                current: ast.Expr = formula
                while isinstance(current, ast.Logic) and current.operator == formula.operator:
                    operands.append(current.right)
                    current = current.left
                parts = [self.of(operand, positive) for operand in (current, *reversed(operands))]
                return self.added(parts) if (formula.operator == "and") == positive else self.least(parts)
            case "implies":
                parts = [self.of(formula.left, not positive), self.of(formula.right, positive)]
                return self.least(parts) if positive else self.added(parts)
            case "iff":
                one = [self.of(formula.left, False), self.of(formula.right, positive)]
                other = [self.of(formula.left, True), self.of(formula.right, not positive)]
                return self.added([self.least(one), self.least(other)])

    def compared(self, operator: str, left: ast.Expr, right: ast.Expr, positive: bool) -> ast.Expr:
        if isinstance(left, ast.Count) or isinstance(right, ast.Count):
            return self.unknown(ast.Chain(self.span, (left, right), (operator,)), positive)
        operator = operator if positive else _NEGATED[operator]
        match operator:
            case "==":
                return self.raised(self.call("abs", self.less(left, right)))
            case "!=":
                return self.one_where(ast.Chain(self.span, (left, right), ("==",)))
            case _:
                first, second = (left, right) if operator.startswith("<") else (right, left)
                if _is_infinite(second) or (isinstance(first, ast.Negate) and _is_infinite(first.operand)):
                    return self.number(0)
                if _is_infinite(first) or (isinstance(second, ast.Negate) and _is_infinite(second.operand)):
                    return ast.Name(self.span, "inf")
                excess = self.less(first, second)
                if operator in ("<", ">") and self.margin:
                    excess = ast.Binary(self.span, "+", excess, self.number(self.margin))
                return self.raised(self.call("max", excess, self.number(0)))

    def member(self, formula: ast.Member, inside: bool) -> ast.Expr:
        value, container = formula.value, formula.container
        if isinstance(value, ast.Count):
            return self.unknown(ast.Member(self.span, value, container, not inside), True)
        if isinstance(container, ast.Interval):
            parts = [
                self.compared("<=", container.low, value, inside),
                self.compared("<=", value, container.high, inside),
            ]
            return self.added(parts) if inside else self.least(parts)
        if not inside:
            return self.one_where(ast.Member(self.span, value, container, False))
        if isinstance(container, ast.SetLiteral):
            return self.least([self.compared("==", value, item, True) for item in container.items])
        text = "e"
        while _names(text, value, container):
            text += "′"
        element = ast.Name(self.span, text)
        binder = ast.Binder(self.span, (element,), False, container, None)
        return ast.Reduced(self.span, "min", binder, self.compared("==", value, element, True))

    def unknown(self, formula: ast.Expr, positive: bool) -> ast.Expr:
        return self.call("cost", formula if positive else ast.Not(self.span, formula))

    def one_where(self, condition: ast.Expr) -> ast.Expr:
        return ast.Conditional(self.span, condition, self.number(1), self.number(0))

    def raised(self, amount: ast.Expr) -> ast.Expr:
        if self.power == 1:
            return amount
        return ast.Binary(self.span, "^", amount, self.number(self.power))

    def less(self, left: ast.Expr, right: ast.Expr) -> ast.Expr:
        if isinstance(right, ast.Number) and right.value == 0:
            return left
        if isinstance(left, ast.Number) and left.value == 0:
            return right.operand if isinstance(right, ast.Negate) else ast.Negate(self.span, right)
        return ast.Binary(self.span, "-", left, right)

    def added(self, parts: list[ast.Expr]) -> ast.Expr:
        total: ast.Expr | None = None
        for part in parts:
            if not (isinstance(part, ast.Number) and part.value == 0):
                total = part if total is None else ast.Binary(self.span, "+", total, part)
        return self.number(0) if total is None else total

    def least(self, parts: list[ast.Expr]) -> ast.Expr:
        possible = [part for part in parts if not _is_infinite(part)] or parts[:1]
        return possible[0] if len(possible) == 1 else self.call("min", *possible)

    def call(self, name: str, *values: ast.Expr) -> ast.Expr:
        arguments = tuple(ast.Argument(self.span, None, value) for value in values)
        return ast.Call(self.span, ast.Name(self.span, name), arguments)

    def number(self, value: float) -> ast.Expr:
        return ast.Number(self.span, int(value) if float(value).is_integer() else value)


def _is_infinite(expr: ast.Expr) -> bool:
    return isinstance(expr, ast.Name) and expr.text == "inf"


def _names(text: str, *trees: object) -> bool:
    pending = [*trees]
    while pending:
        tree = pending.pop()
        if isinstance(tree, ast.Name) and tree.text == text:
            return True
        if isinstance(tree, ast.Node):
            pending.extend(ast.parts(tree))
        elif isinstance(tree, tuple):
            pending.extend(cast(tuple[object, ...], tree))
    return False
