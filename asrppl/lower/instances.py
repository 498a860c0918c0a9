"""Which indices break a rule, and by how much: what the REPL shows, and a report's worst."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from asrppl.bind.bound import Bound
from asrppl.core.rules import TypedRule
from asrppl.core.typed import Conjunction, Every, Formula, Term, Variable
from asrppl.core.walk import rank
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import Hidden, Value
from asrppl.lower.formulas import Style, total_violation
from asrppl.lower.placed import Placed
from asrppl.lower.terms import term

MAX_INSTANCES = 4_000_000


@dataclass(frozen=True, slots=True)
class Instance:
    """What one assignment of the index variables costs, at one place of the batch."""

    at: tuple[tuple[str, int], ...]
    batch: tuple[int, ...]
    part: str  # the formula, where a rule has several
    violation: float


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a rule, instance by instance.

    Args:
        text: the part's own, empty where the rule has one part only.
        variables: of the leading ``forall``s.
        values: what each instance costs, ``(*batch, *slots)``; a variable's axis is ``rank`` − its slot from the right.
        rank: how many axes on the right are slots.
    """

    text: str
    variables: tuple[Variable, ...]
    values: Tensor
    rank: int

    def axis(self, variable: Variable) -> int:
        """Return the axis of a variable, counted from the right."""
        return variable.slot - self.rank


def parts(rule: TypedRule, bound: Bound) -> Iterator[Part]:
    """Yield the parts of a rule below its leading ``forall``s, each with the violation of every instance.

    Those with more instances than memory should hold, or with none, are left out.
    """
    found = list(_parts(rule.formula, ()))
    size = math.prod(bound.batch_shape)
    slots = rank([rule.formula])
    style = Style(rule.smooth, rule.margin, rule.power)
    for variables, body in found:
        count = math.prod(len(variable.values) for variable in variables)
        if 0 < count * size <= MAX_INSTANCES:
            values = _evaluate(partial(_violation, body, style), rule.formula, bound)
            yield Part(body.span.text if len(found) > 1 else "", variables, values, slots)


def instances(rule: TypedRule, bound: Bound) -> list[Instance]:
    """Return the violations of a rule's instances, the worst first; those that hold are left out.

    Leading ``forall``s are taken off, and each instance of what is inside is looked at by itself. None for a rule
    without a leading ``forall``, or with more instances than memory should hold.
    """
    if not any(variables for variables, _ in _parts(rule.formula, ())):
        return []
    found = [instance for part in parts(rule, bound) for instance in _broken(part)]
    return sorted(found, key=lambda instance: -instance.violation)


def value_of(node: Term, bound: Bound) -> Tensor:
    """Return the value of a term that has no free index, of the batch's shape."""
    axes = rank([node])
    value = _evaluate(partial(_value, node), node, bound)
    return value.reshape(value.shape[: max(value.ndim - axes, 0)])


def plain(tensor: Tensor) -> object:
    """Return a tensor as numbers in nested lists."""
    return cast(Any, tensor).tolist()  # torch does not say of what its lists are


def _parts(formula: Formula, outer: tuple[Variable, ...]) -> Iterator[tuple[tuple[Variable, ...], Formula]]:
    """Yield the conjuncts below leading quantifiers, each with its variables."""
    match formula:
        case Every():
            for variables, part in _parts(formula.body, (*outer, *formula.variables)):
                if formula.guard is None and formula.present is None:
                    yield variables, part
                else:  # each part under the guard, which then binds nothing
                    yield variables, Every(part.levels, part.span, (), formula.present, formula.guard, part)
        case Conjunction():
            for operand in formula.operands:
                yield from _parts(operand, outer)
        case _:
            yield outer, formula


def _violation(body: Formula, style: Style, g: Algebra) -> Value:
    return total_violation(g, body, style)


def _value(node: Term, g: Algebra) -> Value:
    return term(g, node)


def _evaluate(build: Callable[[Algebra], Value], whole: Formula | Term, bound: Bound) -> Tensor:
    """Lower one value with the axes of its free variables kept, and compute it."""
    g = Algebra(rank([whole]), (), 1, MAX_INSTANCES, dict(bound.signature.entries))
    value = build(g)
    if value.static is not None:
        static: Tensor = value.static
        floats = (tensor.dtype for tensor in bound.tensors.values() if tensor.is_floating_point())
        return static.to(next(floats, torch.get_default_dtype()))
    module = g.finish([g.node(value)])
    arguments = tuple(key for key in g.inputs if not isinstance(key, Hidden))  # (only a graph in parts has those)
    (result,) = Placed(arguments, module).run(bound.tensors, bound.functions)
    return result


def _broken(part: Part) -> Iterator[Instance]:
    values = part.values
    first = values.ndim - part.rank  # the axes before are the batch's
    for place in cast(list[list[int]], plain(torch.nonzero(values > 0))):
        at: list[tuple[str, int]] = []
        for variable in part.variables:
            if values.shape[part.axis(variable)] > 1 or len(variable.values) == 1:
                at.append((variable.name, variable.values[place[part.axis(variable)]]))
        yield Instance(tuple(at), tuple(place[: max(first, 0)]), part.text, float(values[tuple(place)]))
