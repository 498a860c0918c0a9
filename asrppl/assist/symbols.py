"""Which name means what: each place of a file where a name stands, with what it stands for there."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal, cast

from asrppl.check import Checked
from asrppl.check.expand.values import DefDefinition, Definition, LetDefinition, Module
from asrppl.source import Source, Span
from asrppl.syntax import ast
from asrppl.words import BUILTINS, OPERATORS

Kind = Literal[
    "param", "let", "def", "rule", "index", "parameter", "guide", "field", "library", "builtin", "type", "file"
]


@dataclass(frozen=True, slots=True)
class Symbol:
    """What a name stands for.

    Args:
        kind: ``guide`` is what a guide, or Python, has to give; ``library`` a ``def`` of the standard library.
        name: as it is written; of a file its path.
        home: where it is introduced; None for what no rule file introduces.
    """

    kind: Kind
    name: str
    home: Span | None


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A place where a name stands; ``defines``: where it is introduced, or a statement declares it."""

    span: Span
    symbol: Symbol
    defines: bool = False


def occurrences_in(file: ast.File, checked: Checked) -> tuple[Occurrence, ...]:
    """Return the names of a file, in their order in it."""
    walk = _Walk(file.source, checked)
    for statement in file.statements:
        walk.statement(statement)
    return tuple(sorted(walk.found, key=lambda found: found.span.start))


def meant_by(name: str, source: Source, checked: Checked, *, called: bool) -> Symbol | None:
    """Return what a word means outside of binders and parameters; None where the file does not know it."""
    walk = _Walk(source, checked)
    symbol = walk.called(name, {}) if called else walk.value(name, {})
    unknown = symbol.kind == "guide" and symbol.home is None and name not in checked.free
    return None if unknown else symbol


def symbol_of(definition: Definition, kind: Kind | None = None) -> Symbol:
    """Return the symbol of a definition."""
    own: Kind = (
        "def" if isinstance(definition, DefDefinition) else "let" if isinstance(definition, LetDefinition) else "param"
    )
    return Symbol(kind or own, definition.node.name.text, definition.node.name.span)


Scope = Mapping[str, Symbol]
"""The names that binders, parameters and indices introduce around a place."""


@dataclass(slots=True)
class _Walk:
    source: Source
    checked: Checked
    found: list[Occurrence] = field(default_factory=list[Occurrence])

    @property
    def module(self) -> Module:
        return self.checked.module

    def add(self, name: ast.Name, symbol: Symbol, *, defines: bool = False) -> None:
        self.found.append(Occurrence(name.span, symbol, defines))

    def introduce(self, names: tuple[ast.Name, ...], kind: Kind) -> dict[str, Symbol]:
        """Note names that are introduced, and return them as a scope."""
        scope = {name.text: Symbol(kind, name.text, name.span) for name in reversed(names)}  # the first of doubles
        for name in names:
            self.add(name, scope[name.text], defines=True)
        return scope

    def statement(self, node: ast.Statement) -> None:
        """Note the names of a statement."""
        match node:
            case ast.Import():
                self.path(node)
            case ast.Param():
                self.introduce((node.name,), "param")
                self.expression(node.value, {})
            case ast.Given():
                self.add(node.name, self.guide(node.name.text), defines=True)
                self.introduce(node.indices, "index")
                self.type(node.type)
            case ast.Site():
                self.site(node)
            case ast.Let():
                self.introduce((node.name,), "let")
                self.expression(node.value, self.introduce(node.indices, "index"))
            case ast.Def():
                self.introduce((node.name,), "def")
                names = tuple(parameter.name for parameter in node.parameters)
                for parameter in node.parameters:
                    self.type(parameter.type)
                self.expression(node.body, self.introduce(names, "parameter"))
            case ast.Rule():
                if node.name is not None:
                    self.introduce((node.name,), "rule")
                for part in (*node.options, node.formula):
                    self.expression(part, {})

    def type(self, name: ast.Name | None) -> None:
        if name is not None:
            self.add(name, Symbol("type", name.text, None))

    def path(self, node: ast.Import) -> None:
        written = re.search(r'"[^"]*"', node.span.text)
        name = str(PurePosixPath(self.source.name).parent / node.path)
        text = self.checked.imported.get(name)
        if written is not None:
            place = Span(self.source, node.span.start + written.start(), node.span.start + written.end())
            home = None if text is None else Span(Source(name, text), 0, 0)
            self.found.append(Occurrence(place, Symbol("file", node.path, home)))

    def site(self, node: ast.Site) -> None:
        """Note the names of a ``site`` statement; a pattern has its indices in braces."""
        self.add(node.name, self.guide(node.name.text), defines=True)
        scope = self.introduce(node.indices, "index")
        for name in node.fields or ():
            self.add(name, Symbol("field", name.text, name.span), defines=True)
        written = re.search(r'"[^"]*"', node.span.text)
        if written is None:
            return
        for found in re.finditer(r"\{(\w+)\}", written.group()):
            if found[1] in scope:
                start = node.span.start + written.start() + found.start(1)
                place = Span(self.source, start, start + len(found[1]))
                self.found.append(Occurrence(place, scope[found[1]]))

    def expression(self, node: ast.Node, scope: Scope) -> None:
        """Note the names in an expression or an option.

        It has a stack of its own: chains nest as deep as they are long.
        """
        pending: list[tuple[object, Scope]] = [(node, scope)]
        while pending:
            part, scope = pending.pop()
            if isinstance(part, tuple):
                pending.extend((inner, scope) for inner in cast(tuple[object, ...], part))
            elif isinstance(part, ast.Node):
                pending.extend(self.visit(part, scope))

    def visit(self, part: ast.Node, scope: Scope) -> Iterator[tuple[object, Scope]]:
        """Note what a node itself names, and yield what is in it."""
        match part:
            case ast.Name():
                self.add(part, self.value(part.text, scope))
            case ast.Call():
                called = self.called(part.function.text, scope)
                self.add(part.function, called)
                for argument in part.arguments:
                    if argument.name is not None:
                        self.add(argument.name, self.parameter(argument.name.text, called))
                    yield argument.value, scope
            case ast.Divergence() | ast.Restricted():
                self.add(part.function, self.called(part.function.text, scope))
                yield (part.left, part.right) if isinstance(part, ast.Divergence) else (part.value, part.where), scope
            case ast.Field():
                self.add(part.name, self.field(part))
                yield part.base, scope
            case ast.Quantified() | ast.Reduced() | ast.Count():
                yield part.binder.domain, scope
                inner = {**scope, **self.introduce(part.binder.names, "index")}
                yield (part.binder.where, part.body), inner
            case _:
                yield ast.parts(part), scope

    # ---- what a name stands for

    def value(self, name: str, scope: Scope) -> Symbol:
        if name in scope:
            return scope[name]
        found = self.module.find(name)
        if found is not None:
            return symbol_of(found)
        if name in OPERATORS or (name == "inf" and name not in self.checked.free):
            return Symbol("builtin", name, None)
        return self.guide(name)

    def called(self, name: str, scope: Scope) -> Symbol:
        """Return what a call calls: an index is never meant, a parameter may stand for a function."""
        local = scope.get(name)
        if local is not None and local.kind == "parameter":
            return local
        if name in BUILTINS:
            return Symbol("builtin", name, None)
        found = self.module.find_def(name)
        if found is not None:
            return symbol_of(found, "library" if self.module.find(name) is not found else None)
        return self.value(name, {})

    def guide(self, name: str) -> Symbol:
        statement = self.checked.sites.get(name) or self.checked.given.get(name)
        return Symbol("guide", name, None if statement is None else statement.name.span)

    def parameter(self, name: str, called: Symbol) -> Symbol:
        found = self.module.find_def(called.name) if called.kind in ("def", "library") else None
        names = () if found is None else found.node.parameters
        home = next((each.name.span for each in names if each.name.text == name), None)
        return Symbol("parameter" if home is not None else "field", name, home)

    def field(self, node: ast.Field) -> Symbol:
        base = node.base.base if isinstance(node.base, ast.Index) else node.base
        site = self.checked.sites.get(base.text) if isinstance(base, ast.Name) else None
        fields = () if site is None else site.fields or ()
        home = next((name.span for name in fields if name.text == node.name.text), None)
        return Symbol("field", node.name.text, home)
