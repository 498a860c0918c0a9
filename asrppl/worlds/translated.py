"""Rules as formulas of z3: the reference interpreter on unknowns, with conditions on them left to z3.

The interpreter walks formulas as ever; only where it would have to know whether something is true (a guard, an `if`,
the larger of two) it says both in one formula. What cannot be said so is refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from asrppl.files import Library
from asrppl.reference.formulas import Scoped
from asrppl.reference.names import Scope
from asrppl.reference.readings import Claim, Reading
from asrppl.reference.values import Plain
from asrppl.source import Source
from asrppl.syntax import ast
from asrppl.worlds.symbolic import Claims, Conditions, Refusing, Untranslatable, number_of
from asrppl.worlds.unknown import Unknown, exactly, z3
from asrppl.worlds.watched import Watched


class Translated(Watched):
    """The interpreter of one datum whose values are unknowns."""

    def __init__(
        self, source: Source, values: Mapping[str, Any], params: Mapping[str, object], library: Library | None
    ) -> None:
        super().__init__(source, values, params=params, library=library)
        self.side: list[Any] = []
        self._decider = Refusing()

    def holds(self, rule: ast.Rule) -> Any:
        """Return where a rule costs nothing, a formula of z3.

        Raises:
            Untranslatable: it says what is not translated.
        """
        scope = Scope(self.module)
        guards = [option.condition for option in rule.options if isinstance(option, ast.Where)]
        try:
            applies = [self.walk(Conditions(), guard, scope, True) for guard in guards]
            return z3.Implies(
                z3.And(*applies), self.walk(Claims(margin=self.reading(rule).margin), rule.formula, scope, True)
            )
        except (TypeError, ValueError) as error:  # what Python's own functions make of an unknown
            raise Untranslatable("it takes an `exp`, a law or the like of what is not known") from error

    # ---- formulas over index variables

    def _each(self, reading: Reading[Any], expr: ast.Quantified | ast.Count, scope: Scope, positive: bool) -> list[Any]:
        """Return at each index value: its guard as a condition, as a claim that is priced, and its body."""
        found: list[Any] = []
        for inner in self.grid(expr.binder, expr.body, scope):
            guard = self._guard(Conditions(), expr.binder, scope, inner)
            priced = self._guard(reading.guard(), expr.binder, scope, inner) if isinstance(reading, Claims) else guard
            found.append((guard, priced, self.walk(reading, expr.body, inner, positive)))
        return found

    def _quantified(self, reading: Reading[Any], expr: ast.Quantified, scope: Scope, positive: bool) -> Any:
        each = self._each(reading, expr, scope, positive)
        if (expr.quantifier == "forall") == positive:
            return z3.And(*[z3.Implies(guard, body) for guard, _, body in each])
        members = z3.Or(*[z3.And(guard, body) for guard, _, body in each])
        if not isinstance(reading, Claims):
            return members
        nobody = z3.Not(z3.Or(*[guard for guard, _, _ in each]))
        return z3.Or(members, z3.And(nobody, *[z3.Or(*[z3.And(priced, body) for _, priced, body in each])]))

    def _counted(self, reading: Claim[Any], node: ast.Count, scope: Scope, operator: str, bound: Scoped) -> Any:
        value = self.term(*bound)
        if value is None:
            return z3.BoolVal(True)
        k = exactly(value)
        positive, negative = self._each(reading, node, scope, True), self._each(reading, node, scope, False)

        def at_least(k: Any) -> Any:
            members = number_of([guard for guard, _, _ in positive])
            kept = number_of([z3.And(guard, body) for guard, _, body in positive])
            filled = number_of([z3.And(z3.Not(guard), priced, body) for guard, priced, body in positive])
            return z3.If(members >= k, kept >= k, z3.And(kept >= members, filled >= k - members))

        def at_most(k: Any) -> Any:
            members = number_of([guard for guard, _, _ in negative])
            return number_of([z3.And(guard, body) for guard, _, body in negative]) >= members - k

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
                return z3.And(at_least(k), at_most(k))
            case _:
                return z3.Or(at_least(k + 1), at_most(k - 1))

    # ---- terms

    def term(self, expr: ast.Expr, scope: Scope) -> Any:
        """See `Reference`."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Conditional():
                condition = self.walk(Conditions(), expr.condition, scope, True)
                return self._chosen([(condition, self.term(expr.then, scope))], self.term(expr.otherwise, scope))
            case ast.Count():
                each = self._each(Conditions(), expr, scope, True)
                return self._known(number_of([z3.And(guard, body) for guard, _, body in each]))
            case ast.Index(base=ast.Name(text="P")) if "P" not in self.values:
                return self._known(z3.If(self.walk(Conditions(), expr.indices[0], scope, True), 1, 0))
            case _:
                return super().term(expr, scope)

    def _known(self, term: Any) -> Unknown:
        return Unknown(self._decider, z3.ToReal(term) if term.sort() == z3.IntSort() else term)

    def _chosen(self, cases: Sequence[tuple[Any, Any]], otherwise: Any) -> Any:
        """Return the value of the first case that is true."""
        found = otherwise
        for condition, value in reversed(cases):
            simple = z3.simplify(condition)
            if z3.is_true(simple) or z3.is_false(simple):
                found = value if z3.is_true(simple) else found
                continue
            there = z3.If(condition, _there(value), _there(found))
            zero = 0
            both = (exactly(zero if value is None else value), exactly(zero if found is None else found))
            found = Unknown(self._decider, z3.If(condition, *both), there)
        return found

    def _reduced(self, expr: ast.Reduced, scope: Scope) -> Any:
        if expr.reduction == "argmax":
            raise Untranslatable("`argmax` is not translated")
        each: list[tuple[Any, Any]] = []
        inner, _ = scope.bind(expr.binder.names)
        for inner in self.grid(expr.binder, expr.body, scope):
            guard = z3.simplify(self._guard(Conditions(), expr.binder, scope, inner))
            if not z3.is_false(guard):
                each.append((guard, self.term(expr.body, inner)))
        return self._over(expr.reduction, each)

    def _over(self, reduction: str, each: Sequence[tuple[Any, Any]]) -> Any:
        """Return a reduction of the values whose guards are true."""
        guards, values = [guard for guard, _ in each], [value for _, value in each]
        there = [z3.Implies(guard, _there(value)) for guard, value in each]
        if reduction in ("mean", "max", "min"):
            there.append(z3.Or(*guards))
        numbers = [exactly(0 if value is None else value) for value in values]
        total = z3.Sum([z3.If(guard, number, 0) for guard, number in zip(guards, numbers, strict=True)] or [0])
        match reduction:
            case "sum":
                term = total
            case "prod":
                term = z3.RealVal(1)
                for guard, number in zip(guards, numbers, strict=True):
                    term = term * z3.If(guard, number, 1)
            case "mean":
                count, term = number_of(guards), z3.RealVal(0)
                for size in range(1, len(each) + 1):  # a quotient of unknowns would not be linear
                    term = z3.If(count == size, total / size, term)
            case _:
                term, any_yet = z3.RealVal(0), z3.BoolVal(False)
                for guard, number in zip(guards, numbers, strict=True):
                    better = number > term if reduction == "max" else number < term
                    term = z3.If(z3.And(guard, z3.Or(z3.Not(any_yet), better)), number, term)
                    any_yet = z3.Or(any_yet, guard)
        term = term if not isinstance(term, int) else z3.RealVal(term)
        term = z3.ToReal(term) if term.sort() == z3.IntSort() else term
        return Unknown(self._decider, term, z3.And(*there))

    def _aggregate(self, expr: ast.Expr, where: ast.Expr | None, scope: Scope) -> Any:
        each: list[tuple[Any, Any]] = []
        for datum in self.data():
            assert isinstance(datum, Translated)
            value = datum.term(expr, scope)
            guard = z3.BoolVal(True) if where is None else datum.walk(Conditions(), where, scope, True)
            each.append((z3.And(guard, _there(value)), value))  # what is undefined leaves its datum out
        return self._over("mean", each)

    def _call(self, expr: ast.Call, scope: Scope) -> Any:
        name = expr.function.text
        if name not in ("min", "max", "clamp", "relu", "sqrt"):
            return super()._call(expr, scope)
        values: list[Any] = [self.term(argument.value, scope) for argument in expr.arguments]
        if not any(isinstance(value, Unknown) for value in values):
            return super()._call(expr, scope)
        if None in [value if value is None else 0 for value in values]:
            return None
        match name:
            case "relu":
                return self._over("max", [(z3.BoolVal(True), value) for value in (*values, 0)])
            case "clamp":
                low = self._over("max", [(z3.BoolVal(True), value) for value in values[:2]])
                return self._over("min", [(z3.BoolVal(True), value) for value in (low, values[2])])
            case "sqrt":
                return self._root(values[0])
            case _:
                return self._over(name, [(z3.BoolVal(True), value) for value in values])

    def _root(self, value: Unknown) -> Unknown:
        root = z3.FreshReal("root")
        self.side += [root >= 0, root * root == z3.If(value.term > 0, value.term, 0)]
        return value.new(root)


def _there(value: Plain | Unknown | None) -> Any:
    if isinstance(value, Unknown) and value.defined is not None:
        return value.defined
    return z3.BoolVal(value is not None)
