"""A graph as a Python function.

torch.fx would write the same function in nearly three times the time, and with that take half of what lowering many
rules takes. Its graph is made for those who ask for it.
"""

import itertools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn

_SIGNS = {
    operator.add: "{} + {}",
    operator.sub: "{} - {}",
    operator.mul: "{} * {}",
    operator.le: "{} <= {}",
    operator.lt: "{} < {}",
    operator.gt: "{} > {}",
    operator.neg: "-{}",
    operator.getitem: "{}[{}]",
}
"""Python's own signs are faster than the functions of `operator`."""


@dataclass(slots=True, eq=False)
class Node:
    """A node of a graph.

    Args:
        op: that of `torch.fx.Node`.
        target: what is called; the name of an input, a constant or a module.
        arguments: nodes and plain constants.
    """

    op: Literal["placeholder", "get_attr", "call_function", "call_module"]
    target: Any
    arguments: tuple[Any, ...] = ()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Node":
        """Return the node itself: nothing changes it, and a plan moved to another device has the same."""
        return self


class Compiled(nn.Module):
    """A graph that runs.

    Args:
        root: its constants and modules by name.
        inputs: its arguments, in order.
        nodes: all others, in an order in which they can be computed.
        outputs: what it returns.
    """

    def __init__(
        self,
        root: Mapping[str, Tensor | nn.Module],
        inputs: Sequence[Node],
        nodes: Sequence[Node],
        outputs: Sequence[Node],
    ) -> None:
        super().__init__()
        for node in nodes:
            kept = root[node.target] if node.op in ("get_attr", "call_module") else None
            if isinstance(kept, Tensor):
                self.register_buffer(node.target, kept)
            elif kept is not None:
                self.add_module(node.target, kept)
        self._inputs = tuple(inputs)
        self._nodes = tuple(nodes)
        self._outputs = tuple(outputs)
        code, names = _written(inputs, nodes, outputs)
        self.code: str = code
        exec(compile(self.code, "<plan>", "exec"), names)
        self.function: Callable[..., tuple[Tensor, ...]] = names["forward"]  # of a namespace, and the inputs

    def forward(self, *inputs: Any) -> tuple[Tensor, ...]:
        """Return the outputs."""
        return self.function(self, *inputs)

    @property
    def graph(self) -> fx.Graph:
        """The graph in torch.fx's form."""
        graph = fx.Graph()
        made: dict[Node, fx.Node] = {}
        for node in (*self._inputs, *self._nodes):
            arguments = tuple(made[part] if isinstance(part, Node) else part for part in node.arguments)
            made[node] = graph.create_node(node.op, node.target, arguments)
        graph.output(tuple(made[node] for node in self._outputs))
        return graph


def _written(inputs: Sequence[Node], nodes: Sequence[Node], outputs: Sequence[Node]) -> tuple[str, dict[str, Any]]:
    """Return the source of ``forward``, and what it calls by name."""
    names: dict[Node, str] = {node: node.target for node in inputs}
    known: dict[str, Any] = {"torch": torch, "inf": math.inf, "nan": math.nan}
    functions: dict[Any, str] = {}
    taken = {*names.values(), *known, "self"}
    numbers = itertools.count(1)

    def free(name: str) -> str:
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    def text(part: Any) -> str:
        return names[part] if isinstance(part, Node) else repr(part)

    # A value goes as soon as nothing further reads it. (Inputs stay: whoever calls holds them.)
    last: dict[Node, Node] = {}
    for node in nodes:
        for part in node.arguments:
            if isinstance(part, Node):
                last[part] = node
    going: dict[Node, list[Node]] = {}
    kept = {*inputs, *outputs}
    for part, node in last.items():
        if part not in kept:
            going.setdefault(node, []).append(part)

    lines = [f"def forward({', '.join(['self', *names.values()])}):"]
    for node in nodes:
        if node.op == "call_function":
            sign = _SIGNS.get(node.target)
            function = functions.get(node.target)
            if function is None:
                function = functions[node.target] = free(node.target.__name__.strip("_"))
                known[function] = node.target
            arguments = [text(part) for part in node.arguments]
            value = sign.format(*arguments) if sign else f"{function}({', '.join(arguments)})"
            names[node] = free(f"{function}_{next(numbers)}")
        else:
            call = f"({', '.join(map(text, node.arguments))})" if node.op == "call_module" else ""
            value = f"self.{node.target}{call}"
            names[node] = free(node.target)
        gone = "".join(f"{names[part]} = " for part in going.get(node, ()))
        lines.append(f"    {names[node]} = {value}" + (f";  {gone}None" if gone else ""))
    lines.append(f"    return ({''.join(f'{names[node]}, ' for node in outputs)})")
    return "\n".join(lines) + "\n", known
