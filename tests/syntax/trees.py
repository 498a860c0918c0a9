"""Random trees of the shapes that the parser makes."""

import random

from asrppl.source import Source, Span
from asrppl.syntax import ast

NOWHERE = Span(Source("generated", ""), 0, 0)
# Words of options, statements and reductions are names too, where they can be nothing else.
NAMES = [
    "a",
    "b",
    "box",
    "n",
    "x1",
    "_",
    "E",
    "P",
    "sum",
    "count",
    "max",
    "rule",
    "let",
    "weight",
    "site",
    "steps",
    "inner",
    "organ",
]
INDICES = ["i", "j", "k", "rule", "mean", "notes"]


class Trees:
    """Draws trees from a seeded source."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def name(self) -> ast.Name:
        return ast.Name(NOWHERE, self.random.choice(NAMES))

    def index(self) -> ast.Name:
        return ast.Name(NOWHERE, self.random.choice(INDICES))

    def some(self, low: int, high: int) -> range:
        return range(self.random.randint(low, high))

    def number(self) -> ast.Number:
        drawn = self.random.choice([0, 3, 17, 2**53, 0.5, 3.0, 1e-7, 2.5e300, self.random.random()])
        return ast.Number(NOWHERE, drawn)

    def expressions(self, depth: int, low: int, high: int) -> tuple[ast.Expr, ...]:
        return tuple(self.expression(depth) for _ in self.some(low, high))

    def domain(self, depth: int) -> ast.Expr:
        if self.random.random() < 0.5:
            return ast.Range(NOWHERE, self.expression(depth), self.expression(depth))
        found = self.expression(depth)
        if isinstance(found, ast.Vector) and len(found.items) == 2:  # which directly after `in` is an interval
            return ast.Interval(NOWHERE, *found.items)
        return found

    def binder(self, depth: int) -> ast.Binder:
        distinct = self.random.random() < 0.3
        names = tuple(self.index() for _ in (range(2) if distinct else self.some(1, 3)))
        domain = self.domain(depth) if self.random.random() < 0.4 else None
        where = self.expression(depth) if self.random.random() < 0.4 else None
        return ast.Binder(NOWHERE, names, distinct, domain, where)

    def chain(self, depth: int) -> ast.Chain:
        operators = self.random.choice([("<",), ("!=",), ("==",), ("<=", "<"), (">", "==", ">="), ("==", "==")])
        return ast.Chain(NOWHERE, self.expressions(depth, len(operators) + 1, len(operators) + 1), operators)

    def argument(self, depth: int) -> ast.Argument:
        return ast.Argument(NOWHERE, self.name() if self.random.random() < 0.3 else None, self.expression(depth))

    def expression(self, depth: int) -> ast.Expr:
        if depth <= 0 or self.random.random() < 0.1:
            leaf = self.random.random()
            if leaf < 0.6:
                return self.name()
            return self.number() if leaf < 0.9 else ast.Truth(NOWHERE, leaf < 0.95)
        down = depth - 1
        sub = self.expression
        match self.random.randrange(20):
            case 0:
                return ast.Call(NOWHERE, self.name(), tuple(self.argument(down) for _ in self.some(0, 3)))
            case 1:
                return ast.Divergence(NOWHERE, self.name(), sub(down), sub(down))
            case 2:
                return ast.Restricted(NOWHERE, self.name(), sub(down), sub(down))
            case 3:
                return ast.Index(NOWHERE, sub(down), self.expressions(down, 1, 3))
            case 4:
                return ast.Field(NOWHERE, sub(down), self.name())
            case 5:
                return ast.SetLiteral(NOWHERE, self.expressions(down, 1, 3))
            case 6:
                return ast.Vector(NOWHERE, self.expressions(down, 1, 3))
            case 7:
                return ast.Negate(NOWHERE, sub(down))
            case 8 | 9 | 10:
                return ast.Binary(NOWHERE, self.random.choice(["+", "-", "*", "/", "^"]), sub(down), sub(down))
            case 11 | 12:
                return self.chain(down)
            case 13:
                return ast.Member(NOWHERE, sub(down), self.domain(down), self.random.random() < 0.5)
            case 14:
                return ast.Not(NOWHERE, sub(down))
            case 15 | 16:
                return ast.Logic(NOWHERE, self.random.choice(["and", "or", "implies", "iff"]), sub(down), sub(down))
            case 17:
                return ast.Conditional(NOWHERE, sub(down), sub(down), sub(down))
            case 18:
                quantifier = self.random.choice(["forall", "exists"])
                return ast.Quantified(NOWHERE, quantifier, self.binder(down), sub(down))
            case _:
                if self.random.random() < 0.5:
                    return ast.Count(NOWHERE, self.binder(down), sub(down))
                reduction = self.random.choice(["sum", "mean", "max", "min", "prod", "argmax"])
                return ast.Reduced(NOWHERE, reduction, self.binder(down), sub(down))

    def options(self) -> tuple[ast.Option, ...]:
        options: list[ast.Option] = []
        match self.random.randrange(5):
            case 0:
                options.append(ast.Weight(NOWHERE, self.expression(2)))
            case 1:
                since = self.expression(2) if self.random.random() < 0.3 else None
                options.append(ast.Weight(NOWHERE, self.expression(2), self.expression(2), self.expression(2), since))
            case 2:
                options.append(ast.Hard(NOWHERE, None))
            case 3:
                options.append(ast.Hard(NOWHERE, self.expression(2)))
            case _:
                pass
        if self.random.random() < 0.3:
            options.append(ast.Smooth(NOWHERE, self.expression(1)))
        if self.random.random() < 0.3:
            options.append(ast.Margin(NOWHERE, self.expression(1)))
        if self.random.random() < 0.3:
            options.append(ast.Power(NOWHERE, self.expression(1)))
        if self.random.random() < 0.3:
            options.append(ast.Where(NOWHERE, self.expression(2)))
        self.random.shuffle(options)
        return tuple(options)

    def statement(self, depth: int) -> ast.Statement:
        indices = tuple(self.index() for _ in self.some(0, 2))
        match self.random.randrange(7):
            case 0:
                bare = self.random.random() < 0.3
                return ast.Import(NOWHERE, "mine" if bare else "größe/mine.asr # no comment", bare)
            case 1:
                if self.random.random() < 0.2:
                    kind = self.name() if self.random.random() < 0.5 else None
                    return ast.Given(NOWHERE, self.name(), indices, kind)
                if self.random.random() < 0.2:
                    return ast.Param(NOWHERE, self.name(), ast.Range(NOWHERE, self.number(), self.number()))
                return ast.Param(NOWHERE, self.name(), self.expression(depth))
            case 2:
                pattern = "z_{i}" if self.random.random() < 0.5 else None
                fields = tuple(self.name() for _ in self.some(1, 3)) if self.random.random() < 0.5 else None
                return ast.Site(NOWHERE, self.name(), indices, pattern, fields)
            case 3:
                return ast.Let(NOWHERE, self.name(), indices, self.expression(depth))
            case 4:
                parameters = tuple(
                    ast.Parameter(NOWHERE, self.name(), self.name() if self.random.random() < 0.4 else None)
                    for _ in self.some(0, 3)
                )
                return ast.Def(NOWHERE, self.name(), parameters, self.expression(depth))
            case 5:
                return ast.Rule(NOWHERE, None, (), self.expression(depth))
            case _:
                return ast.Rule(NOWHERE, self.name(), self.options(), self.expression(depth))

    def file(self, depth: int) -> ast.File:
        return ast.File(NOWHERE.source, tuple(self.statement(depth) for _ in self.some(0, 5)))
