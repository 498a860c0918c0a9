"""Terms of two index variables, bounded by sums of terms of one variable each.

A bound is a `Form`: what the first variable gives, what the second gives, a constant, and a distance between the two.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from asrppl.core.affine import constant, number, plus, times
from asrppl.core.signature import Kind
from asrppl.core.typed import BinaryTerm, Constant, Term, Unary, Variable
from asrppl.core.walk import variable_slots
from asrppl.source import Span

_MOST = 16
"""Bounds of one term that are kept: each operand of a sum multiplies them."""


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


def together(a: Form, b: Form) -> Form:
    """Return a bound of the sum of two: one gap is enough, since those of bounds are at most 0."""
    return Form(a.first + b.first, a.second + b.second, a.constant + b.constant, a.gap or b.gap)


class Bounds:
    """Bounds from above of terms of two variables."""

    def __init__(self, first: Variable, second: Variable) -> None:
        self.first = first
        self.second = second
        self._free: dict[int, tuple[bool, bool]] = {}

    def _reads(self, term: Term) -> tuple[bool, bool]:
        if id(term) not in self._free:
            named = variable_slots(term)
            self._free[id(term)] = self.first.slot in named, self.second.slot in named
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
                return None if left is None or right is None else together(left, right)
            case BinaryTerm() if (split := _factor(term)) is not None:
                return self.linear(split[1], scale * split[0])
            case _:
                return None

    def exact(self, term: Term, scale: float = 1.0) -> Form | None:
        """Return ``scale · term`` where it is a form with one gap at most."""
        found = self.linear(term, scale)
        if found is not None:
            return found
        match term:
            case Unary(operator="neg"):
                return self.exact(term.operand, -scale)
            case BinaryTerm(operator="+" | "-"):
                left = self.exact(term.left, scale)
                right = self.exact(term.right, scale if term.operator == "+" else -scale)
                return None if left is None or right is None or (left.gap and right.gap) else together(left, right)
            case BinaryTerm() if (split := _factor(term)) is not None:
                return self.exact(split[1], scale * split[0])
            case Unary(operator="abs"):
                inner = self.linear(term.operand)
                return None if inner is None else Form(gap=(scale, inner))
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
                return [together(a, b) for a in left for b in right][:_MOST]
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
        found = [together(form, Form(constant=beyond)) for form in self.uppers(term, scale)]
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
            case BinaryTerm(operator="*") if (
                scale > 0 and beyond <= 0 and all(map(_at_least_0, (term.left, term.right)))
            ):
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
            return (_above_0(term.left) and _at_least_0(term.right)) or (
                _at_least_0(term.left) and _above_0(term.right)
            )
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
