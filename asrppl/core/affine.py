"""Terms that are affine in some draws: Σ_k a_k x_k + b, the x_k entries of sites, and their variance.

``a_k`` and ``b`` are terms that do not read those sites. An entry under a ``sum`` is one piece with the variables of
the sum: Σ_j a_j x_j.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from asrppl.core.signature import NO_LEVELS, Kind
from asrppl.core.typed import (
    BinaryTerm,
    Choose,
    Conjunction,
    Constant,
    Equal,
    Formula,
    IndexValue,
    Offset,
    Read,
    Reduction,
    Term,
    Unary,
    Variable,
)
from asrppl.core.walk import TypedNode, walk
from asrppl.source import Span


@dataclass(frozen=True, slots=True)
class Piece:
    """``coefficient · read``, added up over ``variables`` where ``guard`` holds."""

    read: Read
    coefficient: Term
    variables: tuple[Variable, ...] = ()
    guard: Formula | None = None


@dataclass(frozen=True, slots=True)
class Affine:
    """The sum of pieces, no two of one entry for certain, and of what reads none of the sites."""

    pieces: tuple[Piece, ...]
    rest: Term


def affine(term: Term, sites: Collection[str]) -> Affine | None:
    """Return a term as one affine in the entries of ``sites``; None where it is not, or where that cannot be seen."""
    found = _affine(term, sites)
    if found is None:
        return None
    merged: list[Piece] = []
    for piece in found.pieces:
        place = next((k for k, other in enumerate(merged) if _is_same(piece, other)), None)
        if place is None:
            merged.append(piece)
        else:
            known = merged[place]
            merged[place] = replace(known, coefficient=plus(known.coefficient, piece.coefficient))
    return Affine(tuple(merged), found.rest)


def linear_part(term: Term, names: Collection[str]) -> Term | None:
    """Return the part of a term that is linear in the entries of ``names``, None where the term is not affine in them.

    It reads them as the term does: of v in their place it is how far v moves the term.
    """
    found = affine(term, names)
    if found is None:
        return None
    return mean_of(replace(found, rest=number(0.0, term.span)), [piece.read for piece in found.pieces])


def reads_any(node: TypedNode, sites: Collection[str]) -> bool:
    """Whether a node reads an entry of ``sites``."""
    return any(isinstance(part, Read) and part.name in sites for part in walk(node))


def _affine(term: Term, sites: Collection[str]) -> Affine | None:
    if not reads_any(term, sites):
        return Affine((), term)
    match term:
        case Read():
            plain = term.component is None and all(isinstance(index, Offset) for index in term.indices)
            return Affine((Piece(term, number(1.0, term.span)),), number(0.0, term.span)) if plain else None
        case Unary(operator="neg"):
            return _scaled(_affine(term.operand, sites), number(-1.0, term.span))
        case BinaryTerm(operator="+" | "-"):
            left, right = _affine(term.left, sites), _affine(term.right, sites)
            if term.operator == "-":
                right = _scaled(right, number(-1.0, term.span))
            if left is None or right is None:
                return None
            return Affine((*left.pieces, *right.pieces), plus(left.rest, right.rest))
        case BinaryTerm(operator="*"):
            inner, other = (term.left, term.right) if reads_any(term.left, sites) else (term.right, term.left)
            return None if reads_any(other, sites) else _scaled(_affine(inner, sites), other)
        case BinaryTerm(operator="/"):
            if reads_any(term.right, sites):
                return None
            return _scaled(_affine(term.left, sites), over(number(1.0, term.span), term.right))
        case Reduction(reduction="sum"):
            return _summed(term, sites)
        case _:
            return None


def _scaled(found: Affine | None, factor: Term) -> Affine | None:
    if found is None:
        return None
    pieces = tuple(replace(piece, coefficient=times(factor, piece.coefficient)) for piece in found.pieces)
    return Affine(pieces, times(factor, found.rest))


def _summed(term: Reduction, sites: Collection[str]) -> Affine | None:
    """Return a sum of one piece for each index, of another entry each."""
    if term.guard is not None and reads_any(term.guard, sites):
        return None
    inner = affine(term.body, sites)
    if inner is None or len(inner.pieces) != 1 or inner.pieces[0].variables:
        return None
    (piece,) = inner.pieces
    indexed = {index.variable for index in piece.read.indices if isinstance(index, Offset)}
    if not set(term.variables) <= indexed:
        return None
    return Affine(
        (replace(piece, variables=term.variables, guard=term.guard),), replace(term, body=inner.rest, levels=NO_LEVELS)
    )


# ---- moments of independent entries


def mean_of(found: Affine, means: Sequence[Read]) -> Term:
    """Return the mean, given those of the pieces' entries."""
    total = found.rest
    for piece, mean in zip(found.pieces, means, strict=True):
        total = plus(total, _sum(piece, times(piece.coefficient, mean)))
    return total


def variance_of(found: Affine, deviations: Sequence[Read]) -> Term | None:
    """Return the variance where all entries are independent, given the standard deviations of the pieces' entries.

    Two entries of one name may be the same one for some values of the index variables.
    """
    total: Term | None = None
    for k, (piece, deviation) in enumerate(zip(found.pieces, deviations, strict=True)):
        square = times(deviation, deviation)
        own = _sum(piece, times(times(piece.coefficient, piece.coefficient), square))
        total = own if total is None else plus(total, own)
        for other in found.pieces[:k]:
            if other.read.name != piece.read.name:
                continue
            if other.variables or piece.variables:
                return None
            meet = _meet(piece.read, other.read)
            if meet is not None:
                both = times(times(number(2.0, piece.read.span), piece.coefficient), other.coefficient)
                shared = times(both, square)
                zero = number(0.0, piece.read.span)
                total = plus(total, Choose(Kind.REAL, shared.levels, shared.span, meet, shared, zero))
    return total


def surely_spread(found: Affine) -> bool:
    """Whether the variance is never 0: an entry that no other piece may be has a coefficient that is a number."""
    names = [piece.read.name for piece in found.pieces]
    return any(
        names.count(piece.read.name) == 1 and not piece.variables and constant(piece.coefficient) not in (None, 0.0)
        for piece in found.pieces
    )


def _is_same(a: Piece, b: Piece) -> bool:
    """Whether two pieces are of one entry whatever the values of the index variables."""
    return not (a.variables or b.variables) and a.read.name == b.read.name and a.read.indices == b.read.indices


def _meet(a: Read, b: Read) -> Formula | None:
    """Return when two entries of one name are the same; None where they never are."""
    conditions: list[Formula] = []
    for one, two in zip(a.indices, b.indices, strict=True):
        assert isinstance(one, Offset)
        assert isinstance(two, Offset)
        if one.variable == two.variable:
            if one.add != two.add:
                return None
            continue
        conditions.append(Equal(NO_LEVELS, a.span, _place(one, a.span), _place(two, a.span), "decided", None))
    found = conditions[0]
    for condition in conditions[1:]:
        found = both(found, condition)
    return found


def _place(index: Offset, span: Span) -> Term:
    add = Constant(Kind.INT, NO_LEVELS, span, index.add)
    if index.variable is None:
        return add
    value = IndexValue(Kind.INT, NO_LEVELS, span, index.variable)
    return BinaryTerm(Kind.INT, NO_LEVELS, span, "+", value, add)


def _sum(piece: Piece, body: Term) -> Term:
    if not piece.variables:
        return body
    return Reduction(Kind.REAL, body.levels, body.span, "sum", piece.variables, piece.guard, body)


# ---- small terms


def number(value: float, span: Span) -> Constant:
    """Return a constant."""
    return Constant(Kind.REAL, NO_LEVELS, span, value)


def constant(term: Term) -> float | None:
    """Return the value of a constant, None of what is none."""
    return float(term.value) if isinstance(term, Constant) else None


def plus(a: Term, b: Term) -> Term:
    """Return a + b."""
    x, y = constant(a), constant(b)
    if x is not None and y is not None:
        return number(x + y, a.span)
    return b if x == 0 else a if y == 0 else _binary("+", a, b)


def minus(a: Term, b: Term) -> Term:
    """Return a − b."""
    x, y = constant(a), constant(b)
    return number(x - y, a.span) if x is not None and y is not None else _binary("-", a, b)


def times(a: Term, b: Term) -> Term:
    """Return a · b."""
    x, y = constant(a), constant(b)
    if x is not None and y is not None:
        return number(x * y, a.span)
    return b if x == 1 else a if y == 1 else number(0.0, a.span) if 0 in (x, y) else _binary("*", a, b)


def over(a: Term, b: Term) -> Term:
    """Return a / b."""
    x, y = constant(a), constant(b)
    return number(x / y, a.span) if x is not None and y else _binary("/", a, b)


def _binary(operator: Literal["+", "-", "*", "/"], a: Term, b: Term) -> Term:
    return BinaryTerm(Kind.REAL, a.levels | b.levels, a.span, operator, a, b)


def both(a: Formula, b: Formula) -> Formula:
    """Return that two conditions hold."""
    return Conjunction(a.levels | b.levels, a.span, (a, b))
