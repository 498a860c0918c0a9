"""Tree → mathematics: Unicode for a terminal or LaTeX for a paper, with brackets only where they are needed.

It is read by people, and not parsed again. What differs from the language (`asrppl.syntax.format`): a sum takes in
the product that follows it and no sum, as mathematics has it; a sign stands at the beginning of a sum only.
"""

from typing import NamedTuple, assert_never

from asrppl.syntax import ast
from asrppl.syntax.precedence import ARITHMETIC, ATOM, COMPARE, IFF, LOGIC, NOT, POSTFIX, POWER, PRODUCT, SUM, UNARY
from asrppl.syntax.scripts import LATEX, UNICODE, Script, listed
from asrppl.words import OPERATORS

_FENCES = {"abs": ("|", "|"), "floor": ("⌊", "⌋")}


class _Set(NamedTuple):
    """Text, how tightly it binds, and the loosest level that its end swallows what follows at (None: it is closed)."""

    text: str
    level: int
    open: int | None = None


def unicode_mathematics(expression: ast.Expr) -> str:
    """Return an expression as a line of Unicode mathematics: ``∀ i ≠ j: |x_i − x_j| ≥ 1``."""
    return _Setter(UNICODE).at(expression)


def latex_mathematics(expression: ast.Expr) -> str:
    r"""Return an expression as LaTeX, for math mode with amsmath: ``\forall i \neq j:\ ..``."""
    return _Setter(LATEX).at(expression)


def is_subscripted(base: ast.Expr) -> bool:
    """Whether an entry of ``base`` has its indices below it: ``x_i``; a name with a ``_`` keeps its brackets."""
    return isinstance(base, ast.Name) and "_" not in base.text


class _Setter:
    def __init__(self, script: Script) -> None:
        self.script = script

    def at(self, expression: ast.Expr, level: int = IFF, *, closed: bool = False) -> str:
        """Set for a place that takes ``level`` and tighter, and nothing that would swallow what follows if closed."""
        return self.fit(self.set(expression), level, level if closed else None).text

    def fit(self, found: _Set, level: int, follows: int | None = None) -> _Set:
        """Put brackets around what does not fit, or what swallows an operator of the level ``follows`` after it."""
        swallows = follows is not None and found.open is not None and follows >= found.open
        return _Set(self.script.fence("(", found.text, ")"), ATOM) if found.level < level or swallows else found

    def list(self, expressions: tuple[ast.Expr, ...]) -> str:
        return listed([self.at(expression) for expression in expressions])

    def sign(self, name: str) -> str:
        return self.script.signs[name]

    def set(self, node: ast.Expr) -> _Set:
        script = self.script
        match node:
            case ast.Number():
                text = script.number(node.value)
                return _Set(text, PRODUCT if script.fenced and "cdot" in text else ATOM)
            case ast.Truth():
                return _Set(script.function("true" if node.value else "false"), ATOM)
            case ast.Name():
                return _Set(self.sign("inf") if node.text == "inf" else script.name(node.text), ATOM)
            case ast.Call():
                return self.call(node)
            case ast.Divergence():
                inside = f"{self.at(node.left)} {self.sign('||')} {self.at(node.right)}"
                return _Set(script.function(node.function.text) + script.fence("(", inside, ")"), ATOM)
            case ast.Restricted():
                inside = f"{self.at(node.value)} {self.sign('|')} {self.at(node.where)}"
                return _Set(self.operator(node.function.text, inside), ATOM)
            case ast.Index():
                return self.entry(node)
            case ast.Field():
                return _Set(f"{self.at(node.base, POSTFIX)}.{script.name(node.name.text)}", POSTFIX)
            case ast.SetLiteral():
                return _Set(script.fence("{", self.list(node.items), "}"), ATOM)
            case ast.Interval():
                return _Set(script.fence("[", self.list((node.low, node.high)), "]"), ATOM)
            case ast.Vector():
                return _Set(script.fence("[", self.list(node.items), "]"), ATOM)
            case ast.Range():
                inside = listed([self.at(node.low), self.sign(".."), self.at(node.high)])
                return _Set(script.fence("{", inside, "}"), ATOM)
            case ast.Negate():
                operand = self.fit(self.set(node.operand), PRODUCT)
                return _Set(self.sign("-") + operand.text, SUM, operand.open)
            case ast.Binary() | ast.Logic():
                return self.infix(node)
            case ast.Chain():
                text = self.at(node.operands[0], SUM)
                for operator, operand in zip(node.operators, node.operands[1:], strict=True):
                    text += f" {self.sign(operator)} {self.at(operand, SUM)}"
                return _Set(text, COMPARE)
            case ast.Member():
                sign = self.sign("not in" if node.negated else "in")
                return _Set(f"{self.at(node.value, SUM)} {sign} {self.at(node.container, SUM)}", COMPARE)
            case ast.Not():
                operand = self.set(node.operand)
                operand = operand if isinstance(node.operand, ast.Not) else self.fit(operand, POSTFIX)
                return _Set(self.sign("not") + operand.text, NOT, operand.open)
            case ast.Conditional():
                parts = (self.at(part) for part in (node.condition, node.then, node.otherwise))
                return _Set(script.choice(*parts), ATOM)
            case ast.Quantified():
                head = f"{self.sign(node.quantifier)} {self.binder(node.binder, script.word('where'))}"
                return _Set(script.stated(head, self.at(node.body)), NOT, IFF)
            case ast.Reduced():
                simple = node.binder.domain is None and node.binder.where is None and len(node.binder.names) == 1
                head = script.below(self.sign(node.reduction), self.binder(node.binder, ": "), simple=simple)
                return _Set(f"{head} {self.at(node.body, PRODUCT)}", PRODUCT, PRODUCT)
            case ast.Count():
                inside = script.stated(self.binder(node.binder, script.word("where")), self.at(node.body))
                return _Set(self.sign("count") + script.fence("{", inside, "}"), ATOM)
            case _:
                assert_never(node)

    def call(self, node: ast.Call) -> _Set:
        script, name = self.script, node.function.text
        values = [argument.value for argument in node.arguments]
        first = values[0] if len(values) == 1 and node.arguments[0].name is None else None
        if first is not None and name in _FENCES:
            left, right = _FENCES[name]
            return _Set(script.fence(left, self.at(first), right), ATOM)
        if first is not None and name == "sqrt":
            found = self.set(first)
            return _Set(script.root(found.text, simple=found.level == ATOM), POSTFIX if script.fenced else POWER)
        if first is not None and name == "relu":
            inside = listed([self.at(first), script.number(0)])
            return _Set(script.function("max") + script.fence("(", inside, ")"), ATOM)
        inside = listed([self.argument(argument) for argument in node.arguments])
        if name in OPERATORS:
            return _Set(self.operator(name, inside), ATOM)
        return _Set(script.function(name) + script.fence("(", inside, ")"), ATOM)

    def argument(self, argument: ast.Argument) -> str:
        value = self.at(argument.value)
        return value if argument.name is None else f"{self.script.name(argument.name.text)}: {value}"

    def operator(self, name: str, inside: str) -> str:
        """Set a mean or a probability: E, P, aggregate."""
        head = self.sign(name) if name in OPERATORS else self.script.function(name)
        return head + self.script.fence("[", inside, "]")

    def entry(self, node: ast.Index) -> _Set:
        base = node.base
        if isinstance(base, ast.Name) and base.text in OPERATORS:
            return _Set(self.operator(base.text, self.list(node.indices)), ATOM)
        indices = self.list(node.indices)
        if isinstance(base, ast.Name) and (self.script.fenced or is_subscripted(base)):
            only = node.indices[0]
            simple = len(node.indices) == 1 and isinstance(only, ast.Name | ast.Number) and "_" not in indices
            return _Set(self.script.below(self.script.name(base.text), indices, simple=simple), POSTFIX)
        return _Set(self.at(base, POSTFIX) + self.script.fence("[", indices, "]"), POSTFIX)

    def binder(self, binder: ast.Binder, where: str) -> str:
        sign = f" {self.sign('!=')} " if binder.distinct else ", "
        names = sign.join(self.script.name(name.text) for name in binder.names)
        domain = "" if binder.domain is None else f" {self.sign('in')} {self.at(binder.domain, SUM)}"
        return names + domain + ("" if binder.where is None else where + self.at(binder.where))

    def infix(self, node: ast.Binary | ast.Logic) -> _Set:
        # Chains nest to the left, as deep as they are long: that side is walked, not recursed into.
        spine: list[ast.Binary | ast.Logic] = [node]
        while isinstance(left := spine[-1].left, ast.Binary | ast.Logic):
            spine.append(left)
        found = self.set(left)
        for part in reversed(spine):
            if isinstance(part, ast.Binary):
                found = self.arithmetic(part, found)
                continue
            level, of_left, of_right = LOGIC[part.operator]
            first, last = self.fit(found, of_left, level), self.fit(self.set(part.right), of_right)
            found = _Set(f"{first.text} {self.sign(part.operator)} {last.text}", level, last.open)
        return found

    def arithmetic(self, node: ast.Binary, left: _Set) -> _Set:
        level, of_left, of_right = ARITHMETIC[node.operator]
        right = self.set(node.right)
        if node.operator == "^":
            base = self.fit(left, of_left, level).text
            return _Set(self.script.raised(base, right.text, simple=right.level >= POSTFIX), POWER)
        if node.operator == "/" and self.script.fenced:
            return _Set(self.script.fraction(left.text, right.text), UNARY)
        first, last = self.fit(left, of_left, level), self.fit(right, of_right)
        if node.operator == "/":
            return _Set(self.script.fraction(first.text, last.text), level, last.open)
        return _Set(f"{first.text} {self.sign(node.operator)} {last.text}", level, last.open)
