"""Random rule files, and random values for the names that they read."""

import random
import re
from collections.abc import Callable

import torch
from torch import Tensor

LENGTH = 3
SUPPORT = (0, 1, 2, 3)
DECLARED = {
    "S": "param S = 2",
    "half": "param half = 0.5",
    "L": "param L = {0, 2}",
    "t": "param t = [0.5, 1.0, 2.25]",
    "rows": "param rows = [[0.5, 1.0, 0.0], [1.5, 0.25, 1.0], [0.0, 0.5, 2.0]]",
    "on": "param on = true",
    "off": "param off = false",
    "g": "given g: int",
    "h": "given h: bool",
    "w": "given w",
    "d": "let d[i] = x[i] - y[i]",
    "near": "def near(p, e) = abs(p) <= e",
}
"""Statements that a rule needs for the names that it reads."""


class Writer:
    """Writes formulas over ``x[i]``, ``y[i]``, ``m[i, j]``, ``r`` (real), ``a[i]``, ``n`` (int), ``b[i]`` (Boolean),
    ``box[i]``, ``u[i]`` (real) and ``c[i]`` (int), all three with masks, ``g[i]``, ``h[i]``, ``w`` (given: int,
    Boolean, real), ``q(k)``, and the names of `DECLARED`.

    Args:
        seed: of the random choices.
        plain: without what z3 has no words for: only sums, products and quotients by constants.
    """

    def __init__(self, seed: int, *, plain: bool = False) -> None:
        self.random = random.Random(seed)
        self.plain = plain

    def file(self, depth: int = 3) -> str:
        """Return a rule, and the statements that it needs."""
        return with_statements(self.rule(depth))

    def rule(self, depth: int = 3) -> str:
        """Return a rule."""
        smooth, power = self.random.choice([" smooth 2", " smooth 7.5"]), self.random.choice([" power 2", " power 1.5"])
        options = "".join(self.random.sample([smooth, power, " margin 0.25"], self.random.choice([0, 0, 0, 1, 1, 2])))
        if self.random.random() < 0.1:
            options += f" where {self.atom(0, ())}"
        return f"rule r{options}: {self.formula(depth, ())}"

    def formula(self, depth: int, scope: tuple[str, ...]) -> str:
        """Return a formula, of at most so many levels, with these variables in scope."""
        pick = self.random.random()
        if depth == 0 or pick < 0.15:
            return self.atom(depth, scope)
        if pick < 0.42 and len(scope) < 2:
            quantifier = self.random.choice(["forall", "exists"])
            binder, body = self.under(scope, lambda inner: self.formula(depth - 1, inner))
            return f"({quantifier} {binder}: {body})"
        if pick < 0.52 and len(scope) < 2:
            binder, body = self.under(scope, lambda inner: self.formula(depth - 1, inner))
            count = f"(count {binder}: ({body}))"
            if self.random.random() < 0.2:
                return f"({count} {self.random.choice(['in', 'not in'])} {self.random.choice(['{1, 3}', '1..2'])})"
            bound = self.random.choice(["0", "1", "2", "3", "n", "S", "5"])
            return f"({count} {self.random.choice(['<=', '>=', '<', '>', '==', '!='])} {bound})"
        if pick < 0.62:
            return f"(not {self.formula(depth - 1, scope)})"
        operator = self.random.choice(["and", "or", "and", "or", "implies", "iff"])
        return f"({self.formula(depth - 1, scope)} {operator} {self.formula(depth - 1, scope)})"

    def under(self, scope: tuple[str, ...], write: Callable[[tuple[str, ...]], str]) -> tuple[str, str]:
        """Return what a quantifier ranges over, and what `write` has for the variables in scope below it."""
        name, second = [v for v in "ijkl" if v not in scope][:2]
        own: tuple[str, ...] = (name,)
        binder = name
        if self.random.random() < 0.2 and not scope:
            own = (name, second)
            binder = f"{name} != {second}" if self.random.random() < 0.6 else f"{name}, {second}"
        body = write((*scope, *own))
        indexed = all(re.search(rf"\[[^\]]*\b{variable}\b", body) for variable in own)
        if not indexed or self.random.random() < 0.4:
            binder += self.random.choice([" in 0..2", " in 0..1", " in {0, 2}", " in L", " in 0..S"])
        elif self.random.random() < 0.1:
            binder += self.random.choice([" in 0..n", " in n..2", " in 1..a[0]"])
        if self.random.random() < 0.5:
            binder += f" where {self.guard((*scope, *own))}"
        return binder, body

    def guard(self, scope: tuple[str, ...]) -> str:
        """Return a guard."""
        pick = self.random.random()
        if pick < 0.25:
            return self.index_atom(scope)
        if pick < 0.35:  # which nothing passes
            return self.random.choice(
                [f"{scope[-1]} > 5", "n > 9", f"x[{scope[-1]}] > 90", "false", f"g[{scope[-1]}] > 7"]
            )
        if pick < 0.5:
            return f"({self.atom(0, scope)} {self.random.choice(['and', 'or'])} {self.atom(0, scope)})"
        if pick < 0.6:
            return f"(not {self.atom(0, scope)})"
        if pick < 0.7 and len(scope) < 2:
            return self.formula(1, scope)
        return self.atom(0, scope)

    def index(self, scope: tuple[str, ...]) -> str:
        """Return an index."""
        pick = self.random.random()
        if not scope or pick < 0.1:
            return str(self.random.randrange(LENGTH))
        one = self.random.choice(scope)
        if pick < 0.2:
            return f"{one} {self.random.choice('+-')} 1"
        if pick < 0.25 and not self.plain:
            computed = [f"2 - {one}", f"a[{one}]", f"2 * {one}", "n", f"mod({one} + 1, 3)", f"g[{one}]"]
            return self.random.choice([*computed, "(argmax z: g[z])", f"floor(w * {one})", "len(x) - 1"])
        return one

    # ---- atoms

    def index_atom(self, scope: tuple[str, ...]) -> str:
        """Return a comparison of index variables and constants."""
        operator = self.random.choice(["<=", "<", ">=", ">", "==", "!="])
        return f"({self.random.choice(scope)} {operator} {self.random.choice(['0', '1', 'S', *scope])})"

    def atom(self, depth: int, scope: tuple[str, ...]) -> str:
        """Return a comparison, a membership or a Boolean."""
        pick = self.random.random()
        index = self.index(scope)
        if pick < 0.1:
            return self.random.choice([f"b[{index}]", f"h[{index}]", f"b[{self.index(scope)}]", "on", "off"])
        if pick < 0.16 and scope:
            return self.index_atom(scope)
        if pick < 0.3:
            operator = self.random.choice(["<=", "<", ">=", ">", "==", "!="])
            return f"({self.whole(depth, scope)} {operator} {self.whole(depth, scope)})"
        if pick < 0.36:
            return (
                f"({self.whole(0, scope)} {self.random.choice(['in', 'not in'])} {self.random.choice(['{1, 3}', 'L'])})"
            )
        if pick < 0.41:
            return f"({self.whole(0, scope)} {self.random.choice(['in', 'not in'])} 1..2)"
        if pick < 0.51:
            interval = self.random.choice(["[0.0, 0.8]", "[0.0, 0.8]", "[0.5, inf]", "[half, 1]"])
            return f"({self.real(depth, scope)} {self.random.choice(['in', 'not in'])} {interval})"
        if pick < 0.56:
            return f"nonoverlap(box[{index}], box[{self.index(scope)}])"
        if pick < 0.6 and not self.plain:
            divergence = self.random.choice(["js", "tv", "kl"])
            other = self.random.choice([f"q(k[{index}])", "q(k[1])", "uniform({0, 1, 2, 3})", "uniform(0..3)"])
            return f"({divergence}(q(k[{self.index(scope)}]) || {other}) <= 0.05)"
        if pick < 0.66:
            return f"({self.real(0, scope)} <= {self.real(depth, scope)} < {self.real(0, scope)})"
        if pick < 0.7:
            return f"near({self.real(depth, scope)}, half)"
        if pick < 0.73:
            return f"({self.real(depth, scope)} == {self.real(depth, scope)})"
        operator = self.random.choice(["<=", "<", ">=", ">"])
        return f"({self.real(depth, scope)} {operator} {self.real(depth, scope)})"

    # ---- terms

    def real(self, depth: int, scope: tuple[str, ...]) -> str:
        """Return a real term."""
        pick = self.random.random()
        if depth == 0 or pick < 0.3:
            index = self.index(scope)
            leaves = [
                f"x[{index}]",
                f"y[{index}]",
                f"m[{index}, {self.index(scope)}]",
                f"box[{index}].x",
                f"u[{index}]",
            ]
            if not self.plain:
                edge = self.random.choice(["left", "bottom"])
                leaves += [f"rows[{index}, {self.index(scope)}]", f"box[{index}].{edge}"]
            return self.random.choice([*leaves, f"x[{index}]", f"d[{index}]", f"t[{index}]", "r", "w", "0.3", "half"])
        inner = depth - 1
        if pick < 0.6:
            one, other = self.real(inner, scope), self.real(inner, scope)
            if self.plain:
                return self.random.choice([f"({one} + {other})", f"({one} - {other})", f"(2 * {one})", f"({one} / -4)"])
            return f"({one} {self.random.choice(['+', '-', '*', '+', '-', '*', '/'])} {other})"
        if pick < 0.75:
            return self.function(self.real(inner, scope), scope)
        if pick < 0.83:
            name = self.random.choice(["min", "max"])
            return f"{name}({self.real(inner, scope)}, {self.real(inner, scope)})"
        if pick < 0.9:
            condition = self.atom(0, scope)
            return f"(if {condition} then {self.real(inner, scope)} else {self.real(inner, scope)})"
        names = ["sum", "mean", "max", "min"] if self.plain else ["sum", "mean", "max", "min", "prod"]
        return self.reduction(self.random.choice(names), inner, scope, self.real)

    def function(self, one: str, scope: tuple[str, ...]) -> str:
        """Return a function of a term."""
        if self.plain:
            return self.random.choice([f"abs({one})", f"relu({one})", f"(-{one})", f"clamp({one}, 0, 1)"])
        return self.random.choice(
            [
                *(f"abs({one})", f"relu({one})", f"(-{one})", f"clamp({one}, 0, 1)", f"sqrt(abs({one}))"),
                *(f"log(1 + abs({one}))", f"exp(-abs({one}))", f"({one} ^ 2)", f"({one} / 4)", f"({one} / -3)"),
                *(f"({one} / (1 + abs({self.real(0, scope)})))", f"({one} / {self.real(0, scope)})", f"({one} ^ -1)"),
                *(f"sin({one})", f"cos({one})", f"tanh({one})", f"sigmoid({one})", f"detach({one})"),
            ]
        )

    def whole(self, depth: int, scope: tuple[str, ...]) -> str:
        """Return an integer term."""
        pick = self.random.random()
        if depth == 0 or pick < 0.6:
            index = self.index(scope)
            return self.random.choice([f"a[{index}]", f"c[{index}]", f"g[{index}]", "n", "1", "2", "S", *scope])
        if pick < 0.8:
            return f"({self.whole(depth - 1, scope)} {self.random.choice('+-*')} {self.whole(depth - 1, scope)})"
        if pick < 0.85 and not self.plain:
            return f"mod({self.whole(depth - 1, scope)}, {self.random.choice(['2', '3'])})"
        if len(scope) < 2 and pick < 0.93:
            binder, body = self.under(scope, lambda inner: self.atom(0, inner))
            return f"(count {binder}: {body})"
        names = ["sum", "max", "min"] if self.plain else ["sum", "max", "min", "prod", "argmax"]
        return self.reduction(self.random.choice(names), depth - 1, scope, self.whole)

    def reduction(
        self, name: str, depth: int, scope: tuple[str, ...], term: Callable[[int, tuple[str, ...]], str]
    ) -> str:
        """Return a sum and the like."""
        if len(scope) >= 2:
            return "r" if term == self.real else "n"
        binder, body = self.under(scope, lambda inner: term(depth, inner))
        return f"({name} {binder}: {body})"


def with_statements(rules: str) -> str:
    """Return rules, and before them what `DECLARED` has for the names that they read."""
    written = set(re.findall(r"[A-Za-z_]\w*", rules))
    return "\n".join([*(statement for name, statement in DECLARED.items() if name in written), rules])


def values(seed: int, batch: int, *, coarse: bool = True) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Return values for the names, as tensors with a batch axis and, for each entry of it, in plain Python.

    ``coarse``: on a grid, so that ties and violations of exactly 0 occur; otherwise away from them.
    """
    g = torch.Generator().manual_seed(seed)

    def real(*shape: int) -> Tensor:
        if coarse:
            return torch.randint(-4, 9, (batch, *shape), generator=g).double() / 4
        return torch.rand((batch, *shape), generator=g, dtype=torch.float64) * 3 - 1

    def whole(high: int, *shape: int) -> Tensor:
        return torch.randint(0, high, (batch, *shape), generator=g)

    n = LENGTH
    plain: dict[str, Tensor] = {
        **{"x": real(n), "y": real(n), "m": real(n, n), "r": real(), "u": real(n), "w": real()},
        **{"a": whole(4, n), "c": whole(4, n), "n": whole(4)},
        "b": whole(2, n).bool(),
        # What is declared may come as floats.
        **{"g": whole(3, n).double(), "h": whole(2, n).double()},
    }
    boxes = real(n, 4).abs()
    masks = {name: whole(2, n).bool() | (whole(3, n) == 0) for name in ("box", "u", "c")}
    weights = torch.rand((batch, n, len(SUPPORT)), generator=g, dtype=torch.float64) + 0.05
    q = torch.distributions.Categorical(weights)
    fields = dict(zip("xywh", boxes.unbind(-1), strict=True))
    tensors: dict[str, object] = {**plain, "box": {**fields, "mask": masks["box"]}, "k": q}
    for name in ("u", "c"):
        tensors[name] = {"value": plain[name], "mask": masks[name]}
    data: list[dict[str, object]] = []
    for at in range(batch):
        one: dict[str, object] = {name: tensor[at].tolist() for name, tensor in plain.items()}
        one["box"] = {field: tensor[at].tolist() for field, tensor in fields.items()}
        one["k"] = {"probs": q.probs[at].tolist()}
        for name, mask in masks.items():
            part = one[name]
            one[name] = {**(part if isinstance(part, dict) else {"value": part}), "mask": mask[at].tolist()}
        data.append(one)
    return tensors, data
