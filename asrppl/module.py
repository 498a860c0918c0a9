"""Rules as a torch module: the names are bound once, by their shapes, and a call is tensors in, tensors out."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from asrppl.bind.bound import Bound, InputKey
from asrppl.bind.records import from_columns
from asrppl.bind.values import bind_values
from asrppl.core.free import FreeName

if TYPE_CHECKING:  # which makes modules, and imports this file when it does
    from asrppl.program import Program

Shape = tuple[int | None, ...]
_BATCH = 64
"""How many elements a batch of unknown length may have before more is held at once than `Program` would."""


class RuleModule(nn.Module):
    """A program's rules at values of known shapes; made by `Program.module`.

    It has no parameters, and works on the device and in the dtype of what it is called with.

    Args:
        program: the rules.
        shapes: by name.
        penalty: whether a call returns the weighted sum in place of the violations by rule.
    """

    weights: Tensor

    def __init__(self, program: Program, shapes: Mapping[str, Shape | Tensor], *, penalty: bool) -> None:
        super().__init__()
        bound = bind_values(program.free, {name: _example(program, name, shape) for name, shape in shapes.items()})
        for name in shapes:
            if name not in program.free:  # then it is one of the names of a family
                raise ValueError(f"`{name}` is one of several numbered names: give the shape of all of them as one")
        self.names: tuple[str, ...] = tuple(shapes)
        self._uses: dict[str, FreeName] = {name: program.free[name] for name in shapes}
        self._bound = bound
        self._tails = {name: self._tail(name, shape) for name, shape in shapes.items()}
        self._means = program.means(bound, skip_off=penalty)
        self._penalty = penalty
        self._schedules = [rule.weight for rule in program.rules]
        self._rules = [rule.name for rule in program.rules]
        self.register_buffer("weights", torch.zeros(len(self._rules)), persistent=False)
        self.at(0)
        program.warn_once(bound.signature)

    def _tail(self, name: str, shape: Shape | Tensor) -> tuple[int, ...]:
        """Return the lengths that a value must have: all but those of batch axes."""
        full = tuple(shape.shape) if isinstance(shape, Tensor) else shape
        entry = self._bound.signature.get(name)
        count = (0 if entry is None else len(entry.axes)) + (self._uses[name].shape in ("box", "record"))
        tail = full[len(full) - count :]
        if None in tail:
            raise ValueError(f"`{name}`: only batch axes may be None; the last {count} have the lengths of the rules")
        return tuple(length for length in tail if length is not None)

    def at(self, step: int) -> RuleModule:
        """Set the weights to those of a step of training, in place; return the module."""
        with torch.no_grad():
            self.weights.copy_(torch.tensor([weight.at(step) for weight in self._schedules]))
        return self

    def forward(self, *values: Tensor, **named: Tensor) -> dict[str, Tensor] | Tensor:
        """Return the violations by rule, or their weighted sum.

        Args:
            values: in the order of the shapes that the module was made of.
            named: the others, by name.
        """
        given = {**dict(zip(self.names, values, strict=False)), **named}
        if len(values) + len(named) != len(self.names) or len(given) != len(self.names):
            raise TypeError(f"the rules take one tensor for each of: {', '.join(self.names)}")
        tensors: dict[InputKey, Tensor] = {}
        for name, tail in self._tails.items():
            if name not in given:
                raise TypeError(f"there is no tensor for `{name}`; the rules take {', '.join(self.names)}")
            value = given[name]
            if value.dim() < len(tail) or tuple(value.shape[value.dim() - len(tail) :]) != tail:
                made = ", ".join(map(str, ("…", *tail)))
                raise ValueError(f"`{name}` has shape {tuple(value.shape)}, and the module was made for ({made})")
            for component, tensor in _columns(self._uses[name], value).items():
                tensors[name, component] = tensor
        bound = Bound(self._bound.signature, tensors, {}, self._bound.plates)
        violations = self._means.violations(bound)
        return self._total(violations, next(iter(given.values()), self.weights)) if self._penalty else violations

    def _total(self, violations: Mapping[str, Tensor], beside: Tensor) -> Tensor:
        dtype = beside.dtype if beside.is_floating_point() else self.weights.dtype
        total = torch.zeros((), dtype=dtype, device=beside.device)
        for place, name in enumerate(self._rules):
            if name in violations:
                total = total + self.weights[place].to(dtype).to(beside.device) * violations[name].mean()
        return total

    def extra_repr(self) -> str:
        """Return what a module's text has in its brackets."""
        return f"{', '.join(self.names)}; rules: {', '.join(self._rules)}"


def _columns(use: FreeName, value: Tensor) -> Mapping[str | None, Tensor]:
    if use.shape not in ("box", "record"):
        return {None: value}
    return {**from_columns(use, value.unbind(-1), "the tensor")}


def _example(program: Program, name: str, shape: Shape | Tensor) -> Tensor:
    """Return a value of that shape: what it says decides nothing, but probabilities sum to 1."""
    if isinstance(shape, Tensor):
        return shape
    lengths = list(shape)
    unknown = [place for place, length in enumerate(lengths) if length is None]
    for place in unknown:  # together about as many as a plan is made for
        lengths[place] = _BATCH if place == unknown[0] else 1
    use = program.free.get(name)
    last = shape[-1] if shape and use is not None and use.shape == "probabilities" else 1
    known = [length for length in lengths if length is not None]
    return torch.full((), 1.0 / (last or 1)).expand(known) if prod(known) else torch.ones(known)
