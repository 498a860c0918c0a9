"""The names of a rule file as the slow interpreter sees them: what they mean, and what index variables run over."""

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import asrppl
from asrppl.source import Source
from asrppl.syntax import ast, parse_file

Pair = tuple[float, float]
ZERO: Pair = (0.0, 0.0)
STDLIB = Path(asrppl.__file__).parent / "stdlib"


@dataclass(frozen=True)
class Given:
    """What a name is bound to: nested lists by index, of numbers or of dicts of fields.

    Args:
        kind: ``"real"``, ``"int"`` or ``"bool"``.
        value: indexed first to last; None if only the distribution is read.
        mask: presence, indexed alike.
        distribution: probabilities by value, indexed alike.
    """

    kind: str
    value: object = None
    mask: object = None
    distribution: object = None


@dataclass(frozen=True)
class Number:
    """A value, its kind, and whether anything real was read for it."""

    value: float
    kind: str
    real: bool = False


@dataclass(frozen=True)
class Closure:
    """An expression that a name stands for, and where its names are looked up."""

    expr: ast.Expr
    scope: "Scope"


@dataclass(frozen=True)
class Scope:
    """Names: index values, and arguments of definitions."""

    names: Mapping[str, object] = field(default_factory=dict)

    def bind(self, **names: object) -> "Scope":
        """Return the scope with more names."""
        return Scope({**self.names, **names})


@dataclass(frozen=True)
class Access:
    """``name[.., variable + add, ..]``: an axis of given length."""

    variable: str
    add: int
    length: int


class Names(ABC):
    """One file, and values for its names.

    Args:
        text: of the file.
        given: what its names are bound to.
    """

    def __init__(self, text: str, given: Mapping[str, Given]) -> None:
        self.given = given
        self.rules: list[ast.Rule] = []
        self.lets: dict[str, ast.Let] = {}
        self.defs: dict[str, ast.Def] = {}
        self.params: dict[str, ast.Expr] = {}
        for file in [*(_parse(path.read_text()) for path in sorted(STDLIB.glob("*.asr"))), _parse(text)]:
            for statement in file.statements:
                match statement:
                    case ast.Rule():
                        self.rules.append(statement)
                    case ast.Let():
                        self.lets[statement.name.text] = statement
                    case ast.Def():
                        self.defs[statement.name.text] = statement
                    case ast.Param():
                        self.params[statement.name.text] = statement.value
                    case _:
                        raise NotImplementedError(statement)
        self.smooth: float | None = None
        self.margin = 0.0

    # ---- what the guards of a binder are made of

    @abstractmethod
    def term(self, expr: ast.Expr, scope: Scope) -> Number:
        """Return the value of a term."""

    @abstractmethod
    def holds(self, expr: ast.Expr, scope: Scope, positive: bool) -> bool:
        """Return whether a formula, or its negation, holds."""

    @abstractmethod
    def violation(self, expr: ast.Expr, scope: Scope, positive: bool) -> Pair:
        """Return the violation of a formula, or of its negation."""

    @abstractmethod
    def smaller(self, pairs: list[Pair]) -> Pair:
        """Return the smallest pair."""

    # ---- names

    def unfold(self, expr: ast.Expr, scope: Scope) -> tuple[ast.Expr, Scope]:
        """Replace a name or call that the file defines by what it stands for."""
        while True:
            match expr:
                case ast.Name() if isinstance(scope.names.get(expr.text), Closure):
                    closure = scope.names[expr.text]
                    assert isinstance(closure, Closure)
                    expr, scope = closure.expr, closure.scope
                case ast.Name() if expr.text not in scope.names and expr.text in self.params:
                    expr, scope = self.params[expr.text], Scope()
                case ast.Name() if expr.text not in scope.names and expr.text in self.lets:
                    expr, scope = self.lets[expr.text].value, Scope()
                case ast.Index(base=ast.Name(text=name)) if name not in scope.names and name in self.lets:
                    let = self.lets[name]
                    names = {
                        parameter.text: Closure(index, scope)
                        for parameter, index in zip(let.indices, expr.indices, strict=True)
                    }
                    expr, scope = let.value, Scope(names)
                case ast.Call() if expr.function.text in self.defs:
                    definition = self.defs[expr.function.text]
                    names: dict[str, object] = {}
                    for position, argument in enumerate(expr.arguments):
                        name = definition.parameters[position].name if argument.name is None else argument.name
                        names[name.text] = Closure(argument.value, scope)
                    expr, scope = definition.body, Scope(names)
                case _:
                    return expr, scope

    def index(self, expr: ast.Expr, scope: Scope) -> tuple[str | None, int]:
        """Return an index as (variable, what is added to it)."""
        expr, scope = self.unfold(expr, scope)
        match expr:
            case ast.Name():
                return expr.text, 0
            case ast.Number():
                return None, int(expr.value)
            case ast.Binary(operator="+" | "-" as operator):
                (left, a), (right, b) = self.index(expr.left, scope), self.index(expr.right, scope)
                return left or right, a + b if operator == "+" else a - b
        raise NotImplementedError(expr)

    # ---- what a variable runs over

    def accesses(self, expr: object, scope: Scope, guards: bool = False) -> Iterator[Access]:
        """Yield the accesses outside the guards of binders, or those in them, too."""
        if isinstance(expr, tuple):
            for part in expr:
                yield from self.accesses(part, scope, guards)
        if not isinstance(expr, ast.Node):
            return
        expr, scope = self.unfold(expr, scope)
        if isinstance(expr, ast.Index) and isinstance(expr.base, ast.Name) and expr.base.text in self.given:
            given = self.given[expr.base.text]
            axis = given.value if given.value is not None else given.distribution
            for index in expr.indices:
                variable, add = self.index(index, scope)
                assert isinstance(axis, list)
                if variable is not None:
                    yield Access(variable, add, len(axis))
                axis = axis[0]
            return
        match expr:
            case ast.Quantified() | ast.Reduced() | ast.Count():
                yield from self.accesses(expr.body, scope, guards)
                if guards:
                    yield from self.accesses(expr.binder.where, scope, guards)
            case ast.Name():
                return
            case _:
                for name in expr.__dataclass_fields__:
                    if name not in ("span", "function"):
                        yield from self.accesses(getattr(expr, name), scope, guards)

    def domains(self, binder: ast.Binder, body: ast.Expr, scope: Scope) -> list[list[int]]:
        """Return the values of each of a binder's variables, whatever its guard says."""
        inner = scope.bind(**{name.text: name.text for name in binder.names})
        found: list[list[int]] = []
        for name in binder.names:
            own = [access for access in self.accesses(binder.where, inner) if access.variable == name.text]
            if binder.domain is not None:
                domain, domain_scope = self.unfold(binder.domain, scope)
                match domain:
                    case ast.Range():
                        ends = (self.term(domain.low, domain_scope).value, self.term(domain.high, domain_scope).value)
                        values = list(range(int(ends[0]), int(ends[1]) + 1))
                    case ast.SetLiteral():
                        values = [int(self.term(item, domain_scope).value) for item in domain.items]
                    case _:
                        raise NotImplementedError(domain)
            else:
                uses = [access for access in self.accesses(body, inner) if access.variable == name.text]
                if not uses:  # then over what the guards keep inside
                    uses = [a for a in self.accesses((body, binder.where), inner, True) if a.variable == name.text]
                low = max(-use.add for use in uses)
                values = list(range(low, min(use.length - use.add for use in uses)))
            # Where the guard reads past an axis, the instance is absent.
            found.append([v for v in values if all(0 <= v + use.add < use.length for use in own)])
        return found

    def instances(
        self, binder: ast.Binder, body: ast.Expr, scope: Scope
    ) -> Iterator[tuple[Scope, Pair, Pair, bool, bool]]:
        """Yield for all index values: the scope, violations of the guard and its negation, and whether each holds."""
        domains = self.domains(binder, body, scope)
        names = [name.text for name in binder.names]
        for values in itertools.product(*domains):
            inner = scope.bind(**dict(zip(names, values, strict=True)))
            parts: list[tuple[Pair, Pair, bool, bool]] = []
            if binder.distinct:
                apart = abs(values[0] - values[1])
                parts.append(((float(apart == 0), 0.0), (float(apart), 0.0), apart != 0, apart == 0))
            if binder.where is not None:
                parts.append(
                    (
                        self.violation(binder.where, inner, True),
                        self.violation(binder.where, inner, False),
                        self.holds(binder.where, inner, True),
                        self.holds(binder.where, inner, False),
                    )
                )
            for mask in self.masks(names, body, binder.where, inner):
                parts.append(((float(not mask), 0.0), (float(mask), 0.0), mask, not mask))
            guard, absent, holds, fails = ZERO, None, True, False
            for violated, negated, true, false in parts:
                guard = add(guard, violated)
                absent = negated if absent is None else self.smaller([absent, negated])
                # A real `<` is read as `<=`, so at a tie a guard and its negation both hold.
                holds, fails = holds and true, fails or false
            yield inner, guard, absent if absent is not None else (math.inf, 0.0), holds, fails

    def masks(self, names: list[str], body: object, where: object, scope: Scope) -> Iterator[bool]:
        """Yield the presence of each masked entry whose innermost variable is one of ``names``."""
        seen: set[tuple[str, tuple[tuple[str | None, int], ...]]] = set()
        for expr, place in [*self.reads(body, scope, scope), *self.reads(where, scope, scope)]:
            given = self.given[expr]
            if given.mask is None:
                continue
            used = [variable for variable, _ in place if variable is not None]
            order = list(scope.names)
            if not used or max(used, key=order.index) not in names:
                continue
            where_ = tuple(int(scope.names[v]) + add if v is not None else add for v, add in place)
            if (expr, place) not in seen:
                seen.add((expr, place))
                yield bool(entry(given.mask, where_))

    def reads(
        self, expr: object, scope: Scope, bound: Scope
    ) -> Iterator[tuple[str, tuple[tuple[str | None, int], ...]]]:
        """Yield the arrays read and their indices, where all variables are ``bound`` already."""
        if isinstance(expr, tuple):
            for part in expr:
                yield from self.reads(part, scope, bound)
        if not isinstance(expr, ast.Node):
            return
        expr, scope = self.unfold(expr, scope)
        if isinstance(expr, ast.Index) and isinstance(expr.base, ast.Name) and expr.base.text in self.given:
            place = tuple(self.index(index, scope) for index in expr.indices)
            if all(variable is None or variable in bound.names for variable, _ in place):
                yield expr.base.text, place
            return
        if isinstance(expr, ast.Name):
            return
        for name in expr.__dataclass_fields__:
            if name not in ("span", "function"):
                yield from self.reads(getattr(expr, name), scope, bound)


@cache
def _parse(text: str) -> ast.File:
    parsed = parse_file(Source("<oracle>", text))
    assert not parsed.diagnostics, parsed.diagnostics
    return parsed.file


def add(*pairs: Pair) -> Pair:
    return math.fsum(pair[0] for pair in pairs), math.fsum(pair[1] for pair in pairs)


def entry(value: object, place: tuple[int, ...]) -> object:
    for index in place:
        assert isinstance(value, list)
        assert 0 <= index < len(value)
        value = value[index]
    return value
