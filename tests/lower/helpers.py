"""Short ways from a rule to its violation."""

from collections.abc import Mapping

from torch import Tensor

from asrppl.bind.bound import Bound
from asrppl.bind.values import bind_values
from asrppl.lower import Plan, lower
from asrppl.program import parse


def compile_rule(text: str, values: Mapping[str, object], **options: int) -> tuple[Plan, Bound]:
    """Return the plan of a rule file, and the values bound."""
    program = parse(text)
    bound = bind_values(program.free, values)
    return lower(program.typed(bound.signature), signature=bound.signature, **options), bound


def violation(text: str, values: Mapping[str, object], **options: int) -> Tensor:
    """Return the violation of a file's first rule."""
    plan, bound = compile_rule(text, values, **options)
    return plan(bound.tensors, bound.functions)[plan.rules[0]]
