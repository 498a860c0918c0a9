"""Units: the index at the head of a rule that runs over the data plate is averaged over, as a rule without it is.

`z <= 0` and `forall i: z[i] <= 0` say the same of the data, and so they cost the same. A second index over the data
and quantifiers further in sum; what else indexes the data plate is one value of the whole population.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from asrppl.core.rules import TypedProgram, TypedRule
from asrppl.core.signature import Signature
from asrppl.core.typed import (
    CategoricalOf,
    Conjunction,
    Every,
    Formula,
    Index,
    IndexValue,
    Offset,
    PointMass,
    Posterior,
    Read,
    Table,
    Variable,
)
from asrppl.core.walk import walk
from asrppl.source import Span


@dataclass(frozen=True, slots=True)
class _Use:
    """Where a formula uses an index variable: of ``size`` where it indexes the data plate, else of size None.

    ``whole``: the variable, by itself, is the index.
    """

    variable: Variable | None
    whole: bool
    size: int | None
    span: Span


def in_units(program: TypedProgram, signature: Signature) -> TypedProgram:
    """Return the program with the heads that run over the data plate marked; itself where no name has that plate."""
    if all(entry.data is None for _, entry in signature.entries):
        return program
    return TypedProgram(tuple(_rule(rule, signature) for rule in program.rules))


def _rule(rule: TypedRule, signature: Signature) -> TypedRule:
    variable, size = _head_of_the_data(rule.formula, signature)
    whole = variable is not None and variable.values == tuple(range(size))
    uses = [use for use in _uses(rule.formula, signature) if use.size is not None]
    if whole and all(use.variable == variable and use.whole for use in uses):
        return replace(rule, datum=variable)
    return replace(rule, formula=_averaged(rule.formula, signature))


def averaged(rule: TypedRule) -> TypedRule:
    """Return a rule about single data that indexes them as one value: the mean over all of them."""
    if rule.datum is None:
        return rule
    return replace(rule, formula=_shared(rule.formula, rule.datum), datum=None)


def _shared(formula: Formula, variable: Variable) -> Formula:
    assert isinstance(formula, Every)
    if variable in formula.variables:
        return replace(formula, share=len(variable.values))
    return replace(formula, body=_shared(formula.body, variable))


def _averaged(formula: Formula, signature: Signature) -> Formula:
    if isinstance(formula, Conjunction):  # as the rules that it could be split into
        return replace(formula, operands=tuple(_averaged(operand, signature) for operand in formula.operands))
    variable, size = _head_of_the_data(formula, signature)
    return replace(formula, share=size) if variable is not None and isinstance(formula, Every) else formula


def _head_of_the_data(formula: Formula, signature: Signature) -> tuple[Variable | None, int]:
    """Return the first variable of the ``forall``s at the head that indexes the data plate, and that plate's length."""
    sizes = {use.variable: use.size for use in _uses(formula, signature) if use.size is not None}
    while isinstance(formula, Every):
        for variable in formula.variables:
            if variable in sizes:
                return variable, sizes[variable]
        formula = formula.body
    return None, 1


def _uses(formula: Formula, signature: Signature) -> Iterator[_Use]:
    entries = dict(signature.entries)
    for node in walk(formula):
        match node:
            case Read() | Posterior() | CategoricalOf():
                entry = entries.get(node.name)
                axis = None if entry is None else entry.data
                size = None if entry is None or axis is None else entry.axes[axis]
                for place, index in enumerate(node.indices):
                    yield from _uses_of(index, size if place == axis else None, node.span)
            case Table():
                for index in node.indices:
                    yield from _uses_of(index, None, node.span)
            case IndexValue():
                yield _Use(node.variable, False, None, node.span)
            case PointMass(at=Offset() as index):
                yield _Use(index.variable, False, None, node.span)
            case _:
                pass


def _uses_of(index: Index, size: int | None, span: Span) -> Iterator[_Use]:
    if isinstance(index, Offset):
        yield _Use(index.variable, index.add == 0, size, span)
        return
    inside = [node.variable for node in walk(index.term) if isinstance(node, IndexValue)]
    for variable in inside or [None]:
        yield _Use(variable, False, size, span)


def without(formula: Formula, variable: Variable) -> Formula:
    """Return a formula without the ``forall`` at its head that binds ``variable``: it then varies with it."""
    assert isinstance(formula, Every)
    if variable not in formula.variables:
        return replace(formula, body=without(formula.body, variable))
    left = tuple(other for other in formula.variables if other != variable)
    if not left and formula.present is None and formula.guard is None:
        return formula.body
    return replace(formula, variables=left)


def beyond_one_datum(rule: TypedRule, signature: Signature) -> Span | None:
    """Return where a rule that indexes the data plate reads more than one datum an instance; None where it does not.

    What is a place among the data (``i >= 3``, ``c[i]`` of another array) is more than a datum, too.
    """
    for use in _uses(rule.formula, signature):
        same = rule.datum is not None and use.variable == rule.datum
        if same if use.size is None else not (same and use.whole):
            return use.span
    return None
