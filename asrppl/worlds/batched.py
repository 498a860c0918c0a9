"""Costs of many worlds at once: the compiled rules over an axis of worlds, beside that of the data."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from asrppl.bind.bound import Bound, InputKey
from asrppl.bind.values import bind_values
from asrppl.program import Program
from asrppl.worlds.invention import Invention
from asrppl.worlds.judge import Costs, World


class Compiled:
    """The compiled rules of a program, over worlds.

    Args:
        program: the rules.
        invention: what worlds are made of.
    """

    def __init__(self, program: Program, invention: Invention) -> None:
        self.rules: int = len(program.rules)
        self._program = program
        self._invention = invention
        self._slots = {
            (name, part): torch.tensor(nested)
            for name, parts in invention.layout.items()
            for part, nested in parts.items()
        }
        self._kinds = {slot: unknown.what for unknown in invention.unknowns for slot in unknown.slots}

    def costs(self, worlds: Tensor) -> Tensor:
        """Return what each rule costs in each world, (worlds, rules), summed over the data; it has its gradient.

        Args:
            worlds: (worlds, slots), in float64.
        """
        bound = bind_values(self._program.free, self._values(worlds))
        means = self._program.means(bound)
        names = [rule.name for rule in self._program.rules]

        def of_one(tensors: dict[InputKey, Tensor]) -> Tensor:
            found = means.violations(Bound(bound.signature, tensors, {}, bound.plates))
            return torch.stack([found[name].sum() for name in names])

        if not bound.tensors:
            return of_one({}).expand(len(worlds), len(names))
        # What is there once for all worlds (a constant) has no axis of them.
        axes = {key: 0 if tensor.shape[:1] == worlds.shape[:1] else None for key, tensor in bound.tensors.items()}
        return torch.vmap(of_one, in_dims=(axes,))(bound.tensors)

    def of(self, worlds: Sequence[World]) -> Sequence[Costs]:
        """Return what each rule costs in each world."""
        with torch.no_grad():
            matrix = torch.tensor(worlds, dtype=torch.float64).reshape(len(worlds), self._invention.size)
            return cast(Any, self.costs(matrix)).tolist()

    def _values(self, worlds: Tensor) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, parts in self._invention.layout.items():
            known = {part: self._part(worlds, name, part) for part in parts}
            law: object = None
            if "probs" in known:
                law = torch.distributions.Categorical(known.pop("probs"))
            elif "loc" in known:
                loc, scale = known.pop("loc"), known.pop("scale")
                law = torch.distributions.Normal(loc, scale.clamp_min(1e-6))
            if law is not None:
                found[name] = {**known, "distribution": law} if known else law
            else:
                found[name] = known["value"] if list(known) == ["value"] else known
        return found

    def _part(self, worlds: Tensor, name: str, part: str) -> Tensor:
        slots = self._slots[name, part]
        slots = slots if self._invention.data > 1 else slots[0]
        value = worlds[:, slots.reshape(-1)].reshape(len(worlds), *slots.shape)
        kind = self._kinds[int(slots.reshape(-1)[0])]
        return value.bool() if kind == "bool" else value.long() if kind == "int" else value
