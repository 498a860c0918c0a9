"""Where a rule speaks of something: whether any of its comparisons is asked at all.

A `forall` whose guard lets nothing through, and a comparison whose sides have no value, cost nothing. A rule that is
vacuous for most data teaches little, and a training may end there by emptying its guards.
"""

from asrppl.core.separation import asks, flattened
from asrppl.core.typed import AtLeast, Atom, Conjunction, Disjunction, Every, Formula, TruthValue
from asrppl.lower import chunks
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import Value
from asrppl.lower.terms import Exists, chosen_of, truth


def in_force(g: Algebra, node: Formula) -> Value | None:
    """Return whether the formula asks anything, as a Boolean value; None where it always does."""
    found = _in_force(g, node)
    return None if found is None or found.number == 1 else found


def _in_force(g: Algebra, node: Formula) -> Value | None:
    match node:
        case TruthValue():
            return g.constant(False) if node.value else None  # a `forall` over no instance, say
        case Atom():
            return truth(g, node.defined) if node.defined is not None else None
        case Conjunction() | Disjunction():
            result = g.constant(False)
            for operand in node.operands:
                part = in_force(g, operand)
                if part is None:
                    return None
                result = g.either(result, part)
            return result
        case Every():
            return _anywhere(g, node)
        case AtLeast() if node.upper:
            return _anywhere(g, node)
        case _:
            return None  # what is missing costs something here


def _anywhere(g: Algebra, node: Every | AtLeast) -> Value | None:
    if not all(variable.values for variable in node.variables):
        return g.constant(False)
    if node.present is None and node.guard is None and in_force(g, node.body) is None:
        return None
    if isinstance(node, Every) and asks(node) and in_force(g, flattened(node).body) is None:
        return None  # of many pairs, the grid of Booleans alone would take longer than the rule

    def parts(h: Algebra) -> list[Value]:
        inside, chosen = in_force(h, node.body) or h.constant(True), chosen_of(h, node)
        return [inside if chosen is None else h.both(chosen, inside)]

    (found,) = chunks.reduced(g, node.variables, chunks.grid(node), parts, Exists(everywhere=False))
    return found
