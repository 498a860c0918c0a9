"""Rules about means, on plain values: the means first, then what is said of them.

`E[..]` and `P[..]` are means over the axis of draws, `aggregate(..)` one over draws and batch. A rule is taken apart
into its means and a formula that reads them (`asrppl.core.moments`); each mean is then a value as any other. Means over
draws of which the law is given are sums before that (`asrppl.core.exact`).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from asrppl.bind.bound import Bound, InputKey
from asrppl.bind.shapes import broadcast
from asrppl.core.exact import summed
from asrppl.core.moments import Moment, decomposed, has_moments, stages
from asrppl.core.rules import TypedProgram, TypedRule
from asrppl.core.signature import Level, Signature
from asrppl.core.typed import Expectation, Probability, Read
from asrppl.core.walk import TypedNode, walk
from asrppl.diagnostics import Sink
from asrppl.lower import nans, operators
from asrppl.lower.plan import lower
from asrppl.lower.quantities import integrands

Tensors = Mapping[InputKey, Tensor]
Functions = Mapping[str, Callable[..., Tensor]]


class Means:
    """A program's rules on plain values.

    Args:
        program: typed.
        signature: what it was typed against.
        laws: names of which the law is given in place of a value.
        elements: of the batch, about (as for `lower`).
        skip_off: leave out rules whose weight is 0 for good.

    Raises:
        AsrError: a mean over draws of ``laws`` is no sum over few states (ASR078).
    """

    def __init__(
        self, program: TypedProgram, signature: Signature, laws: frozenset[str], *, elements: int, skip_off: bool
    ) -> None:
        written = [rule for rule in program.rules if not (skip_off and rule.weight.off)]
        rules = [_with_sums(rule, signature, laws) for rule in written]
        parts = [
            decomposed(replace(rule, hard=None), multipliers=False) if has_moments(rule.formula) else None
            for rule in rules
        ]
        moments = [moment for part in parts if part is not None for moment in part.moments]
        self.rules: TypedProgram = TypedProgram(
            tuple(
                rule if part is None else replace(part.rule, hard=rule.hard)
                for rule, part in zip(rules, parts, strict=True)
            )
        )
        entries = {**dict(signature.entries), **{moment.name: moment.entry for moment in moments}}
        self.signature: Signature = Signature.of(entries)
        self._stages = [(stage, integrands(stage, self.signature, elements)) for stage in stages(moments)]
        self._plan = lower(self.rules, signature=self.signature, elements=elements)
        self._deciding = {
            rule.name: reads
            for rule, part in zip(written, parts, strict=True)
            if part is not None and (reads := nans.deciding(rule))
        }

    def settled(self, bound: Bound) -> Bound:
        """Return the values with those of the means, which `rules` read."""
        if not self._stages:
            return bound
        tensors = _in_one_dtype(bound.tensors)
        for moments, quantities in self._stages:
            found = iter(quantities(tensors, bound.functions))
            for moment in moments:
                body = next(found)
                where = None if moment.where is None else next(found)
                tensors |= _mean(moment, _beside(body, tensors), where, bound.plates)
        return replace(bound, signature=self.signature, tensors=tensors)

    def violations(self, bound: Bound) -> dict[str, Tensor]:
        """Return each rule's violation over what it varies with: draws and batch."""
        settled = self.settled(bound)
        found = self._plan(settled.tensors, settled.functions)
        for name, reads in self._deciding.items():
            there = tuple((key, axes) for key, axes in reads if key in bound.tensors)
            found[name] = nans.spoilt(found[name], there, bound.tensors, whole=False)
        return found


def _with_sums(rule: TypedRule, signature: Signature, laws: frozenset[str]) -> TypedRule:
    known = summed(rule, signature, laws, lambda key: laws & {key[0]} if key[1] is None else frozenset())
    sink = Sink()
    for node in walk(known.formula):
        if isinstance(node, Read) and node.component is None and node.name in laws:
            operator = _around(known.formula, node)
            sink.add(
                "ASR078",
                operator.span,
                f"this mean over the draws of `{node.name}` has too many joint values to be a sum over them",
                help=f'give draws: {{"{node.name}": {{"draws": law.sample((1000,))}}}}',
            )
            break
    sink.raise_if_failed()
    return known


def _around(formula: TypedNode, read: Read) -> TypedNode:
    means = [node for node in walk(formula) if isinstance(node, Expectation | Probability)]
    return next((mean for mean in reversed(means) if any(node is read for node in walk(mean))), read)


def _in_one_dtype(tensors: Tensors) -> dict[InputKey, Tensor]:
    """Return the tensors as floats of one dtype, so that a mean of whole numbers does not bring another one in."""
    first = next((tensor for tensor in tensors.values() if tensor.is_floating_point()), None)
    dtype = torch.get_default_dtype() if first is None else first.dtype
    return {key: tensor.to(dtype) for key, tensor in tensors.items()}


def _beside(value: Tensor, tensors: Tensors) -> Tensor:
    """Return a value where the others are: what reads nothing is a constant on the CPU."""
    first = next(iter(tensors.values()), value)
    return value.to(first.device, first.dtype)


def _mean(moment: Moment, body: Tensor, where: Tensor | None, plates: int) -> dict[InputKey, Tensor]:
    """Return what is read of a moment: ``(*batch, *axes)``, the batch without what the mean is taken over."""
    axes = len(moment.variables)
    support = moment.support is not None
    found: dict[InputKey, Tensor] = {}
    if where is None:
        value = body.mean(dims) if (dims := _dims(body, axes + support, moment, plates)) else body
    else:
        chosen = where.to(body.device, body.dtype)
        weight = chosen.unsqueeze(-1) if support else chosen
        weight, body = broadcast(weight, body)
        dims = _dims(body, axes + support, moment, plates)
        count = weight.sum(dims) if dims else weight
        meant = torch.where(weight > 0, body, 0.0)
        value = (meant.sum(dims) if dims else meant) / count.clamp_min(1)
        share = count / prod(body.shape[dim] for dim in dims)
        found[moment.name, "share"] = share[..., 0] if support else share
    if support:
        found[moment.name, "log_probs"] = operators.log_probabilities(value)
    else:
        found[moment.name, None] = value
    return found


def _dims(value: Tensor, axes: int, moment: Moment, plates: int) -> tuple[int, ...]:
    batch = value.dim() - axes
    return tuple(range(batch if Level.DATUM in moment.over else max(0, batch - plates)))
