"""Violations: triples of a decided, a discrete and a graded amount, compared in dictionary order.

What training cannot change, and what takes whole steps, is never traded against a graded amount, however large:
`present implies φ` costs what φ does wherever something is present. Guards choose what is priced at all.
"""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import torch

from asrppl.core.separation import Pairs, flattened, operands, way_of
from asrppl.core.typed import (
    AtLeast,
    AtMost,
    Complement,
    Conjunction,
    Differ,
    Disjunction,
    Equal,
    Every,
    Formula,
    Populated,
    Some,
    TruthValue,
    Variable,
)
from asrppl.core.walk import part_of
from asrppl.lower import chunks, listed, operators, pairs
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import Value
from asrppl.lower.terms import Add, chosen_of, term, truth
from asrppl.lower.tilted import tilted


@dataclass(frozen=True, slots=True)
class Violation:
    """A violation; None is 0 everywhere."""

    decided: Value | None = None
    discrete: Value | None = None
    graded: Value | None = None

    @property
    def parts(self) -> tuple[Value | None, Value | None, Value | None]:
        """The three amounts, the most significant first."""
        return self.decided, self.discrete, self.graded


@dataclass(frozen=True, slots=True)
class Style:
    """What a rule says about its violation.

    Args:
        smooth: the power of its power mean; None for the minimum.
        margin: what a real ``<`` costs more.
        power: what each amount is raised to.
        priced: whether the formula is a guard that an ``exists`` or ``count`` prices.
    """

    smooth: float | None = None
    margin: float = 0.0
    power: float = 1.0
    priced: bool = False


def total_violation(g: Algebra, node: Formula, style: Style) -> Value:
    """Return the violation of a rule's formula as one number: the sum of the triple."""
    return _sum(g, violation(g, node, style).parts) or g.constant(0.0)


def violation(g: Algebra, node: Formula, style: Style) -> Violation:
    """Return the violation of a formula."""
    match node:
        case TruthValue():
            return Violation() if node.value else Violation(decided=g.constant(1.0))
        case AtMost() | Equal() | Differ():
            return _atom(g, node, style)
        case Conjunction():
            return _added(g, [violation(g, operand, style) for operand in node.operands])
        case Disjunction():
            return _either(g, [violation(g, operand, style) for operand in _branches(node)], style)
        case Every():
            return _every(g, node, style)
        case Some():
            return _some(g, node, style)
        case AtLeast():
            return _at_least(g, node, style)
        case Complement() | Populated():
            raise AssertionError("a condition of which only the truth is asked has no violation")
    assert_never(node)


def _atom(g: Algebra, node: AtMost | Equal | Differ, style: Style) -> Violation:
    left, right = term(g, node.left), term(g, node.right)
    match node:
        case AtMost():
            excess = g.subtract(left, right)
            if node.strict and style.margin:
                excess = g.add(excess, g.constant(style.margin))
            if node.multiplier is None:
                amount = _raised(g, g.relu(excess), style)
            else:
                amount = g.call(tilted, excess, term(g, node.multiplier), low=0.0, tensors=True)
        case Equal():
            amount = _raised(g, g.absolute(g.subtract(left, right)), style)
        case Differ():
            amount = g.indicator(g.compare(operator.eq, left, right))
    if node.defined is None:
        return _violation(**{node.part: amount})
    there = truth(g, node.defined)
    found = _violation(**{node.part: g.where(there, amount, g.constant(0.0))})
    if not style.priced:
        return found
    return _added(g, [found, Violation(decided=g.where(there, g.constant(0.0), g.constant(1.0)))])


def _raised(g: Algebra, amount: Value, style: Style) -> Value:
    return amount if style.power == 1 else g.power(amount, g.constant(style.power), integer=False)


def _violation(decided: Value | None = None, discrete: Value | None = None, graded: Value | None = None) -> Violation:
    parts = (part if part is not None and part.number != 0 else None for part in (decided, discrete, graded))
    return Violation(*parts)


def _added(g: Algebra, found: Sequence[Violation]) -> Violation:
    return _violation(*(_sum(g, [one.parts[place] for one in found]) for place in range(3)))


def _sum(g: Algebra, amounts: Sequence[Value | None]) -> Value | None:
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


def _either(g: Algebra, found: list[Violation], style: Style) -> Violation:
    guards = [one for one in found if one.graded is None]
    others = [one for one in found if one.graded is not None]
    if any(one.parts == (None, None, None) for one in guards):  # one of them always holds
        return Violation()
    best = others[0] if others else guards.pop(0)
    for one in others[1:]:
        best = _first(g, best, one, style)
    if best.graded is not None and best.decided is None and best.discrete is None:
        # A graded amount comes before whatever a guard costs, unless the guard costs nothing. Booleans are joined
        # before they are spread over the grid.
        costs = [_sum(g, one.parts) or g.constant(0.0) for one in guards]
        active = g.constant(True)
        for cost in sorted(costs, key=lambda value: len(value.slots)):
            active = g.both(active, g.positive(cost))
        graded = g.where(active, best.graded, g.constant(0.0))
        for cost in costs:
            if cost.nan:  # above 0 is no NaN, which would pass for a guard that costs nothing
                lost = g.call(torch.isnan, cost, low=0.0, high=1.0, nan=False)
                graded = g.where(lost, g.constant(math.nan), graded)
        return _violation(graded=graded)
    for guard in guards:
        best = _first(g, best, guard, style)
    return best


def _first(g: Algebra, a: Violation, b: Violation, style: Style) -> Violation:
    """Return the first of two in dictionary order; with `smooth`, the power mean where neither comes before."""
    zero = g.constant(0.0)
    a_first = b_first = g.constant(False)
    parts: list[Value] = []
    for place, (x, y) in enumerate(zip(a.parts, b.parts, strict=True)):
        x, y = x or zero, y or zero
        if place == 2 and style.smooth is not None and x.number != 0 and y.number != 0:
            tied = g.call(operators.power_mean, x, y, style.smooth, low=0.0, tensors=True)
        else:
            tied = g.minimum(x, y)
        parts.append(g.where(a_first, x, g.where(b_first, y, tied)))
        if place < 2:
            a_less, b_less = g.less(x, y), g.less(y, x)
            a_first, b_first = (
                g.either(a_first, g.both(g.complement(b_first), a_less)),
                g.either(b_first, g.both(g.complement(a_first), b_less)),
            )
    return _violation(*parts)


# ---- forall


def _every(g: Algebra, node: Every, style: Style) -> Violation:
    if not all(variable.values for variable in node.variables):
        return Violation()

    size = chunks.grid(node)
    if g.elements * size >= listed.DENSE and not (g.inner or style.priced):
        flat = flattened(node)
        parts = operands(flat)
        known = [way_of(part, style.margin, style.power) for part in parts]
        if any(known):
            alone = len(parts) == 1
            found = [_of_pairs(g, node if alone else part, way, style) for part, way in zip(parts, known, strict=True)]
            return _added(g, found)
    return _shared(g, node, _over_grid(g, node, size, style))


def _of_pairs(g: Algebra, node: Every, way: Pairs | None, style: Style) -> Violation:
    size = chunks.grid(node)
    found = None
    if way is not None:
        claim = way.claim
        found = pairs.listed(
            g,
            way,
            lambda h: _over_grid(h, claim, size, style),
            lambda h: _amounts_of(h, claim, style),
        )
    return _shared(g, node if way is None else way.claim, found or _over_grid(g, node, size, style))


def _shared(g: Algebra, node: Every, sums: Sequence[Value]) -> Violation:
    return _violation(*(g.multiply(part, g.constant(1 / node.share)) for part in sums))


def _over_grid(g: Algebra, node: Every, size: int, style: Style) -> list[Value]:
    return chunks.reduced(g, node.variables, size, lambda h: _amounts_of(h, node, style), Add())


def _amounts_of(g: Algebra, node: Every, style: Style) -> list[Value]:
    zero = g.constant(0.0)
    amounts = [part or zero for part in violation(g, node.body, style).parts]
    chosen = chosen_of(g, node)
    return amounts if chosen is None else [g.where(chosen, amount, zero) for amount in amounts]


# ---- exists and count


def _keys(g: Algebra, node: Some | AtLeast, style: Style) -> tuple[list[Value], Value | None]:
    """Return what orders the instances, the most significant first, and where they are present.

    Members come first, by their violations; then those present that fail the guard, by the violations of guard and
    body; then the absent ones. Of the seven keys, the second and the fifth add up to the decided amount, and so on.
    """
    zero, one = g.constant(0.0), g.constant(1.0)
    present = truth(g, node.present) if node.present is not None else None
    amounts = [part or zero for part in violation(g, node.body, style).parts]
    if present is not None:
        amounts = [g.where(present, amount, zero) for amount in amounts]
    if node.guard is None or (isinstance(node, AtLeast) and node.upper):
        chosen = chosen_of(g, node)
        rank = zero if chosen is None else g.where(chosen, zero, g.constant(2.0))
        if node.guard is not None and chosen is not None:
            amounts = [g.where(chosen, amount, zero) for amount in amounts]
        return [rank, amounts[0], amounts[1], zero, zero, zero, amounts[2]], chosen
    member = truth(g, node.guard)
    price = [part or zero for part in violation(g, node.guard, replace(style, priced=True)).parts]
    rank = g.where(member, zero, one)
    if present is not None:
        rank = g.where(present, rank, g.constant(2.0))
        price = [g.where(present, amount, zero) for amount in price]
    keys = [
        rank,
        g.where(member, amounts[0], price[0]),
        g.where(member, amounts[1], price[1]),
        g.where(member, zero, price[2]),
        g.where(member, zero, amounts[0]),
        g.where(member, zero, amounts[1]),
        amounts[2],
    ]
    return keys, present


def _amounts(g: Algebra, keys: Sequence[Value]) -> list[Value]:
    _, decided, discrete, graded, *rest = keys
    return [g.add(one, other) for one, other in zip((decided, discrete, graded), rest, strict=True)]


def _some(g: Algebra, node: Some, style: Style) -> Violation:
    if not all(variable.values for variable in node.variables):
        return Violation(decided=g.constant(1.0))

    def parts(h: Algebra) -> list[Value]:
        return _keys(h, node, style)[0]

    keys = chunks.reduced(g, node.variables, chunks.grid(node), parts, First(style.smooth))
    amounts = _amounts(g, keys)
    if node.present is not None:
        missing = g.less(g.constant(1.0), keys[0])
        nothing = (g.constant(1.0), g.constant(0.0), g.constant(0.0))
        amounts = [g.where(missing, other, amount) for other, amount in zip(nothing, amounts, strict=True)]
    return _violation(*amounts)


@dataclass(frozen=True, slots=True)
class First:
    """The first along variables in dictionary order; with `smooth`, the power mean of those that differ at last."""

    smooth: float | None

    def reduce(self, g: Algebra, parts: Sequence[Value], variables: tuple[Variable, ...]) -> list[Value]:
        """Return the first over the variables, key by key."""
        found: list[Value] = []
        tied: Value | None = None
        for place, key in enumerate(parts):
            last = place == len(parts) - 1
            if key.number is not None and not (last and self.smooth is not None):
                found.append(key)
                continue
            if tied is not None and key.number != 0:
                key = g.where(tied, key, g.constant(math.inf))
            if last and self.smooth is not None and key.number != 0:
                found.append(g.power_mean(key, variables, self.smooth))
                continue
            least = g.smallest(key, variables)
            found.append(least)
            if not last and least.key != key.key:
                there = g.compare(operator.eq, key, least)
                tied = there if tied is None else g.both(tied, there)
        return found

    def merge(self, left: chunks.Parts, right: chunks.Parts) -> chunks.Parts:
        """Return the first of two, element by element."""
        found: list[torch.Tensor] = []
        before = after = torch.zeros((), dtype=torch.bool, device=left[0].device)
        for place, (a, b) in enumerate(zip(left, right, strict=True)):
            smooth = self.smooth if place == len(left) - 1 else None
            tie = torch.minimum(a, b) if smooth is None else operators.power_mean(a, b, smooth)
            found.append(torch.where(before, a, torch.where(after, b, tie)))
            before, after = before | (~after & (a < b)), after | (~before & (b < a))
        return tuple(found)


def _at_least(g: Algebra, node: AtLeast, style: Style) -> Violation:
    bound = term(g, node.bound)
    lengths = [len(variable.values) for variable in node.variables]
    size = g.constant(float(math.prod(lengths)))
    missing = "decided" if part_of(node.bound) == "decided" else "discrete"  # what the bound reads can mend it
    if not all(lengths):  # each that is missing costs 1
        return _violation(**{missing: g.relu(g.subtract(size, bound) if node.upper else bound)})
    keys, there = _keys(g, node, style)
    if node.upper:
        members = size if there is None else g.total(g.indicator(there), node.variables)
        bound = g.subtract(members, bound)
    if bound.high <= 0 and not bound.nan:
        return Violation()
    amounts = _amounts(g, keys)
    if there is not None:
        place = 0 if missing == "decided" else 1
        amounts[place] = g.where(there, amounts[place], g.constant(1.0))
    slots = {variable.slot for variable in node.variables}
    order = sorted(node.variables, key=lambda variable: variable.slot)
    along = (
        g.dims(slots),
        tuple(len(variable.values) for variable in order),
        bound if bound.number is None else bound.number,
    )
    keys = [key for key in keys if key.number is None]
    amounts = [amount if amount.number != 0 else None for amount in amounts]
    priced = [amount for amount in amounts if amount is not None]
    rest = frozenset[int]().union(bound.slots, *(value.slots for value in (*keys, *priced))) - slots
    if [key.key for key in keys] == [amount.key for amount in priced] and len(keys) == 1:
        least = [g.call(operators.least, keys[0], *along, slots=rest, low=0.0, tensors=True)]
    elif priced:
        rows = g.call(operators.least_rows, len(keys), *along, *keys, *priced, slots=rest, tensors=True)
        least = [g.call(operator.getitem, rows, place, slots=rest, low=0.0) for place in range(len(priced))]
    else:
        least = []
    found = iter(least)
    counted = Violation(*(next(found) if amount is not None else None for amount in amounts))
    beyond = g.relu(g.subtract(bound, size))
    return _added(g, [counted, _violation(**{missing: beyond})])
