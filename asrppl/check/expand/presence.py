"""Where terms have a value: `min` over nothing, an absent entry and an index outside its axis have none."""

from asrppl.check.expand import build
from asrppl.core.signature import Kind, Level
from asrppl.core.typed import (
    AggregateDistribution,
    AggregateTerm,
    AtMost,
    BinaryTerm,
    CategoricalOf,
    Choose,
    Complement,
    Computed,
    Constant,
    CountTerm,
    Every,
    Expectation,
    ExpectedDistribution,
    Formula,
    IndexValue,
    Populated,
    Posterior,
    Probability,
    Read,
    Reduction,
    Some,
    Table,
    TruthValue,
)
from asrppl.core.walk import TypedNode, children
from asrppl.source import Span

_FOLDS = ("sum", "prod")  # what has a value over nothing


def defined(span: Span, *nodes: TypedNode) -> Formula | None:
    """Return the condition under which all of the terms have a value; None where they always do."""
    found = [condition for node in nodes for condition in _conditions(node)]
    if not found:
        return None
    whole = build.conjunction(found, span)
    return None if isinstance(whole, TruthValue) and whole.value else whole


def _conditions(node: TypedNode) -> list[Formula]:
    match node:  # what is most frequent first
        case BinaryTerm():
            return _conditions(node.left) + _conditions(node.right)
        case Constant() | IndexValue() | CountTerm() | Probability():
            return []  # formulas look after themselves: a comparison without a value is false
        case Read() | Table():
            found = [node.defined] if node.defined is not None else []
            for index in node.indices:
                if isinstance(index, Computed):
                    found += _conditions(index.term)
            return found
        case Posterior() | CategoricalOf():
            return [node.defined] if node.defined is not None else []
        case Reduction():
            return _of_reduction(node)
        case Choose():
            return _of_choice(node)
        case Expectation() | ExpectedDistribution() if node.where is not None:
            return [_happens(node.where, node.span)]
        case AggregateTerm() | AggregateDistribution():
            # A datum without a value is not among those that are meant: `aggregate` leaves it out.
            if node.where is None:
                return []
            return [Populated(build.NO_LEVELS, node.span, node.where)]
        case _:
            return [condition for child in children(node) for condition in _conditions(child)]


def drawn(span: Span, node: TypedNode) -> Formula | None:
    """Return the condition under which a term has a value in a draw; None where no draw decides it."""
    where = defined(span, node)
    return where if where is not None and Level.DRAW in where.levels else None


def _happens(where: Formula, span: Span) -> Formula:
    """Return that some draw is meant: that the probability of it is above 0."""
    levels = where.levels - {Level.DRAW}
    zero = Constant(Kind.REAL, build.NO_LEVELS, span, 0.0)
    return AtMost(levels, span, zero, Probability(Kind.REAL, levels, span, where), "graded", None, strict=True)


def _of_reduction(node: Reduction) -> list[Formula]:
    found: list[Formula] = []
    if node.reduction not in _FOLDS:
        if not all(variable.values for variable in node.variables):
            return [TruthValue(build.NO_LEVELS, node.span, False)]
        if node.guard is not None:
            found.append(Some(node.guard.levels, node.span, node.variables, None, None, node.guard))
    inside = defined(node.span, node.body)
    if inside is not None:
        found.append(Every(inside.levels, node.span, node.variables, None, node.guard, inside))
    return found


def _of_choice(node: Choose) -> list[Formula]:
    then, otherwise = defined(node.span, node.then), defined(node.span, node.otherwise)
    found: list[Formula] = []
    if then is not None:
        unchosen = Complement(node.condition.levels, node.span, node.condition)
        found.append(build.disjunction((unchosen, then), node.span))
    if otherwise is not None:
        found.append(build.disjunction((node.condition, otherwise), node.span))
    return found
