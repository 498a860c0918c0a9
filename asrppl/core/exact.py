"""`E[..]` and `P[..]` over sites of finitely many values, as the sums that they are.

Where the probabilities q of a site read no draw, its entries are independent, and

    E[ψ(y, z)] = E[Σ_k q(y = k) ψ(k, z)]

whatever else ψ reads, if that does not depend on y (Rao and Blackwell: nothing else is left of the noise of y). The sum
is a term as any other, differentiable in the probabilities. It is taken as far in as it goes: sums and products with
what y does not enter go out of it, so that ``E[sum i: c[i] * y[i]]`` sums over the states of one entry at a time; what
is said of each index apart (``P[forall i: ..]``, ``P[exists i: ..]``) is a product; a count has a law of its own
(`asrppl.core.counts`). What is left is summed over its joint states, `MOST_STATES` of them at most.
"""

from collections.abc import Callable
from dataclasses import replace
from math import prod

from asrppl.core.counts import Counts
from asrppl.core.entries import (
    MOST_STATES,
    Entries,
    TooManyError,
    exchanged,
    keys_of,
    names_of,
    number,
    own_nodes,
)
from asrppl.core.rebuild import rebuilt
from asrppl.core.rules import TypedRule
from asrppl.core.signature import NO_LEVELS, Kind, Level, Signature
from asrppl.core.typed import (
    Apply,
    BinaryTerm,
    CategoricalOf,
    Choose,
    Complement,
    Conjunction,
    CountTerm,
    Disjunction,
    Every,
    Expectation,
    Formula,
    Offset,
    Posterior,
    Probability,
    Read,
    Reduction,
    Some,
    Term,
    TypedFormula,
    Unary,
    Variable,
)
from asrppl.core.walk import TypedNode, rank
from asrppl.source import Span

Depends = Callable[[tuple[str, str | None]], frozenset[str]]
"""By tensor the sites whose draws it was computed from."""


def summed(rule: TypedRule, signature: Signature, laws: frozenset[str], depends: Depends) -> TypedRule:
    """Return a rule with the means over draws of ``laws`` as sums; the rule itself where there are none.

    Args:
        rule: typed.
        signature: what it was typed against.
        laws: names whose entries are independent draws with the probabilities ``q(name)``, which read no draw.
        depends: of the tensors that the rule reads: the names whose draws they depend on (of a draw, itself).
    """
    if not laws:
        return rule
    slot = rank([rule.formula])

    def exchange(node: TypedNode) -> TypedNode | None:
        if not isinstance(node, Expectation | Probability):
            return None
        body = rebuilt(node.body, exchange)  # the means further in first
        inner = node if body is node.body else replace(node, body=body)
        return _summed(inner, signature, laws, depends, max(slot, rank([body]))) or inner

    formula = rebuilt(rule.formula, exchange)
    return rule if formula is rule.formula else replace(rule, formula=formula)


def _summed(
    node: Expectation | Probability, signature: Signature, laws: frozenset[str], depends: Depends, slot: int
) -> Term | None:
    if isinstance(node, Expectation) and node.where is not None:
        return None  # a mean over the draws that are meant is a ratio
    left = names_of(node.body, laws)
    while left:
        entangled = _entangled(node.body, left, depends)
        left -= entangled
        if entangled:
            continue
        summer = Summer(signature, left)
        try:
            body = node.body
            found = summer.probability(body, slot) if isinstance(body, TypedFormula) else summer.mean(body, slot)
        except TooManyError as error:
            left -= {error.name}
            continue
        if any(_is_drawn(part, signature) for part in own_nodes(found)):
            return Expectation(Kind.REAL, node.levels, node.span, found)
        return replace(found, levels=node.levels)
    return None


def _entangled(body: TypedNode, laws: frozenset[str], depends: Depends) -> frozenset[str]:
    """Return the names whose draws something else that the integrand reads depends on: to sum them out is wrong."""
    found: frozenset[str] = frozenset()
    for key in keys_of(body):
        own = {key[0]} if key[1] is None and key[0] in laws else set[str]()
        found |= (depends(key) & laws) - own
    return found


def _is_drawn(node: TypedNode, signature: Signature) -> bool:
    match node:
        case Read() | Posterior() | CategoricalOf():
            entry = signature.get(node.name)
            of_law = isinstance(node, Posterior) or (isinstance(node, Read) and node.component == "log_probs")
            return entry is None or Level.DRAW in (entry.distribution_levels if of_law else entry.levels)
        case Apply():
            entry = signature.get(node.function)
            return entry is None or Level.DRAW in entry.levels
        case _:
            return False


class Summer:
    """Sums over the draws of ``laws``, whatever else stays as it is.

    The variables of the states get the slots from ``slot`` on.

    Raises:
        TooManyError: there are too many states to sum over.
    """

    def __init__(self, signature: Signature, laws: frozenset[str]) -> None:
        self.signature = signature
        self.laws = laws

    def free(self, node: TypedNode | None) -> bool:
        """Whether no draw that is summed over enters ``node``."""
        return node is None or not names_of(node, self.laws)

    # ---- terms

    def mean(self, node: Term, slot: int) -> Term:
        """Return the mean of a term."""
        if self.free(node):
            return node
        match node:
            case Unary(operator="neg"):
                return replace(node, operand=self.mean(node.operand, slot))
            case BinaryTerm(operator="+" | "-"):
                return replace(node, left=self.mean(node.left, slot), right=self.mean(node.right, slot), kind=Kind.REAL)
            case BinaryTerm(operator="*") if self.free(node.left) or self.free(node.right):
                return replace(node, left=self.mean(node.left, slot), right=self.mean(node.right, slot), kind=Kind.REAL)
            case BinaryTerm(operator="/") if self.free(node.right):
                return replace(node, left=self.mean(node.left, slot))
            case Reduction(reduction="sum" | "mean") if self.free(node.guard):
                return replace(node, body=self.mean(node.body, slot), kind=Kind.REAL)
            case CountTerm():
                each = self.probability(node.body, slot)
                return Reduction(Kind.REAL, NO_LEVELS, node.span, "sum", node.variables, None, each)
            case Choose() if self.free(node.condition):
                then, otherwise = self.mean(node.then, slot), self.mean(node.otherwise, slot)
                return replace(node, then=then, otherwise=otherwise, kind=Kind.REAL)
            case _:
                return self._over_states(node, slot)

    # ---- formulas

    def probability(self, node: Formula, slot: int) -> Term:
        """Return the probability of a formula."""
        one, zero = number(1.0, node.span), number(0.0, node.span)
        if self.free(node):
            return Choose(Kind.REAL, NO_LEVELS, node.span, node, one, zero)
        match node:
            case Complement():
                return _minus(one, self.probability(node.body, slot))
            case Conjunction() if any(map(self.free, node.operands)):
                known, rest = self._parted(node)
                return Choose(Kind.REAL, NO_LEVELS, node.span, known, self.probability(rest, slot), zero)
            case Disjunction() if any(map(self.free, node.operands)):
                known, rest = self._parted(node)
                return Choose(Kind.REAL, NO_LEVELS, node.span, known, one, self.probability(rest, slot))
            case Every() if self.apart(node.variables, node.body, node.present, node.guard):
                chosen = _chosen(node)
                body = node.body if chosen is None else _either(Complement(chosen.levels, node.span, chosen), node.body)
                return self._product(node.variables, self.probability(body, slot), node.span)
            case Some() if self.apart(node.variables, node.body, node.present, node.guard):
                chosen = _chosen(node)
                body = node.body if chosen is None else _both(chosen, node.body)
                none = self._product(node.variables, _minus(one, self.probability(body, slot)), node.span)
                return _minus(one, none)
            case _:
                return self._over_states(node, slot)

    def _parted(self, node: Conjunction | Disjunction) -> tuple[Formula, Formula]:
        """Return the operands that no draw enters, and the others."""
        sides: list[Formula] = []
        for wanted in (True, False):
            operands = tuple(operand for operand in node.operands if self.free(operand) is wanted)
            sides.append(operands[0] if len(operands) == 1 else replace(node, operands=operands))
        return sides[0], sides[1]

    def apart(self, variables: tuple[Variable, ...], *parts: Formula | None) -> bool:
        """Whether what is said for different values of the variables reads different entries, and so is independent.

        Each site has to be read, for each variable, along an axis whose index is that variable plus one constant.
        """
        if not all(variable.values for variable in variables):
            return False
        axes: dict[str, list[set[Offset | None]]] = {}
        for part in parts:
            for node in own_nodes(part) if part is not None else ():
                if isinstance(node, Read) and node.component is None and node.name in self.laws:
                    found = axes.setdefault(node.name, [set() for _ in node.indices])
                    for known, index in zip(found, node.indices, strict=True):
                        known.add(index if isinstance(index, Offset) else None)
        return bool(axes) and all(
            len(variable.values) == 1 or any(_is_indexed(known, variable) for known in found)
            for found in axes.values()
            for variable in variables
        )

    def _product(self, variables: tuple[Variable, ...], each: Term, span: Span) -> Term:
        if not variables:
            return each
        return Reduction(Kind.REAL, NO_LEVELS, span, "prod", variables, None, each)

    # ---- what is left

    def _over_states(self, node: Term | Formula, slot: int) -> Term:
        """Return the sum over joint states of their probabilities times what ``node`` is there."""
        span = node.span
        counts = Counts(node, self.laws, self.signature, self.apart, slot)
        inside = rebuilt(node, counts.exchanged)
        entries = Entries(inside, self.laws, self.signature, slot + len(counts.variables))
        variables = (*counts.variables.values(), *entries.variables.values())
        if prod(sorted(len(variable.values) for variable in variables)[:-1]) > MOST_STATES:
            raise TooManyError(min(names_of(node, self.laws)))
        inside = rebuilt(inside, lambda part: exchanged(part, entries))
        weight: Term | None = None
        inner = slot + len(variables)
        for part in (*counts.weights(lambda each: self.probability(each, inner), span), *entries.weights(span)):
            weight = part if weight is None else _times(weight, part)
        assert weight is not None
        if isinstance(inside, TypedFormula):
            body: Term = Choose(Kind.REAL, NO_LEVELS, span, inside, weight, number(0.0, span))
        else:
            body = _times(weight, inside)
        return Reduction(Kind.REAL, NO_LEVELS, span, "sum", variables, None, body)


def _is_indexed(known: set[Offset | None], variable: Variable) -> bool:
    if len(known) != 1:
        return False
    (index,) = known
    return index is not None and index.variable == variable


def _chosen(node: Every | Some) -> Formula | None:
    parts = [part for part in (node.present, node.guard) if part is not None]
    return None if not parts else parts[0] if len(parts) == 1 else _both(*parts)


def _both(one: Formula, other: Formula) -> Formula:
    return Conjunction(one.levels | other.levels, one.span, (one, other))


def _either(one: Formula, other: Formula) -> Formula:
    return Disjunction(one.levels | other.levels, one.span, (one, other))


def _times(one: Term, other: Term) -> Term:
    return BinaryTerm(Kind.REAL, NO_LEVELS, one.span, "*", one, other)


def _minus(one: Term, other: Term) -> Term:
    return BinaryTerm(Kind.REAL, NO_LEVELS, one.span, "-", one, other)
