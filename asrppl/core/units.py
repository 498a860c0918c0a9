"""Units: the index at the head of a rule that runs over the data plate is averaged over, as a rule without it is.

`z <= 0` and `forall i: z[i] <= 0` say the same of the data, and so they cost the same. A second index over the data
and quantifiers further in sum; what else indexes the data plate is one value of the whole population.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from asrppl.core.signature import Signature
from asrppl.core.typed import (
    CategoricalOf,
    Conjunction,
    Every,
    Formula,
    IndexValue,
    Offset,
    PointMass,
    Posterior,
    Read,
    TypedProgram,
    TypedRule,
    Variable,
)
from asrppl.core.walk import walk
from asrppl.source import Span

_COMPUTED = Offset(None, -1)  # an index that is no place among the data by itself


@dataclass(frozen=True, slots=True)
class _Use:
    """Where a formula uses an index: of ``size`` where it indexes the data plate, else of size None."""

    index: Offset
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
    if whole and all(use.size is None or use.index == Offset(variable) for use in _uses(rule.formula, signature)):
        return replace(rule, datum=variable)
    return replace(rule, formula=_averaged(rule.formula, signature))


def _averaged(formula: Formula, signature: Signature) -> Formula:
    if isinstance(formula, Conjunction):  # as the rules that it could be split into
        return replace(formula, operands=tuple(_averaged(operand, signature) for operand in formula.operands))
    variable, size = _head_of_the_data(formula, signature)
    return replace(formula, share=size) if variable is not None and isinstance(formula, Every) else formula


def _head_of_the_data(formula: Formula, signature: Signature) -> tuple[Variable | None, int]:
    """Return the first variable of the ``forall``s at the head that indexes the data plate, and that plate's length."""
    sizes = {use.index.variable: use.size for use in _uses(formula, signature) if use.size is not None}
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
                for axis, index in enumerate(node.indices):
                    of_the_data = entry is not None and axis == entry.data
                    place = index if isinstance(index, Offset) else _COMPUTED
                    yield _Use(place, entry.axes[axis] if entry is not None and of_the_data else None, node.span)
            case IndexValue():
                yield _Use(Offset(node.variable), None, node.span)
            case PointMass(at=Offset() as index):
                yield _Use(index, None, node.span)
            case _:
                pass


def without(formula: Formula, variable: Variable) -> Formula:
    """Return a formula without the ``forall`` at its head that binds ``variable``: it then varies with it."""
    assert isinstance(formula, Every)
    if variable not in formula.variables:
        return replace(formula, body=without(formula.body, variable))
    left = tuple(other for other in formula.variables if other != variable)
    guarded = formula.guard is not None or formula.present is not None
    return replace(formula, variables=left) if left or guarded else formula.body


def beyond_one_datum(rule: TypedRule, signature: Signature) -> Span | None:
    """Return where a rule that indexes the data plate reads more than one datum an instance; None where it does not.

    What is a place among the data (``i >= 3``, ``c[i]`` of another array) is more than a datum, too.
    """
    datum = None if rule.datum is None else Offset(rule.datum)
    for use in _uses(rule.formula, signature):
        same = datum is not None and use.index.variable == rule.datum
        if (use.size is not None and use.index != datum) or (use.size is None and same):
            return use.span
    return None
