"""Violations: pairs of a discrete and a graded amount, compared in dictionary order.

A discrete amount comes from an atom that reads only ints and Booleans, so a false guard is never traded against a
graded amount, however large: `present implies φ` costs what φ does wherever something is present.
"""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import torch

from asrppl.core.typed import (
    AtLeast,
    AtMost,
    Conjunction,
    Differ,
    Disjunction,
    Equal,
    Every,
    Formula,
    Some,
    TruthValue,
    Variable,
)
from asrppl.lower import chunks, operators
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import Value
from asrppl.lower.terms import Add, term


@dataclass(frozen=True, slots=True)
class Violation:
    """A violation; None is 0 everywhere."""

    discrete: Value | None = None
    graded: Value | None = None


@dataclass(frozen=True, slots=True)
class Style:
    """What a rule says about its violation: the power of `smooth` (None: the minimum), and the margin of ``<``."""

    smooth: float | None
    margin: float


def total_violation(g: Algebra, node: Formula, style: Style) -> Value:
    """Return the violation of a rule's formula as one number: the sum of the pair."""
    pair = violation(g, node, style)
    return _sum(g, [pair.discrete, pair.graded]) or g.constant(0.0)


def violation(g: Algebra, node: Formula, style: Style) -> Violation:
    """Return the violation of a formula."""
    match node:
        case TruthValue():
            return Violation() if node.value else Violation(discrete=g.constant(1.0))
        case AtMost():
            excess = g.subtract(term(g, node.left), term(g, node.right))
            if node.strict and style.margin:
                excess = g.add(excess, g.constant(style.margin))
            return _atom(g.relu(excess), discrete=node.discrete)
        case Equal():
            return _atom(g.absolute(g.subtract(term(g, node.left), term(g, node.right))), discrete=node.discrete)
        case Differ():
            equal = g.compare(operator.eq, term(g, node.left), term(g, node.right))
            return _atom(g.indicator(equal), discrete=True)
        case Conjunction():
            pairs = [violation(g, operand, style) for operand in node.operands]
            return Violation(_sum(g, [pair.discrete for pair in pairs]), _sum(g, [pair.graded for pair in pairs]))
        case Disjunction():
            return _either(g, [violation(g, operand, style) for operand in _branches(node)], style)
        case Every():
            if not all(variable.values for variable in node.variables):
                return Violation()
            pair = _over(g, node, style, Add())
            if node.share == 1:
                return pair
            share = g.constant(1 / node.share)
            return Violation(*(part and g.multiply(part, share) for part in (pair.discrete, pair.graded)))
        case Some():
            if not all(variable.values for variable in node.variables):
                return Violation(discrete=g.constant(1.0))
            return _over(g, node, style, Smallest(style.smooth))
        case AtLeast():
            return _at_least(g, node, style)
    assert_never(node)


def _atom(amount: Value, *, discrete: bool) -> Violation:
    if amount.number == 0:
        return Violation()
    return Violation(discrete=amount) if discrete else Violation(graded=amount)


def _sum(g: Algebra, amounts: list[Value | None]) -> Value | None:
    total: Value | None = None
    for amount in amounts:
        if amount is not None:
            total = amount if total is None else g.add(total, amount)
    return total


# ---- or


def _branches(node: Disjunction) -> list[Formula]:
    """Return the operands, those of nested disjunctions among them: both the minimum and the power mean associate."""
    found: list[Formula] = []
    for operand in node.operands:
        found += _branches(operand) if isinstance(operand, Disjunction) else [operand]
    return found


def _either(g: Algebra, pairs: list[Violation], style: Style) -> Violation:
    guards = [pair.discrete for pair in pairs if pair.graded is None and pair.discrete is not None]
    others = [pair for pair in pairs if pair.graded is not None]
    if len(guards) + len(others) < len(pairs):  # one of them always holds
        return Violation()
    best = others[0] if others else Violation(guards.pop(0))
    for pair in others[1:]:
        best = _smaller(g, best, pair, style)
    if best.graded is not None and best.discrete is None:
        # A graded amount is less than whatever a guard costs, unless the guard costs nothing. Booleans are joined
        # before they are spread over the grid.
        active = g.constant(True)
        for guard in sorted(guards, key=lambda value: len(value.slots)):
            active = g.both(active, g.positive(guard))
        return _pair(None, g.where(active, best.graded, g.constant(0.0)))
    for guard in guards:
        best = _smaller(g, best, Violation(guard), style)
    return best


def _smaller(g: Algebra, a: Violation, b: Violation, style: Style) -> Violation:
    """Return the smaller of two pairs in dictionary order; with `smooth`, the power mean where neither is less."""
    graded: Value | None = None
    if a.graded is not None and b.graded is not None:
        if style.smooth is None:
            graded = g.minimum(a.graded, b.graded)
        else:
            graded = g.call(operators.power_mean, a.graded, b.graded, style.smooth, low=0.0, tensors=True)
    for this, other in ((a, b), (b, a)):
        if other.discrete is not None and (this.graded is not None or graded is not None):
            less = (
                g.positive(other.discrete)
                if this.discrete is None
                else g.compare(operator.lt, this.discrete, other.discrete)
            )
            graded = g.where(less, this.graded or g.constant(0.0), graded or g.constant(0.0))
    discrete = g.minimum(a.discrete, b.discrete) if a.discrete is not None and b.discrete is not None else None
    return _pair(discrete, graded)


def _pair(discrete: Value | None, graded: Value | None) -> Violation:
    return Violation(*(part if part is not None and part.number != 0 else None for part in (discrete, graded)))


# ---- forall, exists, count


def _over(g: Algebra, node: Every | Some, style: Style, reducer: chunks.Reducer) -> Violation:
    def parts(h: Algebra) -> list[Value]:
        pair = violation(h, node.body, style)
        return [pair.discrete or h.constant(0.0), pair.graded or h.constant(0.0)]

    return _pair(*chunks.reduced(g, node.variables, chunks.grid(node), parts, reducer))


@dataclass(frozen=True, slots=True)
class Smallest:
    """The smallest pair along variables; with `smooth`, the power mean of those that are discretely smallest."""

    smooth: float | None

    def reduce(self, g: Algebra, parts: Sequence[Value], variables: tuple[Variable, ...]) -> list[Value]:
        """Return the smallest pair over the variables."""
        discrete, graded = parts
        least = g.smallest(discrete, variables)
        if least.key != discrete.key:
            least_there = g.compare(operator.eq, discrete, least)
            graded = g.where(least_there, graded, g.constant(math.inf)) if graded.number != 0 else graded
        if self.smooth is None or graded.number == 0:
            return [least, g.smallest(graded, variables)]
        return [least, g.power_mean(graded, variables, self.smooth)]

    def merge(self, left: chunks.Parts, right: chunks.Parts) -> chunks.Parts:
        """Return the smaller of two pairs, element by element."""
        (d, a), (e, b) = left, right
        tie = torch.minimum(a, b) if self.smooth is None else operators.power_mean(a, b, self.smooth)
        return torch.minimum(d, e), torch.where(d < e, a, torch.where(e < d, b, tie))


def _at_least(g: Algebra, node: AtLeast, style: Style) -> Violation:
    bound = term(g, node.bound)
    if bound.high <= 0:
        return Violation()
    lengths = [len(variable.values) for variable in node.variables]
    missing = g.relu(g.subtract(bound, g.constant(float(math.prod(lengths)))))
    pair = violation(g, node.body, style)
    slots = [variable.slot for variable in node.variables]
    order = sorted(range(len(slots)), key=lambda place: slots[place])
    along = (
        g.dims(slots),
        tuple(lengths[place] for place in order),
        bound if bound.number is None else bound.number,
    )
    discrete, graded = pair.discrete, pair.graded
    if discrete is not None and graded is not None:
        rest = (discrete.slots | graded.slots | bound.slots) - set(slots)
        both = g.call(operators.least_pairs, discrete, graded, *along, slots=rest, tensors=True)
        discrete, graded = (g.call(operator.getitem, both, place, slots=rest, low=0.0) for place in (0, 1))
    elif discrete is not None:
        rest = (discrete.slots | bound.slots) - set(slots)
        discrete = g.call(operators.least, discrete, *along, slots=rest, low=0.0, tensors=True)
    elif graded is not None:
        rest = (graded.slots | bound.slots) - set(slots)
        graded = g.call(operators.least, graded, *along, slots=rest, low=0.0, tensors=True)
    return _pair(_sum(g, [missing, discrete]), graded)
