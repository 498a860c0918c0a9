"""The checker's two uses: of a file by itself, and of a file against what its names were bound to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from asrppl.check.context import MAX_RANK, Context, LimitError
from asrppl.check.expand.binders import verify_names
from asrppl.check.expand.formulas import expand_formula
from asrppl.check.expand.names import sort
from asrppl.check.expand.terms import expand_value
from asrppl.check.expand.values import (
    DefDefinition,
    Definition,
    Env,
    LetDefinition,
    Local,
    Module,
    NumberSet,
    ParamDefinition,
    Record,
    Table,
    Unknown,
)
from asrppl.check.free import infer_free
from asrppl.check.lint.unused import warn_names
from asrppl.check.modules import Loader, verify_no_recursion
from asrppl.check.params import ParamValue, give_values
from asrppl.check.rules import RuleInfo, check_rules, expand_rule
from asrppl.codes import Severity
from asrppl.core.free import FreeNames
from asrppl.core.rules import TypedProgram
from asrppl.core.signature import Signature
from asrppl.diagnostics import AsrError, Diagnostic, Sink, in_order
from asrppl.files import Library
from asrppl.syntax import ast
from asrppl.syntax.lines import MAX_ERRORS


@dataclass(frozen=True, slots=True)
class Checked:
    """A rule file by itself: what it says, what it expects of the guide, and what is wrong with it.

    Args:
        rules: in the order of the file.
        free: the names that something outside the file has to give.
        params: the params' values, overridden or not; sets and lists as tuples.
        diagnostics: errors and warnings, by position.
        module: the file's names, for the later passes.
        sites: its ``site`` statements by name.
        given: its ``given`` statements by name.
        imported: the texts of the files that it imports, by the names that messages have for them.
    """

    rules: tuple[RuleInfo, ...]
    free: FreeNames
    params: Mapping[str, object]
    diagnostics: tuple[Diagnostic, ...]
    module: Module = field(repr=False, compare=False)
    sites: Mapping[str, ast.Site] = field(repr=False, compare=False)
    given: Mapping[str, ast.Given] = field(repr=False, compare=False)
    imported: Mapping[str, str] = field(repr=False, compare=False)

    @property
    def failed(self) -> bool:
        """Whether anything found is an error."""
        return any(diagnostic.severity is Severity.ERROR for diagnostic in self.diagnostics)


def check_file(
    file: ast.File,
    params: Mapping[str, ParamValue],
    *,
    library: Library | None,
    factors: Mapping[str, float] | None = None,
) -> Checked:
    """Check a rule file by itself.

    Args:
        file: its tree.
        params: values that replace those of its ``param`` statements.
        library: where its imports come from; None for a text, which may not import.
        factors: the rules to keep, with what their weights are multiplied by; None for all as they stand.

    Returns:
        What was found, errors included: this never raises on a bad file.
    """
    sink = Sink()
    ctx = Context(sink, None, expand_value, expand_formula)
    loader = Loader(ctx, library)
    module = loader.load(file, imported=False)
    ctx.sites, ctx.given = loader.sites, loader.given
    for loaded in loader.modules:
        verify_no_recursion(ctx, loaded)
    ctx.uses.on = False
    give_values(ctx, loader.modules, params)
    for loaded in loader.modules:
        for name, definition in loaded.own.items():
            if name not in loaded.broken:
                _check_definition(ctx, definition)
    ctx.uses.on = True
    rules = check_rules(ctx, module, factors)
    free = infer_free(ctx.uses, loader.sites, loader.given, sink)
    warn_names(ctx, module, free)
    return Checked(
        rules=rules,
        free=free,
        params=_params(loader.modules),
        diagnostics=_bounded(in_order(sink.found)),
        module=module,
        sites=loader.sites,
        given=loader.given,
        imported=loader.texts,
    )


def _bounded(found: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """Return findings without the errors beyond the first hundred: nobody reads them, and each shows its line."""
    errors = [finding for finding in found if finding.severity is Severity.ERROR]
    if len(errors) <= MAX_ERRORS:
        return found
    left_out = set(map(id, errors[MAX_ERRORS:]))
    last = errors[MAX_ERRORS - 1].span
    more = Diagnostic("ASR017", f"there are too many errors; the first {MAX_ERRORS} are shown", last)
    kept = [finding for finding in found if id(finding) not in left_out]
    return (*kept, more)


def _check_definition(ctx: Context, definition: Definition) -> None:
    """Expand a definition by itself, so that its errors are found though nothing uses it, and found once."""
    match definition:
        case LetDefinition():
            names, body = definition.node.indices, definition.node.value
        case DefDefinition():
            names, body = tuple(parameter.name for parameter in definition.node.parameters), definition.node.body
        case ParamDefinition():
            return
    env = Env(definition.module, {})
    verify_names(ctx, names, env)
    bindings: dict[str, Local] = {name.text: Unknown() for name in names}
    env = env.bind(bindings)
    ctx.begin()
    try:
        if sort(ctx, body, env) == "formula":
            ctx.formula(body, env)
            return
        value = ctx.value(body, env)
        if isinstance(value, Record):
            for thunk in value.fields.values():
                ctx.value(thunk.expr, thunk.env)
    except LimitError:
        definition.module.broken.add(definition.node.name.text)


def _params(modules: list[Module]) -> dict[str, object]:
    found: dict[str, object] = {}
    for module in modules:
        for name, definition in module.own.items():
            if isinstance(definition, ParamDefinition) and definition.value is not None:
                value = definition.value
                match value:
                    case NumberSet():
                        found[name] = value.items
                    case Table():
                        found[name] = value.rows()
                    case _:
                        found[name] = value
    return found


def type_program(checked: Checked, signature: Signature) -> tuple[TypedProgram, tuple[Diagnostic, ...]]:
    """Type a checked file against what its names were bound to.

    Returns:
        The typed program, and the warnings that only its binding brings out.

    Raises:
        AsrError: with everything that is wrong, in the file by itself or with what its names were bound to.
    """
    if checked.failed:
        raise AsrError(checked.diagnostics)
    sink = Sink()
    # A body may be expanded once more for every binder above it: where something depends on what its variables index.
    ctx = Context(sink, signature, expand_value, expand_formula, sites=checked.sites, effort=MAX_RANK + 2)
    ctx.given = checked.given
    ctx.uses.on = False
    env = Env(checked.module, {})
    formulas = [(rule, expand_rule(ctx, rule.formula, env, rule.where)) for rule in checked.rules]
    if sink.failed:
        raise AsrError(sink.found)
    known = {(diagnostic.code, diagnostic.span) for diagnostic in checked.diagnostics}
    warnings = tuple(found for found in sink.found if (found.code, found.span) not in known)
    rules = tuple(rule.typed(formula) for rule, formula in formulas if formula is not None)
    return TypedProgram(rules), in_order(warnings)
