"""Constructors of typed nodes that fold constants and flatten, so that later stages see small trees."""

import math
from collections.abc import Iterable
from dataclasses import replace

from asrppl.core.signature import NO_LEVELS as NO_LEVELS
from asrppl.core.signature import Kind, Level
from asrppl.core.typed import (
    AtMost,
    Atom,
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
from asrppl.core.walk import part_of
from asrppl.source import Span

ALL_LEVELS: frozenset[Level] = frozenset({Level.DRAW, Level.DATUM})
WHOLE = (Kind.INT, Kind.BOOL)
_CIRCULAR = {"sin": math.sin, "cos": math.cos, "tanh": math.tanh}
_DIVIDING = ("/", "mod")
_REAL = ("sqrt", "exp", "log", "sin", "cos", "tanh", "sigmoid")


class UndefinedError(ArithmeticError):
    """Constants were combined to something that is no number."""


def number(value: float, span: Span) -> Constant:
    """Return a constant of the kind that its Python type says."""
    return Constant(Kind.INT if isinstance(value, int) else Kind.REAL, NO_LEVELS, span, value)


def constant(value: float | bool, span: Span) -> Constant:
    """Return a constant; a Boolean stays one."""
    return Constant(Kind.BOOL, NO_LEVELS, span, value) if isinstance(value, bool) else number(value, span)


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
            case "mod":
                value = left % right
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
    if isinstance(right, Constant) and not (math.isfinite(right.value) and (right.value or operator not in _DIVIDING)):
        raise UndefinedError  # `inf` is a bound, and no number to calculate with
    if isinstance(left, Constant):
        if not math.isfinite(left.value):
            raise UndefinedError
        if isinstance(right, Constant):
            return number(_fold(operator, _plain(left), _plain(right)), span)
    kind = _arithmetic_kind(operator, left, right)
    match operator:
        case "+" | "-" | "*" | "/" | "^" | "min" | "max" | "mod":
            return BinaryTerm(kind, left.levels | right.levels, span, operator, left, right)
        case _:
            raise AssertionError(operator)


def _plain(constant: Constant) -> float:
    return int(constant.value) if isinstance(constant.value, bool) else constant.value


def unary(operator: str, operand: Term, span: Span) -> Term:
    """Return an elementwise function of one term, folded where it is a constant (raises as `binary` does)."""
    if isinstance(operand, Constant) and math.isinf(operand.value) and operator == "neg":
        return Constant(Kind.REAL, NO_LEVELS, span, -operand.value)  # a bound: `[-inf, 0]`
    if isinstance(operand, Constant):
        return number(_fold_unary(operator, _plain(operand)), span)
    kind = operand.kind
    if operator in _REAL:
        kind = Kind.REAL
    elif operator == "floor" or (kind is Kind.BOOL and operator == "neg"):
        kind = Kind.INT
    match operator:
        case "neg" | "abs" | "sqrt" | "exp" | "log" | "relu" | "sin" | "cos" | "tanh" | "sigmoid" | "floor" | "detach":
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
            case "sin" | "cos" | "tanh":
                return _CIRCULAR[operator](value)
            case "sigmoid":
                return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))
            case "floor":
                return math.floor(value)
            case "detach":
                return value
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

    ``false`` is kept: it costs 1, decided, so any branch that training can mend comes before it.
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


def settled(condition: Formula) -> Formula:
    """Return a condition without what constants make idle, so that it reads no more than decides it.

    Not for guards that are priced, nor for claims: there what is false costs something beside the rest.
    """
    match condition:
        case Conjunction():
            parts = [settled(operand) for operand in condition.operands]
            if any(isinstance(part, TruthValue) and not part.value for part in parts):
                return TruthValue(NO_LEVELS, condition.span, False)
            return conjunction(parts, condition.span)
        case Disjunction():
            parts = [settled(operand) for operand in condition.operands]
            return disjunction([p for p in parts if not isinstance(p, TruthValue) or p.value], condition.span)
        case _:
            return condition


def at_most(left: Term, right: Term, span: Span, *, strict: bool = False) -> Formula:
    """Return ``left <= right``; ``inf`` bounds nothing."""
    for side, bound in ((left, -math.inf), (right, math.inf)):
        if isinstance(side, Constant) and math.isinf(side.value):
            return TruthValue(NO_LEVELS, span, side.value == bound)
    return AtMost(left.levels | right.levels, span, left, right, part_of(left, right), None, strict)


def where_defined(formula: Formula, condition: Formula | None) -> Formula:
    """Return a comparison with the condition under which its sides have values."""
    if condition is None or not isinstance(formula, Atom):
        return formula
    return replace(formula, defined=condition, levels=formula.levels | condition.levels)


def less(left: Term, right: Term, span: Span) -> Formula:
    """Return ``left < right``: of whole numbers ``left + 1 <= right``, of reals a strict comparison."""
    if left.kind in WHOLE and isinstance(right, Constant) and not is_whole(right) and math.isfinite(right.value):
        return at_most(left, number(math.floor(right.value), right.span), span)
    if right.kind in WHOLE and isinstance(left, Constant) and not is_whole(left) and math.isfinite(left.value):
        return at_most(number(math.ceil(left.value), left.span), right, span)
    if is_whole(left) and is_whole(right):
        if isinstance(right, Constant) and not isinstance(left, Constant):
            return at_most(left, number(int(right.value) - 1, right.span), span)
        return at_most(_one_more(left), right, span)
    return at_most(left, right, span, strict=True)


def _one_more(term: Term) -> Term:
    if isinstance(term, Constant):
        return number(int(term.value) + 1, term.span)
    return binary("+", term, number(1, term.span), term.span)


def equal(left: Term, right: Term, span: Span) -> Formula:
    """Return ``left == right``."""
    if any(isinstance(side, Constant) and math.isinf(side.value) for side in (left, right)):
        return TruthValue(NO_LEVELS, span, False)
    return Equal(left.levels | right.levels, span, left, right, part_of(left, right), None)


def differ(left: Term, right: Term, span: Span) -> Formula:
    """Return ``left != right``."""
    return Differ(left.levels | right.levels, span, left, right, part_of(left, right), None)


def truth(term: Term, positive: bool, span: Span) -> Formula:
    """Return the atom of a Boolean term: ``1 <= b``, or ``b <= 0`` for its negation."""
    if isinstance(term, Constant):
        return TruthValue(NO_LEVELS, span, bool(term.value) == positive)
    if positive:
        return at_most(number(1, span), term, span)
    return at_most(term, number(0, span), span)
