"""Which indices break a rule, and by how much."""

from collections.abc import Callable, Iterator, Mapping
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
from asrppl.lower.terms import term

MAX_INSTANCES = 4_000_000


@dataclass(frozen=True, slots=True)
class Instance:
    """What one assignment of the index variables costs, at one place of the batch."""

    at: tuple[tuple[str, int], ...]
    batch: tuple[int, ...]
    part: str  # the formula, where a rule has several
    violation: float


def instances(rule: TypedRule, bound: Bound) -> list[Instance]:
    """Return the violations of a rule's instances, the worst first; those that hold are left out.

    Leading ``forall``s are taken off, and each instance of what is inside is looked at by itself. None for a rule
    without a leading ``forall``, or with more instances than memory should hold.
    """
    parts = list(_parts(rule.formula, ()))
    if not any(variables for variables, _ in parts):
        return []
    found: list[Instance] = []
    for variables, body in parts:
        count = bound_size = 1
        for length in bound.batch_shape:
            bound_size *= length
        for variable in variables:
            count *= len(variable.values)
        if count * bound_size > MAX_INSTANCES or not count:
            continue
        values = _evaluate(partial(_violation, body, Style(rule.smooth, rule.margin, rule.power)), rule.formula, bound)
        text = body.span.text if len(parts) > 1 else ""
        found += _broken(values, variables, rank([rule.formula]), text)
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
        return static.to(torch.get_default_dtype())
    module = g.finish([g.node(value)]).to(torch.get_default_dtype())
    given: list[Any] = []
    for key in g.inputs:
        assert not isinstance(key, Hidden)  # only a graph that works in parts has inputs of its own
        is_function = isinstance(key, str)
        given.append(bound.functions[key] if is_function else bound.tensors[key].to(torch.get_default_dtype()))
    (result,) = module.forward(*given)
    return result


def _broken(values: Tensor, variables: tuple[Variable, ...], rank: int, part: str) -> Iterator[Instance]:
    by_slot: Mapping[int, Variable] = {variable.slot: variable for variable in variables}
    first = values.ndim - rank  # the axes before are the batch's
    for place in cast(list[list[int]], plain(torch.nonzero(values > 0))):
        at: list[tuple[str, int]] = []
        for slot, variable in by_slot.items():
            if values.shape[first + slot] > 1 or len(variable.values) == 1:
                at.append((variable.name, variable.values[place[first + slot]]))
        yield Instance(tuple(at), tuple(place[: max(first, 0)]), part, float(values[tuple(place)]))
