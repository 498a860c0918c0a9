"""A graph as a Python function.

torch.fx would write the same function in nearly three times the time, and with that take half of what lowering many
rules takes. Its graph is made for those who ask for it.
"""

import itertools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

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


_LONGEST = 8
"""Operations that one line of code has at most: what goes in its midst goes at its end."""


class _Expression(NamedTuple):
    """A node's value as text, not yet a line: one further node reads it, and may take it in.

    Args:
        node: whose value it is.
        name: of what is called, for the name of the value.
        text: the expression.
        enclosed: the same as an operand.
        gone: nodes that nothing further reads.
        size: how many operations it has.
    """

    node: Node
    name: str
    text: str
    enclosed: str
    gone: list[Node]
    size: int


def _written(inputs: Sequence[Node], nodes: Sequence[Node], outputs: Sequence[Node]) -> tuple[str, dict[str, Any]]:
    """Return the source of ``forward``, and what it calls by name.

    What one further node reads, and at once, stands inside that one's expression: Python takes long to compile a line.
    """
    names: dict[Node, str] = {node: node.target for node in inputs}
    texts = dict(names)  # as operands
    known: dict[str, Any] = {"torch": torch, "inf": math.inf, "nan": math.nan}
    functions: dict[Any, str] = {}
    taken = {*names.values(), *known, "self"}
    numbers = itertools.count(1)
    lines = [f"def forward({', '.join(['self', *names.values()])}):"]
    waiting: list[_Expression] = []

    def free(name: str) -> str:
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    def write(found: _Expression) -> None:
        numbered = found.node.op == "call_function"
        name = names[found.node] = texts[found.node] = free(f"{found.name}_{next(numbers)}" if numbered else found.name)
        gone = "".join(f"{names[part]} = " for part in found.gone)
        lines.append(f"    {name} = {found.text}" + (f";  {gone}None" if gone else ""))

    def write_waiting() -> None:
        for found in waiting:
            write(found)
        waiting.clear()

    # A value goes as soon as nothing further reads it. (Inputs stay: whoever calls holds them.)
    reads: dict[Node, int] = dict.fromkeys(outputs, 2)
    last: dict[Node, Node] = {}
    for node in nodes:
        for part in node.arguments:
            if isinstance(part, Node):
                last[part] = node
                reads[part] = reads.get(part, 0) + 1
    going: dict[Node, list[Node]] = {}
    kept = {*inputs, *outputs}
    for part, node in last.items():
        if part not in kept:
            going.setdefault(node, []).append(part)

    for node in nodes:
        gone = [part for part in going.get(node, ()) if part in names]
        size = 1
        inside = [part for part in node.arguments if isinstance(part, Node) and part not in names]
        if inside:
            within = waiting[-len(inside) :]
            if [found.node for found in within] == inside:
                del waiting[-len(inside) :]
                for found in within:
                    gone = found.gone + gone
                    size += found.size
                    texts[found.node] = found.enclosed
            else:  # all are computed in the order of the nodes
                write_waiting()
                gone = list(going.get(node, ()))
        arguments = [texts[part] if isinstance(part, Node) else repr(part) for part in node.arguments]
        sign = None
        if node.op == "call_function":
            sign = _SIGNS.get(node.target)
            name = functions.get(node.target)
            if name is None:
                name = functions[node.target] = free(node.target.__name__.strip("_"))
                known[name] = node.target
            text = sign.format(*arguments) if sign else f"{name}({', '.join(arguments)})"
        else:
            name = node.target
            text = f"self.{name}" + (f"({', '.join(arguments)})" if node.op == "call_module" else "")
        found = _Expression(node, name, text, f"({text})" if sign else text, gone, size)
        if reads[node] > 1 or size >= _LONGEST:
            write_waiting()
            write(found)
        else:
            waiting.append(found)
    lines.append(f"    return ({''.join(f'{names[node]}, ' for node in outputs)})")
    return "\n".join(lines) + "\n", known
