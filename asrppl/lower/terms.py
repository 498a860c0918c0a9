"""Terms and the truth of formulas, as values of a graph."""

import math
import operator
from typing import Any, assert_never

import torch

from asrppl.bind.functions import Place
from asrppl.core.signature import Kind
from asrppl.core.typed import (
    AggregateTerm,
    Apply,
    AtLeast,
    AtMost,
    BinaryTerm,
    Choose,
    Complement,
    Computed,
    Conjunction,
    Constant,
    Cost,
    CountProbability,
    CountTerm,
    Differ,
    Disjunction,
    Equal,
    Erroneous,
    Every,
    Expectation,
    Formula,
    Functional,
    Index,
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
    Variable,
)
from asrppl.lower import chunks, operators
from asrppl.lower.access import read, read_table
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import Value
from asrppl.lower.counts import law_of_counts
from asrppl.lower.distributions import functional


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
            places, real = _places(g, node.indices), node.kind is Kind.REAL
            return read(g, node.name, node.component, node.indices, places, low=low, high=high, nan=real)
        case Table():
            return read_table(g, node, _places(g, node.indices))
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
        case CountProbability():
            return _number_of(g, node)
        case Apply():
            arguments = [term(g, argument) for argument in node.arguments]
            called = g.function(node.function), Place.of(node.span)
            if node.kind is Kind.BOOL:
                return g.indicator(g.call(operators.apply_predicate, *called, *arguments, tensors=True))
            return g.call(operators.apply, *called, *arguments, tensors=True, nan=True)
        case Functional():
            return functional(g, node, term)
        case Expectation() | Probability() | AggregateTerm():
            raise AssertionError("means are taken before what reads them is lowered (asrppl.lower.means)")
        case Erroneous() | Cost():
            raise AssertionError("a program with errors is not lowered, and a cost is no part of a term")
    assert_never(node)


def _places(g: Algebra, indices: tuple[Index, ...]) -> list[Value]:
    return [term(g, index.term) for index in indices if isinstance(index, Computed)]


_PLAIN = {
    "exp": operators.exponential,
    "sin": torch.sin,
    "cos": torch.cos,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "floor": torch.floor,
    "log": operators.logarithm,
    "sqrt": operators.square_root,
}
_RANGES = {"exp": (0.0, math.inf), "sqrt": (0.0, math.inf), "sigmoid": (0.0, 1.0)} | dict.fromkeys(
    ("sin", "cos", "tanh"), (-1.0, 1.0)
)


def _unary(g: Algebra, name: str, a: Value) -> Value:
    match name:
        case "neg":
            return g.negate(a)
        case "abs":
            return g.absolute(a)
        case "relu":
            return g.relu(a)
        case "detach":
            return g.call(torch.detach, a, low=a.low, high=a.high)
        case _:
            low, high = _RANGES.get(name, (-math.inf, math.inf))
            return g.call(_PLAIN[name], a, low=low, high=high)


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
        case "mod":
            return g.call(operators.modulo, a, b, tensors=True)


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


class Multiply:
    """Products."""

    def reduce(self, g: Algebra, parts: Any, variables: tuple[Variable, ...]) -> list[Value]:
        """Return the products over the variables."""
        return [g.product(part, variables) for part in parts]

    def merge(self, left: chunks.Parts, right: chunks.Parts) -> chunks.Parts:
        """Return the products over both."""
        return tuple(a * b for a, b in zip(left, right, strict=True))


def _reduction(g: Algebra, node: Reduction) -> Value:
    if not all(variable.values for variable in node.variables):
        return g.constant(0.0)  # undefined: nothing reads it
    match node.reduction:
        case "sum" | "mean" | "prod":
            return _folded(g, node)
        case "argmax":
            (variable,) = node.variables
            chosen = truth(g, node.guard) if node.guard is not None else g.constant(True)
            body = term(g, node.body)
            slots = (body.slots | chosen.slots) - {variable.slot}
            values = g.buffer(torch.tensor(variable.values, dtype=torch.float64))
            dim = variable.slot - g.rank
            low, high = float(min(variable.values)), float(max(variable.values))
            return g.call(operators.argmax, body, chosen, dim, values, low=low, high=high, slots=slots, tensors=True)
        case _:
            return _extreme(g, node)


def _folded(g: Algebra, node: Reduction) -> Value:
    unit = 1.0 if node.reduction == "prod" else 0.0

    def parts(h: Algebra) -> list[Value]:
        body = term(h, node.body)
        if node.guard is None:
            return [body]
        chosen = truth(h, node.guard)
        part = h.where(chosen, body, h.constant(unit))
        return [part, h.indicator(chosen)] if node.reduction == "mean" else [part]

    reducer = Multiply() if node.reduction == "prod" else Add()
    total, *counts = chunks.reduced(g, node.variables, chunks.grid(node), parts, reducer)
    if node.reduction != "mean":
        return total
    if counts:
        return g.divide(total, g.maximum(counts[0], g.constant(1.0)))
    return g.divide(total, g.constant(float(math.prod(len(v.values) for v in node.variables))))


def _number_of(g: Algebra, node: CountProbability) -> Value:
    variable = node.at.variable
    assert variable is not None
    body = term(g, node.body)
    order = sorted(node.variables, key=lambda each: each.slot)
    own = {each.slot for each in order}
    dim = variable.slot - g.rank
    arguments = body, g.dims(own), tuple(len(each.values) for each in order), dim
    slots = (body.slots - own) | {variable.slot}
    law = g.call(law_of_counts, *arguments, low=0.0, high=1.0, slots=slots, tensors=True)
    if variable.slot not in g.dynamic:
        return law
    return g.call(torch.index_select, law, dim, g.dynamic[variable.slot][0], low=0.0, high=1.0, slots=slots)


def _extreme(g: Algebra, node: Reduction) -> Value:
    smallest = node.reduction == "min"

    def candidates(h: Algebra) -> list[Value]:
        body = term(h, node.body)
        if node.guard is None:
            return [body]
        chosen = truth(h, node.guard)
        return [h.where(chosen, body, h.constant(math.inf if smallest else -math.inf)), chosen]

    extreme, *found = chunks.reduced(g, node.variables, chunks.grid(node), candidates, Extreme(smallest=smallest))
    # Over nothing it is undefined, which whatever reads it has to ask for; the number only has to be finite.
    return g.where(found[0], extreme, g.constant(0.0)) if found else extreme


# ---- truth


def truth(g: Algebra, node: Formula) -> Value:
    """Return whether a formula holds, exactly, as a Boolean value."""
    key = ("truth", id(node))
    if key not in g.known:
        g.known[key] = _truth(g, node), node
    return g.known[key][0]


def _truth(g: Algebra, node: Formula) -> Value:
    match node:
        case TruthValue():
            return g.constant(node.value)
        case AtMost() | Equal() | Differ():
            compared = _compared(g, node)
            return compared if node.defined is None else g.both(truth(g, node.defined), compared)
        case Conjunction() | Disjunction():
            join = g.both if isinstance(node, Conjunction) else g.either
            result = truth(g, node.operands[0])
            for operand in node.operands[1:]:
                result = join(result, truth(g, operand))
            return result
        case Complement():
            return g.complement(truth(g, node.body))
        case Populated():
            raise AssertionError("who is meant is counted before what reads it is lowered (asrppl.lower.means)")
        case Every() | Some():
            return _quantified(g, node)
        case AtLeast():
            return _counted(g, node)
    assert_never(node)


def _compared(g: Algebra, node: AtMost | Equal | Differ) -> Value:
    left, right = term(g, node.left), term(g, node.right)
    match node:
        case AtMost():
            return g.less(left, right) if node.strict else g.at_most(left, right)
        case Equal():
            return g.compare(operator.eq, left, right)
        case Differ():
            return g.compare(operator.ne, left, right)


def chosen_of(g: Algebra, node: Every | Some | AtLeast) -> Value | None:
    """Return which instances are present and pass the guard, as a Boolean value; None where all are and do."""
    conditions = [truth(g, part) for part in (node.present, node.guard) if part is not None]
    if not conditions:
        return None
    return conditions[0] if len(conditions) == 1 else g.both(*conditions)


def _quantified(g: Algebra, node: Every | Some) -> Value:
    everywhere = isinstance(node, Every)
    if not all(variable.values for variable in node.variables):
        return g.constant(everywhere)

    def parts(h: Algebra) -> list[Value]:
        result, chosen = truth(h, node.body), chosen_of(h, node)
        if chosen is not None:
            result = h.either(h.complement(chosen), result) if everywhere else h.both(chosen, result)
        return [result]

    (result,) = chunks.reduced(g, node.variables, chunks.grid(node), parts, Exists(everywhere=everywhere))
    return result


def _counted(g: Algebra, node: AtLeast) -> Value:
    def parts(h: Algebra) -> list[Value]:
        result, chosen = truth(h, node.counted), chosen_of(h, node)
        return [h.indicator(result if chosen is None else h.both(chosen, result))]

    bound = term(g, node.bound)
    (count,) = chunks.reduced(g, node.variables, chunks.grid(node), parts, Add())
    return g.at_most(count, bound) if node.upper else g.at_most(bound, count)
