"""Warnings about names: never used, or close to another."""

from asrppl.check.context import Context
from asrppl.check.expand.values import DefDefinition, Module
from asrppl.check.modules import names_in
from asrppl.core.free import FreeName, FreeNames
from asrppl.diagnostics import Note, replacing
from asrppl.source import Span
from asrppl.suggest import is_suspiciously_close
from asrppl.syntax import ast

_MAX_PAIRS = 20_000  # of names compared


def warn_names(ctx: Context, module: Module, free: FreeNames) -> None:
    """Warn about the names of a file that has rules (one without is a library)."""
    _warn_parameters(ctx, module)
    if any(isinstance(statement, ast.Rule) for statement in module.file.statements):
        _warn_unused(ctx, module)
    _warn_close(ctx, module, free)
    _warn_hidden(ctx, module, free)


def _warn_parameters(ctx: Context, module: Module) -> None:
    for statement in module.file.statements:
        match statement:
            case ast.Def():
                own, body = tuple(parameter.name for parameter in statement.parameters), statement.body
            case ast.Let():
                own, body = statement.indices, statement.value
            case _:
                continue
        used = set(names_in(body))
        for name in own:
            if name.text not in used:
                ctx.add("ASR055", name.span, f"`{name.text}` is never used", name=name.text)


def _warn_unused(ctx: Context, module: Module) -> None:
    used_by: dict[str, set[int]] = {}
    for position, statement in enumerate(module.file.statements):
        for name in names_in(statement):
            used_by.setdefault(name, set()).add(position)
    for position, statement in enumerate(module.file.statements):
        match statement:
            case ast.Param() | ast.Let() | ast.Def() if statement.name.text not in module.own:
                pass  # refused
            case ast.Param() | ast.Let() | ast.Def() | ast.Site() | ast.Given():
                # A statement's own name is among its names.
                if not used_by.get(statement.name.text, set()) - {position}:
                    ctx.add(
                        "ASR055",
                        statement.name.span,
                        f"`{statement.name.text}` is never used",
                        name=statement.name.text,
                    )
            case _:
                pass


def _defined(module: Module) -> dict[str, Span]:
    return {name: definition.node.name.span for name, definition in {**module.own, **module.imported}.items()}


def _warn_close(ctx: Context, module: Module, free: FreeNames) -> None:
    defined = _defined(module)
    functions = set(module.standard) | {n for n in defined if isinstance(module.find(n), DefDefinition)}
    if len(free) * len(defined) > _MAX_PAIRS:
        return
    for name in free.values():
        known = functions if name.shape == "function" else set(defined) - functions
        close = sorted(other for other in known if is_suspiciously_close(name.name, other))
        if close:
            definer = "the rules define" if close[0] in defined else "the standard library defines"
            message = f"`{name.name}` is expected from the guide, and close to `{close[0]}`, which {definer}"
            notes = (Note(f"`{close[0]}` is defined here", defined[close[0]]),) if close[0] in defined else ()
            help, edits = f"did you mean `{close[0]}`?", replacing(name.span, close[0])
            ctx.add("ASR058", name.span, message, help=help, notes=notes, edits=edits)


def _warn_hidden(ctx: Context, module: Module, free: FreeNames) -> None:
    for name, span in _bound_names(module.file.statements):
        found: FreeName | None = free.get(name)
        if found is not None and found.shape != "function":
            ctx.add(
                "ASR069",
                span,
                f"the index `{name}` has the name of something that is read from the guide",
                notes=(Note(f"`{name}` is read here", found.span),),
            )


def _bound_names(node: object) -> list[tuple[str, Span]]:
    found: list[tuple[str, Span]] = []
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, ast.Binder):
            found += [(name.text, name.span) for name in current.names]
        if isinstance(current, tuple):
            pending.extend(current)  # pyright: ignore[reportUnknownArgumentType]  # a generic walk has no types
        elif isinstance(current, ast.Node):
            pending += ast.parts(current)
    return found
