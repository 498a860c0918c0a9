"""A `forall` over pairs that costs something for few of them: those are listed, and what they cost is added up.

Which they may be follows from the formula (`asrppl.core.separation`). What a listed pair costs is computed by the
rule's own program, on entries that are gathered: the same operations in the same order as on the dense grid, so that
value and gradient are the same. Both ways are in the graph, and a call takes the one that its values ask for.
"""

import math
import operator
from collections.abc import Callable, Sequence

import torch
from torch import nn

from asrppl.core.separation import Pairs
from asrppl.core.typed import CountProbability, Formula, Variable
from asrppl.core.walk import named_variables, walk
from asrppl.lower import chunks
from asrppl.lower import listed as running
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import ConstantTensor, Hidden, Input, Value
from asrppl.lower.code import Node
from asrppl.lower.far import Distant
from asrppl.lower.listed import Inner, Layout, Listed
from asrppl.lower.terms import term, truth


def listed(
    g: Algebra,
    pairs: Pairs,
    dense: Callable[[Algebra], list[Value]],
    cost: Callable[[Algebra], list[Value]],
) -> list[Value] | None:
    """Return sums over the claim's variables; None where the dense grid is the only way, or a small one.

    Args:
        g: the graph.
        pairs: what is summed over.
        dense: gives the sums, from the graph that it is given.
        cost: gives the summands of one combination of index values, as many.
    """
    claim = pairs.claim
    if g.inner or g.elements * chunks.grid(claim) < running.DENSE:
        return None
    nodes = list(walk(claim))
    names = {name for node in nodes if isinstance(name := getattr(node, "name", None), str)}
    if not names <= g.entries.keys() or any(isinstance(node, CountProbability) for node in nodes):
        return None
    inside = {variable.slot for node in nodes[1:] for variable in getattr(node, "variables", ())}
    by_slot = {slot: variable for slot, variable in named_variables(claim).items() if slot not in inside}
    by_slot |= {variable.slot: variable for variable in claim.variables}
    variables = tuple(variable for _, variable in sorted(by_slot.items()))
    bound = {variable.slot for variable in claim.variables}
    if not all(variable.values for variable in variables):
        return None

    def graph(build: Callable[[Algebra], list[Value]], *paired: Variable) -> tuple[Algebra, list[Value]]:
        h = type(g)(g.rank, (), g.elements, g.bound, g.entries, paired=paired, inner=True)
        return h, build(h)

    over_grid, one = graph(dense), graph(cost, *variables)
    free = frozenset(variable.slot for variable in variables if variable.slot not in bound and len(variable.values) > 1)
    priced = [place for place, value in enumerate(over_grid[1]) if value.number != 0 or one[1][place].number != 0]
    if any(over_grid[1][place].slots != free for place in priced) or (pairs.far is not None and len(priced) != 1):
        return None
    order = pairs.of_indices()
    made = [
        (over_grid[0], [over_grid[1][place] for place in priced]),
        graph(lambda h: _sides(h, pairs)),
        (one[0], [one[1][place] for place in priced]),
        *([graph(lambda h: [_all_of(h, order)], *variables)] if order else []),
    ]
    call = _call(g, made, pairs, variables)
    if call is None:
        return None
    found = [g.constant(0.0)] * len(one[1])
    for number, place in enumerate(priced):
        item = g.make("call_function", operator.getitem, call, number)
        found[place] = Value(("listed", call, number), free, 0.0, math.inf, item, nan=over_grid[1][place].nan)
    return found


def _sides(h: Algebra, pairs: Pairs) -> list[Value]:
    parts = [term(h, part) for axis in pairs.axes for side in axis for part in side]
    if pairs.far is not None and pairs.far.ends is not None:
        parts = [*(term(h, end) for end in pairs.far.ends), *parts]
    return [*parts, *(truth(h, part) for own in (pairs.first, pairs.second) for part in pairs.alone(own))]


def _all_of(h: Algebra, conditions: Sequence[Formula]) -> Value:
    found = h.constant(True)
    for condition in conditions:
        found = h.both(found, truth(h, condition))
    return found


def _call(
    g: Algebra, made: Sequence[tuple[Algebra, list[Value]]], pairs: Pairs, variables: tuple[Variable, ...]
) -> Node | None:
    """Return the call of `Listed` with all that its graphs read; None where that is nothing that is bound."""
    graphs = [h.finish([h.node(value) for value in values]) for h, values in made]
    axes = {key: count for h, _ in made for key, count in h.axes.items()}
    if not axes or any(axes[key] != count for h, _ in made for key, count in h.axes.items()):
        return None
    nodes: dict[Input | int, Node] = {key: g.tensor(key, count) for key, count in axes.items()}
    for h, _ in made:
        for key in h.inputs:
            if isinstance(key, Hidden) and isinstance(key.of, ConstantTensor):
                nodes.setdefault(key, g.buffer(key.of.tensor))
    for variable in variables:
        if variable.values != tuple(range(len(variable.values))):
            nodes[variable.slot] = g.buffer(torch.tensor(variable.values))
    places = {key: place for place, key in enumerate(nodes)}
    given = 2 * len(variables) + 1

    def inner(number: int) -> Inner:
        keys = list(made[number][0].inputs)
        if made[number][0].batch is None:
            return Inner(graphs[number], tuple(places[key] for key in keys))
        return Inner(graphs[number], (*range(given), *(given + places[key] for key in keys[given:])))

    by_slot = {variable.slot: len(variable.values) for variable in variables}
    own = (pairs.first.slot, pairs.second.slot)
    layout = Layout(
        axes=tuple(axes.get(key) if isinstance(key, tuple) else None for key in nodes),
        rank=g.rank,
        first=pairs.first.slot,
        second=pairs.second.slot,
        lengths=by_slot,
        summed=tuple(each.slot for each in pairs.claim.variables if each.slot not in own),
        values=tuple(places.get(variable.slot) for variable in variables),
        conditions=(len(pairs.alone(pairs.first)), len(pairs.alone(pairs.second))),
        outputs=len(made[0][1]),
    )
    name = f"pairs_{sum(isinstance(kept, nn.Module) for kept in g.root.values())}"
    graphs_of = inner(0), inner(1), inner(2), inner(3) if len(made) > 3 else None
    far = pairs.far
    bounded = far is not None and far.ends is not None
    g.root[name] = (
        Listed(*graphs_of, layout) if far is None else Distant(*graphs_of, layout, bounded=bounded, half=far.half)
    )
    return g.make("call_module", name, *nodes.values())
