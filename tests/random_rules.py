"""Random rules on what a `World` draws: each part is a text, and beside it what it means as a function of the states.

A part's tensors broadcast to ``(states, data)``; a mean over draws leaves ``(1, data)``, one over the data ``(1, 1)``.
Nothing here is the compiler's: `E` and `P` are weighted sums over the states, `aggregate` is a mean over the data.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.special import ndtr

from tests.random_sites import INTS, Law, Site, States, World

Level = Literal[0, 1, 2, 3]
"""What a part varies with: nothing, only the population, the datum, draws."""
Scope = dict[str, int]
"""Index variables and their values."""
Value = tuple[Tensor, Tensor | None]
"""A tensor, and where it is there (everywhere, if that is None)."""


@dataclass(frozen=True)
class Term:
    """A number."""

    text: str
    of: Callable[[States, Scope], Value]
    level: Level = 3
    whole: bool = False
    given: bool = False
    smooth: bool = True  # no whole number, and no jump in a draw that is reparameterised


@dataclass(frozen=True)
class Condition:
    """True or false: 1 or 0, and 1/2 where a cell of the grid lies half on this side."""

    text: str
    of: Callable[[States, Scope, bool], Tensor]
    """Whether it holds, or, where the Boolean is true, its negation (which is false too where a term is absent)."""


Violation = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Claim:
    """What a rule asks for: decided, discrete and graded violation."""

    text: str
    of: Callable[[States, Scope], Violation]


@dataclass(frozen=True)
class Rule:
    """A rule file, and the mean violation over draws and data."""

    text: str
    level: Level
    hard: bool
    exact: Callable[[States], Tensor]
    margins: Callable[[States], float]


ZERO = torch.zeros(1, 1, dtype=torch.float64)


def both(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a & b


def mean_over_draws(states: States, value: Tensor, there: Tensor | None = None) -> Tensor:
    weight = states.weight if there is None else states.weight * there
    return (weight * value).sum(0, keepdim=True) / weight.sum(0, keepdim=True)


def lower(a: Violation, b: Violation) -> Violation:
    """Return what comes first in the dictionary."""
    a, b = (tuple(torch.broadcast_tensors(*a, *b)[:3]), tuple(torch.broadcast_tensors(*a, *b)[3:]))  # type: ignore[assignment]
    first = (a[0] < b[0]) | ((a[0] == b[0]) & ((a[1] < b[1]) | ((a[1] == b[1]) & (a[2] <= b[2]))))
    return tuple(torch.where(first, x, y) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def add(a: Violation, b: Violation) -> Violation:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def apart(a: Violation, b: Violation) -> Tensor:
    """Return how far two are apart, where neither is 0."""
    one, other = sum(a, ZERO), sum(b, ZERO)
    return torch.where((one > 0) & (other > 0), one - other, 1.0)


def less(a: Tensor, b: Tensor) -> Tensor:
    """a <= b, and a half where a cell of the grid is cut."""
    return torch.where((a - b).abs() < 1e-9, 0.5, (a < b).to(a.dtype))


class Writer:
    """Writes a rule on a world.

    Args:
        world: the program.
        states: of its guide, for bounds that are violated or kept for certain.
        seed: of the choices.
    """

    def __init__(self, world: World, states: States, seed: int) -> None:
        self.world = world
        self.states = states
        self.random = random.Random(seed)
        self.power = 1
        self.near: list[Callable[[States], Tensor]] = []  # amounts that ought not to be near 0

    # ---- rules

    def rule(self) -> Rule:
        """Return a rule of weight 2."""
        chance, choose = self.random.random, self.random.choice
        top: Level = choose([3, 3, 2, 2, 1]) if self.world.plated else choose([3, 2])
        if self.world.sequential and top == 1:
            top = 2
        hard = chance() < 0.08
        self.power = 2 if chance() < 0.1 and not hard else 1
        claim = self.claim(2, top, {})
        options = "hard" if hard else "weight 2"
        options += " power 2" if self.power == 2 else ""
        where: Condition | None = None
        if top >= 2 and not self.world.sequential and chance() < 0.12:
            where = self.guard(top)
            options += f" where {where.text}" if where else ""
        prefix = "forall i: " if self.world.sequential and "[i" in claim.text else ""

        def exact(states: States) -> Tensor:
            found = sum(claim.of(states, {}), ZERO)
            if where is not None:
                found = torch.where(where.of(states, {}, False) > 0.5, found, 0.0)
            for name, there in states.present.items() if prefix else ():
                if f"{name}[i" in claim.text:  # an instance that reads what is absent is skipped
                    found = torch.where(there, found, 0.0)
            return (states.weight * found).sum(0).mean()

        def margins(states: States) -> float:
            found = [float(each(states).detach().abs().min()) for each in self.near]
            return min(found, default=1.0)

        return Rule(f"rule r {options}: {prefix}{claim.text}", top, hard, exact, margins)

    def guard(self, top: Level) -> Condition | None:
        """Return a condition that discrete draws or data decide."""
        finite = [site for site in self.finite() if site.shape == "one"]
        if top == 3 and finite and self.random.random() < 0.5:
            return self.whole_condition({}, only_one=True)
        if not self.world.plated:
            return None
        if self.world.grouped:
            return Condition("g == 1", lambda s, _, neg: ((s.g == 1) ^ neg).to(ZERO.dtype))
        return Condition("x > 0", lambda s, _, neg: ((s.x > 0) ^ neg).to(ZERO.dtype))

    def claim(self, depth: int, level: Level, scope: Scope) -> Claim:
        """Return a claim about what varies with at most ``level``."""
        pick = self.random.random()
        if depth == 0 or pick < 0.5:
            return self.atom(level, scope)
        if pick < 0.75 and not scope and any(site.count == 2 for site in self.world.sites):
            return self.quantified(depth, level)
        word = self.random.choice(["and", "or", "or", "implies"])
        a, b = self.claim(depth - 1, level, scope), self.claim(depth - 1, level, scope)
        if word == "implies":
            if level < 3 or not self.finite():
                word = "or"
            else:
                flag = self.flag(scope)
                return Claim(
                    f"({flag.text} implies {b.text})",
                    lambda s, k: lower((ZERO, flag.of(s, k)[0] * self.there(flag.of(s, k)[1]), ZERO), b.of(s, k)),
                )
        if word == "and":
            return Claim(f"({a.text} and {b.text})", lambda s, k: add(a.of(s, k), b.of(s, k)))
        if level < 3:
            for each in [{}] if "k" not in scope else [{"k": 0}, {"k": 1}]:
                self.near.append(lambda s, each=each: apart(a.of(s, each), b.of(s, each)))
        return Claim(f"({a.text} or {b.text})", lambda s, k: lower(a.of(s, k), b.of(s, k)))

    def quantified(self, depth: int, level: Level) -> Claim:
        body = self.claim(depth - 1, level, {"k": 0})
        if "[k]" not in body.text and ", k]" not in body.text:
            return body
        word = self.random.choice(["forall", "exists", "forall"])
        join = add if word == "forall" else lower
        if word == "exists" and level < 3:
            self.near.append(lambda s: apart(body.of(s, {"k": 0}), body.of(s, {"k": 1})))
        return Claim(
            f"({word} k in 0..1: {body.text})",
            lambda s, k: join(body.of(s, {**k, "k": 0}), body.of(s, {**k, "k": 1})),
        )

    def atom(self, level: Level, scope: Scope) -> Claim:
        """Return a comparison with a bound that is violated, kept, or both."""
        if level == 3 and self.finite() and self.random.random() < 0.35:
            return self.whole_atom(scope)
        term = self.term(level, scope)
        bound, side = self.bound(term, scope)
        sign = 1.0 if side == "<=" else -1.0
        whole = self.in_steps(term)

        def amount(states: States, k: Scope) -> Violation:
            value, there = term.of(states, k)
            found = (sign * (value - bound)).clamp_min(0) ** self.power
            found = found if there is None else torch.where(there, found, 0.0)
            return (ZERO, found, ZERO) if whole else (ZERO, ZERO, found)

        if term.level < 3:
            for each in [{}] if "k" not in scope else [{"k": 0}, {"k": 1}]:
                self.near.append(lambda s, each=each: term.of(s, each)[0] - bound)
        return Claim(f"{term.text} {side} {bound:.12g}", amount)

    def in_steps(self, term: Term) -> bool:
        """Return whether what a term reads moves in whole steps: data do not move."""
        read = set(re.findall(r"\b[a-zEPq]\b", term.text)) - {"k", "i", "x", "g"}
        return read <= {site.name for site in self.finite()}

    def bound(self, term: Term, scope: Scope) -> tuple[float, str]:
        side = self.random.choice(["<=", ">="])
        if term.level == 3:
            return round(self.random.uniform(-1.0, 1.0), 1), side
        with torch.no_grad():
            every = [{"k": 0}, {"k": 1}] if "k" in scope else [{}]
            values = torch.cat([term.of(self.states, each)[0].reshape(-1) for each in every]).sort().values
        low, high = float(values[0]), float(values[-1])
        gap = self.random.uniform(0.12, 0.5) + 0.15 * (high - low)
        pick = self.random.random()
        cuts = [(low + high) / 2, low - gap, low - gap, high + gap, high + gap]
        if len(values) > 1 and pick < 0.35:  # violated by some
            steps = values[1:] - values[:-1]
            at = int(steps.argmax())
            if float(steps[at]) > 0.1:
                return round(float(values[at] + values[at + 1]) / 2, 3), side
        violated = self.random.random() < 0.75
        above = (side == "<=") != violated
        return round(cuts[3] if above else cuts[1], 3), side

    def whole_atom(self, scope: Scope) -> Claim:
        """Return a comparison of ints, or a Boolean."""
        if self.random.random() < 0.3 and any(site.family == "bernoulli" for site in self.world.sites):
            flag = self.flag(scope)
            return Claim(flag.text, lambda s, k: (ZERO, (1 - flag.of(s, k)[0]) * self.there(flag.of(s, k)[1]), ZERO))
        term = self.whole(scope)
        op = self.random.choice(["<=", ">=", "==", "!=", "<"])
        bound = self.random.choice([0, 1, 1, 2])

        def amount(states: States, k: Scope) -> Violation:
            value, there = term.of(states, k)
            found = {
                "<=": (value - bound).clamp_min(0),
                ">=": (bound - value).clamp_min(0),
                "==": (value - bound).abs(),
                "!=": (value == bound).to(value.dtype),
                "<": (value + 1 - bound).clamp_min(0),
            }[op] ** self.power
            return ZERO, found * self.there(there), ZERO

        return Claim(f"{term.text} {op} {bound}", amount)

    @staticmethod
    def there(there: Tensor | None) -> Tensor:
        return torch.ones(1, 1) if there is None else there.to(ZERO.dtype)

    # ---- terms

    def term(self, level: Level, scope: Scope) -> Term:
        """Return a number that is a draw's, of a mean over draws, or of one over the data."""
        if level == 3:
            pick = self.random.random()
            if pick < 0.2:
                return self.mixed(Term, scope)
            if pick < 0.3:
                return self.functional(scope)
            return self.real(scope)
        if level == 2:
            found = self.mean(scope)
            pick = self.random.random()
            if pick < 0.3:
                return self.joined(found, self.mean(scope))
            return self.affine(found)
        found = self.aggregate(scope)
        if self.random.random() < 0.4:
            return self.joined(found, self.aggregate(scope))
        return self.affine(found)

    def affine(self, term: Term) -> Term:
        if self.random.random() < 0.7:
            return term
        slope = self.random.choice([2.0, 0.5, -1.0])
        return Term(f"{slope:g} * {term.text}", lambda s, k: (slope * term.of(s, k)[0], None), term.level)

    def joined(self, a: Term, b: Term) -> Term:
        op = self.random.choice(["+", "-", "*", "*"])
        level: Level = max(a.level, b.level)

        def of(states: States, k: Scope) -> Value:
            one, other = a.of(states, k), b.of(states, k)
            there = both(one[1], other[1])
            return (one[0] + other[0] if op == "+" else one[0] - other[0] if op == "-" else one[0] * other[0]), there

        return Term(f"({a.text} {op} {b.text})", of, level)

    def mixed(self, _: type[Term], scope: Scope) -> Term:
        """Return a draw less a mean."""
        return self.joined(self.real(scope), self.mean(scope))

    def entry(self, site: Site, scope: Scope) -> Term:
        """Return an entry of a site."""
        inside = self.world.sequential and site.local
        if site.family == "onehot":
            at = self.random.randrange(3)
            text = f"{site.name}[i, {at}]" if inside else f"{site.name}[{at}]"
            return Term(
                text,
                lambda s, k: ((s.values[site.name, 0] == at).to(ZERO.dtype), s.present.get(site.name)),
                whole=True,
            )
        if site.count == 1:
            text = f"{site.name}[i]" if inside else site.name
            return Term(text, lambda s, k: (s.values[site.name, 0], s.present.get(site.name)), whole=site.finite)
        if scope and self.random.random() < 0.85:
            return Term(
                f"{site.name}[k]",
                lambda s, k: (s.values[site.name, k["k"]], s.present.get(site.name)),
                whole=site.finite,
            )
        at = self.random.randrange(2)
        return Term(
            f"{site.name}[{at}]",
            lambda s, k: (s.values[site.name, at], s.present.get(site.name)),
            whole=site.finite,
        )

    def finite(self) -> list[Site]:
        return [site for site in self.world.sites if site.finite]

    def flag(self, scope: Scope) -> Term:
        """Return a Boolean draw, as a number."""
        flags = [site for site in self.world.sites if site.family == "bernoulli"]
        if flags:
            return self.entry(self.random.choice(flags), scope)
        term = self.whole(scope)
        return Term(f"({term.text} == 1)", lambda s, k: ((term.of(s, k)[0] == 1).to(ZERO.dtype), term.of(s, k)[1]))

    def whole(self, scope: Scope) -> Term:
        """Return an int made of finite draws."""
        a = self.entry(self.random.choice(self.finite()), scope)
        pick = self.random.random()
        vectors = [site for site in self.finite() if site.count == 2]
        if vectors and not scope and pick < 0.4:
            site = self.random.choice(vectors)
            body = Term(f"{site.name}[k]", lambda s, k: (s.values[site.name, k["k"]], s.present.get(site.name)))

            def total(states: States, k: Scope) -> Value:
                value = states.values[site.name, 0] + states.values[site.name, 1]
                return value * self.there(states.present.get(site.name)), None

            return Term(f"(sum k: {body.text})", total, whole=True)
        if pick < 0.7:
            return a
        b = self.entry(self.random.choice(self.finite()), scope)

        def of(states: States, k: Scope) -> Value:
            one, other = a.of(states, k), b.of(states, k)
            return one[0] + other[0], both(one[1], other[1])

        return Term(f"({a.text} + {b.text})", of, whole=True)

    def real(self, scope: Scope) -> Term:
        """Return a number made of draws."""
        choose = self.random.choice
        reals = [site for site in self.world.sites if not site.finite]
        a = self.entry(choose(reals or self.world.sites), scope)
        pick = self.random.random()
        if pick < 0.35:
            return a
        b = self.entry(choose(self.world.sites), scope)
        if pick < 0.5 and self.world.plated and not self.world.sequential:
            return Term(f"({a.text} - x)", lambda s, k: (a.of(s, k)[0] - s.x, a.of(s, k)[1]))
        if pick < 0.6:
            return Term(f"abs({a.text})", lambda s, k: (a.of(s, k)[0].abs(), a.of(s, k)[1]))
        if pick < 0.7 and self.finite():
            condition, other = self.whole_condition(scope), choose([0.0, 0.5])

            def chosen(states: States, k: Scope) -> Value:
                holds = condition.of(states, k, False) > 0.5
                value, there = a.of(states, k)
                return torch.where(holds, value, other), None if there is None else there | ~holds

            return Term(f"(if {condition.text} then {a.text} else {other:g})", chosen)
        vectors = [site for site in self.world.sites if site.count == 2]
        if vectors and not scope and pick < 0.85:
            site, word = choose(vectors), choose(["sum", "max", "min", "mean"])

            def reduced(states: States, k: Scope) -> Value:
                one, other = states.values[site.name, 0], states.values[site.name, 1]
                there = states.present.get(site.name)
                if word == "sum":
                    return (one + other) * self.there(there), None
                found = {"max": torch.maximum, "min": torch.minimum}
                return (found[word](one, other) if word in found else (one + other) / 2), there

            return Term(f"({word} k: {site.name}[k])", reduced)
        return self.joined(a, b)

    def functional(self, scope: Scope) -> Term:
        """Return what has a closed form, of a site's law."""
        choose = self.random.choice
        site = choose(self.world.sites)
        entry = self.entry(site, scope)
        inside = self.world.sequential and site.local
        name = (f"{site.name}[i]" if inside else site.name) if site.family == "onehot" else entry.text
        at = 0 if site.count == 1 or "[k]" in name else int(name[-2])
        moves = bool(site.parents) or (site.chain != 0 and site.count == 2)
        level: Level = 3 if moves or site.masked else 2
        value = choose([0, 1] if site.family == "bernoulli" else [0, 1, 2])
        edge = round(self.random.uniform(-0.5, 0.5), 2)
        words: dict[str, Callable[[Law], Tensor]] = {}
        q = f"q({name})"
        if site.finite:
            values = len([*INTS]) if site.family != "bernoulli" else 2
            words[f"{q}[{value}]"] = lambda law: law.log_probs[value].exp()
            words[f"entropy({q})"] = lambda law: -_sum(law, lambda k, p: p.exp() * p)
            words[f"kl(delta({value}) || {q})"] = lambda law: -law.log_probs[value]
            every = "{" + ", ".join(str(k) for k in range(values)) + "}"
            words[f"kl({q} || uniform({every}))"] = lambda law: _sum(
                law, lambda k, p: p.exp() * (p + torch.log(torch.tensor(float(values))))
            )
            words[f"mean({q})"] = lambda law: _sum(law, lambda k, p: k * p.exp())
        elif site.family == "delta":
            words[f"mean({q})"] = lambda law: law.loc
        elif site.family == "lognormal":
            words[f"mean({q})"] = lambda law: (law.loc + _scale(law) ** 2 / 2).exp()
            words[f"cdf({q}, {abs(edge) + 0.5:.12g})"] = lambda law: ndtr(
                (torch.log(torch.tensor(abs(edge) + 0.5)) - law.loc) / _scale(law)
            )
        else:
            words[f"mean({q})"] = lambda law: law.loc
            words[f"sd({q})"] = lambda law: _scale(law) + 0 * law.loc
            words[f"entropy({q})"] = lambda law: 1.4189385332046727 + _scale(law).log() + 0 * law.loc
            words[f"cdf({q}, {edge:.12g})"] = lambda law: ndtr((edge - law.loc) / _scale(law))
            words[f"kl({q} || normal(0, 1))"] = lambda law: (
                -_scale(law).log() - 0.5 + (_scale(law) ** 2 + law.loc**2) / 2
            )
        text = choose(list(words))
        word = words[text]

        def of(states: States, k: Scope) -> Value:
            law = states.laws[site.name, k["k"] if "[k]" in name else at]
            return word(law), states.present.get(site.name)

        return Term(text, of, level)

    def mean(self, scope: Scope) -> Term:
        """Return a mean over draws, or what is known of the law."""
        pick = self.random.random()
        if pick < 0.25:
            found = self.functional(scope)
            if found.level == 2:
                return found
            return self.expected(found)
        if pick < 0.6:
            return self.expected(self.real(scope))
        if pick < 0.67:
            inner = self.expected(self.real(scope))
            return self.expected(self.squared(self.joined(self.real(scope), inner)))
        condition = self.condition(1, scope)
        return Term(
            f"P[{condition.text}]",
            lambda s, k: (mean_over_draws(s, condition.of(s, k, False) + ZERO), None),
            2,
        )

    def squared(self, term: Term) -> Term:
        return Term(f"{term.text} ^ 2", lambda s, k: (term.of(s, k)[0] ** 2, term.of(s, k)[1]))

    @staticmethod
    def expected(term: Term) -> Term:
        return Term(f"E[{term.text}]", lambda s, k: (mean_over_draws(s, *term.of(s, k)), None), 2)

    def aggregate(self, scope: Scope) -> Term:
        """Return a mean over the data."""
        finite = [site for site in self.finite() if not site.parents and not site.masked and site.shape == "one"]
        if finite and self.random.random() < 0.15:
            site = self.random.choice(finite)
            value = self.random.randrange(2)
            return Term(
                f"aggregate(q({site.name}))[{value}]",
                lambda s, k: (s.laws[site.name, 0].log_probs[value].exp().mean(1, keepdim=True), None),
                1,
            )
        inner = self.mean(scope)
        if self.random.random() < 0.15:
            inner = self.joined(inner, self.mean(scope))
        if self.random.random() < 0.2 and self.world.plated:
            guard = self.guard(2)
            assert guard is not None

            def among(states: States, k: Scope) -> Value:
                chosen = guard.of(states, k, False)
                return (inner.of(states, k)[0] * chosen).sum(1, keepdim=True) / chosen.sum(1, keepdim=True), None

            if float(guard.of(self.states, {}, False).sum()) > 0:
                return Term(f"aggregate({inner.text} where {guard.text})", among, 1)
        return Term(f"aggregate({inner.text})", lambda s, k: (inner.of(s, k)[0].mean(1, keepdim=True), None), 1)

    # ---- conditions

    def whole_condition(self, scope: Scope, *, only_one: bool = False) -> Condition:
        """Return a condition on finite draws."""
        sites = [site for site in self.finite() if site.shape == "one"] if only_one else self.finite()
        entry = self.entry(self.random.choice(sites), scope)
        op, bound = self.random.choice(["==", "<=", ">=", "!="]), self.random.choice([0, 1])

        def of(states: States, k: Scope, neg: bool) -> Tensor:
            value, there = entry.of(states, k)
            found = {"==": value == bound, "<=": value <= bound, ">=": value >= bound, "!=": value != bound}[op]
            return (found ^ neg).to(ZERO.dtype) * self.there(there)

        return Condition(f"{entry.text} {op} {bound}", of)

    def condition(self, depth: int, scope: Scope) -> Condition:
        """Return a condition on any draws."""
        pick = self.random.random()
        if depth and pick < 0.4:
            word = self.random.choice(["and", "or"])
            a, b = self.condition(depth - 1, scope), self.condition(depth - 1, scope)

            def of(states: States, k: Scope, neg: bool) -> Tensor:
                one, other = a.of(states, k, neg), b.of(states, k, neg)
                return one * other if (word == "and") != neg else 1 - (1 - one) * (1 - other)

            return Condition(f"({a.text} {word} {b.text})", of)
        if depth and pick < 0.5:
            a = self.condition(depth - 1, scope)
            return Condition(f"(not {a.text})", lambda s, k, neg: a.of(s, k, not neg))
        if depth and pick < 0.7 and not scope and any(site.count == 2 for site in self.world.sites):
            return self.quantified_condition()
        if self.finite() and pick < 0.85:
            return self.whole_condition(scope)
        term = self.real(scope)
        bound = round(self.random.uniform(-1.0, 1.0), 1)
        op = self.random.choice(["<=", ">="])
        steps = self.in_steps(term)

        def holds(states: States, k: Scope, neg: bool) -> Tensor:
            value, there = term.of(states, k)
            value, edge = torch.broadcast_tensors(value, torch.tensor(bound))
            if steps:  # no cell of the grid is cut
                found = ((value <= edge) if op == "<=" else (value >= edge)).to(ZERO.dtype)
            else:
                found = less(value, edge) if op == "<=" else less(edge, value)
            return (1 - found if neg else found) * self.there(there)

        return Condition(f"{term.text} {op} {bound:.12g}", holds)

    def quantified_condition(self) -> Condition:
        body = self.condition(0, {"k": 0})
        if "[k]" not in body.text:
            return body
        word = self.random.choice(["forall", "exists", "count"])

        def of(states: States, k: Scope, neg: bool) -> Tensor:
            if word == "count":  # exactly one
                one, other = body.of(states, {"k": 0}, False), body.of(states, {"k": 1}, False)
                found = one * (1 - other) + other * (1 - one)
                return 1 - found if neg else found
            one, other = body.of(states, {"k": 0}, neg), body.of(states, {"k": 1}, neg)
            return one * other if (word == "forall") != neg else 1 - (1 - one) * (1 - other)

        if word == "count":
            return Condition(f"(count k in 0..1: {body.text}) == 1", of)
        return Condition(f"({word} k in 0..1: {body.text})", of)


def _sum(law: Law, each: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    parts = [each(INTS[k], p) for k, p in enumerate(law.log_probs)]
    return torch.stack(parts).sum(0)


def _scale(law: Law) -> Tensor:
    assert law.scale is not None
    return law.scale
