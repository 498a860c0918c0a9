"""Files and their names: imports, definitions, what each may be called, and who uses whom."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from asrppl.check.context import Context
from asrppl.check.expand.values import DefDefinition, Definition, LetDefinition, Module, ParamDefinition
from asrppl.check.standard import standard_definitions
from asrppl.diagnostics import Edit, Note, replacing
from asrppl.files import Library, unreadable
from asrppl.source import Source, Span
from asrppl.suggest import did_you_mean, nearest
from asrppl.syntax import ast, parse_file
from asrppl.words import BUILTINS, CLOSED_NAMES, GIVEN_TYPES, PARAMETER_TYPES

MAX_FILES = 60


@dataclass(slots=True)
class Loader:
    """Loads a file and what it imports, each file once.

    Args:
        ctx: of the pass.
        library: where imported files come from; None for a text, which may not import.
        loaded: the imported files by identity, None while one is being loaded.
        sites: all files' ``site`` statements by name.
        given: all files' ``given`` statements by name.
        modules: of all files, imported ones before those that import them.
        texts: of all imported files, under each name that an import has for them.
    """

    ctx: Context
    library: Library | None
    loaded: dict[object, Module | None] = field(default_factory=dict[object, Module | None])
    sites: dict[str, ast.Site] = field(default_factory=dict[str, ast.Site])
    given: dict[str, ast.Given] = field(default_factory=dict[str, ast.Given])
    modules: list[Module] = field(default_factory=list[Module])
    texts: dict[str, str] = field(default_factory=dict[str, str])

    def load(self, file: ast.File, *, imported: bool) -> Module:
        """Return the names of ``file``; its imports stand beside it."""
        module = Module(file.source, file, standard=standard_definitions())
        for statement in file.statements:
            match statement:
                case ast.Import():
                    self._import(statement, module)
                case ast.Param():
                    self._define(module, ParamDefinition(statement, module))
                case ast.Let():
                    self._define(module, LetDefinition(statement, module))
                case ast.Def():
                    self._define(module, DefDefinition(statement, module))
                case ast.Site():
                    self._site(statement)
                case ast.Given():
                    self._given(statement)
                case ast.Rule():
                    if imported:
                        self.ctx.add(
                            "ASR024",
                            statement.span,
                            "this rule is left out: an import brings `let`, `def` and `param` only",
                            help="move what is shared to a file without rules",
                        )
        self.modules.append(module)
        return module

    # ---- imports

    def _import(self, node: ast.Import, module: Module) -> None:
        name = self._name(node, module)
        if name is None or self.library is None:
            return
        identity = self.library.identity(name)
        if identity in self.loaded:
            found = self.loaded[identity]
            if found is not None:
                self.texts[name] = found.source.text
            else:
                self.ctx.add("ASR023", node.span, f'"{node.path}" imports this file in turn')
                return
        else:
            found = self._load(node, name, self.library)
            if found is None:
                return
        for name, definition in found.own.items():
            self._verify_new(module, name, definition, node.span)
            module.imported.setdefault(name, definition)

    def _name(self, node: ast.Import, module: Module) -> str | None:
        if node.bare:
            mend = f'import "{node.path}.asr"'
            message, edits = "an import names a file, in quotes", replacing(node.span, mend)
            self.ctx.add("ASR020", node.span, message, help=f"write `{mend}`", edits=edits)
            return None
        if self.library is None:
            self.ctx.add(
                "ASR020",
                node.span,
                "rules given as text have no folder to import from",
                help="put them into a file, and load it by its path",
            )
            return None
        written = PurePosixPath(node.path)
        outside = written.is_absolute() or ".." in written.parts or "\\" in node.path or ":" in node.path
        name = str(PurePosixPath(module.source.name).parent / written)
        outside = outside or self.library.identity(name) is None
        if outside or written.suffix != ".asr":
            what = "stand beside the one that imports them, or below" if outside else "end in `.asr`"
            self.ctx.add("ASR022", node.span, f"imported files {what}")
            return None
        return name

    def _load(self, node: ast.Import, name: str, library: Library) -> Module | None:
        if len(self.loaded) >= MAX_FILES:
            self.ctx.add("ASR021", node.span, f"more than {MAX_FILES} files are imported")
            return None
        try:
            text = library.read(name)
        except FileNotFoundError:
            written, there = PurePosixPath(name).name, library.beside(name)
            paths = (str(PurePosixPath(node.path).with_name(other)) for other in nearest(written, there))
            edits = replacing(node.span, *(f'import "{path}"' for path in paths))
            help = did_you_mean(written, there)
            self.ctx.add("ASR021", node.span, f'there is no file "{node.path}"', help=help, edits=edits)
            return None
        except (OSError, UnicodeDecodeError) as error:
            self.ctx.add("ASR021", node.span, f'"{node.path}" cannot be read: {unreadable(error)}')
            return None
        self.texts[name] = text
        parsed = parse_file(Source(name, text, imported=True))
        self.ctx.sink.found.extend(parsed.diagnostics)
        identity = library.identity(name)
        self.loaded[identity] = None
        loaded = self.load(parsed.file, imported=True)
        self.loaded[identity] = loaded
        return loaded

    # ---- definitions

    def _define(self, module: Module, definition: Definition) -> None:
        name = definition.node.name
        is_def = isinstance(definition, DefDefinition)
        if name.text in (BUILTINS if is_def else CLOSED_NAMES) or (is_def and name.text in module.standard):
            what = "in the standard library" if name.text in module.standard else "built in"
            self.ctx.add("ASR027", name.span, f"`{name.text}` is {what}", help="take another name")
            module.broken.add(name.text)  # of its uses no more is said
            return
        if self._verify_new(module, name.text, definition, name.span):
            module.own[name.text] = definition
        if isinstance(definition, DefDefinition):
            for parameter in definition.node.parameters:
                kind = parameter.type
                if kind is not None and kind.text not in PARAMETER_TYPES:
                    known = ", ".join(f"`{known}`" for known in PARAMETER_TYPES)
                    help = did_you_mean(kind.text, PARAMETER_TYPES) or f"there are {known}"
                    message, edits = f"there is no type `{kind.text}` of parameters", _near(kind, PARAMETER_TYPES)
                    self.ctx.add("ASR068", kind.span, message, help=help, edits=edits)

    def _verify_new(self, module: Module, name: str, definition: Definition, span: Span) -> bool:
        earlier = module.find(name)
        if earlier is None or earlier is definition:
            return True
        note = Note(f"`{name}` is defined here", earlier.node.name.span)
        self.ctx.add("ASR026", span, f"`{name}` is defined twice", notes=(note,))
        return False

    def _given(self, node: ast.Given) -> None:
        name, kind = node.name.text, node.type
        earlier = self.given.get(name)
        if earlier is not None and earlier != node:
            note = Note(f"`{name}` is declared here", earlier.name.span)
            self.ctx.add("ASR026", node.name.span, f"`{name}` is declared as given twice", notes=(note,))
            return
        if kind is not None and kind.text not in GIVEN_TYPES:
            known = ", ".join(f"`{known}`" for known in GIVEN_TYPES)
            help = did_you_mean(kind.text, GIVEN_TYPES) or f"there are {known}; of reals it is left out"
            message, edits = f"there is no type `{kind.text}` of given names", _near(kind, GIVEN_TYPES)
            self.ctx.add("ASR068", kind.span, message, help=help, edits=edits)
        self.given[name] = node

    def _site(self, node: ast.Site) -> None:
        name = node.name.text
        earlier = self.sites.get(name)
        if earlier is not None and earlier != node:
            note = Note(f"`{name}` is declared here", earlier.name.span)
            self.ctx.add("ASR026", node.name.span, f"the site `{name}` is declared twice", notes=(note,))
            return
        self.sites[name] = node
        seen: set[str] = set()
        for part in (*node.indices, *(node.fields or ())):
            if part.text in seen:
                self.ctx.add("ASR026", part.span, f"`{part.text}` is written twice")
            seen.add(part.text)
        if node.pattern is None or not set("{}") & set(node.pattern):
            return  # the name of one site
        if len(node.indices) > 2:
            self.ctx.add("ASR025", node.span, "a family of sites is numbered by one index, or by two")
        else:
            self._verify_pattern(node, node.pattern)

    def _verify_pattern(self, node: ast.Site, pattern: str) -> None:
        indices = [index.text for index in node.indices] or ["i"]
        wanted = [f"{{{index}}}" for index in indices]
        between = re.split(r"\{\w*\}", pattern)
        found = re.findall(r"\{\w*\}", pattern)
        name = node.name.text
        help = f'as in `site {name}[{", ".join(indices)}] = "{name}_{"_".join(wanted)}"`'
        if not node.indices or found != wanted or any(set("{}") & set(part) for part in between):
            what = (
                f"`{wanted[0]}` once, and that index" if len(wanted) == 1 else f"{' and then '.join(wanted)}, once each"
            )
            self.ctx.add("ASR025", node.span, f"a pattern stands for numbered sites: it needs {what}", help=help)
        elif "" in between[1:-1]:
            message = "two numbers without anything between them cannot be told apart"
            self.ctx.add("ASR025", node.span, message, help=help)


def _near(name: ast.Name, known: Iterable[str]) -> tuple[Edit, ...]:
    return replacing(name.span, *nearest(name.text, known))


# ---- who uses whom


def names_in(node: object) -> Iterator[str]:
    """Yield the names that a piece of syntax uses, locals included."""
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, ast.Name):
            yield current.text
        elif isinstance(current, tuple):
            pending.extend(current)  # pyright: ignore[reportUnknownArgumentType]  # a generic walk has no types
        elif isinstance(current, ast.Binder):
            pending += [current.domain, current.where]
        elif isinstance(current, ast.Argument):
            pending.append(current.value)
        elif isinstance(current, ast.Field):
            pending.append(current.base)
        elif isinstance(current, ast.Node):
            pending += ast.parts(current)


def _body(definition: Definition) -> ast.Expr:
    return definition.node.body if isinstance(definition, DefDefinition) else definition.node.value


def verify_no_recursion(ctx: Context, module: Module) -> None:
    """Report definitions that use themselves, and mark them as broken."""
    state: dict[str, int] = {}
    for start in module.own:
        path: list[tuple[str, Iterator[str]]] = []
        if start not in state:
            state[start] = 1
            path.append((start, names_in(_body(module.own[start]))))
        while path:
            name, uses = path[-1]
            used = next(
                (u for u in uses if u in module.own and state.get(u) != 2 and not _local(module, name, u)), None
            )
            if used is None:
                state[name] = 2
                path.pop()
            elif state.get(used) == 1:
                circle = [step for step, _ in path]
                circle = [*circle[circle.index(used) :], used]
                _report_circle(ctx, module, circle)
                module.broken.update(circle)
            else:
                state[used] = 1
                path.append((used, names_in(_body(module.own[used]))))


def _local(module: Module, definition: str, name: str) -> bool:
    node = module.own[definition].node
    if isinstance(node, ast.Def):
        return any(parameter.name.text == name for parameter in node.parameters)
    return isinstance(node, ast.Let) and any(index.text == name for index in node.indices)


def _report_circle(ctx: Context, module: Module, circle: list[str]) -> None:
    span = module.own[circle[0]].node.name.span
    if len(circle) == 2:
        ctx.add("ASR029", span, f"`{circle[0]}` uses itself")
        return
    way = " → ".join(f"`{name}`" for name in circle)
    ctx.add("ASR029", span, f"these use each other in a circle: {way}")
