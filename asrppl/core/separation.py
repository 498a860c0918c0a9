"""What a pair of index values costs, bounded by what each value gives alone.

``abs(u[i] - u[j]) >= r[i] + r[j]`` costs nothing but where two intervals meet: u[i] ± r[i] and u[j] ± r[j]. So a claim
of the form "apart along x, or apart along y, or .." costs only where they meet along every axis, and the pairs where
they do are found without looking at all pairs. The axes follow from the formula, whatever its predicate is called.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from asrppl.core.affine import constant, number, plus, times
from asrppl.core.rebuild import free_variables
from asrppl.core.signature import Kind
from asrppl.core.typed import (
    Apply,
    Atom,
    AtMost,
    BinaryTerm,
    Conjunction,
    Constant,
    Differ,
    Disjunction,
    Every,
    Formula,
    Index,
    IndexValue,
    Offset,
    Read,
    Term,
    Unary,
    Variable,
)
from asrppl.core.walk import TypedNode, children, walk
from asrppl.source import Span

_MOST = 16
"""Bounds of one term that are kept: each operand of a sum multiplies them."""


class Side(NamedTuple):
    """An interval for each value of one variable: ``at`` ± ``reach``.

    ``size`` is the sum of the magnitudes that both are made of, by which rounding errors are bounded.
    """

    at: Term
    reach: Term
    size: Term


class Axis(NamedTuple):
    """A pair costs nothing where abs(first.at − second.at) >= first.reach + second.reach."""

    first: Side
    second: Side


@dataclass(frozen=True, slots=True)
class Pairs:
    """How the pairs of a ``forall`` that may cost something are found.

    Args:
        claim: the whole, with one list of variables and one guard.
        first: a variable of the claim.
        second: another one.
        axes: along each of which a pair has to meet.
    """

    claim: Every
    first: Variable
    second: Variable
    axes: tuple[Axis, ...]

    @property
    def conditions(self) -> tuple[Formula, ...]:
        """What a pair has to meet to be asked at all."""
        return _conjuncts(self.claim.guard)

    def alone(self, variable: Variable) -> tuple[Formula, ...]:
        """Return the conditions on one variable that do not read the other one."""
        other = self.second if variable is self.first else self.first
        named = [(condition, free_variables(condition)) for condition in self.conditions]
        return tuple(condition for condition, free in named if variable in free and other not in free)

    def of_indices(self) -> tuple[Formula, ...]:
        """Return the conditions on both variables that read nothing but them."""
        found: list[Formula] = []
        for condition in self.conditions:
            plain = all(isinstance(node, Atom | IndexValue | Constant | BinaryTerm | Unary) for node in walk(condition))
            if plain and {self.first, self.second} == set(free_variables(condition)):
                found.append(condition)
        return tuple(found)


def flattened(node: Every) -> Every:
    """Return ``forall i where g: forall j where h: φ`` as ``forall i, j where g and h: φ``."""
    variables, conditions, share = list(node.variables), [*_given(node)], node.share
    body = node.body
    while isinstance(body, Every):
        variables += body.variables
        conditions += _given(body)
        share *= body.share
        body = body.body
    guard: Formula | None = None
    if conditions:
        guard = conditions[0] if len(conditions) == 1 else Conjunction(node.levels, node.span, tuple(conditions))
    return Every(node.levels, node.span, tuple(variables), None, guard, body, share)


def _given(node: Every) -> Iterator[Formula]:
    for condition in (node.present, node.guard):
        yield from _conjuncts(condition)


def _conjuncts(node: Formula | None) -> tuple[Formula, ...]:
    if node is None:
        return ()
    if isinstance(node, Conjunction):
        return tuple(part for operand in node.operands for part in _conjuncts(operand))
    return (node,)


def operands(node: Every) -> tuple[Every, ...]:
    """Return a flattened ``forall`` of a conjunction as one of each conjunct: a sum is what they cost together."""
    return tuple(replace(node, body=part) for part in _conjuncts(node.body))


def bindable(node: TypedNode) -> bool:
    """Whether what a pair costs is made of finite numbers by arithmetic alone, with gradients that are 0 where it is.

    Functions that Python bound may return anything; a multiplier learns where its comparison costs nothing, too.
    """
    return not any(isinstance(part, Apply) or getattr(part, "multiplier", None) is not None for part in walk(node))


def separated(node: Every, margin: float = 0.0) -> Pairs | None:
    """Return by which axes a flattened ``forall`` keeps pairs apart; None where it does not.

    Args:
        node: flattened.
        margin: of its rule: what a real ``<`` costs more.
    """
    best: Pairs | None = None
    for place, first in enumerate(node.variables):
        for second in node.variables[place + 1 :]:
            axes = _Bounds(first, second).axes(node.body, margin)
            if axes and (best is None or len(axes) > len(best.axes)):
                best = Pairs(node, first, second, axes)
    return best if best is not None and bindable(node) else None


def fits(node: TypedNode, most: int, outside: int = 1) -> bool:
    """Whether no more than ``most`` combinations of index values are in scope, but where few pairs of them are asked.

    Args:
        node: a typed tree.
        most: combinations.
        outside: those of the variables around it.
    """
    size = outside * math.prod(len(variable.values) for variable in getattr(node, "variables", ()))
    if isinstance(node, Every):
        flat = flattened(node)
        if outside * math.prod(len(variable.values) for variable in flat.variables) > most:
            bodies = [part.body for part in operands(flat) if separated(part) is not None]
            inside = any(getattr(part, "variables", ()) for body in bodies for part in walk(body))
            return len(bodies) == len(operands(flat)) and not inside
    return size <= most and all(fits(child, most, size) for child in children(node))


# ---- bounds


class Form(NamedTuple):
    """What separates: Σ coefficient · term of the first variable, the same of the second, a constant, and a gap.

    The gap is a factor times the absolute value of a form without one.
    """

    first: tuple[tuple[float, Term], ...] = ()
    second: tuple[tuple[float, Term], ...] = ()
    constant: float = 0.0
    gap: "tuple[float, Form] | None" = None

    def scaled(self, by: float) -> "Form":
        """Return ``by`` times the form."""
        first, second = (tuple((by * c, term) for c, term in part) for part in (self.first, self.second))
        return Form(first, second, by * self.constant, None if self.gap is None else (by * self.gap[0], self.gap[1]))


def _plus(a: Form, b: Form) -> Form:
    """Return a bound of the sum of two: one gap is enough, since those of bounds are at most 0."""
    return Form(a.first + b.first, a.second + b.second, a.constant + b.constant, a.gap or b.gap)


class _Bounds:
    """Bounds from above of terms of two variables."""

    def __init__(self, first: Variable, second: Variable) -> None:
        self.first = first
        self.second = second
        self._free: dict[int, tuple[bool, bool]] = {}

    def _reads(self, term: Term) -> tuple[bool, bool]:
        if id(term) not in self._free:
            free = free_variables(term)
            self._free[id(term)] = self.first in free, self.second in free
        return self._free[id(term)]

    def _alone(self, term: Term, scale: float) -> Form | None:
        """Return a term that reads one of the variables at most."""
        if (value := constant(term)) is not None:
            return Form(constant=scale * value) if math.isfinite(value) else None
        first, second = self._reads(term)
        if first and second:
            return None
        return Form(second=((scale, term),)) if second else Form(first=((scale, term),))

    def linear(self, term: Term, scale: float = 1.0) -> Form | None:
        """Return ``scale · term`` where it is a sum of terms of one variable each."""
        found = self._alone(term, scale)
        if found is not None:
            return found
        match term:
            case Unary(operator="neg"):
                return self.linear(term.operand, -scale)
            case BinaryTerm(operator="+" | "-"):
                left = self.linear(term.left, scale)
                right = self.linear(term.right, scale if term.operator == "+" else -scale)
                return None if left is None or right is None else _plus(left, right)
            case BinaryTerm() if (split := _factor(term)) is not None:
                return self.linear(split[1], scale * split[0])
            case _:
                return None

    def uppers(self, term: Term, scale: float = 1.0) -> list[Form]:
        """Return forms that ``scale · term`` is never above."""
        found = self._alone(term, scale)
        if found is not None:
            return [found]
        match term:
            case Unary(operator="neg"):
                return self.uppers(term.operand, -scale)
            case BinaryTerm(operator="+" | "-"):
                left = self.uppers(term.left, scale)
                right = self.uppers(term.right, scale if term.operator == "+" else -scale)
                return [_plus(a, b) for a in left for b in right][:_MOST]
            case BinaryTerm() if (split := _factor(term)) is not None:
                return self.uppers(split[1], scale * split[0])
            case BinaryTerm(operator="min" | "max") if (term.operator == "min") == (scale > 0):
                return [*self.uppers(term.left, scale), *self.uppers(term.right, scale)][:_MOST]
            case Unary(operator="abs") if scale < 0:
                inner = self.linear(term.operand)
                return [] if inner is None else [Form(gap=(scale, inner))]
            case Unary(operator="relu") if scale < 0:  # nor is it below what it is the positive part of
                return [*self.uppers(term.operand, scale), Form()][:_MOST]
            case Unary(operator="sqrt") if scale < 0:  # of a sum of squares it is at least each of their roots
                return [Form(gap=(scale * math.sqrt(by), inner)) for by, inner in self._squares(term.operand)]
            case _:
                return []

    def _squares(self, term: Term, scale: float = 1.0) -> list[tuple[float, Form]]:
        """Return the squares c · a² that a sum is made of, as (c, a); none where something else is in the sum."""
        match term:
            case BinaryTerm(operator="+"):
                left, right = self._squares(term.left, scale), self._squares(term.right, scale)
                return [*left, *right] if left and right else []
            case BinaryTerm(operator="^", right=Constant(value=2)):
                inner = self.linear(term.left)
                return [] if inner is None else [(scale, inner)]
            case BinaryTerm(operator="*") if term.left == term.right:
                inner = self.linear(term.left)
                return [] if inner is None else [(scale, inner)]
            case BinaryTerm() if (split := _factor(term)) is not None and split[0] > 0:
                return self._squares(split[1], scale * split[0])
            case _:
                return []

    # ---- conditions of a cost

    def needed(self, term: Term, scale: float, beyond: float) -> list[Form]:
        """Return forms that are positive wherever ``scale · term + beyond`` is."""
        found = [_plus(form, Form(constant=beyond)) for form in self.uppers(term, scale)]
        if found:
            return found
        if beyond > 0 and scale < 0:  # c² − Σ a²: each of the a is smaller than c
            squares = self._squares(term)
            return [Form(constant=math.sqrt(-beyond / scale / by), gap=(-1.0, inner)) for by, inner in squares]
        match term:
            case BinaryTerm() if (split := _factor(term)) is not None:
                return self.needed(split[1], scale * split[0], beyond)
            case Unary(operator="relu") if scale > 0 and beyond <= 0:
                return self.needed(term.operand, scale, beyond)
            case BinaryTerm(operator="*") if scale > 0 and beyond <= 0 and all(map(_at_least_0, (term.left, term.right))):
                return [*self.needed(term.left, 1.0, 0.0), *self.needed(term.right, 1.0, 0.0)]
            case BinaryTerm(operator="/") if scale > 0 and beyond <= 0 and _above_0(term.right):
                return self.needed(term.left, 1.0, 0.0)
            case BinaryTerm(operator="+" | "-"):
                for part, other, sign in (
                    (term.left, term.right, 1.0 if term.operator == "+" else -1.0),
                    (term.right, term.left, 1.0),
                ):
                    if (value := constant(other)) is not None:
                        own = scale if part is term.left or term.operator == "+" else -scale
                        return self.needed(part, own, beyond + scale * sign * value)
                return []
            case _:
                return []

    def _of_claim(self, node: Formula, margin: float) -> Iterator[Form]:
        match node:
            case Disjunction():
                for operand in node.operands:
                    yield from self._of_claim(operand, margin)
            case AtMost():
                beyond = margin if node.strict else 0.0
                difference = BinaryTerm(Kind.REAL, node.levels, node.span, "-", node.left, node.right)
                yield from self.needed(difference, 1.0, beyond)
            case Differ() if node.left.kind is Kind.INT and node.right.kind is Kind.INT:  # costs where they are equal
                left, right = self.linear(node.left), self.linear(node.right, -1.0)
                if left is not None and right is not None:
                    yield Form(constant=0.5, gap=(-1.0, _plus(left, right)))
            case _:
                return

    def axes(self, body: Formula, margin: float) -> tuple[Axis, ...]:
        """Return the axes along which a pair has to meet for ``body`` to cost something."""
        found: list[Axis] = []
        open_ended: list[Form] = []
        for form in self._of_claim(body, margin):
            if form.gap is not None:
                gap, by = form.gap[1], -1 / form.gap[0]
                if by > 0 and gap.first and gap.second:
                    found.append(_axis(form._replace(gap=None).scaled(by), gap, body.span))
            elif form.first and form.second:
                twin = next((other for other in open_ended if self._mirrored(form, other)), None)
                if twin is None:
                    open_ended.append(form)
                else:
                    open_ended.remove(twin)
                    found.append(_between(form, twin, body.span))
        return tuple(dict.fromkeys(found))

    def _mirrored(self, a: Form, b: Form) -> bool:
        """Whether two forms bound one interval from both sides. (If not, they bound some interval, and badly.)"""
        return self._names(a.first) == self._names(b.second) and self._names(a.second) == self._names(b.first)

    def _names(self, parts: Sequence[tuple[float, Term]]) -> object:
        own = (self.first, self.second)

        def index(at: Index) -> object:
            return (None if at.variable in own else at.variable, at.add) if isinstance(at, Offset) else at

        found: list[object] = []
        for scale, term in parts:
            reads = [node for node in walk(term) if isinstance(node, Read)]
            names = sorted((read.name, read.component or "", str([index(at) for at in read.indices])) for read in reads)
            found.append((round(scale, 9), names))
        return sorted(found, key=str)


def _factor(term: BinaryTerm) -> tuple[float, Term] | None:
    """Return a product with a number, or a quotient by one, as (factor, term)."""
    left, right = constant(term.left), constant(term.right)
    if term.operator == "*" and left is not None:
        return left, term.right
    if term.operator == "*" and right is not None:
        return right, term.left
    return (1 / right, term.left) if term.operator == "/" and right else None


def _at_least_0(term: Term) -> bool:
    match term:
        case Constant():
            return term.value >= 0
        case Unary():
            return term.operator in ("relu", "abs", "sqrt", "exp", "sigmoid")
        case BinaryTerm(operator="min" | "+" | "*" | "/"):
            return _at_least_0(term.left) and _at_least_0(term.right)
        case BinaryTerm(operator="max"):
            return _at_least_0(term.left) or _at_least_0(term.right)
        case BinaryTerm(operator="^", right=Constant(value=2)):
            return True
        case _:
            return False


def _above_0(term: Term) -> bool:
    match term:
        case Constant():
            return term.value > 0
        case BinaryTerm(operator="max"):
            return _above_0(term.left) or _above_0(term.right)
        case BinaryTerm(operator="+"):
            return (_above_0(term.left) and _at_least_0(term.right)) or (_at_least_0(term.left) and _above_0(term.right))
        case _:
            return False


# ---- terms of forms


def total(parts: Sequence[tuple[float, Term]], beyond: float, span: Span) -> Term:
    """Return Σ c · t + beyond as a term."""
    found: Term = number(beyond, span)
    for scale, term in parts:
        found = plus(found, times(number(scale, span), term))
    return found


def magnitude(parts: Sequence[tuple[float, Term]], beyond: float, span: Span) -> Term:
    """Return Σ |c · t| + |beyond| as a term."""
    sizes = [(abs(scale), Unary(Kind.REAL, term.levels, term.span, "abs", term)) for scale, term in parts]
    return total(sizes, abs(beyond), span)


def _axis(reach: Form, gap: Form, span: Span) -> Axis:
    minus = gap.scaled(-1.0)
    beyond = abs(reach.constant) + abs(gap.constant)
    return Axis(
        Side(
            total(gap.first, gap.constant, span),
            total(reach.first, reach.constant, span),
            magnitude(reach.first + gap.first, beyond, span),
        ),
        Side(
            total(minus.second, 0.0, span),
            total(reach.second, 0.0, span),
            magnitude(reach.second + gap.second, 0.0, span),
        ),
    )


def _between(a: Form, b: Form, span: Span) -> Axis:
    """Return the axis on which a pair meets where both forms are positive: first ≤ a's, and second ≤ b's, ends."""
    half, minus = 0.5, b.scaled(-1.0)
    reach = _plus(a, b).scaled(half)
    gap = _plus(a, minus).scaled(half)
    # at first = (a − b) / 2 of the first's terms, at second = −(a − b) / 2 of the second's: as an absolute value is.
    return _axis(reach, gap, span)
