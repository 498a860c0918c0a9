"""Rules: their names and options, and their formulas."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from asrppl.check.context import MAX_GRID, Context, LimitError
from asrppl.check.expand import build
from asrppl.check.expand.bounds import always_holds, never_holds
from asrppl.check.expand.terms import constant
from asrppl.check.expand.values import Env, Module
from asrppl.core.rules import Schedule, TypedRule
from asrppl.core.separation import fits
from asrppl.core.signature import Level
from asrppl.core.typed import AtMost, Erroneous, Every, Formula, TruthValue
from asrppl.core.walk import walk
from asrppl.diagnostics import Note
from asrppl.source import Span
from asrppl.syntax import ast

_ONCE = Schedule(1.0, 1.0, 0)


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """What is known of a rule before it meets a guide.

    Args:
        name: its name; a bare formula is named after its line ("line 3").
        weight: in nats per datum; 1 for a hard rule, which has a multiplier instead.
        hard: None for a weighted rule, else the ε within which it has to hold.
        smooth: the power p of its power mean, None for the plain minimum.
        margin: what a real ``<`` costs beyond ``<=``.
        power: what every amount is raised to.
        levels: what the violation varies with at most.
        text: the formula as written.
        formula: its tree.
        where: that of the rule's guard.
        span: the whole statement.
    """

    name: str
    weight: Schedule
    hard: float | None
    smooth: float | None
    margin: float
    power: float
    levels: frozenset[Level]
    text: str
    formula: ast.Expr = field(compare=False, repr=False)
    where: ast.Expr | None = field(compare=False, repr=False)
    span: Span = field(compare=False, repr=False)

    def scaled(self, factor: float) -> "RuleInfo":
        """Return the rule with its weight multiplied by ``factor``; a hard rule has none, and stays as it is."""
        weight = replace(self.weight, start=factor * self.weight.start, end=factor * self.weight.end)
        return self if self.hard is not None or factor == 1 else replace(self, weight=weight)

    def typed(self, formula: Formula) -> TypedRule:
        """Return the rule with its typed formula."""
        return TypedRule(self.name, formula, self.weight, self.hard, self.smooth, self.margin, self.power, self.span)


def rule_name(rule: ast.Rule) -> str:
    """Return the rule's name: a bare formula's is its line."""
    if rule.name is not None:
        return rule.name.text
    return f"line {rule.span.source.position(rule.span.start)[0]}"


def check_rules(ctx: Context, module: Module, factors: Mapping[str, float] | None = None) -> tuple[RuleInfo, ...]:
    """Check the rules of a file, those that ``factors`` names where it is given; those with errors are left out."""
    found: dict[str, RuleInfo] = {}
    for statement in module.file.statements:
        if not isinstance(statement, ast.Rule):
            continue
        name = rule_name(statement)
        if factors is not None and name not in factors:
            continue
        if name in found:
            place = statement.name.span if statement.name is not None else statement.span
            ctx.add(
                "ASR026",
                place,
                f"the rule `{name}` is defined twice",
                notes=(Note(f"`{name}` is defined here", found[name].span),),
            )
        info = _check_rule(ctx, statement, name, Env(module, {}))
        if factors is not None:
            info = info.scaled(factors[name])
        found.setdefault(name, info)
    return tuple(found.values())


def _check_rule(ctx: Context, rule: ast.Rule, name: str, env: Env) -> RuleInfo:
    options = _options(ctx, rule, env)
    where = next((option.condition for option in rule.options if isinstance(option, ast.Where)), None)
    formula = expand_rule(ctx, rule.formula, env, where)
    levels = formula.levels if formula is not None else build.ALL_LEVELS
    return RuleInfo(
        name=name,
        weight=options.weight,
        hard=options.hard,
        smooth=options.smooth,
        margin=options.margin,
        power=options.power,
        levels=levels,
        text=rule.formula.span.text,
        formula=rule.formula,
        where=where,
        span=rule.span,
    )


def expand_rule(ctx: Context, expr: ast.Expr, env: Env, where: ast.Expr | None = None) -> Formula | None:
    """Expand a rule, and warn if nothing can violate it, or nothing keep it; None where a limit was passed."""
    ctx.begin()
    try:
        guard = ctx.condition(where, env) if where is not None else None
        formula = ctx.formula(expr, env)
        if ctx.large is not None and not fits(formula, MAX_GRID):
            ctx.refuse_grid(*ctx.large)
    except LimitError:
        return None
    decided = isinstance(formula, TruthValue) and not ctx.static  # it runs over no instance, which is said already
    if not decided:
        _warn_decided(ctx, expr, formula, env)
    if guard is None:
        return formula
    return Every(guard.levels | formula.levels, expr.span, (), None, guard, formula)


def _warn_decided(ctx: Context, expr: ast.Expr, formula: Formula, env: Env) -> None:
    always = always_holds(formula)
    if not always and not never_holds(formula):
        return
    parts = list(walk(formula))
    if any(isinstance(part, Erroneous) for part in parts):
        return
    strict = any(isinstance(part, AtMost) and part.strict for part in parts)
    if ctx.static and strict:
        return  # of ints `<` is `+ 1 <=`, of reals `<=`, and the two are not told apart before binding
    if not ctx.static and any(not v.values for part in parts for v in getattr(part, "variables", ())):
        return  # it runs over no instance, which is said already
    if always:
        help = "of reals, `<` costs what `<=` does" if strict else None
        ctx.add("ASR057", expr.span, "nothing can violate this rule", env, help=help)
    else:
        help = "no values meet it: is a comparison the wrong way round, or should one of its parts go?"
        ctx.add("ASR048", expr.span, "this rule never holds", env, help=help)


# ---- options


@dataclass(slots=True)
class _Options:
    weight: Schedule = _ONCE
    hard: float | None = None
    smooth: float | None = None
    margin: float = 0.0
    power: float = 1.0


def _options(ctx: Context, rule: ast.Rule, env: Env) -> _Options:
    options = _Options()
    for option in rule.options:  # each once, a weight or `hard`: the parser sees to it
        match option:
            case ast.Weight():
                options.weight = _schedule(ctx, option, env)
            case ast.Hard():
                within = 0.0 if option.within is None else _at_least(ctx, option.within, env, "`within`", 0.0)
                options.hard = within
            case ast.Smooth():
                power = _constant(ctx, option.power, env)
                if power is not None and power <= 0:
                    ctx.add(
                        "ASR034",
                        option.power.span,
                        "the power of `smooth` is above 0",
                        help="large powers come close to the minimum, `smooth 8` say",
                    )
                options.smooth = 1.0 if power is None or power <= 0 else float(power)
            case ast.Margin():
                options.margin = _at_least(ctx, option.amount, env, "`margin`", 0.0)
            case ast.Power():
                options.power = _at_least(ctx, option.exponent, env, "`power`", 1.0)
            case ast.Where():
                pass  # part of the formula
    return options


def _schedule(ctx: Context, option: ast.Weight, env: Env) -> Schedule:
    start = _at_least(ctx, option.start, env, "a weight", 0.0)
    if option.end is None or option.steps is None:
        return Schedule(start, start, 0)
    end = _at_least(ctx, option.end, env, "a weight", 0.0)
    since = 0 if option.since is None else _whole(ctx, option.since, env, "the first step of a ramp", 0)
    steps = _whole(ctx, option.steps, env, "the number of steps", 1)
    if option.since is not None and since >= steps:
        message = f"the ramp ends at step {steps}, which is not after its first, {since}"
        help = "the earlier step comes first, as in `weight 0 -> 10 over 1000..2000 steps`"
        ctx.add("ASR034", option.since.span.to(option.steps.span), message, help=help)
        since = 0
    return Schedule(start, end, steps, since)


def _whole(ctx: Context, expr: ast.Expr, env: Env, what: str, low: int) -> int:
    """Return the whole constant that ``expr`` is; at least ``low`` after an error."""
    value = _at_least(ctx, expr, env, what, float(low))
    if not value.is_integer():
        ctx.add("ASR034", expr.span, f"{what} is whole")
    return max(low, int(value))


def _at_least(ctx: Context, expr: ast.Expr, env: Env, what: str, low: float) -> float:
    """Return the constant that ``expr`` is; ``low`` after an error."""
    value = _constant(ctx, expr, env)
    if value is None:
        return low
    if value < low:
        ctx.add("ASR034", expr.span, f"{what} is at least {low:g}, and this is {value:g}")
        return low
    return float(value)


def _constant(ctx: Context, expr: ast.Expr, env: Env) -> float | None:
    on, ctx.uses.on = ctx.uses.on, False  # what stands in an option is never expected from the guide
    try:
        return constant(ctx, expr, env)
    except LimitError:
        return None
    finally:
        ctx.uses.on = on
