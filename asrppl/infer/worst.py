"""The data that break a rule most: found when they are asked for, from what a run left.

A step keeps tensors that it has anyway, without their graph, and computes nothing. What is pickled or copied is the
result for the first hundred.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor

from asrppl.bind.bound import Bound, InputKey
from asrppl.core.rules import TypedRule
from asrppl.core.signature import Signature
from asrppl.core.typed import Variable
from asrppl.lower.instances import parts

KEPT = 100
"""How many of the worst data of each rule a copy has."""


@dataclass(frozen=True, slots=True)
class Worst:
    """A datum that breaks a rule.

    Args:
        rule: its name.
        violation: the datum's, its mean over draws; in the units of what the rule compares.
        datum: its number: the plate's own index under subsampling, else its place in the batch. None without a plate.
        at: where most of that is: the values of the rule's outer index variables, and by name the places in further
            plates.
    """

    rule: str
    violation: float
    datum: int | None
    at: Mapping[str, int] = field(default_factory=dict[str, int])

    def __str__(self) -> str:
        place = [] if self.datum is None else [f"datum {self.datum}"]
        where = ", ".join([*place, *(f"{name} = {value}" for name, value in self.at.items())])
        return f"{self.rule}{': ' if where else ''}{where}: {self.violation:.4g}"


@dataclass(frozen=True, slots=True)
class Kept:
    """What a copy of a report has of `Run`."""

    found: tuple[Worst, ...]

    def worst(self, count: int) -> list[Worst]:
        """Return the worst data, at most ``count``."""
        return list(self.found[:count])


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a run left of a rule. Tensors are detached.

    Args:
        name: of the rule.
        rule: as its instances are evaluated.
        signature: that it was typed against.
        tensors: that it reads.
        functions: that `bind=` gave.
        violation: of each draw and datum, ``(*draws, *plates)``.
        nesting: how many axes on the right are plates; those further left are draws.
        probability: of enumerated draws, which are then summed over; None for a mean.
        mask: which data are there.
        data: the axis of the data plate, counted from the right; None without one.
        index: the numbers of its data, None for their places.
        plates: names of the other plates, by axis.
    """

    name: str
    rule: TypedRule
    signature: Signature
    tensors: Mapping[InputKey, Tensor]
    functions: Mapping[str, Callable[..., Tensor]]
    violation: Tensor
    nesting: float
    probability: Tensor | float | None
    mask: Tensor | None
    data: int | None
    index: Tensor | None
    plates: Mapping[int, str]

    def worst(self, count: int) -> list[Worst]:
        """Return the data that break the rule most, at most ``count``, the worst first."""
        each = _over_draws(self.violation, 0, self.nesting, self.probability, self.mask)
        data = self.data if self.data is not None and each.dim() >= -self.data else None
        rows = each.reshape(1, -1) if data is None else each.movedim(data, 0).reshape(each.shape[data], -1)
        total = rows.mean(1).nan_to_num(float("inf"))
        order = total.argsort(descending=True, stable=True)[: max(count, 0)]
        top = order[total[order] > 0]
        if data is None or not len(top):
            places = self._places(None)
            return [Worst(self.name, float(total[0]), None, places[0])] if len(top) else []
        numbers = top if self.index is None else self.index.to(top.device)[top]
        found = zip(_list(total[top]), _list(numbers), self._places(top), strict=True)
        return [Worst(self.name, amount, number, at) for amount, number, at in found]

    def __reduce__(self) -> tuple[Callable[[tuple[Worst, ...]], Kept], tuple[tuple[Worst, ...]]]:
        return Kept, (tuple(self.worst(KEPT)),)

    # ---- where

    def _places(self, top: Tensor | None) -> list[dict[str, int]]:
        """Return for each of the data ``top`` where its largest instance is; for all as one where there are none."""
        count = 1 if top is None else len(top)
        best = [0.0] * count
        found: list[dict[str, int]] = [{} for _ in range(count)]
        taken = self if top is None else self._taken(top)
        for part in parts(self.rule, Bound(self.signature, dict(taken.tensors), dict(self.functions))):
            slots = part.rank
            batch = part.values.dim() - slots
            values = part.values.detach().movedim(tuple(range(batch)), tuple(range(slots, slots + batch)))
            values = _over_draws(values, slots, self.nesting, taken.probability, taken.mask)
            names = [_Axis(None, ())] * slots + [
                _Axis(self.plates.get(dim), None) for dim in range(slots - values.dim(), 0)
            ]
            for variable in part.variables:
                names[variable.slot] = _Axis(variable.name, variable.values)
            axis = self._data_axis(part.variables, values.dim(), slots)
            if top is not None and axis is not None:
                if axis < slots:  # the rule indexes the data: they are no batch axis
                    values = values.index_select(axis, top.to(values.device))
                values = values.movedim(axis, 0)
                names.insert(0, names.pop(axis))
            else:
                values, names = values.unsqueeze(0), [_Axis(None, ()), *names]
            largest = values.reshape(len(values), -1).nan_to_num(float("inf")).max(1)
            for row, (amount, place) in enumerate(zip(_list(largest[0]), _list(largest[1]), strict=True)):
                targets = range(count) if len(values) == 1 else (row,)
                for target in targets:
                    if amount > best[target]:
                        best[target] = amount
                        found[target] = _at(int(place), values.shape[1:], names[1:])
        return found

    def _data_axis(self, variables: tuple[Variable, ...], dims: int, slots: int) -> int | None:
        if self.rule.datum is not None:
            return self.rule.datum.slot if self.rule.datum in variables else None
        return None if self.data is None or dims - slots < -self.data else dims + self.data

    def _taken(self, top: Tensor) -> "Run":
        """Return what is left of the data ``top`` alone."""
        if self.data is None or self.rule.datum is not None:
            return self
        signature, data = self.signature, self.data
        tensors: dict[InputKey, Tensor] = {}
        for key, tensor in self.tensors.items():
            entry = signature.get(key[0])
            axes = (len(entry.axes) if entry is not None else 0) + (key[1] == "log_probs")
            tensors[key] = _select(tensor, data - axes, top)
        probability = self.probability
        if isinstance(probability, Tensor):
            probability = _select(probability, data, top)
        mask = None if self.mask is None else _select(self.mask, data, top)
        return replace(self, tensors=tensors, probability=probability, mask=mask)


@dataclass(frozen=True, slots=True)
class _Axis:
    """What an axis of the instances' values is: its name, and the values along it where they are not its places."""

    name: str | None
    values: tuple[int, ...] | None


def _at(place: int, shape: Sequence[int], axes: Sequence[_Axis]) -> dict[str, int]:
    at: dict[str, int] = {}
    for length, axis in reversed(list(zip(shape, axes, strict=True))):
        place, along = divmod(place, length)
        if axis.name is not None and (length > 1 or (axis.values is not None and len(axis.values) == 1)):
            at[axis.name] = along if axis.values is None else axis.values[along]
    return dict(reversed(at.items()))


def _select(tensor: Tensor, dim: int, top: Tensor) -> Tensor:
    varies = tensor.dim() >= -dim and tensor.shape[dim] > 1
    return tensor.index_select(dim, top.to(tensor.device)) if varies else tensor


def _over_draws(
    value: Tensor, slots: int, nesting: float, probability: Tensor | float | None, mask: Tensor | None
) -> Tensor:
    """Return the mean over draws of ``(*slots, *draws, *plates)``; what is masked counts as 0."""
    axes = [part.dim() for part in (probability, mask) if isinstance(part, Tensor)]
    missing = max([value.dim() - slots, *axes]) - (value.dim() - slots)
    value = value.reshape((*value.shape[:slots], *(1,) * missing, *value.shape[slots:]))
    if mask is not None:
        value = torch.where(mask, value, value.new_zeros(()))
    draws = [dim for dim in range(slots - value.dim(), 0) if dim < -nesting]
    if probability is not None:
        value = value * probability
    if not draws:
        return value
    return value.mean(draws) if probability is None else value.sum(draws)


def _list(tensor: Tensor) -> list[Any]:
    return cast(Any, tensor).tolist()  # torch does not say of what its lists are
