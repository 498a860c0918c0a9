"""How large rules are: over how many combinations of index values they are spread."""

import math
from collections.abc import Sequence

from asrppl.core.typed import Variable
from asrppl.core.walk import TypedNode, children


def largest_grid(nodes: Sequence[TypedNode]) -> tuple[Variable, ...]:
    """Return the index variables in scope together, outermost first, that have the most combinations of values."""
    largest: tuple[Variable, ...] = ()
    most = 1
    pending: list[tuple[TypedNode, tuple[Variable, ...]]] = [(node, ()) for node in reversed(nodes)]
    while pending:
        node, outside = pending.pop()
        variables = (*outside, *getattr(node, "variables", ()))
        size = math.prod(len(variable.values) for variable in variables)
        if size > most:
            largest, most = variables, size
        pending.extend((child, variables) for child in children(node))
    return largest
