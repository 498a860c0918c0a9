"""A rule with its `let`s and `def`s written out, as a tree of the language again: for people, who see what it says."""

from collections.abc import Collection
from dataclasses import replace

from asrppl.check.checker import Checked
from asrppl.check.context import Context, LimitError
from asrppl.check.expand.formulas import expand_formula
from asrppl.check.expand.names import look_up, resolve_call, unfold
from asrppl.check.expand.terms import expand_value
from asrppl.check.expand.values import Env, IndexVariable
from asrppl.core.signature import BOX_FIELDS, EDGES
from asrppl.core.typed import Variable
from asrppl.diagnostics import Sink
from asrppl.syntax import ast


def unfolded(checked: Checked, expression: ast.Expr) -> ast.Expr | None:
    """Return an expression of a rule with what it names by `let` and `def` written out.

    Params stay names. The field of a box that the rules make is what the box was made with. An index that would be
    taken for another is renamed: ``i′``.

    Returns:
        None where it is longer than anybody would read.
    """
    ctx = Context(Sink(), None, expand_value, expand_formula, sites=checked.sites, given=checked.given)
    ctx.uses.on = False
    try:
        return _Writer(ctx, {*checked.free, *checked.params}).written(expression, Env(checked.module, {}))
    except LimitError:
        return None


class _Writer:
    def __init__(self, ctx: Context, taken: Collection[str]) -> None:
        self.ctx = ctx
        self.taken = list(taken)

    def written(self, expr: ast.Expr, env: Env) -> ast.Expr:
        """Return ``expr`` written out; its names are those of ``env``."""
        expr, env = unfold(self.ctx, expr, env)
        match expr:
            case ast.Name():
                found = look_up(expr.text, env)
                return replace(expr, text=found.variable.name) if isinstance(found, IndexVariable) else expr
            case ast.Number() | ast.Truth():
                return expr
            case ast.Call():
                name, _, _ = resolve_call(expr.function.text, env)
                arguments = tuple(replace(part, value=self.written(part.value, env)) for part in expr.arguments)
                return replace(expr, function=replace(expr.function, text=name), arguments=arguments)
            case ast.Divergence():
                return replace(expr, left=self.written(expr.left, env), right=self.written(expr.right, env))
            case ast.Restricted():
                return replace(expr, value=self.written(expr.value, env), where=self.written(expr.where, env))
            case ast.Index():
                return replace(expr, base=self.written(expr.base, env), indices=self.all(expr.indices, env))
            case ast.Field():
                return self.field(expr, env)
            case ast.SetLiteral() | ast.Vector():
                return replace(expr, items=self.all(expr.items, env))
            case ast.Interval() | ast.Range():
                return replace(expr, low=self.written(expr.low, env), high=self.written(expr.high, env))
            case ast.Negate() | ast.Not():
                return replace(expr, operand=self.written(expr.operand, env))
            case ast.Binary() | ast.Logic():
                return self.infix(expr, env)
            case ast.Chain():
                return replace(expr, operands=self.all(expr.operands, env))
            case ast.Member():
                return replace(expr, value=self.written(expr.value, env), container=self.written(expr.container, env))
            case ast.Conditional():
                condition, then = self.written(expr.condition, env), self.written(expr.then, env)
                return replace(expr, condition=condition, then=then, otherwise=self.written(expr.otherwise, env))
            case ast.Quantified() | ast.Reduced() | ast.Count():
                return self.bound(expr, env)

    def all(self, parts: tuple[ast.Expr, ...], env: Env) -> tuple[ast.Expr, ...]:
        return tuple(self.written(part, env) for part in parts)

    def infix(self, expr: ast.Binary | ast.Logic, env: Env) -> ast.Expr:
        # Chains nest to the left, as deep as they are long: that side is walked, not recursed into.
        spine: list[tuple[ast.Binary | ast.Logic, Env]] = [(expr, env)]
        while True:
            left, left_env = unfold(self.ctx, spine[-1][0].left, spine[-1][1])
            if not isinstance(left, ast.Binary | ast.Logic):
                break
            spine.append((left, left_env))
        found: ast.Expr = self.written(left, left_env)
        for part, part_env in reversed(spine):
            found = _without_zero(replace(part, left=found, right=self.written(part.right, part_env)))
        return found

    def bound(
        self, expr: ast.Quantified | ast.Reduced | ast.Count, env: Env
    ) -> ast.Quantified | ast.Reduced | ast.Count:
        binder, outside = expr.binder, len(self.taken)
        domain = None if binder.domain is None else self.written(binder.domain, env)
        names: list[ast.Name] = []
        for name in binder.names:
            text = name.text
            while text in self.taken:
                text += "′"
            self.taken.append(text)
            names.append(replace(name, text=text))
        inside = env.bind(
            {name.text: IndexVariable(Variable(new.text, 0, ())) for name, new in zip(binder.names, names, strict=True)}
        )
        where = None if binder.where is None else self.written(binder.where, inside)
        body = self.written(expr.body, inside)
        del self.taken[outside:]
        return replace(expr, binder=replace(binder, names=tuple(names), domain=domain, where=where), body=body)

    def field(self, expr: ast.Field, env: Env) -> ast.Expr:
        base, base_env = unfold(self.ctx, expr.base, env)
        if isinstance(base, ast.Call) and resolve_call(base.function.text, base_env)[::2] == ("box", True):
            given = {
                BOX_FIELDS[place] if argument.name is None else argument.name.text: argument.value
                for place, argument in enumerate(base.arguments)
            }
            name = "w" if expr.name.text == "size" else expr.name.text
            if name in given:
                return self.written(given[name], base_env)
            if name in EDGES:
                middle, sign, side = EDGES[name]
                half = ast.Binary(expr.span, "/", self.written(given[side], base_env), ast.Number(expr.span, 2))
                return ast.Binary(expr.span, sign, self.written(given[middle], base_env), half)
        return replace(expr, base=self.written(base, base_env))


def _without_zero(expr: ast.Binary | ast.Logic) -> ast.Expr:
    """Leave out a 0 that is added or taken away, as the edges of ``frame(0, 0, S, S)`` have it."""
    if isinstance(expr, ast.Binary) and expr.operator in "+-":
        if isinstance(expr.right, ast.Number) and expr.right.value == 0:
            return expr.left
        if isinstance(expr.left, ast.Number) and expr.left.value == 0:
            return expr.right if expr.operator == "+" else ast.Negate(expr.span, expr.right)
    return expr
