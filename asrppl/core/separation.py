"""What a pair of index values costs, bounded by what each value gives alone.

``abs(u[i] - u[j]) >= r[i] + r[j]`` costs nothing but where two intervals meet: u[i] ± r[i] and u[j] ± r[j]. So a claim
of the form "apart along x, or apart along y, or .." costs only where they meet along every axis, and the pairs where
they do are found without looking at all pairs. The axes follow from the formula, whatever its predicate is called.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from asrppl.core.affine import number
from asrppl.core.exchange import exchanged, is_order, is_other, swapped
from asrppl.core.forms import Bounds, Form, magnitude, together, total
from asrppl.core.signature import Kind
from asrppl.core.typed import (
    Apply,
    AtMost,
    Atom,
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
from asrppl.core.walk import TypedNode, children, variable_slots, walk
from asrppl.source import Span


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
class Far:
    """The pairs that cost something are those that are far apart: a pair costs Σ max(first.at − second.at, 0).

    The sum is over the axes, whose intervals are points. It is right where ``ends[0] + ends[1] <= 0``.

    Args:
        ends: of the first and of the second variable; None where it is right everywhere.
        half: only pairs in one order are meant, and both orders cost the same.
    """

    ends: tuple[Term, Term] | None
    half: bool


@dataclass(frozen=True, slots=True)
class Pairs:
    """How the pairs of a ``forall`` that may cost something are found.

    Args:
        claim: the whole, with one list of variables and one guard.
        first: a variable of the claim.
        second: another one.
        axes: along each of which a pair has to meet, to cost something; or what it costs where it is ``far``.
        far: None where near pairs cost.
    """

    claim: Every
    first: Variable
    second: Variable
    axes: tuple[Axis, ...]
    far: Far | None = None

    @property
    def conditions(self) -> tuple[Formula, ...]:
        """What a pair has to meet to be asked at all."""
        return _conjuncts(self.claim.guard)

    def alone(self, variable: Variable) -> tuple[Formula, ...]:
        """Return the conditions on one variable that do not read the other one; those on neither are the first's."""
        other = self.second if variable is self.first else self.first
        named = [(condition, variable_slots(condition)) for condition in self.conditions]
        return tuple(
            condition
            for condition, slots in named
            if other.slot not in slots and (variable.slot in slots or variable is self.first)
        )

    def of_indices(self) -> tuple[Formula, ...]:
        """Return the conditions on both variables that read nothing but them."""
        found: list[Formula] = []
        for condition in self.conditions:
            plain = all(isinstance(node, Atom | IndexValue | Constant | BinaryTerm | Unary) for node in walk(condition))
            if plain and {self.first.slot, self.second.slot} == variable_slots(condition):
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
            axes = _Claims(first, second).axes(node.body, margin)
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
            bodies = [part.body for part in operands(flat) if way_of(part)]
            inside = any(getattr(part, "variables", ()) for body in bodies for part in walk(body))
            return len(bodies) == len(operands(flat)) and not inside
    return size <= most and all(fits(child, most, size) for child in children(node))


def asks(node: Every) -> bool:
    """Whether a ``forall`` asks of some index values for certain, by a guard on indices alone, told without a grid."""
    flat = flattened(node)
    conditions = _conjuncts(flat.guard)
    if len(conditions) != 1 or not all(variable.values for variable in flat.variables):
        return False
    for place, first in enumerate(flat.variables):
        for second in flat.variables[place + 1 :]:
            if is_other(conditions[0], first, second):
                return len(first.values) > 1 or first.values != second.values
            if is_order(conditions[0], first, second):
                return len(first.values) > 1 and first.values == second.values
    return False


def way_of(node: Every, margin: float = 0.0, power: float = 1.0) -> Pairs | None:
    """Return how the pairs of a flattened ``forall`` are found that may cost something; None where all are looked at.

    Args:
        node: flattened, and of one conjunct.
        margin: of its rule: what a real ``<`` costs more.
        power: of its rule.
    """
    return separated(node, margin) or (distant(node, margin) if power == 1 else None)


# ---- near pairs


class _Claims(Bounds):
    """Bounds of what claims cost."""

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
                    yield Form(constant=0.5, gap=(-1.0, together(left, right)))
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
        own = (self.first.slot, self.second.slot)

        def index(at: Index) -> object:
            if not isinstance(at, Offset):
                return at
            slot = None if at.variable is None else at.variable.slot
            return ("own" if slot in own else slot), at.add

        found: list[object] = []
        for scale, term in parts:
            reads = [node for node in walk(term) if isinstance(node, Read)]
            names = sorted((read.name, read.component or "", str([index(at) for at in read.indices])) for read in reads)
            found.append((round(scale, 9), names))
        return sorted(found, key=str)


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
    reach = together(a, b).scaled(half)
    gap = together(a, minus).scaled(half)
    # at first = (a − b) / 2 of the first's terms, at second = −(a − b) / 2 of the second's: as an absolute value is.
    return _axis(reach, gap, span)


# ---- far pairs


def distant(node: Every, margin: float = 0.0) -> Pairs | None:
    """Return how a flattened ``forall`` adds up hinges of differences, as of ``abs(u[i] - u[j]) <= eps``; or None.

    Args:
        node: flattened.
        margin: of its rule: what a real ``<`` costs more.
    """
    body = node.body
    if not isinstance(body, AtMost) or body.defined is not None or not bindable(node):
        return None
    difference = BinaryTerm(Kind.REAL, body.levels, body.span, "-", body.left, body.right)
    for place, first in enumerate(node.variables):
        for second in node.variables[place + 1 :]:
            form = Bounds(first, second).exact(difference)
            if form is None:
                continue
            form = together(form, Form(constant=margin if body.strict else 0.0))
            gap = None if form.gap is None else form.gap[1]
            plain = form._replace(gap=None)
            far = Far(_ends(plain, body.span) if gap else None, False)
            found = Pairs(node, first, second, (), far)
            orders = [part for part in found.conditions if {first.slot, second.slot} <= variable_slots(part)]
            if form.gap is not None and gap is not None and form.gap[0] > 0 and gap.first and gap.second:
                slopes = (form.gap[0], -form.gap[0])
                axes = tuple(_hinge(together(plain, gap.scaled(slope)), body.span) for slope in slopes)
            elif form.gap is None and form.first and form.second and not orders:
                return replace(found, axes=(_hinge(plain, body.span),))
            else:
                continue
            if not orders:
                return replace(found, axes=axes)
            if len(orders) == 1 and first.values == second.values and gap.constant == 0:
                # A value is not far from itself, and each pair of two values stands there in both orders.
                alike = swapped(gap.first, first, second) == [(-by, term) for by, term in gap.second]
                if alike and is_other(orders[0], first, second):
                    return replace(found, axes=axes)
                same = alike and swapped(plain.first, first, second) == list(plain.second) and _is_mirrored(found)
                if same and is_order(orders[0], first, second):
                    return replace(found, axes=axes, far=replace(far, half=True))
    return None


def _ends(form: Form, span: Span) -> tuple[Term, Term]:
    return total(form.first, form.constant, span), total(form.second, 0.0, span)


def _hinge(form: Form, span: Span) -> Axis:
    nothing = number(0.0, span)
    minus = form.scaled(-1.0)
    size = magnitude(form.first, form.constant, span)
    other = magnitude(form.second, 0.0, span)
    return Axis(
        Side(total(form.first, form.constant, span), nothing, size),
        Side(total(minus.second, 0.0, span), nothing, other),
    )


def _is_mirrored(pairs: Pairs) -> bool:
    """Whether what is asked of the first variable is asked of the second."""
    first = [part for part in pairs.alone(pairs.first) if pairs.first.slot in variable_slots(part)]
    moved = [exchanged(part, pairs.first, pairs.second) for part in first]
    second = pairs.alone(pairs.second)
    return len(moved) == len(second) and all(part in second for part in moved)
