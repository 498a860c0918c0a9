"""What names stand for while a tree is expanded, and what expressions evaluate to.

Definitions are expanded by name: a parameter of a ``def`` stands for its argument's syntax and the environment that
it was written in (a thunk). So an argument may be a formula, which is expanded anew for each polarity it is met in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from asrppl.core.typed import Distribution, Offset, Term, Variable
from asrppl.diagnostics import Note
from asrppl.source import Source, Span
from asrppl.syntax import ast

# ---- definitions


@dataclass(slots=True, eq=False)
class LetDefinition:
    """A ``let``, and the file it stands in."""

    node: ast.Let
    module: "Module"


@dataclass(slots=True, eq=False)
class DefDefinition:
    """A ``def``, and the file it stands in."""

    node: ast.Def
    module: "Module"


@dataclass(slots=True, eq=False)
class ParamDefinition:
    """A ``param`` and its value, overridden or not (None before it is known, or after an error)."""

    node: ast.Param
    module: "Module"
    value: "float | bool | NumberSet | Table | None" = None


Definition = LetDefinition | DefDefinition | ParamDefinition


@dataclass(slots=True, eq=False)
class Module:
    """A file's names: those it defines, those its imports bring, and the ``def``s that are always in scope.

    ``broken`` names definitions with an error of their own: whatever uses them is not looked at further.
    """

    source: Source
    file: ast.File
    own: dict[str, Definition] = field(default_factory=dict[str, Definition])
    imported: dict[str, Definition] = field(default_factory=dict[str, Definition])
    standard: Mapping[str, DefDefinition] = field(default_factory=dict[str, DefDefinition])
    broken: set[str] = field(default_factory=set[str])
    used: set[str] = field(default_factory=set[str])

    def find(self, name: str) -> Definition | None:
        """Return what the file itself defines or imports under ``name``."""
        return self.own.get(name) or self.imported.get(name)

    def find_def(self, name: str) -> DefDefinition | None:
        """Return the ``def`` of ``name``, own, imported or standard."""
        found = self.find(name)
        if isinstance(found, DefDefinition):
            return found
        return self.standard.get(name)


# ---- environments


@dataclass(slots=True, eq=False)
class Thunk:
    """An expression not yet expanded, with the environment of its names.

    ``array`` is what it evaluates to where that is an entry under plain index variables, as most arguments are that a
    ``def`` reads field after field; ``steps`` is what the expansion counts as.
    """

    expr: ast.Expr
    env: "Env"
    array: "Array | None" = None
    steps: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class IndexVariable:
    """A name that a quantifier binds."""

    variable: Variable


@dataclass(frozen=True, slots=True, eq=False)
class Unknown:
    """A parameter of a ``def`` that is looked at by itself, without a call; or a definition with an error."""


Local = Thunk | IndexVariable | Unknown


@dataclass(frozen=True, slots=True, eq=False)
class Env:
    """The names in scope: local bindings over those of a file, and the calls that led here."""

    module: Module
    bindings: Mapping[str, Local]
    trail: tuple[Note, ...] = ()

    def bind(self, names: Mapping[str, Local]) -> "Env":
        """Return the environment with further local names."""
        return Env(self.module, {**self.bindings, **names}, self.trail)


# ---- what expressions evaluate to


@dataclass(frozen=True, slots=True)
class Array:
    """Something bound, with the indices given so far (None for one with an error, a term for a computed one)."""

    name: str
    indices: tuple[Offset | Term | None, ...]
    span: Span = field(compare=False, repr=False)
    env: Env = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A box made by the rules themselves; its fields are expanded when they are read."""

    fields: Mapping[str, Thunk]
    span: Span
    squares: bool


@dataclass(frozen=True, slots=True)
class NumberSet:
    """A set of constants."""

    items: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Constants in brackets, or rows of them: ``values`` flat, the last axis fastest; ``name`` of the param."""

    values: tuple[float | bool, ...]
    shape: tuple[int, ...]
    name: str = ""
    indices: tuple[Offset | Term | None, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)

    def rows(self) -> tuple[object, ...]:
        """Return the values in nested tuples."""
        found: list[object] = list(self.values)
        for length in reversed(self.shape[1:]):
            found = [tuple(found[at : at + length]) for at in range(0, len(found), length)]
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Poison:
    """What an expression with an error evaluates to: nothing more is said of it."""


Value = Term | Distribution | Array | Record | NumberSet | Table | Poison
