"""The untyped tree: what the grammar accepts, one frozen node a construct, each with its span.

Formulas and terms are one syntactic class; `asrppl.check` tells them apart by type. Spans do not take part in
comparison, so that ``parse(format(tree)) == tree``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from operator import attrgetter
from typing import Literal

from asrppl.source import Source, Span


@dataclass(frozen=True, slots=True)
class Node:
    """What all nodes share."""

    span: Span = field(compare=False, repr=False)


@cache
def _reader(kind: type[Node]) -> Callable[[Node], tuple[object, ...]]:
    names = [part.name for part in fields(kind) if part.name != "span"]
    return attrgetter(*names) if len(names) > 1 else lambda node: tuple(getattr(node, name) for name in names)


def parts(node: Node) -> tuple[object, ...]:
    """Return what a node consists of, its span aside: nodes, tuples of nodes, texts and numbers."""
    return _reader(type(node))(node)


# ---- expressions


@dataclass(frozen=True, slots=True)
class Number(Node):
    """``3`` (an int) or ``0.5`` (a float)."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Truth(Node):
    """``true`` or ``false``."""

    value: bool


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name in use, or where it is introduced."""

    text: str


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """An argument of a call, named (``size: 3``) or not."""

    name: Name | None
    value: "Expr"


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``nonoverlap(a, b)``, ``square(x: 1, y: 2, size: 3)``, ``abs(t)``."""

    function: Name
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Divergence(Node):
    """``kl(p || r)``."""

    function: Name
    left: "Expr"
    right: "Expr"


@dataclass(frozen=True, slots=True)
class Restricted(Node):
    """``aggregate(t where g)``."""

    function: Name
    value: "Expr"
    where: "Expr"


@dataclass(frozen=True, slots=True)
class Index(Node):
    """``base[i, j + 1]``; also ``E[t]`` and ``P[φ]``, which the checker knows by their names."""

    base: "Expr"
    indices: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Field(Node):
    """``base.name``."""

    base: "Expr"
    name: Name


@dataclass(frozen=True, slots=True)
class SetLiteral(Node):
    """``{1, 3}``."""

    items: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Interval(Node):
    """``[low, high]`` after ``in``."""

    low: "Expr"
    high: "Expr"


@dataclass(frozen=True, slots=True)
class Vector(Node):
    """``[1, 2, 3]`` anywhere but directly after ``in``: constants, or rows of them."""

    items: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Range(Node):
    """``low..high``, integers, both ends included."""

    low: "Expr"
    high: "Expr"


@dataclass(frozen=True, slots=True)
class Negate(Node):
    """``-t``."""

    operand: "Expr"


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """Arithmetic."""

    operator: Literal["+", "-", "*", "/", "^"]
    left: "Expr"
    right: "Expr"


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """``a <= b <= c``: one operator fewer than operands."""

    operands: tuple["Expr", ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Member(Node):
    """``t in S`` or ``t not in S``."""

    value: "Expr"
    container: "Expr"
    negated: bool


@dataclass(frozen=True, slots=True)
class Not(Node):
    """``not φ``."""

    operand: "Expr"


@dataclass(frozen=True, slots=True)
class Logic(Node):
    """``φ and ψ``, ``φ or ψ``, ``φ implies ψ``, ``φ iff ψ``."""

    operator: Literal["and", "or", "implies", "iff"]
    left: "Expr"
    right: "Expr"


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """``if c then a else b``."""

    condition: "Expr"
    then: "Expr"
    otherwise: "Expr"


@dataclass(frozen=True, slots=True)
class Binder(Node):
    """What a quantifier, reduction or count ranges over: ``i, j in 0..2 where g`` or ``i != j``."""

    names: tuple[Name, ...]
    distinct: bool
    domain: "Expr | None"
    where: "Expr | None"


@dataclass(frozen=True, slots=True)
class Quantified(Node):
    """``forall i: φ`` or ``exists i: φ``."""

    quantifier: Literal["forall", "exists"]
    binder: Binder
    body: "Expr"


@dataclass(frozen=True, slots=True)
class Reduced(Node):
    """``sum i: t`` and the like."""

    reduction: Literal["sum", "mean", "max", "min", "prod", "argmax"]
    binder: Binder
    body: "Expr"


@dataclass(frozen=True, slots=True)
class Count(Node):
    """``count i: φ``."""

    binder: Binder
    body: "Expr"


Expr = (
    Number
    | Truth
    | Name
    | Call
    | Divergence
    | Restricted
    | Index
    | Field
    | SetLiteral
    | Interval
    | Vector
    | Range
    | Negate
    | Binary
    | Chain
    | Member
    | Not
    | Logic
    | Conditional
    | Quantified
    | Reduced
    | Count
)

# ---- statements


@dataclass(frozen=True, slots=True)
class Import(Node):
    """``import "mine.asr"``; ``bare`` holds a name written without quotes, which the checker refuses with the mend."""

    path: str
    bare: bool


@dataclass(frozen=True, slots=True)
class Param(Node):
    """``param NAME = value``."""

    name: Name
    value: Expr


@dataclass(frozen=True, slots=True)
class Given(Node):
    """``given NAME`` or ``given NAME[i]: type``: the name is data."""

    name: Name
    indices: tuple[Name, ...]
    type: Name | None


@dataclass(frozen=True, slots=True)
class Site(Node):
    """``site NAME[i] = "pattern_{i}": (a, b, c)``."""

    name: Name
    indices: tuple[Name, ...]
    pattern: str | None
    fields: tuple[Name, ...] | None


@dataclass(frozen=True, slots=True)
class Let(Node):
    """``let NAME[i] = value``."""

    name: Name
    indices: tuple[Name, ...]
    value: Expr


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """A parameter of a ``def``, with its type if one is written (``a: box``)."""

    name: Name
    type: Name | None


@dataclass(frozen=True, slots=True)
class Def(Node):
    """``def NAME(a, b: box) = body``."""

    name: Name
    parameters: tuple[Parameter, ...]
    body: Expr


@dataclass(frozen=True, slots=True)
class Weight(Node):
    """``weight start``, or ``weight start -> end over steps steps``, or ``.. over since..steps steps``."""

    start: Expr
    end: Expr | None = None
    steps: Expr | None = None
    since: Expr | None = None


@dataclass(frozen=True, slots=True)
class Hard(Node):
    """``hard`` or ``hard within ε``."""

    within: Expr | None


@dataclass(frozen=True, slots=True)
class Smooth(Node):
    """``smooth p``."""

    power: Expr


@dataclass(frozen=True, slots=True)
class Margin(Node):
    """``margin m``."""

    amount: Expr


@dataclass(frozen=True, slots=True)
class Power(Node):
    """``power p``."""

    exponent: Expr


@dataclass(frozen=True, slots=True)
class Where(Node):
    """``where g``: a guard for the whole rule."""

    condition: Expr


Option = Weight | Hard | Smooth | Margin | Power | Where


@dataclass(frozen=True, slots=True)
class Rule(Node):
    """``rule NAME options: formula``, or a bare formula (``name`` None)."""

    name: Name | None
    options: tuple[Option, ...]
    formula: Expr


Statement = Import | Param | Given | Site | Let | Def | Rule


@dataclass(frozen=True, slots=True)
class File:
    """A rule file: its statements in order."""

    source: Source = field(compare=False, repr=False)
    statements: tuple[Statement, ...]
