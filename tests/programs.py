"""Random rule files, and random values for the names that they read."""

import random

import torch
from torch import Tensor

from tests.oracle import Given

LENGTH = 3
SUPPORT = (0, 1, 2, 3)


class Writer:
    """Writes formulas over ``x[i]``, ``y[i]``, ``m[i, j]``, ``r`` (real), ``a[i]``, ``n`` (int), ``b[i]`` (Boolean),
    ``box[i]`` (with a mask) and ``q(k)``.

    Args:
        seed: of the random choices.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def rule(self) -> str:
        """Return a rule."""
        options = self.random.choice(["", "", "", " smooth 2", " smooth 7.5", " margin 0.25"])
        return f"rule r{options}: {self.formula(3, ())}"

    def formula(self, depth: int, scope: tuple[str, ...]) -> str:
        """Return a formula, of at most so many levels, with these variables in scope."""
        pick = self.random.random()
        if depth == 0 or pick < 0.15:
            return self.atom(depth, scope)
        if pick < 0.4 and len(scope) < 2:
            quantifier = self.random.choice(["forall", "exists"])
            binder, inner = self.binder(depth, scope)
            return f"({quantifier} {binder}: {self.formula(depth - 1, inner)})"
        if pick < 0.5 and len(scope) < 2:
            binder, inner = self.binder(depth, scope)
            bound = self.random.choice(["0", "1", "2", "3", "n"])
            operator = self.random.choice(["<=", ">=", "<", ">", "==", "!="])
            return f"((count {binder}: ({self.formula(depth - 1, inner)})) {operator} {bound})"
        if pick < 0.6:
            return f"(not {self.formula(depth - 1, scope)})"
        operator = self.random.choice(["and", "or", "and", "or", "implies", "iff"])
        return f"({self.formula(depth - 1, scope)} {operator} {self.formula(depth - 1, scope)})"

    def binder(self, depth: int, scope: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        """Return what a quantifier ranges over, and the variables in scope below it."""
        name, second = [v for v in "ijkl" if v not in scope][:2]
        pick = self.random.random()
        if pick < 0.2 and not scope:
            inner = (name, second)
            binder = f"{name} != {second}" if self.random.random() < 0.6 else f"{name}, {second}"
        else:
            inner = (*scope, name)
            binder = name
        if self.random.random() < 0.6:
            binder += self.random.choice([" in 0..2", " in 0..1", " in {0, 2}"])
        if self.random.random() < 0.3:
            binder += f" where {self.atom(0, inner)}"
        return binder, inner

    def index(self, scope: tuple[str, ...]) -> str:
        """Return an index."""
        pick = self.random.random()
        if not scope or pick < 0.1:
            return str(self.random.randrange(LENGTH))
        return self.random.choice(scope)

    def atom(self, depth: int, scope: tuple[str, ...]) -> str:
        """Return a comparison, a membership or a Boolean."""
        pick = self.random.random()
        index = self.index(scope)
        if pick < 0.15:
            return f"b[{index}]"
        if pick < 0.3:
            operator = self.random.choice(["<=", "<", ">=", ">", "==", "!="])
            return f"({self.whole(depth, scope)} {operator} {self.whole(depth, scope)})"
        if pick < 0.38:
            return f"({self.whole(0, scope)} {self.random.choice(['in', 'not in'])} {{1, 3}})"
        if pick < 0.43:
            return f"({self.whole(0, scope)} in 1..2)"
        if pick < 0.53:
            return f"({self.real(depth, scope)} {self.random.choice(['in', 'not in'])} [0.0, 0.8])"
        if pick < 0.6:
            return f"nonoverlap(box[{index}], box[{self.index(scope)}])"
        if pick < 0.65:
            divergence = self.random.choice(["js", "tv", "kl"])
            other = self.random.choice([f"q(k[{index}])", "q(k[1])", "uniform({0, 1, 2, 3})"])
            return f"({divergence}(q(k[{self.index(scope)}]) || {other}) <= 0.05)"
        if pick < 0.72:
            return f"({self.real(0, scope)} <= {self.real(depth, scope)} <= {self.real(0, scope)})"
        operator = self.random.choice(["<=", "<", ">=", ">"])
        return f"({self.real(depth, scope)} {operator} {self.real(depth, scope)})"

    def real(self, depth: int, scope: tuple[str, ...]) -> str:
        """Return a real term."""
        pick = self.random.random()
        if depth == 0 or pick < 0.3:
            index = self.index(scope)
            return self.random.choice(
                [f"x[{index}]", f"y[{index}]", f"m[{index}, {self.index(scope)}]", f"box[{index}].x", "r", "0.3", "1.5"]
            )
        inner = depth - 1
        if pick < 0.6:
            operator = self.random.choice("+-*")
            return f"({self.real(inner, scope)} {operator} {self.real(inner, scope)})"
        if pick < 0.75:
            one = self.real(inner, scope)
            return self.random.choice(
                [
                    f"abs({one})",
                    f"relu({one})",
                    f"(-{one})",
                    f"sqrt(abs({one}))",
                    f"log(1 + abs({one}))",
                    f"exp(-abs({one}))",
                    f"({one} ^ 2)",
                    f"({one} / 4)",
                    f"({one} / (1 + abs({self.real(0, scope)})))",
                    f"clamp({one}, 0, 1)",
                ]
            )
        if pick < 0.83:
            name = self.random.choice(["min", "max"])
            return f"{name}({self.real(inner, scope)}, {self.real(inner, scope)})"
        if pick < 0.9:
            condition = self.atom(0, scope)
            return f"(if {condition} then {self.real(inner, scope)} else {self.real(inner, scope)})"
        return self.reduction(self.random.choice(["sum", "mean", "max", "min"]), inner, scope, self.real)

    def whole(self, depth: int, scope: tuple[str, ...]) -> str:
        """Return an integer term."""
        pick = self.random.random()
        if depth == 0 or pick < 0.6:
            return self.random.choice([f"a[{self.index(scope)}]", "n", "1", "2", *scope])
        if pick < 0.85:
            return f"({self.whole(depth - 1, scope)} {self.random.choice('+-*')} {self.whole(depth - 1, scope)})"
        if len(scope) < 2 and pick < 0.93:
            binder, inner = self.binder(0, scope)
            return f"(count {binder}: {self.atom(0, inner)})"
        return self.reduction(self.random.choice(["sum", "max", "min"]), depth - 1, scope, self.whole)

    def reduction(self, name: str, depth: int, scope: tuple[str, ...], term: object) -> str:
        """Return a sum and the like."""
        if len(scope) >= 2:
            return "r" if term == self.real else "n"
        binder, inner = self.binder(0, scope)
        assert callable(term)
        return f"({name} {binder}: {term(depth, inner)})"


def values(seed: int, batch: int) -> tuple[dict[str, object], list[dict[str, Given]]]:
    """Return values for the names, as tensors with a batch axis and, for each entry of it, for the oracle."""
    g = torch.Generator().manual_seed(seed)

    def real(*shape: int) -> Tensor:
        # A coarse grid, so that ties and violations of exactly 0 occur.
        return torch.randint(-4, 9, (batch, *shape), generator=g).double() / 4

    def whole(high: int, *shape: int) -> Tensor:
        return torch.randint(0, high, (batch, *shape), generator=g)

    n = LENGTH
    plain: dict[str, Tensor] = {
        "x": real(n),
        "y": real(n),
        "m": real(n, n),
        "r": real(),
        "a": whole(4, n),
        "n": whole(4),
        "b": whole(2, n).bool(),
    }
    boxes, mask = real(n, 4).abs(), whole(2, n).bool()
    weights = torch.rand((batch, n, len(SUPPORT)), generator=g, dtype=torch.float64) + 0.05
    q = torch.distributions.Categorical(weights)
    tensors: dict[str, object] = {
        **plain,
        "box": {**dict(zip("xywh", boxes.unbind(-1), strict=True)), "mask": mask},
        "k": q,
    }
    kinds = {"a": "int", "n": "int", "b": "bool"}
    given: list[dict[str, Given]] = []
    for at in range(batch):
        one = {name: Given(kinds.get(name, "real"), tensor[at].tolist()) for name, tensor in plain.items()}
        records = [dict(zip("xywh", box.tolist(), strict=True)) for box in boxes[at]]
        one["box"] = Given("real", records, mask[at].tolist())
        probabilities = [dict(zip(SUPPORT, row.tolist(), strict=True)) for row in q.probs[at]]
        one["k"] = Given("int", distribution=probabilities)
        given.append(one)
    return tensors, given
