"""Constructors of typed nodes that fold constants and flatten, so that later stages see small trees."""

import math
from collections.abc import Iterable

from asrppl.core.signature import Kind, Level
from asrppl.core.typed import (
    AtMost,
    BinaryTerm,
    Conjunction,
    Constant,
    Differ,
    Disjunction,
    Equal,
    Erroneous,
    Formula,
    IndexValue,
    Read,
    Term,
    TruthValue,
    Unary,
    Variable,
)
from asrppl.core.walk import reads_real
from asrppl.source import Span

NO_LEVELS: frozenset[Level] = frozenset()
ALL_LEVELS: frozenset[Level] = frozenset({Level.DRAW, Level.DATUM})
WHOLE = (Kind.INT, Kind.BOOL)


class UndefinedError(ArithmeticError):
    """Constants were combined to something that is no number."""


def number(value: float, span: Span) -> Constant:
    """Return a constant of the kind that its Python type says."""
    return Constant(Kind.INT if isinstance(value, int) else Kind.REAL, NO_LEVELS, span, value)


def poison(span: Span) -> Erroneous:
    """Return a term that stands for one with an error, of which nothing more is said."""
    return Erroneous(Kind.SCALAR, NO_LEVELS, span)


def unknown_length(span: Span, name: str = "len") -> Read:
    """Return a term that stands for a length before binding."""
    return Read(Kind.INT, NO_LEVELS, span, name, "len", ())


def is_poison(term: object) -> bool:
    """Whether something stands for a term with an error."""
    return isinstance(term, Erroneous)


def index_value(variable: Variable, span: Span) -> IndexValue:
    """Return the value of an index variable."""
    return IndexValue(Kind.INT, NO_LEVELS, span, variable)


def is_whole(term: Term) -> bool:
    """Whether the term takes whole numbers only (a real constant without a fraction does, too)."""
    if isinstance(term, Constant):
        return float(term.value).is_integer()
    return term.kind in WHOLE


def _arithmetic_kind(operator: str, left: Term, right: Term) -> Kind:
    kinds = {left.kind, right.kind}
    if operator == "/" or Kind.REAL in kinds:
        return Kind.REAL
    if Kind.SCALAR in kinds:
        return Kind.SCALAR
    if operator == "^":
        return Kind.INT if isinstance(right, Constant) and right.value >= 0 else Kind.REAL
    if operator in ("min", "max") and kinds == {Kind.BOOL}:
        return Kind.BOOL
    return Kind.INT


def _fold(operator: str, left: float, right: float) -> float:
    try:
        match operator:
            case "+":
                value = left + right
            case "-":
                value = left - right
            case "*":
                value = left * right
            case "/":
                value = left / right
            case "^":
                # Whole powers of whole numbers can grow without bound; in floats they overflow instead.
                value = math.pow(left, right)
                if isinstance(left, int) and isinstance(right, int) and right >= 0 and abs(value) < 2**53:
                    value = int(value)
            case "min":
                value = min(left, right)
            case _:
                value = max(left, right)
        if not math.isfinite(value):
            raise UndefinedError
    except (ArithmeticError, ValueError) as error:
        raise UndefinedError from error
    return value


def binary(operator: str, left: Term, right: Term, span: Span) -> Term:
    """Return an arithmetic term, folded where both sides are constants.

    Raises:
        UndefinedError: for constants whose result is no finite number, and for a division by the constant 0.
    """
    if operator == "/" and isinstance(right, Constant) and right.value == 0:
        raise UndefinedError
    if isinstance(left, Constant) and isinstance(right, Constant):
        return number(_fold(operator, _plain(left), _plain(right)), span)
    kind = _arithmetic_kind(operator, left, right)
    match operator:
        case "+" | "-" | "*" | "/" | "^" | "min" | "max":
            return BinaryTerm(kind, left.levels | right.levels, span, operator, left, right)
        case _:
            raise AssertionError(operator)


def _plain(constant: Constant) -> float:
    return int(constant.value) if isinstance(constant.value, bool) else constant.value


def unary(operator: str, operand: Term, span: Span) -> Term:
    """Return an elementwise function of one term, folded where it is a constant (raises as `binary` does)."""
    if isinstance(operand, Constant):
        return number(_fold_unary(operator, _plain(operand)), span)
    kind = operand.kind
    if operator in ("sqrt", "exp", "log"):
        kind = Kind.REAL
    elif kind is Kind.BOOL and operator == "neg":
        kind = Kind.INT
    match operator:
        case "neg" | "abs" | "sqrt" | "exp" | "log" | "relu":
            return Unary(kind, operand.levels, span, operator, operand)
        case _:
            raise AssertionError(operator)


def _fold_unary(operator: str, value: float) -> float:
    try:
        match operator:
            case "neg":
                return -value
            case "abs":
                return abs(value)
            case "sqrt":
                return math.sqrt(value)
            case "exp":
                return math.exp(value)
            case "log":
                return math.log(value)
            case _:
                return max(value, 0)
    except (ArithmeticError, ValueError) as error:
        raise UndefinedError from error


# ---- formulas


def levels_of(parts: Iterable[Formula | Term]) -> frozenset[Level]:
    """Return the union of the parts' levels."""
    return NO_LEVELS.union(*(part.levels for part in parts))


def conjunction(parts: Iterable[Formula], span: Span) -> Formula:
    """Return the conjunction of ``parts``, flattened, without those that always hold."""
    flat: list[Formula] = []
    for part in parts:
        if isinstance(part, Conjunction):
            flat.extend(part.operands)
        elif not (isinstance(part, TruthValue) and part.value):
            flat.append(part)
    if not flat:
        return TruthValue(NO_LEVELS, span, True)
    if len(flat) == 1:
        return flat[0]
    return Conjunction(levels_of(flat), span, tuple(flat))


def disjunction(parts: Iterable[Formula], span: Span) -> Formula:
    """Return the disjunction of ``parts``, flattened.

    ``false`` is kept: it costs 1, which may be less than the other branches do.
    """
    flat: list[Formula] = []
    for part in parts:
        if isinstance(part, Disjunction):
            flat.extend(part.operands)
        elif isinstance(part, TruthValue) and part.value:
            return TruthValue(NO_LEVELS, span, True)
        else:
            flat.append(part)
    if not flat:
        return TruthValue(NO_LEVELS, span, False)
    if len(flat) == 1:
        return flat[0]
    return Disjunction(levels_of(flat), span, tuple(flat))


def is_discrete(left: Term, right: Term) -> bool:
    """Whether an atom of the two reads only ints and Booleans."""
    return not reads_real(left) and not reads_real(right)


def at_most(left: Term, right: Term, span: Span) -> Formula:
    """Return ``left <= right``."""
    return AtMost(left.levels | right.levels, span, left, right, False, is_discrete(left, right))


def less(left: Term, right: Term, span: Span) -> Formula:
    """Return ``left < right``: of whole numbers ``left + 1 <= right``, of reals a strict comparison."""
    if left.kind in WHOLE and isinstance(right, Constant) and not is_whole(right):
        return at_most(left, number(math.floor(right.value), right.span), span)
    if right.kind in WHOLE and isinstance(left, Constant) and not is_whole(left):
        return at_most(number(math.ceil(left.value), left.span), right, span)
    if is_whole(left) and is_whole(right):
        if isinstance(right, Constant) and not isinstance(left, Constant):
            return at_most(left, number(int(right.value) - 1, right.span), span)
        return at_most(_one_more(left), right, span)
    return AtMost(left.levels | right.levels, span, left, right, True, is_discrete(left, right))


def _one_more(term: Term) -> Term:
    if isinstance(term, Constant):
        return number(int(term.value) + 1, term.span)
    return binary("+", term, number(1, term.span), term.span)


def equal(left: Term, right: Term, span: Span) -> Formula:
    """Return ``left == right``."""
    return Equal(left.levels | right.levels, span, left, right, is_discrete(left, right))


def differ(left: Term, right: Term, span: Span) -> Formula:
    """Return ``left != right`` of whole numbers."""
    return Differ(left.levels | right.levels, span, left, right)


def truth(term: Term, positive: bool, span: Span) -> Formula:
    """Return the atom of a Boolean term: ``1 <= b``, or ``b <= 0`` for its negation."""
    if isinstance(term, Constant):
        return TruthValue(NO_LEVELS, span, bool(term.value) == positive)
    if positive:
        return at_most(number(1, span), term, span)
    return at_most(term, number(0, span), span)
