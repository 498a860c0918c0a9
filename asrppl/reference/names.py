"""The names of a rule file: what each stands for, and where its own names are looked up."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath

from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.files import Folder, Library, read_text
from asrppl.reference.values import Given, Kind, given
from asrppl.source import Source, Span
from asrppl.syntax import ast, parse_file


@dataclass(eq=False)
class Variable:
    """An index variable. Loops set ``value``, one value after the other; None while only its uses are looked at.

    ``depth`` is the number of variables that were in scope where it was bound.
    """

    name: str
    depth: int
    value: int | None = None


@dataclass(frozen=True)
class Scope:
    """Where names are looked up: index variables and arguments first, then what the file ``module`` defines."""

    module: "Module"
    names: "Mapping[str, Variable | Closure]" = field(default_factory=dict["str", "Variable | Closure"])
    depth: int = 0

    def bind(self, names: tuple[ast.Name, ...]) -> tuple["Scope", list[Variable]]:
        """Return the scope with index variables, and those."""
        variables = [Variable(name.text, self.depth + position) for position, name in enumerate(names)]
        bound = {variable.name: variable for variable in variables}
        return replace(self, names={**self.names, **bound}, depth=self.depth + len(names)), variables


@dataclass(frozen=True)
class Closure:
    """An argument: an expression, and where its names are looked up."""

    expr: ast.Expr
    scope: Scope


Definition = ast.Let | ast.Def | ast.Param


@dataclass
class Module:
    """What a file defines or imports, each with the file that defines it."""

    names: "dict[str, tuple[Definition, Module]]" = field(default_factory=dict["str", "tuple[Definition, Module]"])

    def find(self, name: str) -> "tuple[Definition, Module] | None":
        """Return a definition of the file, of what it imports, or of the standard library."""
        return self.names.get(name) or standard().names.get(name)


class Names:
    """A rule file, and values for the names that it does not define."""

    def __init__(
        self, source: Source, values: Mapping[str, object], params: Mapping[str, object], library: Library | None
    ) -> None:
        self.rules: list[ast.Rule] = []
        self.sites: dict[str, ast.Site] = {}
        self.declared: dict[str, Kind | None] = {}
        self._params = params
        self.module: Module = self._module(source, library)
        self.values: dict[str, Given] = {
            name: given(name, value, self.declared.get(name)) for name, value in values.items()
        }

    def _module(self, source: Source, library: Library | None) -> Module:
        parsed = parse_file(source)
        if parsed.diagnostics:
            raise AsrError(parsed.diagnostics)
        module, imported = Module(), Module()
        for statement in parsed.file.statements:
            match statement:
                case ast.Import() if library is not None:
                    name = str(PurePosixPath(source.name).parent / statement.path)
                    imported.names |= self._module(Source(name, library.read(name), imported=True), library).names
                case ast.Import():
                    raise AsrError([Diagnostic("ASR020", "rules given as text have no folder to import from")])
                case ast.Param() if statement.name.text in self._params:
                    value = literal(self._params[statement.name.text], statement.span)
                    module.names[statement.name.text] = replace(statement, value=value), module
                case ast.Param() | ast.Let() | ast.Def():
                    module.names[statement.name.text] = statement, module
                case ast.Given():
                    self.declared[statement.name.text] = _declared(statement)
                case ast.Site():
                    self.sites[statement.name.text] = statement
                case ast.Rule() if not source.imported:
                    self.rules.append(statement)
                case ast.Rule():
                    pass  # an import brings definitions only
        module.names = {**imported.names, **module.names}
        return module

    def unfold(self, expr: ast.Expr, scope: Scope) -> tuple[ast.Expr, Scope]:
        """Replace what a file defines, or an argument, by what it stands for."""
        while True:
            match expr:
                case ast.Name(text=name) if name in scope.names:
                    bound = scope.names[name]
                    if isinstance(bound, Variable):
                        return expr, scope
                    expr, scope = bound.expr, bound.scope
                    continue
                case ast.Name(text=name):
                    arguments: list[ast.Expr] | None = None
                case ast.Index(base=ast.Name(text=name)) if name not in scope.names:
                    arguments = list(expr.indices)
                case ast.Call(function=ast.Name(text=name)):
                    arguments = []
                case _:
                    return expr, scope
            found = scope.module.find(name)
            if found is None:
                return expr, scope
            definition, module = found
            names: dict[str, Variable | Closure] = {}
            match definition, expr:
                case ast.Param(), ast.Name():
                    body = definition.value
                case ast.Let(), ast.Name() | ast.Index() if len(definition.indices) == len(arguments or ()):
                    body = definition.value
                    names = {
                        parameter.text: Closure(index, scope)
                        for parameter, index in zip(definition.indices, arguments or (), strict=True)
                    }
                case ast.Def(), ast.Call():
                    body = definition.body
                    for position, argument in enumerate(expr.arguments):
                        parameter = argument.name or definition.parameters[position].name
                        names[parameter.text] = Closure(argument.value, scope)
                case _:
                    return expr, scope
            expr, scope = body, Scope(module, names, scope.depth)


def children(expr: ast.Expr) -> Iterator[ast.Expr]:
    """Yield the parts of an expression that binds nothing."""
    match expr:
        case ast.Call():
            yield from (argument.value for argument in expr.arguments)
        case ast.Binary() | ast.Logic():
            operands: list[ast.Expr] = []
            while isinstance(expr, ast.Binary | ast.Logic):  # chains nest to the left, as deep as they are long
                operands.append(expr.right)
                expr = expr.left
            yield from (expr, *reversed(operands))
        case ast.Divergence():
            yield from (expr.left, expr.right)
        case ast.Restricted():
            yield from (expr.value, expr.where)
        case ast.Index():
            yield from (expr.base, *expr.indices)
        case ast.Field():
            yield expr.base
        case ast.SetLiteral() | ast.Vector():
            yield from expr.items
        case ast.Interval() | ast.Range():
            yield from (expr.low, expr.high)
        case ast.Negate() | ast.Not():
            yield expr.operand
        case ast.Chain():
            yield from expr.operands
        case ast.Member():
            yield from (expr.value, expr.container)
        case ast.Conditional():
            yield from (expr.condition, expr.then, expr.otherwise)
        case _:
            pass


def literal(value: object, span: Span) -> ast.Expr:
    """Return what is written for a value given in place of a param's."""
    match value:
        case bool():
            return ast.Truth(span, value)
        case int() | float():
            return ast.Number(span, value)
        case set() | frozenset():
            return ast.SetLiteral(span, tuple(literal(item, span) for item in value))  # pyright: ignore
        case list() | tuple():
            return ast.Vector(span, tuple(literal(item, span) for item in value))  # pyright: ignore
        case _:
            raise ValueError(f"{value!r} is no value of a param")


def folder_of(path: Path) -> Library:
    """Return where the imports of a file are looked up."""
    return Folder(path.name, path.parent)


def read(path: Path) -> Source:
    """Return the text of a file, under its name."""
    return Source(path.name, read_text(path))


def _declared(statement: ast.Given) -> Kind | None:
    match statement.type.text if statement.type is not None else None:
        case "bool":
            return "bool"
        case "int":
            return "int"
        case "real":
            return "real"
        case _:
            return None


@cache
def standard() -> Module:
    """Return what the standard library defines."""
    module = Module()
    for path in files("asrppl").joinpath("stdlib").iterdir():
        if path.name.endswith(".asr"):
            for statement in parse_file(Source(path.name, path.read_text(encoding="utf-8"))).file.statements:
                if isinstance(statement, ast.Let | ast.Def | ast.Param):
                    module.names[statement.name.text] = statement, module
    return module
