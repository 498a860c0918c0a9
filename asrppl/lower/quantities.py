"""Terms, truths and probabilities by themselves: the integrands of moments, and the two sides of comparisons."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.core.moments import Moment
from asrppl.core.signature import Signature
from asrppl.core.typed import Cost, Distribution, Formula, Term, TypedDistribution, TypedFormula, Variable
from asrppl.core.walk import rank as rank_of
from asrppl.lower import chunks
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import Hidden, Value
from asrppl.lower.distributions import log_probs
from asrppl.lower.formulas import Style, total_violation
from asrppl.lower.placed import Placed
from asrppl.lower.terms import term, truth


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is asked for, with an axis for each of ``variables`` (from the smallest of its values to the largest)."""

    node: Term | Formula | Distribution
    variables: tuple[Variable, ...]


class Quantities:
    """A graph of several quantities.

    Args:
        asked: what its outputs are.
        signature: what they were typed against.
        elements: of the batch, about (as for `lower`).
    """

    def __init__(self, asked: Sequence[Quantity], signature: Signature, elements: int) -> None:
        self.asked: tuple[Quantity, ...] = tuple(asked)
        nodes = [quantity.node for quantity in self.asked]
        slots = [variable.slot for quantity in self.asked for variable in quantity.variables]
        self._rank = max(rank_of(nodes), 1 + max(slots, default=-1))
        g = Algebra(self._rank, (), max(1, elements), chunks.BOUND, dict(signature.entries))
        outputs = [g.node(_value(g, node)) for node in nodes]
        module = g.finish(outputs)
        self._graph = Placed(tuple(key for key in g.inputs if not isinstance(key, Hidden)), module)

    @property
    def inputs(self) -> tuple[InputKey, ...]:
        """What it reads."""
        return self._graph.inputs

    def __call__(
        self, tensors: Mapping[InputKey, Tensor], functions: Mapping[str, Callable[..., Tensor]]
    ) -> list[Tensor]:
        """Return each quantity as ``(*batch, *axes)``, of a distribution its probabilities with the support last."""
        if not self.asked:
            return []
        found = self._graph.run(tensors, functions)
        return [self._axes(tensor, quantity) for tensor, quantity in zip(found, self.asked, strict=True)]

    def _axes(self, value: Tensor, quantity: Quantity) -> Tensor:
        by_slot = {variable.slot: variable for variable in quantity.variables}
        behind = int(isinstance(quantity.node, TypedDistribution))
        for slot in reversed(range(self._rank)):
            if slot in by_slot:
                value = _spread(value, -behind - 1, by_slot[slot])
                behind += 1
            else:
                value = value.squeeze(-behind - 1)
        return value


def _spread(value: Tensor, dim: int, variable: Variable) -> Tensor:
    """Return ``value`` with an entry for each number from the smallest value of ``variable`` to the largest."""
    first, last = variable.values[0], variable.values[-1]
    shape = list(value.shape)
    shape[dim] = len(variable.values)
    value = value.expand(shape)
    if len(variable.values) == last - first + 1:
        return value
    shape[dim] = last - first + 1
    places = torch.tensor([number - first for number in variable.values], device=value.device)
    return value.new_zeros(shape).index_copy(dim, places, value)  # nothing reads the numbers between


def _value(g: Algebra, node: Term | Formula | Distribution) -> Value:
    if isinstance(node, TypedDistribution):
        return g.call(torch.exp, log_probs(g, node))
    if isinstance(node, Cost):
        return total_violation(g, node.body, Style(node.smooth, node.margin, node.power))
    return g.indicator(truth(g, node)) if isinstance(node, TypedFormula) else term(g, node)


def integrands(moments: Sequence[Moment], signature: Signature, elements: int) -> Quantities:
    """Return the graph of what means are taken of: of each its integrand, and then where it is meant if it says so."""
    asked: list[Quantity] = []
    for moment in moments:
        asked.append(Quantity(moment.integrand, moment.variables))
        if moment.where is not None:
            asked.append(Quantity(moment.where, moment.variables))
    return Quantities(asked, signature, elements)
