"""Loops over an outermost variable where the dense grid would not fit in memory.

The values of the variable are cut into parts; each part is one call of a body graph under activation checkpointing, so
that no more than one part's intermediate results exist at a time, forwards or backwards.
"""

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import nn

from asrppl.core.typed import AtLeast, CountProbability, CountTerm, Every, Reduction, Some, Variable
from asrppl.core.walk import TypedNode, children
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import ConstantTensor, Hidden, Input, Value
from asrppl.lower.code import Compiled, Node
from asrppl.lower.recompute import Parts, recomputed

BOUND = 2**22
"""Elements of a dense grid (batch × index values) that are held at once."""

_BINDERS = (Every, Some, AtLeast, Reduction, CountTerm)
_PARTS = 4
"""A loop, which recomputes anyway, takes parts of a quarter of that: as fast, and a quarter of the memory."""


class Reducer(Protocol):
    """Reduces values along variables, and merges what two sets of values were reduced to."""

    def reduce(self, g: Algebra, parts: Sequence[Value], variables: tuple[Variable, ...]) -> list[Value]:
        """Return the parts reduced over the variables, in the graph."""
        ...

    def merge(self, left: Parts, right: Parts) -> Parts:
        """Return the parts reduced over both sets, at run time."""
        ...


class Chunked(nn.Module):
    """A reduction over variables, parts of their values at a time.

    Args:
        body: takes the positions and numbers of each variable, and what else it reads; gives the parts, reduced.
        reducer: merges them.
        steps: for each variable, how many values it has, and how many make a part.
    """

    def __init__(self, body: Compiled, reducer: Reducer, steps: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.body = body
        self.reducer = reducer
        self.steps: tuple[tuple[int, int], ...] = tuple(steps)

    def forward(self, *inputs: Any) -> Parts:
        """Return the reduced parts."""
        values, rest = inputs[: 2 * len(self.steps)], inputs[2 * len(self.steps) :]
        result: Parts | None = None
        for starts in itertools.product(*(range(0, count, length) for count, length in self.steps)):
            part_of = [slice(start, start + length) for start, (_, length) in zip(starts, self.steps, strict=True)]
            parts = [value[part_of[place // 2]] for place, value in enumerate(values)]
            part = recomputed(self.body, *parts, *rest)
            result = part if result is None else self.reducer.merge(result, part)
        assert result is not None
        return result


def reduced(
    g: Algebra,
    variables: tuple[Variable, ...],
    size: int,
    parts: Callable[[Algebra], list[Value]],
    reducer: Reducer,
) -> list[Value]:
    """Return ``parts`` reduced over the variables: densely where that fits, else in a loop over the first of them.

    Args:
        g: the graph.
        variables: reduced over.
        size: grid points an element of the batch, of the variables and all that is nested in them.
        parts: builds what is reduced, in the graph that it is given.
        reducer: how.
    """
    listed = g.batch is not None  # few combinations, whose axis a loop knows nothing of
    if listed or g.elements * size <= g.bound or all(len(variable.values) < 2 for variable in variables):
        return reducer.reduce(g, parts(g), variables)
    loops = _loops(variables, size, g.bound // (_PARTS * g.elements))
    own = tuple(variable for variable, _ in loops)
    elements = g.elements * math.prod(length for _, length in loops)
    inner = type(g)(g.rank, (*own, *g.variables), elements, g.bound, g.entries)
    found = reducer.reduce(inner, parts(inner), variables)
    body = inner.finish([inner.node(value) for value in found])
    name = f"loop_{sum(isinstance(kept, nn.Module) for kept in g.root.values())}"
    g.root[name] = Chunked(body, reducer, [(len(variable.values), length) for variable, length in loops])
    call = g.make("call_module", name, *(_argument(g, key, node.target, own) for key, node in inner.inputs.items()))

    def outcome(place: int, value: Value) -> Value:
        if value.static is not None:
            return g.fold(value.static)
        # Bounds of one part's result need not be bounds of the merged one; signs are.
        low = 0.0 if value.low >= 0 else -math.inf
        item = g.make("call_function", operator.getitem, call, place)
        return Value((name, place), value.slots, low, math.inf, item, nan=value.nan)

    return [outcome(place, value) for place, value in enumerate(found)]


def _loops(variables: tuple[Variable, ...], size: int, allowed: int) -> list[tuple[Variable, int]]:
    """Return the variables to loop over, outermost first, with the length of a part of each."""
    loops: list[tuple[Variable, int]] = []
    for variable in variables:
        count = len(variable.values)
        if count > 1 and size > allowed:
            size //= count
            length = min(count, max(1, allowed // size))
            size *= length
            loops.append((variable, length))
    return loops


def _argument(g: Algebra, key: Input, name: str, own: tuple[Variable, ...]) -> Node:
    """Return what a loop hands to its body for one of the body's inputs."""
    match key:
        case Hidden(of=ConstantTensor() as constant):
            return g.buffer(constant.tensor)
        case Hidden(of=Variable() as variable) if variable in own:
            return g.buffer(
                torch.tensor(variable.values, dtype=torch.int64 if key.role == "positions" else torch.float64)
            )
        case _:
            return g.input(key, name)


def _numbers(node: CountProbability) -> int:
    return 1 if node.at.variable is None else len(node.at.variable.values)


def grid(node: TypedNode) -> int:
    """Return the largest number of grid points that anything nested in ``node`` spans, an element of the batch."""
    sizes: dict[int, int] = {}  # of binders, whose bodies may be there twice

    def size(node: TypedNode) -> int:
        if isinstance(node, _BINDERS):
            if id(node) not in sizes:
                sizes[id(node)] = largest(node) * math.prod(len(v.values) for v in node.variables)
            return sizes[id(node)]
        if isinstance(node, CountProbability):  # spans its indices, and not each of them for each number
            return max(1, largest(node) * math.prod(len(v.values) for v in node.variables) // _numbers(node))
        return largest(node)

    def largest(node: TypedNode) -> int:
        below = children(node)
        return max(map(size, below)) if below else 1

    return size(node)
