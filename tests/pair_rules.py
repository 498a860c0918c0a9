"""Rules over pairs, computed pair by listed pair and densely, on generated rules and values.

    python -m tests.pair_rules --programs 3000 --seed 0

compares each part of the violation and its gradient in float64, to 1e-12 relative, and prints what differs.
"""

import argparse
import random
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from asrppl.bind.bound import Bound
from asrppl.bind.values import bind_values
from asrppl.core.rules import TypedRule
from asrppl.core.walk import rank
from asrppl.diagnostics import AsrWarning
from asrppl.lower import listed
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import Hidden
from asrppl.lower.formulas import Style, violation
from asrppl.lower.placed import Placed
from asrppl.program import parse

TOLERANCE = 1e-12
_HEADS = (
    "forall i != j",
    "forall i, j",
    "forall i, j where i < j",
    "forall i: forall j where j > i",
    "forall i, j where i != j and on[i]",
    "forall i, j where on[i] and not on[j]",
    "forall i != j where g[i] == g[j]",
    "forall i in 1..4: forall j in {0, 2, 3}",
    "forall j != i",
)
_APART = (
    "abs({u}[i] - {u}[j]) >= r[i] + r[j]",
    "abs({u}[i] - {u}[j]) > (r[i] + r[j]) / 2",
    "r[i] + r[j] <= abs({u}[j] - {u}[i])",
    "abs({u}[i] - {u}[j] + 1) >= 2",
    "2 * abs({u}[i] - {u}[j]) - s >= r[j]",
    "({u}[i] + r[i] <= {u}[j] - r[j] or {u}[j] + r[j] <= {u}[i] - r[i])",
    "sqrt(({u}[i] - {u}[j]) ^ 2 + (v[i] - v[j]) ^ 2) >= 3",
    "({u}[i] - {u}[j]) ^ 2 + 2 * (v[i] - v[j]) ^ 2 >= 9",
    "relu(min({u}[i] + r[i], {u}[j] + r[j]) - max({u}[i] - r[i], {u}[j] - r[j])) * relu(4 - abs(v[i] - v[j])) <= 0.1",
    "not (abs({u}[i] - {u}[j]) < r[i] and abs(v[i] - v[j]) < r[j])",
    "k[i] != k[j]",
    "nonoverlap(box[i], box[j])",
    "distance(box[i], box[j]) >= 4",
    "iou(box[i], box[j]) <= 0.2",
    "overlap_area(box[i], box[j]) <= 1",
    "abs({u}[i] - w[j]) >= r[i] + s",
)
_OTHERS = (
    "i == j",
    "i + 1 == j",
    "on[i]",
    "g[i] == 1",
    "p[i] <= p[j]",
    "m[i, j] >= 0",
    "(sum l: m[i, l]) <= w[j]",
    "(exists l: abs(p[l] - w[i]) <= 0.1)",
    "s >= 1",
    "[1, 2, 0, 1, 3, 0, 2][mod(i, 7)] == 2",
)
_FAR = (
    "abs({u}[i] - {u}[j]) <= 3",
    "abs({u}[j] - {u}[i]) / 2 < s + 1",
    "2 * abs({u}[i] - {u}[j]) <= r[i] + r[j]",
    "abs({u}[i] - w[j]) <= r[j]",
    "{u}[i] + r[i] <= w[j]",
    "abs({u}[i] - {u}[j]) <= 0",
    "r[i] - r[j] + abs({u}[i] - {u}[j]) <= 2",
    "box[i].x < box[j].y + 4",
)
_OPTIONS = ("", "", "", "smooth 2", "power 2", "margin 0.3", "smooth 3 power 2")


def rule(seed: int) -> str:
    """Return a rule over pairs; not each keeps any apart."""
    draw = random.Random(seed)

    def claim() -> str:
        parts = [draw.choice(_APART).format(u=draw.choice("uvw")) for _ in range(draw.choice((1, 1, 2, 2, 3)))]
        parts += draw.sample(_OTHERS, draw.choice((0, 0, 1, 2)))
        draw.shuffle(parts)
        return " or ".join(parts)

    body = claim() if draw.random() < 0.8 else f"({claim()}) and ({claim()})"
    if draw.random() < 0.3:
        body = draw.choice(_FAR).format(u=draw.choice("uvw"))
        body += f" and {draw.choice(_FAR).format(u=draw.choice('uvw'))}" if draw.random() < 0.2 else ""
    guard = " where s >= 0" if draw.random() < 0.1 else ""
    return f"rule r {draw.choice(_OPTIONS)}{guard}: {draw.choice(_HEADS)}: {body}"


def values(seed: int) -> dict[str, object]:
    """Return values of all names: some coarse, so that pairs touch; some with one that is as long as the scene."""
    g = torch.Generator().manual_seed(seed)
    draw = random.Random(seed)
    length, wide = draw.choice((5, 9, 16)), draw.choice((4.0, 12.0, 40.0))
    batch = draw.choice(((), (3,), (2, 2)))
    coarse = draw.random() < 0.3

    def reals(*shape: int, scale: float = 1.0, batched: bool = True) -> Tensor:
        found = torch.rand((*(batch if batched else ()), *shape), generator=g, dtype=torch.float64) * scale
        return (found.round() if coarse else found).requires_grad_()

    def masked(value: Tensor) -> object:
        return {"value": value, "mask": torch.rand(length, generator=g) < 0.7} if draw.random() < 0.3 else value

    box = torch.cat([reals(length, 2, scale=wide), reals(length, 2, scale=3.0) + 0.1], -1)
    reach = reals(length, scale=2.0)
    if draw.random() < 0.3:
        with torch.no_grad():
            reach[..., 1] = 10 * wide
    return {
        **{name: masked(reals(length, scale=wide, batched=draw.random() < 0.8)) for name in "uvw"},
        "r": reach,
        "p": reals(length),
        "m": reals(length, length, batched=draw.random() < 0.5),
        "s": reals(scale=2.0),
        "box": box.detach().requires_grad_(),
        "on": torch.rand((*batch, length), generator=g) < 0.6,
        "g": torch.randint(0, 3, (length,), generator=g),
        "k": torch.randint(0, 5, (*batch, length), generator=g),
    }


@contextmanager
def ways(dense: int, few: int) -> Iterator[list[int]]:
    """Have pairs listed from ``dense`` of them on, where each counts as ``few``; yield how many calls listed theirs."""
    before, added = (listed.DENSE, listed.FEW), listed.Listed._added
    taken: list[int] = []

    def noted(self: listed.Listed, join: listed.Candidates, *rest: object) -> object:
        taken.append(join.total)
        return added(self, join, *rest)  # pyright: ignore

    listed.DENSE, listed.FEW = dense, few
    listed.Listed._added = noted  # pyright: ignore
    try:
        yield taken
    finally:
        listed.DENSE, listed.FEW = before
        listed.Listed._added = added


def parts(typed: TypedRule, bound: Bound) -> list[Tensor]:
    """Return the decided, the discrete and the graded part of a rule's violation, those that are not always 0."""
    g = Algebra(rank([typed.formula]), (), 1, 2**22, dict(bound.signature.entries))
    found = violation(g, typed.formula, Style(typed.smooth, typed.margin, typed.power))
    graph = g.finish([g.drop_slots(part if part is not None else g.constant(0.0)) for part in found.parts])
    arguments = tuple(key for key in g.inputs if not isinstance(key, Hidden))
    return list(Placed(arguments, graph).run(bound.tensors, bound.functions))


def leaves(given: dict[str, object]) -> list[Tensor]:
    """Return what gradients are taken of."""
    tensors = [value["value"] if isinstance(value, dict) else value for value in given.values()]
    return [part for part in tensors if isinstance(part, Tensor) and part.is_leaf and part.requires_grad]


def outcome(typed: TypedRule, bound: Bound, of: list[Tensor]) -> list[Tensor]:
    """Return the parts of the violation, and the gradient of their weighted sum over the batch."""
    found = parts(typed, bound)
    batch = torch.broadcast_shapes(*(part.shape for part in found))
    total = sum((k + 1) * part.double().expand(batch) for k, part in enumerate(found))
    assert isinstance(total, Tensor)
    weights = torch.arange(1.0, total.numel() + 1, dtype=torch.float64).reshape(total.shape)
    gradients: list[Tensor | None] = [None] * len(of)
    if of and total.requires_grad:
        gradients = list(torch.autograd.grad((total * weights).sum(), of, allow_unused=True))
    known = [torch.zeros_like(leaf) if one is None else one for leaf, one in zip(of, gradients, strict=True)]
    return [*(part.detach().double().expand(batch) for part in found), *known]


def compare(seed: int, make: Callable[[int], str] = rule) -> str:
    """Return "listed" where listed pairs give what the dense grid does, "dense" where none were, else what differs."""
    text, given = make(seed), values(seed)
    program = parse(text)
    read = {name: given[name] for name in program.free}
    bound = bind_values(program.free, read)
    (typed,) = program.typed(bound.signature).rules
    with ways(10**18, 1) as taken:
        dense = outcome(typed, bound, leaves(read))
        assert not taken
    with ways(1, 0) as taken:
        by_pairs = outcome(typed, bound, leaves(read))
    for one, other in zip(by_pairs, dense, strict=True):
        if not torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE * max(1.0, float(other.abs().max()))):
            return f"seed {seed}: {text}\n    off by {float((one - other).abs().max()):.3g}"
    return "listed" if taken else "dense"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.pair_rules", description=__doc__)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", AsrWarning)
    torch.set_num_threads(1)
    found = Counter[str]()
    for seed in range(arguments.seed, arguments.seed + arguments.programs):
        verdict = compare(seed)
        found[verdict if verdict in ("listed", "dense") else "differs"] += 1
        if verdict not in ("listed", "dense"):
            print(verdict, flush=True)
    print(dict(found))
    sys.exit(int("differs" in found))


if __name__ == "__main__":
    main()
