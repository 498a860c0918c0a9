"""Whether a formula can be violated at all: bounds of terms, and pairs of atoms that cover everything."""

import math

from asrppl.core.signature import Kind
from asrppl.core.typed import (
    AtLeast,
    AtMost,
    BinaryTerm,
    Choose,
    Complement,
    Conjunction,
    Constant,
    CountTerm,
    Differ,
    Disjunction,
    Equal,
    Every,
    Formula,
    Functional,
    IndexValue,
    Populated,
    Probability,
    Read,
    Reduction,
    Some,
    Table,
    Term,
    TruthValue,
    Unary,
)

Bounds = tuple[float, float]
_COMPARED = 30  # operands of a disjunction are compared in pairs
_ANYTHING: Bounds = (-math.inf, math.inf)


def always_holds(formula: Formula) -> bool:
    """Whether the violation is zero whatever the draws are. False where that is not seen."""
    match formula:
        case TruthValue():
            return formula.value
        case AtMost():
            return formula.left == formula.right or bounds(formula.left)[1] <= bounds(formula.right)[0]
        case Equal():
            return formula.left == formula.right
        case Differ():
            left, right = bounds(formula.left), bounds(formula.right)
            return left[1] < right[0] or right[1] < left[0]
        case Conjunction():
            return all(always_holds(operand) for operand in formula.operands)
        case Disjunction():
            return any(always_holds(operand) for operand in formula.operands) or _covers(formula.operands)
        case Every():
            return always_holds(formula.body)
        case Some():
            # Where nothing is present or passes the guard, it costs something all the same.
            sure = formula.present is None and (formula.guard is None or always_holds(formula.guard))
            return sure and all(variable.values for variable in formula.variables) and always_holds(formula.body)
        case AtLeast():
            low, high = bounds(formula.bound)
            return low >= _size(formula) if formula.upper else high <= 0
        case Complement() | Populated():
            return False


def never_holds(formula: Formula) -> bool:
    """Whether the violation is above zero whatever the draws are. False where that is not seen."""
    match formula:
        case TruthValue():
            return not formula.value
        case AtMost():
            return formula.defined is None and _exceeds(formula.left, formula.right)
        case Equal():
            sides = ((formula.left, formula.right), (formula.right, formula.left))
            return formula.defined is None and any(_exceeds(left, right) for left, right in sides)
        case Differ():
            return formula.defined is None and formula.left == formula.right
        case Conjunction():
            return any(never_holds(operand) for operand in formula.operands) or _contradicts(formula.operands)
        case Disjunction():
            return all(never_holds(operand) for operand in formula.operands)
        case Every():
            always = formula.present is None and formula.guard is None and all(v.values for v in formula.variables)
            return always and never_holds(formula.body)
        case Some():
            return never_holds(formula.body)
        case AtLeast():
            low, high = bounds(formula.bound)
            if formula.upper:
                return high < 0
            return low > _size(formula) or (low > 0 and never_holds(formula.counted))
        case Complement() | Populated():
            return False


def _size(formula: AtLeast) -> float:
    # Before binding a variable has no values: any number then.
    return math.prod(len(variable.values) or math.inf for variable in formula.variables)


def _exceeds(left: Term, right: Term) -> bool:
    """Whether ``left`` is above ``right`` whatever happens."""
    (a, shift_a), (b, shift_b) = _shifted(left), _shifted(right)
    return bounds(left)[0] > bounds(right)[1] or (a == b and shift_a > shift_b)


def _contradicts(operands: tuple[Formula, ...]) -> bool:
    """Whether two of the operands exclude each other: ``a <= b`` and ``b + 1 <= a``."""
    atoms = [operand for operand in operands if isinstance(operand, AtMost | Equal) and operand.defined is None]
    ways = [
        (*_shifted(left), *_shifted(right))
        for atom in atoms[:_COMPARED]
        for left, right in ((atom.left, atom.right), (atom.right, atom.left))[: 2 if isinstance(atom, Equal) else 1]
    ]
    return any(
        (a, b) == (d, c) and shift_a + shift_c > shift_b + shift_d
        for position, (a, shift_a, b, shift_b) in enumerate(ways)
        for c, shift_c, d, shift_d in ways[position + 1 :]
    )


def _covers(operands: tuple[Formula, ...]) -> bool:
    """Whether one of two of the operands holds whatever happens: ``a <= b or b <= a``, ``a <= b or b + 1 <= a``."""
    atoms = [operand for operand in operands if isinstance(operand, AtMost)][:_COMPARED]
    for position, one in enumerate(atoms):
        for other in atoms[position + 1 :]:
            # one: left <= right + slack, other: right <= left + slack, with slacks that do not leave a gap.
            (a, shift_a), (b, shift_b) = _shifted(one.left), _shifted(one.right)
            (c, shift_c), (d, shift_d) = _shifted(other.left), _shifted(other.right)
            gap = (shift_a - shift_b) + (shift_c - shift_d)
            whole = one.part != "graded" and other.part != "graded" and gap == 1
            if a == d and b == c and (gap <= 0 or whole):
                return True
    same = [operand for operand in operands if isinstance(operand, Equal)][:_COMPARED]
    different = [operand for operand in operands if isinstance(operand, Differ)][:_COMPARED]
    return any((one.left, one.right) == (other.left, other.right) for one in same for other in different)


def _shifted(term: Term) -> tuple[Term | None, float]:
    """Return a term as something plus a constant (None for a constant alone)."""
    match term:
        case Constant():
            return None, float(term.value)
        case BinaryTerm(operator="+", right=Constant(value=value)):
            return term.left, float(value)
        case BinaryTerm(operator="-", right=Constant(value=value)):
            return term.left, -float(value)
        case _:
            return term, 0.0


def bounds(term: Term) -> Bounds:
    """Return numbers that the term is never below and never above."""
    match term:
        case Constant():
            return float(term.value), float(term.value)
        case IndexValue():
            values = term.variable.values
            return (float(min(values)), float(max(values))) if values else _ANYTHING
        case Read():
            return (0.0, 1.0) if term.kind is Kind.BOOL else _ANYTHING
        case Unary():
            return _unary_bounds(term)
        case BinaryTerm():
            return _binary_bounds(term)
        case Choose():
            then, otherwise = bounds(term.then), bounds(term.otherwise)
            return min(then[0], otherwise[0]), max(then[1], otherwise[1])
        case CountTerm():
            size = math.prod(len(variable.values) for variable in term.variables)
            return 0.0, float(size) if size else math.inf
        case Probability():
            return 0.0, 1.0
        case Functional():
            return _functional_bounds(term)
        case Reduction():
            low, high = bounds(term.body)
            match term.reduction:
                case "sum":
                    return (0.0 if low >= 0 else -math.inf), (0.0 if high <= 0 else math.inf)
                case "prod":
                    return (0.0 if low >= 0 else -math.inf), math.inf
                case "argmax":
                    values = term.variables[0].values
                    return (float(min(values)), float(max(values))) if values else _ANYTHING
                case _:
                    return low, high
        case Table():
            return float(min(term.values)), float(max(term.values))
        case _:
            return _ANYTHING


def _functional_bounds(term: Functional) -> Bounds:
    match term.functional:
        case "tv" | "cdf" | "mass":
            return 0.0, 1.0
        case "mean" | "quantile":
            return _ANYTHING
        case "entropy" if not term.distributions[0].support:  # that of a density may be negative
            return _ANYTHING
        case _:
            return 0.0, math.inf


def _unary_bounds(term: Unary) -> Bounds:
    low, high = bounds(term.operand)
    match term.operator:
        case "neg":
            return -high, -low
        case "abs":
            least = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
            return least, max(abs(low), abs(high))
        case "relu":
            return max(low, 0.0), max(high, 0.0)
        case "sqrt" | "exp":
            return 0.0, math.inf
        case "log":
            return _ANYTHING
        case "sin" | "cos" | "tanh":
            return -1.0, 1.0
        case "sigmoid":
            return 0.0, 1.0
        case "floor":
            return (math.floor(low) if math.isfinite(low) else low), (math.floor(high) if math.isfinite(high) else high)
        case "detach":
            return low, high


def _binary_bounds(term: BinaryTerm) -> Bounds:
    left, right = bounds(term.left), bounds(term.right)
    match term.operator:
        case "+":
            return left[0] + right[0], left[1] + right[1]
        case "-":
            return left[0] - right[1], left[1] - right[0]
        case "min":
            return min(left[0], right[0]), min(left[1], right[1])
        case "max":
            return max(left[0], right[0]), max(left[1], right[1])
        case "mod" if right[0] > 0:
            return 0.0, right[1]
        case "*" if term.left == term.right:
            return 0.0, math.inf
        case "*" if left[0] >= 0 and right[0] >= 0:
            return 0.0, math.inf
        case "^" if isinstance(term.right, Constant) and float(term.right.value) % 2 == 0 and term.right.value > 0:
            return 0.0, math.inf
        case _:
            return _ANYTHING
