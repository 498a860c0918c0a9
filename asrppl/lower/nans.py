"""What is no number (NaN) in a condition: a comparison of it is false, and the rule would be skipped, as if it held.

In claims NaN goes through the arithmetic to the violation. Where it decides a condition, the violation is made so here.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from asrppl.bind.bound import Bound, InputKey
from asrppl.core.laws import is_of_law
from asrppl.core.pathwise import indicators
from asrppl.core.rules import TypedRule
from asrppl.core.typed import CategoricalOf, Posterior, Read
from asrppl.core.walk import walk

Reads = tuple[tuple[InputKey, int], ...]
"""Tensors, and how many index axes each has."""


def deciding(rule: TypedRule) -> Reads:
    """Return the tensors that a rule's conditions read."""
    found = {
        ((node.name, node.component), len(node.indices))
        for condition in indicators(rule.formula)
        for node in walk(condition)
        if isinstance(node, Read) and node.component != "mask"
    }
    return tuple(sorted(found, key=str))


def inputs(rule: TypedRule) -> Iterator[InputKey]:
    """Yield the tensors that a rule reads."""
    for node in walk(rule.formula):
        match node:
            case Read():
                yield node.name, node.component
            case Posterior():
                yield node.name, "log_probs"
            case CategoricalOf():
                yield node.name, None
            case _:
                pass


def spoilt(violation: Tensor, reads: Reads, tensors: Mapping[InputKey, Tensor], *, whole: bool) -> Tensor:
    """Return ``violation``, NaN where an entry that decides a condition is; ``whole``: where any of the batch is."""
    for key, axes in reads:
        tensor = tensors[key]
        if not tensor.is_floating_point():
            continue
        bad = tensor.isnan()
        if (present := tensors.get((key[0], "mask"))) is not None:
            bad = bad & present.bool()
        bad = bad.flatten(bad.dim() - axes).any(-1) if axes else bad
        bad = bad.any() if whole else _along(bad, violation)
        violation = torch.where(bad, violation.new_full((), float("nan")), violation)
    return violation


def _along(bad: Tensor, violation: Tensor) -> Tensor:
    """Return ``bad`` for the entries that ``violation`` has: any of those that one of its entries is about."""
    while bad.dim() > violation.dim():
        bad = bad.any(0)
    for dim in range(-bad.dim(), 0):
        if violation.shape[dim] == 1 and bad.shape[dim] != 1:
            bad = bad.any(dim, keepdim=True)
    return bad


def culprit(keys: Iterator[InputKey], bound: Bound) -> str:
    """Return what makes a violation NaN, for a message: "`box[0][2].x` is nan"."""
    known = [key for key in keys if key in bound.tensors and bound.tensors[key].is_floating_point()]
    for wrong, word in ((torch.isnan, "nan"), (torch.isinf, "infinite")):
        for name, component in sorted(known, key=str):
            bad = wrong(bound.tensors[name, component])
            mask = bound.tensors.get((name, "mask"))
            if mask is not None and component != "log_probs":
                bad = bad & mask.bool()
            places = bad.nonzero()
            if len(places):
                index = "".join(f"[{int(place)}]" for place in places[0])
                if is_of_law(component):
                    what = "probability" if component == "log_probs" else "parameter"
                    return f"a {what} of `q({name})` is {word}"
                return f"`{name}{index}{'' if component is None else '.' + component}` is {word}"
    return "nothing that it reads is, so that the arithmetic or a bound function makes it"
