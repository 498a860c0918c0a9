"""A slow interpreter of rule files: Python loops over index values, straight from the language's definition.

It reads the untyped tree and shares nothing with the checker or the compiler, so that their agreement with it says
something. One datum at a time; every number a Python float. Expressions are evaluated with their kind beside them, as
the definition of a violation asks for it (ints and Booleans make an atom discrete, and `<` of ints is `+ 1 <=`).
"""

import math
from collections.abc import Callable

from asrppl.syntax import ast
from tests.oracle_names import ZERO, Given, Names, Number, Pair, Scope, add, entry

__all__ = ["Given", "Oracle"]


class Oracle(Names):
    """One file, and values for its names: see `Names`."""

    def evaluate(self) -> list[tuple[float, bool]]:
        """Return each rule's violation (the sum of its pair), and whether its formula holds."""
        results: list[tuple[float, bool]] = []
        for rule in self.rules:
            self.smooth, self.margin = None, 0.0
            for option in rule.options:
                match option:
                    case ast.Smooth():
                        self.smooth = self.term(option.power, Scope()).value
                    case ast.Margin():
                        self.margin = self.term(option.amount, Scope()).value
                    case _:
                        pass
            discrete, graded = self.violation(rule.formula, Scope(), True)
            results.append((discrete + graded, self.holds(rule.formula, Scope(), True)))
        return results

    # ---- terms

    def term(self, expr: ast.Expr, scope: Scope) -> Number:
        """Return the value of a term."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Number():
                return Number(float(expr.value), "int" if isinstance(expr.value, int) else "real")
            case ast.Truth():
                return Number(float(expr.value), "bool")
            case ast.Name() if expr.text in scope.names:
                value = scope.names[expr.text]
                assert isinstance(value, int)
                return Number(float(value), "int")
            case ast.Name():
                given = self.given[expr.text]
                assert isinstance(given.value, int | float)
                return Number(float(given.value), given.kind, given.kind == "real")
            case ast.Index():
                assert isinstance(expr.base, ast.Name)
                given = self.given[expr.base.text]
                value = entry(given.value, self.place(expr.indices, scope))
                return Number(float(value), given.kind, given.kind == "real")
            case ast.Field():
                return self.field(expr, scope)
            case ast.Negate():
                a = self.term(expr.operand, scope)
                return Number(-a.value, "int" if a.kind == "bool" else a.kind, a.real)
            case ast.Binary():
                return self.arithmetic(expr.operator, self.term(expr.left, scope), self.term(expr.right, scope))
            case ast.Conditional():
                then, otherwise = self.term(expr.then, scope), self.term(expr.otherwise, scope)
                value = then.value if self.holds(expr.condition, scope, True) else otherwise.value
                kind = (
                    then.kind
                    if then.kind == otherwise.kind
                    else "real"
                    if "real" in (then.kind, otherwise.kind)
                    else "int"
                )
                real = then.real or otherwise.real or self.reads_real(expr.condition, scope)
                return Number(value, kind, real)
            case ast.Reduced():
                return self.reduced(expr, scope)
            case ast.Count():
                count = sum(
                    guard and self.holds(expr.body, inner, True)
                    for inner, _, _, guard, _ in self.instances(expr.binder, expr.body, scope)
                )
                return Number(float(count), "int", self.reads_real(expr, scope))
            case ast.Call():
                return self.call(expr.function.text, [self.term(a.value, scope) for a in expr.arguments], expr, scope)
            case ast.Divergence():
                left, right = self.distribution(expr.left, scope), self.distribution(expr.right, scope)
                return Number(_DIVERGENCES[expr.function.text](left, right), "real", True)
        raise NotImplementedError(expr)

    def place(self, indices: tuple[ast.Expr, ...], scope: Scope) -> tuple[int, ...]:
        """Return index values."""
        return tuple(int(self.term(index, scope).value) for index in indices)

    def field(self, expr: ast.Field, scope: Scope) -> Number:
        """Return a field of a box."""
        base, scope = self.unfold(expr.base, scope)
        name = expr.name.text
        if isinstance(base, ast.Call):
            assert base.function.text == "box"
            arguments = {a.name.text if a.name else "xywh"[p]: a.value for p, a in enumerate(base.arguments)}
            return self.term(arguments["w" if name == "size" else name], scope)
        assert isinstance(base, ast.Index)
        assert isinstance(base.base, ast.Name)
        given = self.given[base.base.text]
        record = entry(given.value, self.place(base.indices, scope))
        assert isinstance(record, dict)
        return Number(float(record["w" if name == "size" else name]), given.kind, True)

    def arithmetic(self, operator: str, a: Number, b: Number) -> Number:
        """Return a sum, difference, product, quotient or power."""
        functions: dict[str, Callable[[float, float], float]] = {
            "+": lambda x, y: x + y,
            "-": lambda x, y: x - y,
            "*": lambda x, y: x * y,
            "/": lambda x, y: x / y,
            "^": lambda x, y: x**y,
        }
        kind = "real" if operator == "/" or "real" in (a.kind, b.kind) else "int"
        return Number(functions[operator](a.value, b.value), kind, a.real or b.real)

    def call(self, name: str, a: list[Number], expr: ast.Call, scope: Scope) -> Number:
        """Return a built-in function's value."""
        values = [part.value for part in a]
        kind = "real" if any(part.kind == "real" for part in a) else "int"
        real = any(part.real for part in a)
        match name:
            case "abs":
                return Number(abs(values[0]), kind, real)
            case "min" | "max":
                return Number((min if name == "min" else max)(values), kind, real)
            case "relu":
                return Number(max(values[0], 0.0), kind, real)
            case "clamp":
                return Number(min(max(values[0], values[1]), values[2]), kind, real)
            case "sqrt" | "exp" | "log":
                return Number(getattr(math, name)(values[0]), "real", real)
        raise NotImplementedError(name)

    def reduced(self, expr: ast.Reduced, scope: Scope) -> Number:
        """Return a sum, mean, maximum or minimum; 0 over nothing."""
        chosen = [
            self.term(expr.body, s) for s, _, _, guard, _ in self.instances(expr.binder, expr.body, scope) if guard
        ]
        real = self.reads_real(expr, scope)
        kind = "real" if expr.reduction == "mean" or any(n.kind == "real" for n in chosen) else "int"
        values = [number.value for number in chosen]
        match expr.reduction:
            case "sum":
                return Number(math.fsum(values), kind, real)
            case "mean":
                return Number(math.fsum(values) / len(values) if values else 0.0, "real", real)
            case "max":
                return Number(max(values, default=0.0), kind, real)
            case "min":
                return Number(min(values, default=0.0), kind, real)

    def reads_real(self, expr: object, scope: Scope) -> bool:
        """Whether anything under an expression reads a real."""
        if isinstance(expr, tuple):
            return any(self.reads_real(part, scope) for part in expr)
        if not isinstance(expr, ast.Node):
            return False
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Name():
                return expr.text in self.given and self.given[expr.text].kind == "real"
            case ast.Index(base=ast.Name(text=name)):
                return self.given[name].kind == "real"
            case ast.Divergence():
                return True
            case _:
                names = [name for name in expr.__dataclass_fields__ if name not in ("span", "function", "names")]
                return any(self.reads_real(getattr(expr, name), scope) for name in names)

    # ---- distributions

    def distribution(self, expr: ast.Expr, scope: Scope) -> dict[float, float]:
        """Return probabilities by value."""
        expr, scope = self.unfold(expr, scope)
        assert isinstance(expr, ast.Call)
        argument, scope = self.unfold(expr.arguments[0].value, scope)
        match expr.function.text:
            case "q":
                indices = argument.indices if isinstance(argument, ast.Index) else ()
                name = argument.base if isinstance(argument, ast.Index) else argument
                assert isinstance(name, ast.Name)
                found = entry(self.given[name.text].distribution, self.place(indices, scope))
                assert isinstance(found, dict)
                return found
            case "delta":
                return {self.term(argument, scope).value: 1.0}
            case "uniform":
                assert isinstance(argument, ast.SetLiteral)
                return {self.term(item, scope).value: 1 / len(argument.items) for item in argument.items}
        raise NotImplementedError(expr)

    # ---- formulas

    def holds(self, expr: ast.Expr, scope: Scope, positive: bool) -> bool:
        """Return whether a formula (negated: its negation, in negation normal form) holds, a real ``<`` as ``<=``."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Truth():
                return expr.value == positive
            case ast.Not():
                return self.holds(expr.operand, scope, not positive)
            case ast.Logic():
                both, parts = _logic(expr, positive)
                truths = [self.holds(part, scope, sign) for part, sign in parts]
                if expr.operator == "iff":
                    return (truths[0] or truths[1]) and (truths[2] or truths[3])
                return all(truths) if both else any(truths)
            case ast.Quantified():
                universal = (expr.quantifier == "forall") == positive
                found = [
                    (fails or self.holds(expr.body, inner, positive))
                    if universal
                    else (guard and self.holds(expr.body, inner, positive))
                    for inner, _, _, guard, fails in self.instances(expr.binder, expr.body, scope)
                ]
                return all(found) if universal else any(found)
            case ast.Chain() if _counted(expr) is not None:
                return self.count(expr, scope, positive)[1]
            case _:
                return all(part == ZERO for part in [self.atom(expr, scope, positive, margin=0.0)])

    def violation(self, expr: ast.Expr, scope: Scope, positive: bool) -> Pair:
        """Return the violation of a formula, or of its negation."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Truth():
                return (float(expr.value != positive), 0.0)
            case ast.Not():
                return self.violation(expr.operand, scope, not positive)
            case ast.Logic():
                both, parts = _logic(expr, positive)
                pairs = [self.violation(part, scope, sign) for part, sign in parts]
                if expr.operator == "iff":
                    return add(self.smaller(pairs[:2]), self.smaller(pairs[2:]))
                return add(*pairs) if both else self.smaller(pairs)
            case ast.Quantified():
                pairs: list[Pair] = []
                universal = (expr.quantifier == "forall") == positive
                for inner, guard, absent, _, _ in self.instances(expr.binder, expr.body, scope):
                    body = self.violation(expr.body, inner, positive)
                    pairs.append(self.smaller([absent, body]) if universal else add(guard, body))
                if universal:
                    return add(*pairs)
                return self.smaller(pairs) if pairs else (1.0, 0.0)
            case ast.Chain() if _counted(expr) is not None:
                return self.count(expr, scope, positive)[0]
            case _:
                return self.atom(expr, scope, positive, margin=self.margin)

    def count(self, expr: ast.Chain, scope: Scope, positive: bool) -> tuple[Pair, bool]:
        """Return the violation and truth of ``(count i: φ) <= k`` and its like."""
        counted = _counted(expr)
        assert counted is not None
        node, bound_expr, operator = counted
        operator = operator if positive else _NEGATED[operator]
        bound = self.term(bound_expr, scope).value
        instances = list(self.instances(node.binder, node.body, scope))
        yes = [add(guard, self.violation(node.body, s, True)) for s, guard, _, _, _ in instances]
        no = [self.smaller([absent, self.violation(node.body, s, False)]) for s, _, absent, _, _ in instances]
        true = sum(guard and self.holds(node.body, s, True) for s, _, _, guard, _ in instances)
        untrue = sum(fails or self.holds(node.body, s, False) for s, _, _, _, fails in instances)
        size = len(instances)

        def least(pairs: list[Pair], k: float) -> Pair:
            return add((max(k - size, 0.0), 0.0), *sorted(pairs)[: max(int(k), 0)])

        at_least = (lambda k: least(yes, k)), (lambda k: true >= k)
        at_most = (lambda k: least(no, size - k)), (lambda k: untrue >= size - k)
        match operator:
            case ">=":
                return at_least[0](bound), at_least[1](bound)
            case ">":
                return at_least[0](bound + 1), at_least[1](bound + 1)
            case "<=":
                return at_most[0](bound), at_most[1](bound)
            case "<":
                return at_most[0](bound - 1), at_most[1](bound - 1)
            case "==":
                return add(at_least[0](bound), at_most[0](bound)), at_least[1](bound) and at_most[1](bound)
            case _:
                pairs = [at_least[0](bound + 1), at_most[0](bound - 1)]
                return self.smaller(pairs), at_least[1](bound + 1) or at_most[1](bound - 1)

    def atom(self, expr: ast.Expr, scope: Scope, positive: bool, *, margin: float) -> Pair:
        """Return the violation of a comparison, a membership or a Boolean."""
        match expr:
            case ast.Chain():
                numbers = [self.term(operand, scope) for operand in expr.operands]
                pairs = [
                    self.compare(operator if positive else _NEGATED[operator], left, right, margin)
                    for operator, left, right in zip(expr.operators, numbers, numbers[1:], strict=False)
                ]
                return add(*pairs) if positive else self.smaller(pairs)
            case ast.Member():
                positive = positive != expr.negated
                value = self.term(expr.value, scope)
                container, inner = self.unfold(expr.container, scope)
                match container:
                    case ast.Interval() | ast.Range():
                        low, high = self.term(container.low, inner), self.term(container.high, inner)
                        if positive:
                            return add(self.compare("<=", low, value, margin), self.compare("<=", value, high, margin))
                        return self.smaller(
                            [self.compare("<", value, low, margin), self.compare("<", high, value, margin)]
                        )
                    case ast.SetLiteral():
                        items = [self.term(item, inner) for item in container.items]
                        pairs = [self.compare("==" if positive else "!=", value, item, margin) for item in items]
                        return self.smaller(pairs) if positive else add(*pairs)
                raise NotImplementedError(container)
            case _:
                value = self.term(expr, scope)
                return (1 - value.value if positive else value.value, 0.0)

    def compare(self, operator: str, a: Number, b: Number, margin: float) -> Pair:
        """Return the violation of a comparison."""
        discrete = not a.real and not b.real
        whole = "real" not in (a.kind, b.kind)
        match operator:
            case "<=":
                amount = max(a.value - b.value, 0.0)
            case "<":
                amount = max(a.value - b.value + (1.0 if whole else margin), 0.0)
            case ">=" | ">":
                return self.compare("<=" if operator == ">=" else "<", b, a, margin)
            case "==":
                amount = abs(a.value - b.value)
            case _:
                amount = float(a.value == b.value)
        return (amount, 0.0) if discrete else (0.0, amount)

    def smaller(self, pairs: list[Pair]) -> Pair:
        """Return the smallest pair in dictionary order, or the power mean of those that are discretely smallest."""
        if self.smooth is None:
            return min(pairs)
        discrete = min(pair[0] for pair in pairs)
        graded = [pair[1] for pair in pairs if pair[0] == discrete]
        smallest = min(graded)
        if smallest == 0 or math.isinf(discrete):
            return discrete, smallest
        # Scaled by the smallest, so that nothing overflows.
        return discrete, smallest * sum((smallest / v) ** self.smooth for v in graded) ** (-1 / self.smooth)


_NEGATED = {"<=": ">", "<": ">=", ">=": "<", ">": "<=", "==": "!=", "!=": "=="}
_SWAPPED = {"<=": ">=", "<": ">", ">=": "<=", ">": "<", "==": "==", "!=": "!="}


def _counted(expr: ast.Chain) -> tuple[ast.Count, ast.Expr, str] | None:
    if len(expr.operators) != 1:
        return None
    left, right = expr.operands
    if isinstance(left, ast.Count):
        return left, right, expr.operators[0]
    if isinstance(right, ast.Count):
        return right, left, _SWAPPED[expr.operators[0]]
    return None


def _logic(expr: ast.Logic, positive: bool) -> tuple[bool, list[tuple[ast.Expr, bool]]]:
    """Return whether the parts are joined by `and`, and the parts, each with its sign (`iff`: two pairs of them)."""
    match expr.operator:
        case "and" | "or":
            return (expr.operator == "and") == positive, [(expr.left, positive), (expr.right, positive)]
        case "implies":
            return not positive, [(expr.left, not positive), (expr.right, positive)]
        case "iff":
            one = [(expr.left, False), (expr.right, positive)]
            return True, [*one, (expr.left, True), (expr.right, not positive)]


def _kl(p: dict[float, float], r: dict[float, float]) -> float:
    return math.fsum(a * math.log(a / r[value]) for value, a in p.items() if a > 0)


def _js(p: dict[float, float], r: dict[float, float]) -> float:
    m = {value: (p.get(value, 0.0) + r.get(value, 0.0)) / 2 for value in {*p, *r}}
    return (_kl(p, m) + _kl(r, m)) / 2


def _tv(p: dict[float, float], r: dict[float, float]) -> float:
    return math.fsum(abs(p.get(value, 0.0) - r.get(value, 0.0)) for value in {*p, *r}) / 2


_DIVERGENCES = {"kl": _kl, "js": _js, "tv": _tv}
