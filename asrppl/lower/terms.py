"""Terms and the truth of formulas, as values of a graph."""

import math
import operator
from typing import Any, assert_never

import torch

from asrppl.core.signature import Kind
from asrppl.core.typed import (
    AggregateTerm,
    Apply,
    AtLeast,
    AtMost,
    BinaryTerm,
    Choose,
    Conjunction,
    Constant,
    CountTerm,
    Differ,
    Disjunction,
    Equal,
    Erroneous,
    Every,
    Expectation,
    Formula,
    Functional,
    IndexValue,
    Probability,
    Read,
    Reduction,
    Some,
    Term,
    TruthValue,
    Unary,
    Variable,
)
from asrppl.lower import chunks, operators
from asrppl.lower.access import read
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import Value
from asrppl.lower.distributions import functional
from asrppl.lower.errors import NeedsGuideError


def term(g: Algebra, node: Term) -> Value:
    """Return the value of a term."""
    key = ("term", id(node))
    if key not in g.known:
        g.known[key] = _term(g, node), node
    return g.known[key][0]


def _term(g: Algebra, node: Term) -> Value:
    match node:
        case Constant():
            return g.constant(float(node.value))
        case IndexValue():
            return g.index(node.variable)
        case Read():
            low, high = (0.0, 1.0) if node.kind is Kind.BOOL else (-math.inf, math.inf)
            return read(g, node.name, node.component, node.indices, low=low, high=high)
        case Unary():
            return _unary(g, node.operator, term(g, node.operand))
        case BinaryTerm():
            return _binary(g, node, term(g, node.left), term(g, node.right))
        case Choose():
            return g.where(truth(g, node.condition), term(g, node.then), term(g, node.otherwise))
        case Reduction():
            return _reduction(g, node)
        case CountTerm():
            (count,) = chunks.reduced(
                g, node.variables, chunks.grid(node), lambda h: [h.indicator(truth(h, node.body))], Add()
            )
            return count
        case Apply():
            arguments = [term(g, argument) for argument in node.arguments]
            if node.kind is Kind.BOOL:
                result = g.call(operators.apply_predicate, g.function(node.function), *arguments, tensors=True)
                return g.indicator(result)
            return g.call(operators.apply, g.function(node.function), *arguments, tensors=True)
        case Functional():
            return functional(g, node, truth)
        case AggregateTerm():
            return _aggregate(g, node)
        case Expectation():
            raise NeedsGuideError("E", node.span)
        case Probability():
            raise NeedsGuideError("P", node.span)
        case Erroneous():
            raise AssertionError("a program with errors is not lowered")
    assert_never(node)


def _unary(g: Algebra, name: str, a: Value) -> Value:
    match name:
        case "neg":
            return g.negate(a)
        case "abs":
            return g.absolute(a)
        case "relu":
            return g.relu(a)
        case "sqrt":
            return g.unary(operators.square_root, a, low=0.0)
        case "exp":
            return g.unary(operators.exponential, a, low=0.0)
        case _:
            return g.unary(operators.logarithm, a)


def _binary(g: Algebra, node: BinaryTerm, a: Value, b: Value) -> Value:
    match node.operator:
        case "+":
            return g.add(a, b)
        case "-":
            return g.subtract(a, b)
        case "*":
            return g.multiply(a, b)
        case "/":
            return g.divide(a, b)
        case "^":
            return g.power(a, b, integer=node.right.kind is not Kind.REAL)
        case "min":
            return g.minimum(a, b)
        case "max":
            return g.maximum(a, b)


# ---- reductions


class Add:
    """Sums."""

    def reduce(self, g: Algebra, parts: Any, variables: tuple[Variable, ...]) -> list[Value]:
        """Return the sums over the variables."""
        return [g.total(part, variables) for part in parts]

    def merge(self, left: chunks.Parts, right: chunks.Parts) -> chunks.Parts:
        """Return the sums over both."""
        return tuple(a + b for a, b in zip(left, right, strict=True))


class Extreme:
    """Minima or maxima of the first part; ``any`` of a second one (whether there was anything)."""

    def __init__(self, *, smallest: bool) -> None:
        self.smallest = smallest

    def reduce(self, g: Algebra, parts: Any, variables: tuple[Variable, ...]) -> list[Value]:
        """Return the extremes over the variables."""
        extreme = g.smallest if self.smallest else g.largest
        return [extreme(parts[0], variables), *(g.holds(part, variables, everywhere=False) for part in parts[1:])]

    def merge(self, left: chunks.Parts, right: chunks.Parts) -> chunks.Parts:
        """Return the extremes over both."""
        pick = torch.minimum if self.smallest else torch.maximum
        return (pick(left[0], right[0]), *(torch.logical_or(a, b) for a, b in zip(left[1:], right[1:], strict=True)))


class Exists:
    """Whether a Boolean holds anywhere, or everywhere."""

    def __init__(self, *, everywhere: bool) -> None:
        self.everywhere = everywhere

    def reduce(self, g: Algebra, parts: Any, variables: tuple[Variable, ...]) -> list[Value]:
        """Return whether it does over the variables."""
        return [g.holds(part, variables, everywhere=self.everywhere) for part in parts]

    def merge(self, left: chunks.Parts, right: chunks.Parts) -> chunks.Parts:
        """Return whether it does over both."""
        join = torch.logical_and if self.everywhere else torch.logical_or
        return tuple(join(a, b) for a, b in zip(left, right, strict=True))


def _reduction(g: Algebra, node: Reduction) -> Value:
    if not all(variable.values for variable in node.variables):
        return g.constant(0.0)
    size = chunks.grid(node)
    guard = node.guard
    zero = 0.0
    if node.reduction in ("sum", "mean"):

        def summands(h: Algebra) -> list[Value]:
            body = term(h, node.body)
            if guard is None:
                return [body]
            chosen = truth(h, guard)
            summand = h.where(chosen, body, h.constant(zero))
            return [summand] if node.reduction == "sum" else [summand, h.indicator(chosen)]

        total, *counts = chunks.reduced(g, node.variables, size, summands, Add())
        if node.reduction == "sum":
            return total
        if counts:
            return g.divide(total, g.maximum(counts[0], g.constant(1.0)))
        return g.divide(total, g.constant(float(math.prod(len(v.values) for v in node.variables))))

    smallest = node.reduction == "min"

    def candidates(h: Algebra) -> list[Value]:
        body = term(h, node.body)
        if guard is None:
            return [body]
        chosen = truth(h, guard)
        return [h.where(chosen, body, h.constant(math.inf if smallest else -math.inf)), chosen]

    extreme, *found = chunks.reduced(g, node.variables, size, candidates, Extreme(smallest=smallest))
    return g.where(found[0], extreme, g.constant(zero)) if found else extreme


def _aggregate(g: Algebra, node: AggregateTerm) -> Value:
    body = term(g, node.body)
    if node.where is None:
        return g.call(operators.batch_mean, body, g.rank, low=body.low, high=body.high)
    chosen = truth(g, node.where)
    slots = body.slots | chosen.slots
    return g.call(operators.batch_mean_where, body, chosen, g.rank, slots=slots, tensors=True)


# ---- truth


def truth(g: Algebra, node: Formula) -> Value:
    """Return whether a formula holds (a real ``<`` read as ``<=``), as a Boolean value."""
    key = ("truth", id(node))
    if key not in g.known:
        g.known[key] = _truth(g, node), node
    return g.known[key][0]


def _truth(g: Algebra, node: Formula) -> Value:
    match node:
        case TruthValue():
            return g.constant(node.value)
        case AtMost():
            return g.at_most(term(g, node.left), term(g, node.right))
        case Equal():
            return g.compare(operator.eq, term(g, node.left), term(g, node.right))
        case Differ():
            return g.compare(operator.ne, term(g, node.left), term(g, node.right))
        case Conjunction():
            result = g.constant(True)
            for operand in node.operands:
                result = g.both(result, truth(g, operand))
            return result
        case Disjunction():
            result = g.constant(False)
            for operand in node.operands:
                result = g.either(result, truth(g, operand))
            return result
        case Every() | Some():
            everywhere = isinstance(node, Every)
            if not all(variable.values for variable in node.variables):
                return g.constant(everywhere)
            reducer = Exists(everywhere=everywhere)
            (result,) = chunks.reduced(g, node.variables, chunks.grid(node), lambda h: [truth(h, node.body)], reducer)
            return result
        case AtLeast():
            if not all(variable.values for variable in node.variables):
                return g.at_most(term(g, node.bound), g.constant(0.0))
            (count,) = chunks.reduced(
                g, node.variables, chunks.grid(node), lambda h: [h.indicator(truth(h, node.body))], Add()
            )
            return g.at_most(term(g, node.bound), count)
    assert_never(node)
