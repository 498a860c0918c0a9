"""Builds torch.fx graphs node by node: equal nodes once, constants folded, slots and ranges known.

Layout of every value: ``(*batch, *slots)``. An index variable has an axis of its own, the one its nesting depth numbers
(slot ``s`` of ``rank`` is axis ``s - rank``, of size 1 where a value does not vary with it), so that broadcasting
alone aligns any two values. Batch axes stand on the left and are never named.
"""

import builtins
import keyword
import math
import operator
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor, fx

from asrppl.bind.bound import InputKey
from asrppl.core.signature import Entry
from asrppl.core.typed import Variable


@dataclass(frozen=True, slots=True)
class ConstantTensor:
    """A constant tensor, equal to those of equal content."""

    key: Hashable
    tensor: Tensor = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Hidden:
    """An input that only the body of a loop has: a constant, or the values of a loop's variable.

    Args:
        role: ``"positions"`` are integers, to index with; ``"numbers"`` are in the working dtype.
        of: the variable or constant.
    """

    role: Literal["constant", "positions", "numbers"]
    of: Variable | ConstantTensor


Input = InputKey | str | Hidden
"""What a placeholder stands for: a bound tensor, a bound function (by name), or a hidden input."""


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A scalar quantity: a node of the graph, or a constant tensor of it.

    Args:
        key: equal for equal computations.
        slots: what it varies with.
        low: a lower bound of it.
        high: an upper bound of it.
        node: in the graph; None for a constant.
        static: float64 or bool, one axis a slot; None for a node.
        target: what made it, and from which arguments (for the rewrites of `asrppl.lower.algebra`).
    """

    key: Hashable
    slots: frozenset[int]
    low: float
    high: float
    node: fx.Node | None = None
    static: Tensor | None = None
    target: object = None
    arguments: tuple[Any, ...] = ()

    @property
    def number(self) -> float | None:
        """The value of a constant that is one number, else None."""
        if self.static is None or self.static.numel() != 1:
            return None
        return float(self.static)


class Builder:
    """One graph in the making.

    Args:
        rank: number of slots.
        variables: those whose values are inputs of the graph (of the body of a loop, a part at a time), the loop's
            own before those of the loops around it. In such a body constants are inputs, too.
        elements: of the batch, times the lengths of those parts.
        bound: elements of a dense grid that may be held at once.
        entries: what is known of the bound names (squares share work, a whole axis needs no view).
    """

    def __init__(
        self,
        rank: int,
        variables: tuple[Variable, ...],
        elements: int,
        bound: int,
        entries: Mapping[str, Entry] = MappingProxyType({}),
    ) -> None:
        self.rank = rank
        self.variables = variables
        self.elements = elements
        self.bound = bound
        self.entries = entries
        self.graph: fx.Graph = fx.Graph()
        self.root: dict[str, Tensor | torch.nn.Module] = {}
        self.inputs: dict[Input, fx.Node] = {}
        self.dynamic: dict[int, tuple[fx.Node, Value]] = {}
        self.known: dict[Hashable, tuple[Value, object]] = {}
        self._made: dict[Hashable, Value] = {}
        self._last_input: fx.Node | None = None
        self._taken = {"self", "torch", "operator", "inf", "nan"}
        for variable in variables:
            positions = self.input(Hidden("positions", variable), f"{variable.name}_positions")
            numbers = self.input(Hidden("numbers", variable), f"{variable.name}_numbers")
            spread: tuple[Any, ...] = (*[None] * variable.slot, slice(None), *[None] * (rank - 1 - variable.slot))
            shaped = numbers if len(spread) == 1 else self.graph.call_function(operator.getitem, (numbers, spread))
            slots = frozenset({variable.slot})
            value = Value(shaped, slots, min(variable.values), max(variable.values), shaped)
            self.dynamic[variable.slot] = (positions, value)

    # ---- leaves

    def input(self, key: Input, name: str) -> fx.Node:
        """Return the placeholder for ``key``, made on first use."""
        if key not in self.inputs:
            # Placeholders come before everything else, whenever they are asked for.
            with self.graph.inserting_after(self._last_input):  # pyright: ignore[reportArgumentType]
                self.inputs[key] = self._last_input = self.graph.placeholder(self._argument_name(name))
        return self.inputs[key]

    def _argument_name(self, name: str) -> str:
        # The graph is printed as a function, whose arguments must not collide with words, modules or each other.
        while name in self._taken or keyword.iskeyword(name) or hasattr(builtins, name):
            name += "_"
        self._taken.add(name)
        return name

    def tensor(self, key: InputKey) -> fx.Node:
        """Return the placeholder of a bound tensor."""
        name, component = key
        return self.input(key, name if component is None else f"{name}_{component.replace('.', '_')}")

    def function(self, name: str) -> fx.Node:
        """Return the placeholder of a bound function."""
        return self.input(name, name)

    def constant(self, number: float | bool) -> Value:
        """Return a number as a value."""
        dtype = torch.bool if isinstance(number, bool) else torch.float64
        return self.fold(torch.full((1,) * self.rank, number, dtype=dtype))

    def index(self, variable: Variable, add: int = 0) -> Value:
        """Return the values of an index variable, ``add`` more."""
        if variable.slot in self.dynamic:
            value = self.dynamic[variable.slot][1]
            return (
                value
                if add == 0
                else self.call(operator.add, value, float(add), low=value.low + add, high=value.high + add)
            )
        shape = [1] * self.rank
        shape[variable.slot] = len(variable.values)
        numbers = [value + add for value in variable.values]
        return self.fold(torch.tensor(numbers, dtype=torch.float64).reshape(shape))

    def fold(self, tensor: Tensor, slots: Iterable[int] | None = None) -> Value:
        """Return a constant tensor as a value."""
        if slots is None:
            slots = (slot for slot in range(self.rank) if tensor.shape[slot] != 1)
        key = ("constant", tensor.dtype, tuple(tensor.shape), tensor.numpy().tobytes())
        if key not in self._made:
            low, high = (float(tensor.min()), float(tensor.max())) if tensor.numel() else (0.0, 0.0)
            self._made[key] = Value(key, frozenset(slots), low, high, static=tensor)
        return self._made[key]

    def buffer(self, tensor: Tensor) -> fx.Node:
        """Return a constant tensor as a node; floats take the dtype and device of the inputs."""
        key = ("buffer", tensor.dtype, tuple(tensor.shape), tensor.numpy().tobytes())
        if self.variables:
            return self.input(Hidden("constant", ConstantTensor(key, tensor)), "constant")
        if key not in self._made:
            name = f"constant_{sum(isinstance(kept, Tensor) for kept in self.root.values())}"
            self.root[name] = tensor.clone()
            self._made[key] = Value(key, frozenset(), -math.inf, math.inf, self.graph.get_attr(name))
        node = self._made[key].node
        assert node is not None
        return node

    # ---- calls

    def call(
        self,
        target: Callable[..., Any],
        *arguments: Any,
        low: float = -math.inf,
        high: float = math.inf,
        slots: Iterable[int] | None = None,
        tensors: bool = False,
    ) -> Value:
        """Return ``target(*arguments)``, computed now if all values among the arguments are constants.

        Args:
            target: a function of torch, of `operator`, or of `asrppl.lower.operators`.
            arguments: values, nodes and plain constants.
            low: a lower bound of the result.
            high: an upper bound of the result.
            slots: what the result varies with; by default what any of the arguments does.
            tensors: hand over single numbers as tensors, for functions that need one.
        """
        key = (target, tensors, *(_key_of(argument) for argument in arguments))
        if key in self._made:
            return self._made[key]
        values = [argument for argument in arguments if isinstance(argument, Value)]
        if slots is None:
            slots = frozenset[int]().union(*(value.slots for value in values))
        nodes = any(isinstance(argument, fx.Node) for argument in arguments)
        made: Value | None = None
        if not nodes and values and all(value.static is not None for value in values):
            folded = target(*(a.static if isinstance(a, Value) else a for a in arguments))
            if isinstance(folded, Tensor):
                made = self.fold(folded, slots if folded.ndim != self.rank else None)
        if made is None:
            node = self.graph.call_function(target, tuple(self._argument(a, tensors) for a in arguments))
            # A key of its own: one that nested those of the arguments would be as long as the expression.
            made = Value(len(self._made), frozenset(slots), low, high, node, None, target, arguments)
        self._made[key] = made
        return made

    def _argument(self, argument: Any, tensors: bool) -> Any:
        if not isinstance(argument, Value):
            return argument
        return self.node(argument) if tensors or argument.number is None else _plain(argument)

    def node(self, value: Value) -> fx.Node:
        """Return the node of a value, that of a buffer if it is a constant."""
        if value.static is not None:
            return self.buffer(value.static)
        assert value.node is not None
        return value.node

    # ---- variables

    def dims(self, slots: Iterable[int]) -> tuple[int, ...]:
        """Return the axes of slots, ascending."""
        return tuple(sorted(slot - self.rank for slot in slots))

    def finish(self, outputs: list[fx.Node]) -> fx.GraphModule:
        """Return the graph as a module with these outputs, what none of them needs left out."""
        self.graph.output(tuple(outputs))
        # From the last to the first, users go before what they use. `eliminate_dead_code` would keep random operations,
        # and takes another opinion only from torch 2.5 on.
        for node in reversed(self.graph.nodes):
            if not node.users and node.op not in ("placeholder", "output"):
                self.graph.erase_node(node)
        return fx.GraphModule(self.root, self.graph)


def _plain(value: Value) -> float | bool:
    assert value.static is not None
    return value.static.item()  # a constant of the program, at compile time: no device is waited for


def _key_of(argument: Any) -> Hashable:
    if isinstance(argument, Value):
        return argument.key
    # 1, 1.0 and True are equal as keys, yet not as arguments.
    return argument if isinstance(argument, fx.Node) else (type(argument).__name__, str(argument))
