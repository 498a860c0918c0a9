"""Parse tree → frozen nodes. A walk with a stack of its own: no text is deep enough to exhaust Python's."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import lark

from asrppl.diagnostics import Note, Sink
from asrppl.source import Source, Span
from asrppl.syntax import ast

MAX_NESTING = 100
MAX_INTEGER = 2**53  # up to here a float holds every integer exactly


class _Part(NamedTuple):
    """A finished child: a token, a node or a tuple of nodes, where it stands, how deep it is, and what it chains.

    ``chain`` is `and`, `or`, `+` or `*` where it is operands joined by these: however many, they make one level.
    """

    value: Any
    span: Span
    depth: int
    chain: str = ""


class _Branch(NamedTuple):
    """A branch of the parse tree: the children that are still to come, and those that are finished."""

    kind: str
    coming: Iterator[lark.Tree[lark.Token] | lark.Token]
    parts: list[_Part]


def build(tree: lark.Tree[lark.Token], source: Source, offset: int, sink: Sink) -> ast.Statement | None:
    """Return the statement of a parse tree whose text starts at ``offset``; None where ``sink`` got an error."""
    known = len(sink.found)
    around: list[_Branch] = []
    branch = _Branch(str(tree.data), iter(tree.children), [])
    while True:
        for child in branch.coming:
            if isinstance(child, lark.Token):
                start = offset + (child.start_pos or 0)
                branch.parts.append(_Part(child, Span(source, start, start + len(child)), 0))
            else:
                around.append(branch)
                branch = _Branch(str(child.data), iter(child.children), [])
                break
        else:
            part = _finished(branch.kind, branch.parts, sink)
            if not around:
                return part.value if len(sink.found) == known else None
            branch = around.pop()
            branch.parts.append(part)


def _finished(kind: str, parts: list[_Part], sink: Sink) -> _Part:
    first, last = parts[0], parts[-1]
    span = Span(first.span.source, first.span.start, last.span.end)
    value = _BUILDERS[kind](parts, span, sink)
    chain = _chained(kind, parts)
    deeper = kind not in _FLAT
    depth = first.depth + deeper
    if chain and first.chain == chain and kind in ("binary", "logic"):
        depth = first.depth  # a longer chain is no deeper
    for part in parts[1:]:
        depth = max(depth, part.depth + deeper)
    if deeper and depth == MAX_NESTING + 1:  # further up it is the same finding
        sink.add(
            "ASR014",
            span,
            f"this is nested more than {MAX_NESTING} deep",
            help="name its parts with `let` or `def`, or split the rule",
        )
    return _Part(value, span, depth, chain)


_CHAINS = {"and": "and", "or": "or", "+": "+", "-": "+", "*": "*", "/": "*"}


def _chained(kind: str, parts: list[_Part]) -> str:
    """Return what a finished branch chains, "" where it is no chain."""
    if kind == "parenthesised":
        return parts[1].chain
    return _CHAINS.get(str(parts[1].value), "") if kind in ("binary", "logic") else ""


# Branches of the parse tree that make no node of their own.
_FLAT = frozenset({"names", "indices", "parameters", "arguments", "parenthesised"})


def _name(part: _Part) -> ast.Name:
    return ast.Name(part.span, str(part.value))


def _is(part: _Part, *kinds: str) -> bool:
    return isinstance(part.value, lark.Token) and part.value.type in kinds


def _every_other(parts: list[_Part]) -> tuple[Any, ...]:
    """Return what stands between commas."""
    return tuple(part.value for part in parts if not isinstance(part.value, lark.Token))


# ---- expressions


def _number(parts: list[_Part], span: Span, sink: Sink) -> ast.Number:
    text = str(parts[0].value)
    value: int | float = float(text)
    if math.isinf(value) or (text.isdigit() and value > MAX_INTEGER):
        sink.add(
            "ASR005",
            span,
            "this number is too large to be held exactly" if text.isdigit() else "this number is too large",
        )
        return ast.Number(span, 0)
    return ast.Number(span, int(text) if text.isdigit() else value)


def _chain(parts: list[_Part], span: Span, sink: Sink) -> ast.Chain:
    operators = tuple(str(part.value) for part in parts[1::2])
    if len(operators) > 1:
        first = next((part for part in parts[1::2] if str(part.value) != "=="), parts[1])
        for part in parts[1::2]:
            if str(part.value) == "!=":
                sink.add(
                    "ASR009",
                    part.span,
                    "`!=` does not chain: its ends would be left uncompared",
                    help="join two comparisons with `and`",
                )
                break
            if str(part.value) != "==" and str(part.value)[0] != str(first.value)[0]:
                sink.add(
                    "ASR009",
                    part.span,
                    f"`{first.value}` and `{part.value}` run in two directions in one chain of comparisons",
                    help="turn one around, or join two comparisons with `and`",
                    notes=(Note(f"here is the `{first.value}`", first.span),),
                )
                break
    return ast.Chain(span, tuple(part.value for part in parts[::2]), operators)


def _container(expr: ast.Expr) -> ast.Expr:
    """Return what stands directly after `in`: two values in brackets are an interval there."""
    if isinstance(expr, ast.Vector) and len(expr.items) == 2:
        return ast.Interval(expr.span, *expr.items)
    return expr


def _binder(parts: list[_Part], span: Span, names: tuple[ast.Name, ...], distinct: bool) -> ast.Binder:
    domain = next((_container(after.value) for part, after in pairwise(parts) if _is(part, "IN")), None)
    where = next((after.value for part, after in pairwise(parts) if _is(part, "WHERE")), None)
    return ast.Binder(span, names, distinct, domain, where)


def _call(parts: list[_Part], span: Span, sink: Sink) -> ast.Expr:
    function = _name(parts[0])
    inside = parts[2].value if len(parts) == 4 else ()
    if isinstance(inside, _Two):
        return inside.node(span, function, inside.first, inside.second)
    return ast.Call(span, function, inside)


class _Two(NamedTuple):
    """What stands between the parentheses of ``kl(p || r)`` and of ``aggregate(t where g)``."""

    node: type[ast.Divergence] | type[ast.Restricted]
    first: ast.Expr
    second: ast.Expr


def _argument(part: _Part) -> ast.Argument:
    return part.value if isinstance(part.value, ast.Argument) else ast.Argument(part.span, None, part.value)


# ---- statements


def _statement_parts(parts: list[_Part]) -> tuple[ast.Name, tuple[ast.Name, ...]]:
    """Return the name after the statement word, and the indices after the name."""
    indices = parts[2].value if not isinstance(parts[2].value, lark.Token) else ()
    return _name(parts[1]), indices


def _import(parts: list[_Part], span: Span, sink: Sink) -> ast.Import:
    text = str(parts[1].value)
    bare = _is(parts[1], "NAME")
    return ast.Import(span, text if bare else text[1:-1], bare)


def _site(parts: list[_Part], span: Span, sink: Sink) -> ast.Site:
    indices: tuple[ast.Name, ...] = ()
    pattern: str | None = None
    fields: tuple[ast.Name, ...] | None = None
    for before, part in pairwise(parts[1:]):
        if _is(part, "STRING"):
            pattern = str(part.value)[1:-1]
        elif not isinstance(part.value, lark.Token):
            if _is(before, "LPAR"):
                fields = part.value
            else:
                indices = part.value
    return ast.Site(span, _name(parts[1]), indices, pattern, fields)


def _given(parts: list[_Part], span: Span, sink: Sink) -> ast.Given:
    indices: tuple[ast.Name, ...] = ()
    kind: ast.Name | None = None
    for before, part in pairwise(parts[1:]):
        if _is(before, "COLON"):
            kind = _name(part)
        elif not isinstance(part.value, lark.Token):
            indices = part.value
    return ast.Given(span, _name(parts[1]), indices, kind)


def _let(parts: list[_Part], span: Span, sink: Sink) -> ast.Let:
    name, indices = _statement_parts(parts)
    return ast.Let(span, name, indices, parts[-1].value)


def _def(parts: list[_Part], span: Span, sink: Sink) -> ast.Def:
    parameters = parts[3].value if not isinstance(parts[3].value, lark.Token) else ()
    return ast.Def(span, _name(parts[1]), parameters, parts[-1].value)


def _rule(parts: list[_Part], span: Span, sink: Sink) -> ast.Rule:
    options: tuple[ast.Option, ...] = tuple(part.value for part in parts[2:-2])
    seen: dict[type[ast.Option], ast.Option] = {}
    for option in options:
        clashing: set[type[ast.Option]] = {type(option)}
        if isinstance(option, ast.Weight | ast.Hard):
            clashing |= {ast.Weight, ast.Hard}
        for kind in clashing:
            if kind in seen:
                twice = kind is type(option)
                word = kind.__name__.lower()
                sink.add(
                    "ASR011",
                    option.span,
                    f"`{word}` is given twice" if twice else "a rule has a weight or is hard, not both",
                    help="join the two with `and`" if kind is ast.Where else "keep one of the two",
                    notes=(Note("the other is here", seen[kind].span),),
                )
        seen.setdefault(type(option), option)
    return ast.Rule(span, _name(parts[1]), options, parts[-1].value)


_BUILDERS: dict[str, Callable[[list[_Part], Span, Sink], Any]] = {
    # expressions
    "number": _number,
    "truth": lambda parts, span, sink: ast.Truth(span, str(parts[0].value) == "true"),
    "name": lambda parts, span, sink: _name(parts[0]),
    "call": _call,
    "arguments": lambda parts, span, sink: tuple(_argument(part) for part in parts[::2]),
    "named": lambda parts, span, sink: ast.Argument(span, _name(parts[0]), parts[2].value),
    "divergence": lambda parts, span, sink: _Two(ast.Divergence, parts[0].value, parts[2].value),
    "restricted": lambda parts, span, sink: _Two(ast.Restricted, parts[0].value, parts[2].value),
    "parenthesised": lambda parts, span, sink: replace(parts[1].value, span=span),
    "index": lambda parts, span, sink: ast.Index(span, parts[0].value, _every_other(parts[1:])),
    "field": lambda parts, span, sink: ast.Field(span, parts[0].value, _name(parts[2])),
    "set_": lambda parts, span, sink: ast.SetLiteral(span, _every_other(parts)),
    "brackets": lambda parts, span, sink: ast.Vector(span, _every_other(parts)),
    "range": lambda parts, span, sink: ast.Range(span, parts[0].value, parts[2].value),
    "negate": lambda parts, span, sink: ast.Negate(span, parts[1].value),
    "binary": lambda parts, span, sink: ast.Binary(span, parts[1].value.value, parts[0].value, parts[2].value),
    "chain": _chain,
    "member": lambda parts, span, sink: ast.Member(span, parts[0].value, _container(parts[-1].value), len(parts) == 4),
    "not_": lambda parts, span, sink: ast.Not(span, parts[1].value),
    "logic": lambda parts, span, sink: ast.Logic(span, parts[1].value.type.lower(), parts[0].value, parts[2].value),
    "conditional": lambda parts, span, sink: ast.Conditional(span, parts[1].value, parts[3].value, parts[5].value),
    "names": lambda parts, span, sink: tuple(_name(part) for part in parts[::2]),
    "binder": lambda parts, span, sink: _binder(parts, span, parts[0].value, False),
    "distinct": lambda parts, span, sink: _binder(parts, span, (_name(parts[0]), _name(parts[2])), True),
    "quantified": lambda parts, span, sink: ast.Quantified(span, parts[0].value.value, parts[1].value, parts[3].value),
    "reduced": lambda parts, span, sink: ast.Reduced(span, parts[0].value.value, parts[1].value, parts[3].value),
    "counted": lambda parts, span, sink: ast.Count(span, parts[1].value, parts[3].value),
    "count": lambda parts, span, sink: ast.Count(span, parts[1].value, parts[3].value),
    # statements
    "indices": lambda parts, span, sink: parts[1].value,
    "parameter": lambda parts, span, sink: ast.Parameter(
        span, _name(parts[0]), _name(parts[2]) if len(parts) == 3 else None
    ),
    "parameters": lambda parts, span, sink: _every_other(parts),
    "import_": _import,
    "param": lambda parts, span, sink: ast.Param(span, _name(parts[1]), parts[3].value),
    "given": _given,
    "site": _site,
    "let": _let,
    "def_": _def,
    "weight": lambda parts, span, sink: ast.Weight(span, parts[1].value),
    "ramp": lambda parts, span, sink: ast.Weight(span, parts[1].value, parts[3].value, parts[5].value),
    "late_ramp": lambda parts, span, sink: ast.Weight(
        span, parts[1].value, parts[3].value, parts[7].value, parts[5].value
    ),
    "hard": lambda parts, span, sink: ast.Hard(span, parts[2].value if len(parts) == 3 else None),
    "smooth": lambda parts, span, sink: ast.Smooth(span, parts[1].value),
    "margin": lambda parts, span, sink: ast.Margin(span, parts[1].value),
    "powered": lambda parts, span, sink: ast.Power(span, parts[1].value),
    "filtered": lambda parts, span, sink: ast.Where(span, parts[1].value),
    "rule": _rule,
    "bare": lambda parts, span, sink: ast.Rule(span, None, (), parts[0].value),
}
