"""What the text of rules gives away of the names that they read: numbers that are meant, whole ones, listed laws."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from asrppl.check import Checked
from asrppl.check.facts import nodes
from asrppl.syntax import ast


@dataclass(slots=True)
class Guesses:
    """What is guessed of names.

    Args:
        checked: the file.
        formulas: its rules, with definitions written out.
        mentioned: by name the numbers, and params' values, that it is compared with.
    """

    checked: Checked
    formulas: Sequence[ast.Expr]
    mentioned: dict[str, list[float]] = field(init=False)

    def __post_init__(self) -> None:
        self.mentioned = _mentioned(self.checked, self.formulas)

    def support(self, name: str) -> int:
        """Return how many values, 0, 1, .., a law has: one more than the numbers that it is compared with."""
        numbers = [int(number) for number in self.mentioned.get(name, ()) if float(number).is_integer()]
        return max([*numbers, 1]) + 2

    def listed(self, name: str) -> bool:
        """Whether a law is asked for its values one by one, or compared with laws that have such."""
        if self.checked.free[name].shape == "probabilities":
            return True
        for part in _all(self.formulas):
            match part:
                case ast.Index(base=ast.Call() as law) if _is_law_of(law, name):
                    return True
                case ast.Divergence() if _reads(part, name):
                    calls = {inner.function.text for inner in nodes(part) if isinstance(inner, ast.Call)}
                    if part.function.text != "kl" or calls & {"delta", "uniform", "categorical", "aggregate"}:
                        return True
                case ast.Call(function=ast.Name(text="js" | "tv")) if _reads(part, name):
                    return True
                case _:
                    pass
        return False

    def counted(self, name: str) -> bool:
        """Whether a number is compared as ints are: with one by ``==``, by ``!=``, with a set or a range of them."""
        numbers = self.mentioned.get(name, ())
        if any(not float(number).is_integer() for number in numbers):
            return False
        for part in _all(self.formulas):
            match part:
                case ast.Chain(operators=operators) if "!=" in operators and _reads(part, name):
                    return True
                case ast.Chain(operators=("==",), operands=(left, right)) if (
                    _is_entry(left, name) and self.is_int(right)
                ) or (_is_entry(right, name) and self.is_int(left)):
                    return True
                case ast.Member(container=ast.SetLiteral() | ast.Range() | ast.Name()) if _is_entry(part.value, name):
                    return True
                case ast.Index() if any(_reads(index, name) for index in part.indices) and not _is_mean(part):
                    return True
                case _:
                    pass
        return False

    def is_int(self, expr: ast.Expr) -> bool:
        """Whether an expression is a whole constant, or counts."""
        match expr:
            case ast.Number():
                return isinstance(expr.value, int)
            case ast.Name():
                return isinstance(self.checked.params.get(expr.text), int)
            case _:
                return isinstance(expr, ast.Count)

    def indexes(self, name: str, axes: Mapping[str, tuple[int, ...]]) -> int | None:
        """Return the length of the axis that a number is an index of, None where it is none."""
        for part in _all(self.formulas):
            if isinstance(part, ast.Index) and isinstance(part.base, ast.Name) and part.base.text in axes:
                for index, length in zip(part.indices, axes[part.base.text], strict=False):
                    if _reads(index, name):
                        return length
        return None


def _mentioned(checked: Checked, formulas: Sequence[ast.Expr]) -> dict[str, list[float]]:
    """Return by name the numbers, and params' values, of the comparisons that read it."""
    found: dict[str, list[float]] = {}
    for part in _all(formulas):
        if isinstance(part, ast.Chain | ast.Member | ast.Divergence):
            names = {inner.text for inner in nodes(part) if isinstance(inner, ast.Name)}
            numbers = [*_written(part), *(number for name in names for number in _numbers(checked.params.get(name)))]
            for name in names & set(checked.free):
                found.setdefault(name, []).extend(numbers)
    for part in _all(formulas):  # `exists k in {1, 3}: q(n)[k] ..`: what an index runs over is a value, too
        if isinstance(part, ast.Quantified | ast.Reduced | ast.Count) and part.binder.domain is not None:
            domain = part.binder.domain
            names = [inner.text for inner in nodes(domain) if isinstance(inner, ast.Name)]
            numbers = [*_written(domain), *(number for name in names for number in _numbers(checked.params.get(name)))]
            for inner in nodes(part.body):
                law = isinstance(inner, ast.Call) and inner.function.text == "q"
                for name in (read.text for read in nodes(inner) if isinstance(read, ast.Name)) if law else ():
                    found.setdefault(name, []).extend(numbers)
    return found


def _is_entry(expr: ast.Expr, name: str) -> bool:
    base = expr.base if isinstance(expr, ast.Index) else expr
    return isinstance(base, ast.Name) and base.text == name


def _written(tree: ast.Node) -> Iterator[float]:
    """Yield the numbers that are written in an expression, but for those that say nothing of how large values are."""
    parts = list(nodes(tree))
    negated = [part.operand for part in parts if isinstance(part, ast.Negate)]
    silent: list[ast.Expr] = []
    for part in parts:
        match part:
            case ast.Binary(operator="/"):  # as in half of a box's side
                silent.append(part.right)
            case ast.Index(base=ast.Name()) if not _is_mean(part):
                silent += part.indices
            case _:
                pass
    for part in parts:
        if isinstance(part, ast.Number) and not any(part is one for one in silent):
            yield -float(part.value) if any(part is one for one in negated) else float(part.value)


def _numbers(value: object) -> list[float]:
    if isinstance(value, tuple):
        return [number for part in cast(tuple[object, ...], value) for number in _numbers(part)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def _all(formulas: Sequence[ast.Expr]) -> Iterator[ast.Node]:
    return (part for formula in formulas for part in nodes(formula))


def _reads(tree: ast.Node, name: str) -> bool:
    return any(isinstance(part, ast.Name) and part.text == name for part in nodes(tree))


def _is_law_of(call: ast.Call, name: str) -> bool:
    return call.function.text in ("q", "aggregate") and _reads(call, name)


def _is_mean(part: ast.Index) -> bool:
    return isinstance(part.base, ast.Name) and part.base.text in ("E", "P")
