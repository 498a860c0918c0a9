"""What is known of an expression without its values: the kind of its numbers, and what can change it."""

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import cast

from asrppl.reference.arrays import Arrays
from asrppl.reference.names import Scope, Variable, children
from asrppl.reference.values import Kind, Plain
from asrppl.syntax import ast

DECIDED, DISCRETE, GRADED = range(3)
"""The parts of a violation, one of which an atom counts in."""


class Sorts(Arrays, ABC):
    """Kinds and parts of a file's expressions."""

    # ---- what an atom reads

    def part(self, expr: ast.Expr, scope: Scope) -> int:
        """Return 0 where an expression reads only index variables, constants, params and given names, 1 where also
        ints and Booleans, 2 for reals and probabilities. All counts that is written, in conditions and indices too."""
        expr, scope = self.unfold(expr, scope)
        parts: list[int] = [DECIDED]
        match expr:
            case ast.Quantified() | ast.Reduced() | ast.Count():
                inner, _ = scope.bind(expr.binder.names)
                parts.append(self.part(expr.body, inner))
                if expr.binder.where is not None:
                    parts.append(self.part(expr.binder.where, inner))
                if expr.binder.domain is not None:
                    parts.append(self.part(expr.binder.domain, scope))
            case ast.Call(function=ast.Name(text="len")):
                pass
            case ast.Logic() if self._settled(expr, scope) is not None:
                pass
            case ast.Call(function=ast.Name(text="q" | "categorical")):
                array = self.array(expr.arguments[0].value, scope)
                if array is not None and array.name is not None:
                    parts.append(DECIDED if array.name in self.declared else GRADED)
                    parts += [self.part(index, index_scope) for index, index_scope in array.indices]
            case ast.Name() | ast.Index():
                array = self.array(expr, scope)
                if array is None:
                    parts += [self.part(part, scope) for part in children(expr)]
                else:
                    if array.name is not None and array.name not in self.declared:
                        parts.append(GRADED if self.values[array.name].kind == "real" else DISCRETE)
                    parts += [self.part(index, index_scope) for index, index_scope in array.indices]
            case _:
                parts += [self.part(part, scope) for part in children(expr)]
        return max(parts)

    def _settled(self, expr: ast.Expr, scope: Scope) -> bool | None:
        """Return what a condition is that `true` and `false` settle, whatever else it would read; None for others."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Truth():
                return expr.value
            case ast.Not():
                operand = self._settled(expr.operand, scope)
                return not operand if operand is not None else None
            case ast.Logic(operator="and" | "or" | "implies"):
                left, right = self._settled(expr.left, scope), self._settled(expr.right, scope)
                if expr.operator == "implies":
                    left = not left if left is not None else None
                settling = expr.operator != "and"
                return settling if settling in (left, right) else None if None in (left, right) else not settling
            case _:
                return None

    # ---- kinds

    def is_law(self, expr: ast.Expr, scope: Scope) -> bool:
        """Whether an expression is a distribution, so that an index asks for the probability of one value."""
        expr, _ = self.unfold(expr, scope)
        match expr:
            case ast.Call(function=ast.Name(text="q" | "categorical" | "uniform" | "delta" | "aggregate")):
                return True
            case _:
                return isinstance(expr, ast.Restricted)

    def law_length(self, expr: ast.Expr, scope: Scope) -> int | None:
        """See `Arrays`."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Call(function=ast.Name(text="q" | "categorical" as name)):
                array = self.array(expr.arguments[0].value, scope)
                if array is None or array.name is None:
                    return None
                if name == "categorical":
                    return self.lengths(array)[-1]
                law = self.values[array.name].probs
                while isinstance(law, Sequence):
                    law = cast(Sequence[object], law)[0]
                taken = list(cast(Mapping[Plain, float], law)) if isinstance(law, Mapping) else []
            case ast.Call(function=ast.Name(text="uniform")):
                taken = self.elements(expr.arguments[0].value, scope)
            case ast.Call(function=ast.Name(text="aggregate")):
                return self.law_length(expr.arguments[0].value, scope)
            case ast.Restricted():
                return self.law_length(expr.value, scope)
            case _:
                return None
        return len(taken) if taken and sorted(taken) == list(range(len(taken))) else None

    def kind(self, expr: ast.Expr, scope: Scope) -> Kind:
        """Return the kind of a term's numbers."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Number():
                return "int" if isinstance(expr.value, int) else "real"
            case ast.Name() if isinstance(scope.names.get(expr.text), Variable):
                return "int"
            case ast.Index() if self.is_law(expr.base, scope):
                return "real"
            case ast.Name() | ast.Index():
                return self._kind_of_entry(expr, scope)
            case ast.Field():
                return self._kind_of_field(expr, scope)
            case ast.Negate():
                return self._number(expr.operand, scope)
            case ast.Binary(operator="/"):
                return "real"
            case ast.Binary():
                operands, first = [expr.right], expr.left
                while isinstance(first, ast.Binary) and first.operator in "+-*" and expr.operator != "^":
                    operands.append(first.right)
                    first = first.left
                kind = self._mixed((first, *operands), scope)
                if expr.operator == "^" and kind == "int" and not self._at_least_zero(expr.right, scope):
                    return "real"
                return kind
            case ast.Conditional():
                then, otherwise = self.kind(expr.then, scope), self.kind(expr.otherwise, scope)
                return then if then == otherwise else "real" if "real" in (then, otherwise) else "int"
            case ast.Reduced():
                return self._kind_of_reduction(expr, scope)
            case ast.Count():
                return "int"
            case ast.Call():
                return self._kind_of_call(expr, scope)
            case ast.Divergence() | ast.Restricted():
                return "real"
            case _:
                return "bool"

    def whole(self, expr: ast.Expr, scope: Scope) -> bool:
        """Whether a term takes whole numbers only; a constant without a fraction does, however it is written."""
        if self.kind(expr, scope) != "real":
            return True
        if not self.constant(expr, scope):
            return False
        value = self.term(expr, scope)
        return value is not None and float(value).is_integer()

    def takes_ints(self, expr: ast.Expr, scope: Scope) -> bool:
        """Whether a term is an int or a Boolean; of a constant, whether its value is."""
        if self.constant(expr, scope):
            return isinstance(self.term(expr, scope), int)
        return self.kind(expr, scope) != "real"

    def _number(self, expr: ast.Expr, scope: Scope) -> Kind:
        kind = self.kind(expr, scope)
        return "int" if kind == "bool" else kind

    def _mixed(self, parts: tuple[ast.Expr, ...], scope: Scope) -> Kind:
        return "real" if any(self.kind(part, scope) == "real" for part in parts) else "int"

    def _at_least_zero(self, expr: ast.Expr, scope: Scope) -> bool:
        value = self.term(expr, scope) if self.constant(expr, scope) else None
        return value is not None and value >= 0

    def _kind_of_entry(self, expr: ast.Name | ast.Index, scope: Scope) -> Kind:
        array = self.array(expr, scope)
        if array is None:
            return "real"  # inf, an expectation, a probability
        if array.name is not None:
            return self.values[array.name].kind
        row: ast.Expr | None = array.rows
        items: list[ast.Expr] = []
        while isinstance(row, ast.Vector):
            items = [item for other in (items or [row]) if isinstance(other, ast.Vector) for item in other.items]
            row = items[0]
        kinds: set[Kind] = {self.kind(item, array.scope) for item in items}
        if len(kinds) == 1:
            return kinds.pop()
        return "real" if "real" in kinds else "int"

    def _kind_of_field(self, expr: ast.Field, scope: Scope) -> Kind:
        base, scope = self.unfold(expr.base, scope)
        if isinstance(base, ast.Call):
            return "real"  # a box
        array = self.array(base, scope)
        site = self.sites.get(array.name) if array is not None and array.name is not None else None
        # Boxes are lengths, in whole pixels too.
        return self.values[array.name].kind if array and array.name and site and site.fields else "real"

    def _kind_of_reduction(self, expr: ast.Reduced, scope: Scope) -> Kind:
        inner, _ = scope.bind(expr.binder.names)
        match expr.reduction:
            case "mean":
                return "real"
            case "argmax":
                return "int"
            case "sum" | "prod":
                return self._number(expr.body, inner)
            case "max" | "min":
                return self.kind(expr.body, inner)

    def _kind_of_call(self, expr: ast.Call, scope: Scope) -> Kind:
        arguments = tuple(argument.value for argument in expr.arguments)
        match expr.function.text:
            case "abs" | "relu" | "detach":
                return self.kind(arguments[0], scope)
            case "min" | "max" | "clamp" | "mod":
                return self._mixed(arguments, scope)
            case "floor" | "len":
                return "int"
            case name if name in self.values:
                return self.values[name].kind
            case _:
                return "real"
