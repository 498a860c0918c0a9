"""Pairs of an entry with itself, which a rule about pairs hardly means."""

from collections.abc import Iterator, Mapping
from itertools import combinations

from asrppl.check.context import Context
from asrppl.check.expand.names import resolve_call
from asrppl.check.expand.values import Env
from asrppl.diagnostics import replacing
from asrppl.syntax import ast

_NEVER = frozenset({"nonoverlap", "left_of", "above"})
"""Relations that no box stands in to itself."""
_ALWAYS = frozenset({"touches", "inside", "contains"})
"""Relations that every box stands in to itself."""


def warn_of_equal_indices(ctx: Context, node: ast.Quantified, env: Env) -> None:
    """Warn of `forall i, j: nonoverlap(box[i], box[j])`, which i = j always violates, and of its like with `exists`."""
    names: list[ast.Name] = []
    body: ast.Expr = node
    while isinstance(body, ast.Quantified) and body.quantifier == node.quantifier:
        binder = body.binder
        if binder.distinct or binder.where is not None or binder.domain != node.binder.domain:
            return
        names += binder.names
        body = body.body
    for one, other in combinations([name.text for name in names], 2):
        for part in _conjuncts(body):
            if not _relates(part, one, other, node.quantifier == "forall", env):
                continue
            pair = f"{node.quantifier} {one} != {other}"
            listed = ", ".join(name.text for name in names)
            mend = pair if len(names) == 2 else f"{node.quantifier} {listed} where {one} != {other}"
            what = f"where `{one}` and `{other}` are the same index"
            help = f"write `{mend}: ...`"
            alone = len(node.binder.names) == len(names) == 2
            edits = replacing(names[0].span.to(names[1].span), f"{one} != {other}") if alone else ()
            if node.quantifier == "forall":
                ctx.add("ASR048", part.span, f"{what}, this never holds", env, help=help, edits=edits)
            else:
                ctx.add("ASR057", part.span, f"{what}, this always holds", env, help=help, edits=edits)


def _conjuncts(body: ast.Expr) -> Iterator[ast.Expr]:
    pending = [body]
    while pending:
        part = pending.pop()
        if isinstance(part, ast.Logic) and part.operator == "and":
            pending += [part.right, part.left]
        else:
            yield part


def _relates(part: ast.Expr, one: str, other: str, never: bool, env: Env) -> bool:
    """Whether ``part`` compares an entry with itself where the indices ``one`` and ``other`` are the same."""
    match part:
        case ast.Call():
            name, found, _ = resolve_call(part.function.text, env)
            standard = found is not None and found is env.module.standard.get(name)
            sides = [argument.value for argument in part.arguments[:2]]
            relation = standard and name in (_NEVER if never else _ALWAYS)
        case ast.Chain(operators=("!=" | "==" as operator,)):
            sides, relation = list(part.operands), (operator == "!=") == never
        case ast.Chain(operators=(">=" | ">" | "<=" | "<" as operator,)) if never:
            far = part.operands[0 if operator[0] == ">" else 1]
            sides = _apart(far)
            relation = True
        case _:
            return False
    return relation and len(sides) == 2 and sides[0] != sides[1] and _same(sides[0], sides[1], {one: other, other: one})


def _apart(far: ast.Expr) -> list[ast.Expr]:
    """Return what `abs(a - b)` or `distance(a, b)` measures between."""
    match far:
        case ast.Call(
            function=ast.Name(text="abs"), arguments=(ast.Argument(value=ast.Binary(operator="-") as apart),)
        ):
            return [apart.left, apart.right]
        case ast.Call(function=ast.Name(text="distance"), arguments=(first, second)):
            return [first.value, second.value]
        case _:
            return []


def _same(left: object, right: object, swapped: Mapping[str, str]) -> bool:
    """Whether two expressions are the same but for the names of two indices."""
    pending: list[tuple[object, object]] = [(left, right)]
    while pending:
        a, b = pending.pop()
        if isinstance(a, ast.Name) and isinstance(b, ast.Name):
            if a.text != b.text and swapped.get(a.text) != b.text:
                return False
        elif isinstance(a, tuple) and isinstance(b, tuple):
            if len(a) != len(b):  # pyright: ignore[reportUnknownArgumentType]  # a generic walk has no types
                return False
            pending += zip(a, b, strict=True)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(a, ast.Node) and isinstance(b, ast.Node) and type(a) is type(b):
            pending += zip(ast.parts(a), ast.parts(b), strict=True)
        elif a != b:
            return False
    return True
