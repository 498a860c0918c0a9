"""Expansion keeps the meaning: random formulas, evaluated as written and as typed, agree on random values."""

import operator
import random
from collections.abc import Callable, Iterator
from itertools import product

import pytest

from asrppl.check import type_program
from asrppl.core.pathwise import verify_pathwise
from asrppl.core.signature import Entry, Kind, Signature
from asrppl.core.typed import (
    AtLeast,
    AtMost,
    BinaryTerm,
    Choose,
    Conjunction,
    Constant,
    CountTerm,
    Differ,
    Disjunction,
    Equal,
    Every,
    Formula,
    IndexValue,
    Offset,
    Read,
    Reduction,
    Some,
    Term,
    TruthValue,
    Unary,
    Variable,
)
from asrppl.diagnostics import AsrError
from asrppl.source import Source
from asrppl.syntax import ast, parse_file
from tests.check.programs import checked

LENGTH = 4
SIGNATURE = Signature.of(
    {
        "x": Entry(axes=(LENGTH,)),
        "s": Entry(axes=(LENGTH,), kind=Kind.INT),
        "h": Entry(axes=(LENGTH,), kind=Kind.BOOL),
        "y": Entry(),
        "n": Entry(kind=Kind.INT),
        "b": Entry(kind=Kind.BOOL),
    }
)
Values = dict[str, list[float] | float]
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "min": min,
    "max": max,
}


# ---- random formulas


def term(draw: random.Random, depth: int, names: str) -> str:
    if depth <= 0:
        options = ["y", "n", "1", "2", "0.5", "b"]
        options += [f"{array}[{name}]" for array in "xsh" for name in names] + list(names)
        return draw.choice(options)
    left, right = term(draw, depth - 1, names), term(draw, depth - 1, names)
    new = "ijklm"[len(names)]
    match draw.randrange(5):
        case 0 | 1:
            return f"({left} {draw.choice('+-*')} {right})"
        case 2:
            return f"{draw.choice(['max', 'min'])}({left}, {right})"
        case 3:
            return f"(if {formula(draw, depth - 1, names)} then {left} else {right})"
        case _:
            word = draw.choice(["sum", "max", "count"])
            inside = names + new
            body = (formula if word == "count" else term)(draw, depth - 1, inside)
            return f"({word} {binder(draw, depth, names, new)}: ({body}))"


def binder(draw: random.Random, depth: int, names: str, new: str) -> str:
    domain = draw.choice([f"0..{LENGTH - 1}", "1..2", "{0, 3}", "0..n"])
    if domain == "0..n":
        # An end that varies needs something indexed to be clipped to.
        return f"{new} in 0..n where x[{new}] <= 9"
    guard = f" where {formula(draw, depth - 1, names + new)}" if draw.random() < 0.4 else ""
    return f"{new} in {domain}{guard}"


def formula(draw: random.Random, depth: int, names: str) -> str:
    if depth <= 0:
        whole = ["n", "2", "b"] + [f"s[{name}]" for name in names]
        atoms = [
            f"{term(draw, 0, names)} {draw.choice(['<=', '<', '>='])} {term(draw, 0, names)}",
            f"{draw.choice(whole)} {draw.choice(['==', '!='])} {draw.choice(whole)}",
            f"{draw.choice(whole)} {draw.choice(['in', 'not in'])} {draw.choice(['{0, 2}', '1..2', '[0, 1]'])}",
            "0 <= y < 2",
            draw.choice(["b", *(f"h[{name}]" for name in names)]),
        ]
        return draw.choice(atoms)
    new = "ijklm"[len(names)]
    one, other = formula(draw, depth - 1, names), formula(draw, depth - 1, names)
    match draw.randrange(7):
        case 0 | 1:
            return f"({one}) {draw.choice(['and', 'or', 'implies', 'iff'])} ({other})"
        case 2:
            return f"not ({one})"
        case 3 | 4:
            head = binder(draw, depth, names, new)
            return f"({draw.choice(['forall', 'exists'])} {head}: {formula(draw, depth - 1, names + new)})"
        case 5:
            head = binder(draw, depth, names, new)
            bound = draw.choice(["1", "2", "n", "1.5"])
            comparison = draw.choice(["<=", ">=", "<", "==", "!="])
            return f"(count {head}: ({formula(draw, depth - 1, names + new)})) {comparison} {bound}"
        case _:
            return f"{term(draw, depth - 1, names)} {draw.choice(['<=', '<', '>='])} {term(draw, depth - 1, names)}"


# ---- as written


def written(node: ast.Expr, values: Values, scope: dict[str, int]) -> float:
    match node:
        case ast.Number() | ast.Truth():
            return node.value
        case ast.Name():
            found = scope[node.text] if node.text in scope else values[node.text]
            assert not isinstance(found, list)
            return found
        case ast.Index(base=ast.Name() as base, indices=(index,)):
            array = values[base.text]
            assert isinstance(array, list)
            return array[int(written(index, values, scope))]
        case ast.Binary():
            return ARITHMETIC[node.operator](written(node.left, values, scope), written(node.right, values, scope))
        case ast.Call():
            return ARITHMETIC[node.function.text](*(written(a.value, values, scope) for a in node.arguments))
        case ast.Conditional():
            return written(node.then if written(node.condition, values, scope) else node.otherwise, values, scope)
        case ast.Chain():
            operands = [written(operand, values, scope) for operand in node.operands]
            return all(
                COMPARISONS[comparison](left, right)
                for comparison, left, right in zip(node.operators, operands, operands[1:], strict=False)
            )
        case ast.Member():
            return contains(node.container, written(node.value, values, scope), values, scope) != node.negated
        case ast.Not():
            return not written(node.operand, values, scope)
        case ast.Logic():
            left, right = bool(written(node.left, values, scope)), bool(written(node.right, values, scope))
            return {"and": left and right, "or": left or right, "implies": not left or right, "iff": left == right}[
                node.operator
            ]
        case ast.Quantified():
            found = [bool(value) for value in instances(node.binder, node.body, values, scope)]
            return all(found) if node.quantifier == "forall" else any(found)
        case ast.Count():
            return sum(map(bool, instances(node.binder, node.body, values, scope)))
        case ast.Reduced():
            found = list(instances(node.binder, node.body, values, scope))
            return (sum(found) if node.reduction == "sum" else max(found)) if found else 0
        case _:
            raise AssertionError(node)


def contains(container: ast.Expr, value: float, values: Values, scope: dict[str, int]) -> bool:
    match container:
        case ast.SetLiteral():
            return value in [written(item, values, scope) for item in container.items]
        case ast.Range() | ast.Interval():
            return written(container.low, values, scope) <= value <= written(container.high, values, scope)
        case _:
            raise AssertionError(container)


def instances(binder: ast.Binder, body: ast.Expr, values: Values, scope: dict[str, int]) -> Iterator[float]:
    assert binder.domain is not None
    for value in range(LENGTH):
        inner = {**scope, binder.names[0].text: value}
        if contains(binder.domain, value, values, inner) and (
            binder.where is None or written(binder.where, values, inner)
        ):
            yield written(body, values, inner)


# ---- as typed


def value_of(node: Term, values: Values, scope: dict[int, int]) -> float:
    match node:
        case Constant():
            return node.value
        case IndexValue():
            return scope[node.variable.slot]
        case Read():
            found = values[node.name]
            return found[position(node.indices[0], scope)] if isinstance(found, list) else found
        case Unary(operator="neg"):
            return -value_of(node.operand, values, scope)
        case BinaryTerm():
            return ARITHMETIC[node.operator](value_of(node.left, values, scope), value_of(node.right, values, scope))
        case Choose():
            return value_of(node.then if holds(node.condition, values, scope) else node.otherwise, values, scope)
        case CountTerm():
            return sum(holds(node.body, values, inner) for inner in grid(node.variables, scope))
        case Reduction():
            found = [
                value_of(node.body, values, inner)
                for inner in grid(node.variables, scope)
                if node.guard is None or holds(node.guard, values, inner)
            ]
            return (sum(found) if node.reduction == "sum" else max(found)) if found else 0
        case _:
            raise AssertionError(node)


def position(offset: Offset, scope: dict[int, int]) -> int:
    return (scope[offset.variable.slot] if offset.variable is not None else 0) + offset.add


def grid(variables: tuple[Variable, ...], scope: dict[int, int]) -> Iterator[dict[int, int]]:
    for chosen in product(*(variable.values for variable in variables)):
        yield {**scope, **{variable.slot: value for variable, value in zip(variables, chosen, strict=True)}}


def holds(node: Formula, values: Values, scope: dict[int, int]) -> bool:
    match node:
        case TruthValue():
            return node.value
        case AtMost():
            left, right = value_of(node.left, values, scope), value_of(node.right, values, scope)
            return left < right if node.strict else left <= right
        case Equal():
            return value_of(node.left, values, scope) == value_of(node.right, values, scope)
        case Differ():
            return value_of(node.left, values, scope) != value_of(node.right, values, scope)
        case Conjunction():
            return all(holds(operand, values, scope) for operand in node.operands)
        case Disjunction():
            return any(holds(operand, values, scope) for operand in node.operands)
        case Every():
            return all(holds(node.body, values, inner) for inner in grid(node.variables, scope))
        case Some():
            return any(holds(node.body, values, inner) for inner in grid(node.variables, scope))
        case AtLeast():
            count = sum(holds(node.body, values, inner) for inner in grid(node.variables, scope))
            return count >= value_of(node.bound, values, scope)


# ---- the property


def random_values(draw: random.Random) -> Values:
    return {
        "x": [draw.choice([-1.0, 0.0, 0.5, 1.0, 2.0]) for _ in range(LENGTH)],
        "s": [draw.randrange(4) for _ in range(LENGTH)],
        "h": [draw.randrange(2) for _ in range(LENGTH)],
        "y": draw.choice([-1.0, 0.0, 0.5, 1.0, 2.0]),
        "n": draw.randrange(LENGTH),
        "b": draw.randrange(2),
    }


@pytest.mark.parametrize("seed", range(8))
def test_a_formula_holds_as_typed_just_where_it_holds_as_written(seed: int) -> None:
    draw = random.Random(seed)
    compared = 0
    while compared < 250:
        text = formula(draw, draw.randrange(1, 4), "")
        found = checked(text)
        try:
            program, _ = type_program(found, SIGNATURE)
        except AsrError:
            continue  # `!=` of reals under a negation, and the like
        tree = parse_file(Source("f", text)).file.statements[0]
        assert isinstance(tree, ast.Rule)
        for _ in range(4):
            values = random_values(draw)
            assert holds(program.rules[0].formula, values, {}) == bool(written(tree.formula, values, {})), text
        verify_pathwise(program, SIGNATURE)  # nothing here is reparameterised
        compared += 1
