"""Means of sums as sums of means, and what a rule on draws costs as the sum of what its parts cost.

What is read together in one integrand has to be known together. Where sites are enumerated in the model only those of
one factor are; and E[Σ_t ψ_t] = Σ_t E[ψ_t] asks no more than that.
"""

from collections.abc import Callable
from dataclasses import replace

from asrppl.core.rules import TypedRule
from asrppl.core.signature import NO_LEVELS, Kind, Level
from asrppl.core.typed import (
    AggregateTerm,
    AtMost,
    BinaryTerm,
    Choose,
    Conjunction,
    Constant,
    Cost,
    CountTerm,
    Every,
    Expectation,
    Formula,
    Reduction,
    Term,
    Unary,
)
from asrppl.core.walk import TypedNode

Wanted = Callable[[TypedNode], bool]


def sums_outside(wanted: Wanted) -> Callable[[TypedNode], TypedNode | None]:
    """Return an exchange (`asrppl.core.rebuild.rebuilt`) of the means ``wanted`` for sums of means."""

    def exchange(node: TypedNode) -> TypedNode | None:
        match node:
            case Expectation(where=None) | AggregateTerm() if wanted(node):
                return _spread(node, node.body)
            case _:
                return None

    return exchange


def _spread(mean: Expectation | AggregateTerm, body: Term) -> Term:
    """Return the mean of ``body``, as sums of means as far as that goes."""
    over = {Level.DRAW} if isinstance(mean, Expectation) else {Level.DRAW, Level.DATUM}
    levels = mean.levels
    match body:
        case Unary(operator="neg"):
            return replace(body, operand=_spread(mean, body.operand), levels=levels)
        case BinaryTerm(operator="+" | "-"):
            left, right = _spread(mean, body.left), _spread(mean, body.right)
            return replace(body, left=left, right=right, levels=levels, kind=Kind.REAL)
        case BinaryTerm(operator="*") if over.isdisjoint(body.left.levels):
            return replace(body, right=_spread(mean, body.right), levels=levels, kind=Kind.REAL)
        case BinaryTerm(operator="*" | "/") if over.isdisjoint(body.right.levels):
            return replace(body, left=_spread(mean, body.left), levels=levels, kind=Kind.REAL)
        case Reduction(reduction="sum") | CountTerm():
            return Reduction(Kind.REAL, levels, body.span, "sum", body.variables, None, _spread(mean, _each(body)))
        case Reduction(reduction="mean", guard=None):
            return replace(body, body=_spread(mean, body.body), levels=levels, kind=Kind.REAL)
        case Expectation(where=None) if isinstance(mean, AggregateTerm):
            return _spread(mean, body.body)  # the mean over data of a mean over draws is one over both
        case _:
            return replace(mean, body=body)


def _each(body: Reduction | CountTerm) -> Term:
    """Return what a sum or a count adds up for each index: 0 where it is not meant."""
    span = body.span
    if isinstance(body, CountTerm):
        one, zero = (Constant(Kind.REAL, NO_LEVELS, span, number) for number in (1.0, 0.0))
        return Choose(Kind.REAL, body.body.levels, span, body.body, one, zero)
    if body.guard is None:
        return body.body
    levels = body.guard.levels | body.body.levels
    return Choose(Kind.REAL, levels, span, body.guard, body.body, Constant(Kind.REAL, NO_LEVELS, span, 0.0))


def costs_apart(rule: TypedRule) -> TypedRule:
    """Return a rule on draws as a rule on means: that of each part of its violation is 0.

    Parts are the instances of the ``forall``s at its head and the operands of ``and``: their violations add up. Of a
    weighted rule each mean is one for each datum, of a `hard` one over the data, too.
    """
    formula = _apart(rule, rule.formula)
    return replace(rule, formula=formula, power=1.0, smooth=None, margin=0.0)


def _apart(rule: TypedRule, formula: Formula) -> Formula:
    over = {Level.DRAW} if rule.hard is None else {Level.DRAW, Level.DATUM}
    levels = formula.levels - over
    match formula:
        case Conjunction():
            return replace(formula, operands=tuple(_apart(rule, part) for part in formula.operands), levels=levels)
        case Every() if formula.variables and formula.present is None and formula.guard is None:
            return replace(formula, body=_apart(rule, formula.body), levels=levels)
        case Every() if formula.variables:
            each = replace(formula, variables=(), share=1)
            return replace(formula, present=None, guard=None, body=_apart(rule, each), levels=levels)
        case _:
            span = formula.span
            cost = Cost(Kind.REAL, formula.levels, span, formula, rule.smooth, rule.margin, rule.power)
            whole = rule.hard is not None
            mean = (
                AggregateTerm(Kind.REAL, levels, span, cost, None)
                if whole
                else Expectation(Kind.REAL, levels, span, cost)
            )
            return AtMost(levels, span, mean, Constant(Kind.REAL, NO_LEVELS, span, 0.0), "graded", None, strict=False)
