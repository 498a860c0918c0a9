"""Formulas, walked through with negations pushed in, in the reading that is asked for."""

import math
from abc import ABC
from collections.abc import Iterator

from asrppl.reference.names import Scope
from asrppl.reference.readings import Atom, Claim, Condition, Reading, T
from asrppl.reference.sorts import DECIDED
from asrppl.reference.terms import Terms
from asrppl.syntax import ast

NEGATED = {"<=": ">", "<": ">=", ">=": "<", ">": "<=", "==": "!=", "!=": "=="}
SWAPPED = {"<=": ">=", "<": ">", ">=": "<=", ">": "<", "==": "==", "!=": "!="}

Scoped = tuple[ast.Expr, Scope]


class Formulas(Terms, ABC):
    """What a file's formulas come to."""

    def true(self, formula: ast.Expr, scope: Scope) -> bool:
        """Return whether a condition is true."""
        return self.walk(Condition(), formula, scope, True)

    def walk(self, reading: Reading[T], expr: ast.Expr, scope: Scope, positive: bool) -> T:
        """Return what a formula comes to, or its negation where not ``positive``."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Truth():
                return reading.literal(expr.value == positive)
            case ast.Not():
                return self.walk(reading, expr.operand, scope, not positive)
            case ast.Logic():
                return self._logic(reading, expr, scope, positive)
            case ast.Quantified():
                return self._quantified(reading, expr, scope, positive)
            case ast.Chain():
                pairs = [
                    self._compare(reading, operator if positive else NEGATED[operator], (left, scope), (right, scope))
                    for operator, left, right in zip(expr.operators, expr.operands, expr.operands[1:], strict=False)
                ]
                return reading.every(pairs) if positive else reading.some(pairs)
            case ast.Member():
                return self._member(reading, expr, scope, positive != expr.negated)
            case _:
                value = self.term(expr, scope)
                return reading.atom(Atom("==", value, int(positive), True, self.part(expr, scope)))

    def _logic(self, reading: Reading[T], expr: ast.Logic, scope: Scope, positive: bool) -> T:
        def left(sign: bool) -> T:
            return self.walk(reading, expr.left, scope, sign)

        def right(sign: bool) -> T:
            return self.walk(reading, expr.right, scope, sign)

        match expr.operator:
            case "and" | "or":
                join = reading.every if (expr.operator == "and") == positive else reading.some
                operands: list[ast.Expr] = [expr.right]
                first = expr.left
                while isinstance(first, ast.Logic) and first.operator == expr.operator:  # chains nest to the left
                    operands.append(first.right)
                    first = first.left
                return join([self.walk(reading, operand, scope, positive) for operand in (first, *reversed(operands))])
            case "implies":
                join = reading.some if positive else reading.every
                return join([left(not positive), right(positive)])
            case "iff":
                one = reading.some([left(False), right(positive)])
                return reading.every([one, reading.some([left(True), right(not positive)])])

    # ---- over index variables

    def passing(self, binder: ast.Binder, body: ast.Expr, scope: Scope) -> Iterator[tuple[Scope, bool]]:
        """Yield the scope with each combination of index values, and whether the binder's guard is true there."""
        for inner in self.grid(binder, body, scope):
            yield inner, self._guard(Condition(), binder, scope, inner)

    def _guard(self, reading: Reading[T], binder: ast.Binder, scope: Scope, inner: Scope) -> T:
        """Return what a binder's guard comes to: ``i != j``, a range whose ends vary, and what is after ``where``."""
        parts: list[T] = []
        values = [self.term(name, inner) for name in binder.names]
        if binder.distinct:
            parts.append(reading.atom(Atom("!=", values[0], values[1], True, DECIDED)))
        varying = self.varying(binder, scope)
        if varying is not None:
            domain, domain_scope = varying
            for name in binder.names:
                parts.append(self._compare(reading, "<=", (domain.low, domain_scope), (name, inner)))
                parts.append(self._compare(reading, "<=", (name, inner), (domain.high, domain_scope)))
        if binder.where is not None:
            parts.append(self.walk(reading, binder.where, inner, True))
        return reading.every(parts)

    def _quantified(self, reading: Reading[T], expr: ast.Quantified, scope: Scope, positive: bool) -> T:
        members = [
            self.walk(reading, expr.body, inner, positive)
            for inner, passes in self.passing(expr.binder, expr.body, scope)
            if passes
        ]
        if (expr.quantifier == "forall") == positive:
            return reading.every(members)
        if members or not isinstance(reading, Claim):
            return reading.some(members)
        return reading.least(self._others(reading, expr, scope, positive))

    def _others(
        self, reading: Claim[T], expr: ast.Quantified | ast.Count, scope: Scope, positive: bool
    ) -> list[tuple[T, T]]:
        """Return guard and body at each index that does not pass the guard."""
        return [
            (
                self._guard(reading.guard(), expr.binder, scope, inner),
                self.walk(reading, expr.body, inner, positive),
            )
            for inner, passes in self.passing(expr.binder, expr.body, scope)
            if not passes
        ]

    # ---- atoms

    def _compare(self, reading: Reading[T], operator: str, left: Scoped, right: Scoped) -> T:
        """Return what a comparison comes to; of a count with whole numbers, in a claim, what its formulas do."""
        if isinstance(reading, Claim):
            for one, other, oriented in ((left, right, operator), (right, left, SWAPPED[operator])):
                node, scope = self.unfold(*one)
                if isinstance(node, ast.Count) and self.whole(*other):
                    return self._counted(reading, node, scope, oriented, other)
        if operator in (">", ">="):
            operator, left, right = SWAPPED[operator], right, left
        one, other = self.term(*left), self.term(*right)
        if any(isinstance(side, float) and math.isinf(side) for side in (one, other)):
            # An infinite bound bounds nothing, or everything: nothing is nearer to it than anything else.
            low, high = (0 if side is None or side != side else side for side in (one, other))
            return reading.literal(Condition().atom(Atom(operator, low, high, False, DECIDED)))
        whole = self.whole(*left) and self.whole(*right)
        if operator == "<" and not whole:
            # Between an int and a constant with a fraction lies a whole number: `n < 2.5` is `n <= 2`.
            if self.takes_ints(*left) and self.constant(*right) and isinstance(other, float) and math.isfinite(other):
                operator, other = "<=", math.floor(other)
            elif self.takes_ints(*right) and self.constant(*left) and isinstance(one, float) and math.isfinite(one):
                operator, one = "<=", math.ceil(one)
        part = max(self.part(*left), self.part(*right))
        return reading.atom(Atom(operator, one, other, whole, part))

    def _counted(self, reading: Claim[T], node: ast.Count, scope: Scope, operator: str, bound: Scoped) -> T:
        value = self.term(*bound)
        if value is None:
            return reading.atom(Atom("==", None, None, True, DECIDED))
        k, part = int(value), self.part(*bound)

        def at_least(k: int) -> T:
            members = self._members(reading, node, scope, True)
            others = self._others(reading, node, scope, True) if k > len(members) else []
            return reading.at_least(k, part, members, others)

        def at_most(k: int) -> T:
            members = self._members(reading, node, scope, False)
            return reading.at_least(len(members) - k, part, members, [])

        match operator:
            case ">=":
                return at_least(k)
            case ">":
                return at_least(k + 1)
            case "<=":
                return at_most(k)
            case "<":
                return at_most(k - 1)
            case "==":
                return reading.every([at_least(k), at_most(k)])
            case _:
                return reading.some([at_least(k + 1), at_most(k - 1)])

    def _members(self, reading: Claim[T], node: ast.Count, scope: Scope, positive: bool) -> list[T]:
        return [
            self.walk(reading, node.body, inner, positive)
            for inner, passes in self.passing(node.binder, node.body, scope)
            if passes
        ]

    def _member(self, reading: Reading[T], expr: ast.Member, scope: Scope, positive: bool) -> T:
        container, inner = self.unfold(expr.container, scope)
        value = (expr.value, scope)

        def compare(operator: str, other: ast.Expr) -> T:
            return self._compare(reading, operator, value, (other, inner))

        match container:
            case ast.Interval() | ast.Range():
                low, high = (">=", "<=") if positive else ("<", ">")
                parts = [compare(low, container.low), compare(high, container.high)]
                return reading.every(parts) if positive else reading.some(parts)
            case ast.SetLiteral():
                parts = [compare("==" if positive else "!=", item) for item in container.items]
                return reading.some(parts) if positive else reading.every(parts)
            case _:
                raise ValueError(f"`{container.span.text}` is neither a set, a range nor an interval")
