"""Builds graphs node by node: equal nodes once, constants folded, slots and ranges known.

Layout of every value: ``(*batch, *slots)``. An index variable has an axis of its own, the one its nesting depth numbers
(slot ``s`` of ``rank`` is axis ``s - rank``, of size 1 where a value does not vary with it), so that broadcasting
alone aligns any two values. Batch axes stand on the left and are never named.
"""

import builtins
import keyword
import math
import operator
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.core.signature import Entry
from asrppl.core.typed import Variable
from asrppl.lower.code import Compiled, Node

_ELEMENTWISE = {torch.where, torch.div, operator.add, operator.sub, operator.mul} | {
    *(operator.lt, operator.le, operator.gt, operator.eq, operator.ne)
}
"""Takes single numbers as tensors without axes: a plain one is made into a tensor, and converted, at each call."""
_NO_SLOTS: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ConstantTensor:
    """A constant tensor, equal to those of equal content."""

    key: Hashable
    tensor: Tensor = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Hidden:
    """An input that only an inner graph has: a constant, or the values of a variable of a loop or of pairs.

    Args:
        role: ``"positions"`` are integers, to index with; ``"numbers"`` are in the working dtype; ``"batch"`` says
            of which element of the batch a pair is.
        of: the variable or constant.
    """

    role: Literal["constant", "positions", "numbers", "batch"]
    of: Variable | ConstantTensor | None


Input = InputKey | str | Hidden
"""What a placeholder stands for: a bound tensor, a bound function (by name), or a hidden input."""


# Not frozen, as many are made, which takes a frozen class three times as long; nothing changes one.
@dataclass(slots=True, eq=False)
class Value:
    """A scalar quantity: a node of the graph, or a constant tensor of it.

    Args:
        key: equal for equal computations.
        slots: what it varies with.
        low: a lower bound of it.
        high: an upper bound of it.
        node: in the graph; None for a constant.
        static: float64 or bool, one axis a slot; None for a node.
        number: of a constant that is one number, else None.
        target: what made it, and from which arguments (for the rewrites of `asrppl.lower.algebra`).
        nan: whether it may be no number, so that its bounds decide nothing: what is NaN never holds.
    """

    key: Hashable
    slots: frozenset[int]
    low: float
    high: float
    node: Node | None = None
    static: Tensor | None = None
    number: float | bool | None = None
    target: object = None
    arguments: tuple[Any, ...] = ()
    nan: bool = False


class Builder:
    """One graph in the making.

    Args:
        rank: number of slots.
        variables: those whose values are inputs of the graph (of the body of a loop, a part at a time), the loop's
            own before those of the loops around it. In such a body constants are inputs, too.
        elements: of the batch, times the lengths of those parts.
        bound: elements of a dense grid that may be held at once.
        entries: what is known of the bound names (squares share work, a whole axis needs no view).
        paired: variables whose values are inputs, too, but along one axis that they share, and that stands for the
            batch: of combinations of values that are listed one by one (`asrppl.lower.pairs`).
        inner: constants are inputs, as in every graph that another one calls.
    """

    def __init__(
        self,
        rank: int,
        variables: tuple[Variable, ...],
        elements: int,
        bound: int,
        entries: Mapping[str, Entry] = MappingProxyType({}),
        *,
        paired: tuple[Variable, ...] = (),
        inner: bool = False,
    ) -> None:
        self.rank = rank
        self.variables = variables
        self.inner: bool = inner or bool(variables or paired)
        self.axes: dict[InputKey, int] = {}
        self.batch: Node | None = None
        self.elements = elements
        self.bound = bound
        self.entries = entries
        self.root: dict[str, Tensor | torch.nn.Module] = {}
        self.inputs: dict[Input, Node] = {}
        self.dynamic: dict[int, tuple[Node, Value]] = {}
        self.known: dict[Hashable, tuple[Value, object]] = {}
        self._made: dict[Hashable, Value] = {}
        self._buffers: dict[tuple[Hashable, bool], Node] = {}
        self._nodes: list[Node] = []
        self._taken = {"self", "torch", "operator", "inf", "nan"}
        for variable in variables:
            before, behind = variable.slot, rank - 1 - variable.slot
            self._given_values(variable, (*[None] * before, slice(None), *[None] * behind), frozenset({variable.slot}))
        for variable in paired:
            self._given_values(variable, (slice(None), *[None] * rank), _NO_SLOTS)
        if paired:
            self.batch = self.input(Hidden("batch", None), "batch")

    def _given_values(self, variable: Variable, spread: tuple[Any, ...], slots: frozenset[int]) -> None:
        positions = self.input(Hidden("positions", variable), f"{variable.name}_positions")
        numbers = self.input(Hidden("numbers", variable), f"{variable.name}_numbers")
        shaped = numbers if len(spread) == 1 else self.make("call_function", operator.getitem, numbers, spread)
        value = Value(shaped, slots, min(variable.values), max(variable.values), shaped)
        self.dynamic[variable.slot] = (positions, value)

    # ---- leaves

    def input(self, key: Input, name: str) -> Node:
        """Return the placeholder for ``key``, made on first use."""
        if key not in self.inputs:
            self.inputs[key] = Node("placeholder", self._argument_name(name))
        return self.inputs[key]

    def _argument_name(self, name: str) -> str:
        # The graph is printed as a function, whose arguments must not collide with words, modules or each other.
        if not name.isidentifier():  # those of moments are none, so that no rule can write them
            name = re.sub(r"\W+", "_", name)
        while name in self._taken or keyword.iskeyword(name) or hasattr(builtins, name):
            name += "_"
        self._taken.add(name)
        return name

    def tensor(self, key: InputKey, axes: int) -> Node:
        """Return the placeholder of a bound tensor, which has so many axes behind those of its batch."""
        name, component = key
        self.axes[key] = axes
        return self.input(key, name if component is None else f"{name}_{component.replace('.', '_')}")

    def function(self, name: str) -> Node:
        """Return the placeholder of a bound function."""
        return self.input(name, name)

    def constant(self, number: float | bool) -> Value:
        """Return a number as a value."""
        # 0.0 == -0.0, yet they are two constants; so are 1.0 and true
        key = ("number", type(number), number or repr(number))
        made = self._made.get(key)
        if made is None:
            dtype = torch.bool if isinstance(number, bool) else torch.float64
            made = self._made[key] = self.fold(torch.full((1,) * self.rank, number, dtype=dtype))
        return made

    def index(self, variable: Variable, add: int = 0) -> Value:
        """Return the values of an index variable, ``add`` more."""
        if variable.slot in self.dynamic:
            value = self.dynamic[variable.slot][1]
            return (
                value
                if add == 0
                else self.call(operator.add, value, float(add), low=value.low + add, high=value.high + add)
            )
        key = ("index", variable.slot, variable.values, add)
        made = self._made.get(key)
        if made is None:
            shape = [1] * self.rank
            shape[variable.slot] = len(variable.values)
            numbers = [value + add for value in variable.values]
            made = self._made[key] = self.fold(torch.tensor(numbers, dtype=torch.float64).reshape(shape))
        return made

    def fold(self, tensor: Tensor, slots: Iterable[int] | None = None) -> Value:
        """Return a constant tensor as a value."""
        key = ("constant", tensor.dtype, tuple(tensor.shape), tensor.numpy().tobytes())
        made = self._made.get(key)
        if made is None:
            if slots is None:
                slots = (slot for slot in range(self.rank) if tensor.shape[slot] != 1)
            low, high = (float(tensor.min()), float(tensor.max())) if tensor.numel() else (0.0, 0.0)
            number = tensor.item() if tensor.numel() == 1 else None  # at compile time: no device is waited for
            if nan := math.isnan(low):
                low, high = -math.inf, math.inf
            made = Value(len(self._made), frozenset(slots), low, high, static=tensor, number=number, nan=nan)
            self._made[key] = made
        return made

    def buffer(self, tensor: Tensor) -> Node:
        """Return a constant tensor as a node; floats take the dtype and device of the inputs."""
        key = ("buffer", tensor.dtype, tuple(tensor.shape), tensor.numpy().tobytes())
        if self.inner:
            return self.input(Hidden("constant", ConstantTensor(key, tensor)), "constant")
        if key not in self._made:
            name = f"constant_{sum(isinstance(kept, Tensor) for kept in self.root.values())}"
            self.root[name] = tensor.clone()
            self._made[key] = Value(key, frozenset(), -math.inf, math.inf, self.make("get_attr", name))
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
        nan: bool | None = None,
    ) -> Value:
        """Return ``target(*arguments)``, computed now if all values among the arguments are constants.

        Args:
            target: a function of torch, of `operator`, or of `asrppl.lower.operators`.
            arguments: values, nodes and plain constants.
            low: a lower bound of the result.
            high: an upper bound of the result.
            slots: what the result varies with; by default what any of the arguments does.
            tensors: hand over single numbers as tensors, for functions that need one.
            nan: whether it may be NaN; by default whether any of the arguments may.
        """
        key = (target, tensors, *[_key_of(argument) for argument in arguments])
        made = self._made.get(key)
        if made is not None:
            return made
        reads, given, varies, spoilt = _NO_SLOTS, False, False, False
        for argument in arguments:
            if isinstance(argument, Value):
                given = True
                reads = argument.slots if not reads else reads | argument.slots
                varies = varies or argument.static is None
                spoilt = spoilt or argument.nan
            elif isinstance(argument, Node):
                varies = True
        if slots is None:
            slots = reads
        made: Value | None = None
        if given and not varies:
            folded = target(*(a.static if isinstance(a, Value) else a for a in arguments))
            if isinstance(folded, Tensor):
                made = self.fold(folded, slots if folded.ndim != self.rank else None)
        if made is None:
            scalars = target in _ELEMENTWISE
            node = self.make("call_function", target, *[self._argument(a, tensors, scalars) for a in arguments])
            # A key of its own: one that nested those of the arguments would be as long as the expression.
            spoilt = spoilt if nan is None else nan
            made = Value(len(self._made), frozenset(slots), low, high, node, None, None, target, arguments, spoilt)
        self._made[key] = made
        return made

    def _argument(self, argument: Any, tensors: bool, scalars: bool) -> Any:
        if not isinstance(argument, Value):
            return argument
        if argument.number is None:
            return self.node(argument)
        return self.node(argument, scalar=scalars) if tensors or scalars else argument.number

    def make(self, op: Literal["get_attr", "call_function", "call_module"], target: Any, *arguments: Any) -> Node:
        """Return a new node."""
        node = Node(op, target, arguments)
        self._nodes.append(node)
        return node

    def node(self, value: Value, *, scalar: bool = False) -> Node:
        """Return the node of a value; of a constant that of a buffer, for a ``scalar`` without axes."""
        if value.static is None:
            assert value.node is not None
            return value.node
        key = value.key, scalar
        if key not in self._buffers:
            self._buffers[key] = self.buffer(value.static.reshape(()) if scalar else value.static)
        return self._buffers[key]

    # ---- variables

    def dims(self, slots: Iterable[int]) -> tuple[int, ...]:
        """Return the axes of slots, ascending."""
        return tuple(sorted(slot - self.rank for slot in slots))

    def finish(self, outputs: list[Node]) -> Compiled:
        """Return the graph as a module with these outputs, what none of them needs left out."""
        needed = set(outputs)
        for node in reversed(self._nodes):  # from the last to the first, users come before what they use
            if node in needed:
                needed.update([argument for argument in node.arguments if isinstance(argument, Node)])
        nodes = [node for node in self._nodes if node in needed]
        return Compiled(self.root, list(self.inputs.values()), nodes, outputs)


def _key_of(argument: Any) -> Hashable:
    if isinstance(argument, Value):
        return argument.key
    if isinstance(argument, Node):
        return argument
    # 1, 1.0 and True are equal as keys, yet not as arguments; so are 0.0 and -0.0.
    return (int, argument) if type(argument) is int else (type(argument).__name__, str(argument))
