"""Integrands that jump in reparameterised draws, with the jump integrated out by the law of what is drawn last.

Of an event φ the mean of its indicator is the mean of its probability *given* some of the draws,

    P[φ] = E[P[φ | the other draws]],    P[a x + b <= 0 | a, b] = F(−b / a)  where a > 0,  1 − F(−b / a)  where a < 0,

with F the cdf of x given what its law was computed from. What stands there is smooth in the other draws and in the
parameters, so that its pathwise gradient is right. Where no draw is left it is exact: the moment is known in closed
form. Several entries of Gaussian sites are integrated out together: Σ a_k x_k + b is Gaussian given b.

Between the draws that are integrated out (S) and what is left there must be one direction only: no law in S, no a and
no b may depend on a draw of S, by any way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from asrppl.core.affine import (
    both,
    minus,
    number,
    plus,
    times,
)
from asrppl.core.halflines import Knowledge, candidates, on_a_line
from asrppl.core.signature import Kind
from asrppl.core.typed import (
    AtMost,
    BinaryTerm,
    Choose,
    Complement,
    Conjunction,
    CountTerm,
    Disjunction,
    Formula,
    Reduction,
    Term,
    TypedFormula,
    Unary,
)


@dataclass(frozen=True, slots=True)
class Smooth:
    """What has the same mean as an integrand given the draws that are left, and the sites that were integrated out."""

    term: Term
    sites: frozenset[str]


def smoothed(integrand: Term | Formula, where: Formula | None, known: Knowledge) -> Term | None:
    """Return a term with the same mean as an integrand, that does not jump; None where none is known.

    Args:
        integrand: a formula, of which the truth is meant, or a term.
        where: which draws and data are meant.
        known: of the run.
    """
    found = _chance(integrand, known) if isinstance(integrand, TypedFormula) else _value(integrand, known)
    if found is None or (where is not None and (known.jumps(where) or found.sites & known.draws_of(where))):
        return None
    return found.term


# ---- terms


def _value(term: Term, known: Knowledge) -> Smooth | None:
    """Return a term that is affine in what jumps in it, smoothed."""
    if not known.jumps(term):
        return Smooth(term, frozenset())
    match term:
        case Choose():
            return _choice(term, known)
        case Unary(operator="neg"):
            inner = _value(term.operand, known)
            return None if inner is None else Smooth(replace(term, operand=inner.term), inner.sites)
        case BinaryTerm(operator="+" | "-"):
            left, right = _value(term.left, known), _value(term.right, known)
            if left is None or right is None:
                return None
            return Smooth(replace(term, left=left.term, right=right.term), left.sites | right.sites)
        case BinaryTerm(operator="*"):
            left, right = _value(term.left, known), _value(term.right, known)
            if left is None or right is None or (left.sites and right.sites):
                return None
            return _apart(
                Smooth(replace(term, left=left.term, right=right.term), left.sites | right.sites), term, known
            )
        case BinaryTerm(operator="/"):
            left = None if known.jumps(term.right) else _value(term.left, known)
            if left is None or left.sites & known.draws_of(term.right):
                return None
            return Smooth(replace(term, left=left.term), left.sites)
        case Reduction(reduction="sum" | "mean"):
            guard = frozenset[str]() if term.guard is None else known.draws_of(term.guard)
            inner = _value(term.body, known)
            jumps = term.guard is not None and known.jumps(term.guard)
            if inner is None or jumps or inner.sites & guard:
                return None
            return Smooth(replace(term, body=inner.term), inner.sites)
        case CountTerm():
            inner = _chance(term.body, known)
            if inner is None:
                return None
            total = Reduction(Kind.REAL, term.levels, term.span, "sum", term.variables, None, inner.term)
            return Smooth(total, inner.sites)
        case _:
            return None


def _apart(found: Smooth, term: BinaryTerm, known: Knowledge) -> Smooth | None:
    """Return a product of one factor that was smoothed and one that depends on none of what was integrated out."""
    other = term.right if known.jumps(term.left) else term.left
    return None if found.sites & known.draws_of(other) else found


def _choice(term: Choose, known: Knowledge) -> Smooth | None:
    if known.jumps(term.then) or known.jumps(term.otherwise):
        return None
    chance = _chance(term.condition, known)
    if chance is None or chance.sites & known.draws_of(term.then, term.otherwise):
        return None
    one, other = term.then, term.otherwise
    return Smooth(plus(other, times(minus(one, other), chance.term)), chance.sites)


# ---- events


def _chance(formula: Formula, known: Knowledge) -> Smooth | None:
    """Return the probability of an event given the draws that are left."""
    match formula:
        case Disjunction():
            return _complement(_none_of(formula.operands, known), known)
        case Complement():
            return _complement(formula.body, known)
        case _:
            return _all_of(tuple(_flat(formula)), known)


def _complement(formula: Formula | None, known: Knowledge) -> Smooth | None:
    found = None if formula is None else _chance(formula, known)
    if formula is None or found is None:
        return None
    return Smooth(minus(number(1.0, formula.span), found.term), found.sites)


def _none_of(operands: Sequence[Formula], known: Knowledge) -> Formula | None:
    """Return that all of the operands are false."""
    total: Formula | None = None
    for operand in operands:
        match operand:
            case _ if not known.jumps(operand):
                negation: Formula = Complement(operand.levels, operand.span, operand)
            case AtMost(defined=None):
                negation = replace(operand, left=operand.right, right=operand.left, strict=not operand.strict)
            case _:
                return None
        total = negation if total is None else both(total, negation)
    return total


def _flat(formula: Formula) -> Iterator[Formula]:
    """Yield what a conjunction asks, where its comparisons have a value among it."""
    if isinstance(formula, Conjunction):
        for operand in formula.operands:
            yield from _flat(operand)
    elif isinstance(formula, AtMost) and formula.defined is not None:
        yield from _flat(formula.defined)
        yield replace(formula, defined=None)
    else:
        yield formula


def _all_of(operands: Sequence[Formula], known: Knowledge) -> Smooth | None:
    """Return the probability that all operands hold: of comparisons that are half-lines of one variable."""
    fixed = [operand for operand in operands if not known.jumps(operand)]
    lines = [operand for operand in operands if isinstance(operand, AtMost) and known.jumps(operand)]
    if len(fixed) + len(lines) < len(operands) or not lines:
        return None
    for names in candidates(lines, known):
        sites = frozenset(site for name in names for site in known.laws[name].sites)
        chance = on_a_line(lines, names, sites, known)
        if chance is not None and not sites & known.draws_of(*fixed):
            if fixed:
                condition: Formula = fixed[0]
                for other in fixed[1:]:
                    condition = both(condition, other)
                chance = Choose(Kind.REAL, chance.levels, chance.span, condition, chance, number(0.0, chance.span))
            return Smooth(chance, sites)
    return None
