"""A rule taken apart at the values of one datum: the instances of its conjuncts, and the branches of a disjunction."""

from collections.abc import Iterator
from dataclasses import dataclass

from asrppl.reference.names import Scope, Variable
from asrppl.reference.readings import Triple, Violation
from asrppl.syntax import ast
from asrppl.worlds.instantiated import number, text_of
from asrppl.worlds.watched import NEAR, Watched


@dataclass(frozen=True, slots=True)
class Place:
    """A formula, or its negation, with the values of index variables that it stands under."""

    expr: ast.Expr
    scope: Scope
    positive: bool
    at: tuple[tuple[Variable, int], ...] = ()

    def cost(self, watched: Watched, reading: Violation) -> Triple:
        """Return what it costs there."""
        self.enter()
        decided, discrete, graded = watched.walk(reading, self.expr, self.scope, self.positive)
        return float(decided), float(discrete), float(graded)

    def text(self, watched: Watched) -> str:
        """Return how it reads there."""
        self.enter()
        return text_of(watched, self.expr, self.scope, self.positive)

    def enter(self) -> None:
        """Give the index variables the values of this place (loops may have left them at others)."""
        for variable, value in self.at:
            variable.value = value

    def part(self, expr: ast.Expr, positive: bool) -> "Place":
        """Return a part of the formula."""
        return Place(expr, self.scope, positive, self.at)

    @property
    def indices(self) -> tuple[tuple[str, int], ...]:
        """The index variables with their values."""
        return tuple((variable.name, value) for variable, value in self.at)


def total(triple: Triple) -> float:
    """Return the violation: the sum of its parts."""
    return sum(triple)


def conjuncts(watched: Watched, place: Place) -> Iterator[Place]:
    """Yield the parts below a formula that all have to hold, in each instance of leading ``forall``s."""
    found = every(watched, place)
    if found is None:
        yield place
        return
    for part in found:
        yield from conjuncts(watched, part)


def broken(watched: Watched, reading: Violation, place: Place) -> Iterator[tuple[Place, Triple]]:
    """Yield those of the conjuncts below a formula that are not kept, with what they cost."""
    for part in conjuncts(watched, place):
        triple = part.cost(watched, reading)
        if total(triple) > NEAR:
            yield part, triple


def every(watched: Watched, place: Place) -> Iterator[Place] | None:
    """Return the parts that all have to hold; None where a formula is no conjunction."""
    place.enter()
    expr, scope = watched.unfold(place.expr, place.scope)
    here = Place(expr, scope, place.positive, place.at)
    match expr:
        case ast.Not():
            return every(watched, here.part(expr.operand, not here.positive))
        case ast.Logic(operator="and" | "or") if (expr.operator == "and") == here.positive:
            return iter([here.part(part, here.positive) for part in _operands(expr)])
        case ast.Logic(operator="implies") if not here.positive:
            return iter([here.part(expr.left, True), here.part(expr.right, False)])
        case ast.Logic(operator="iff"):
            left, right, sign = expr.left, expr.right, here.positive
            second = right if sign else ast.Not(right.span, right)
            other = ast.Not(right.span, right) if sign else right
            first = ast.Logic(expr.span, "or", ast.Not(left.span, left), second)
            return iter([here.part(first, True), here.part(ast.Logic(expr.span, "or", left, other), True)])
        case ast.Quantified() if (expr.quantifier == "forall") == here.positive:
            return _instances(watched, here, expr)
        case ast.Chain() if here.positive and len(expr.operators) > 1:
            return iter([here.part(pair, True) for pair in _pairs(expr)])
        case _:
            return None


def some(watched: Watched, place: Place) -> list[Place] | None:
    """Return the parts of which one has to hold; None where a formula is no disjunction."""
    place.enter()
    expr, scope = watched.unfold(place.expr, place.scope)
    here = Place(expr, scope, place.positive, place.at)
    match expr:
        case ast.Not():
            return some(watched, here.part(expr.operand, not here.positive))
        case ast.Logic(operator="and" | "or"):
            return [here.part(part, here.positive) for part in _operands(expr)]
        case ast.Logic(operator="implies"):
            return [here.part(expr.left, False), here.part(expr.right, True)]
        case ast.Chain() if not here.positive and len(expr.operators) > 1:
            return [here.part(pair, False) for pair in _pairs(expr)]
        case ast.Member(negated=negated) if here.positive != negated:
            return _elements(watched, here, expr)
        case ast.Quantified():
            return list(_instances(watched, here, expr))
        case _:
            return None


def _instances(watched: Watched, place: Place, expr: ast.Quantified) -> Iterator[Place]:
    for inner, passes in watched.passing(expr.binder, expr.body, place.scope):
        if passes:
            names = [inner.names[name.text] for name in expr.binder.names]
            values = [(one, one.value) for one in names if isinstance(one, Variable) and one.value is not None]
            yield Place(expr.body, inner, place.positive, (*place.at, *values))


def _elements(watched: Watched, place: Place, expr: ast.Member) -> list[Place] | None:
    container, scope = watched.unfold(expr.container, place.scope)
    if not isinstance(container, ast.SetLiteral):
        return None
    return [
        place.part(ast.Chain(expr.span, (expr.value, number(expr, value)), ("==",)), True)
        for value in watched.elements(container, scope)
    ]


def _pairs(expr: ast.Chain) -> list[ast.Expr]:
    triples = zip(expr.operands, expr.operators, expr.operands[1:], strict=False)
    return [ast.Chain(expr.span, (left, right), (operator,)) for left, operator, right in triples]


def _operands(expr: ast.Logic) -> list[ast.Expr]:
    """Return what a chain of one operator joins; it nests to the left, as deep as it is long."""
    found: list[ast.Expr] = [expr.right]
    first = expr.left
    while isinstance(first, ast.Logic) and first.operator == expr.operator:
        found.append(first.right)
        first = first.left
    return [first, *reversed(found)]
