"""What a rule does, told from its tree alone: what it reads, of what it takes means, what its conditions choose by."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

from asrppl.check.checker import Checked
from asrppl.check.rules import RuleInfo
from asrppl.check.unfolded import unfolded
from asrppl.syntax import ast, format_expression
from asrppl.syntax.costs import cost_of


@dataclass(frozen=True, slots=True)
class Mean:
    """An outermost ``E[..]``, ``P[..]`` or ``aggregate(..)``.

    Args:
        term: it.
        draws: whether it is taken over draws.
        data: whether it is taken over the data.
        indices: the index variables that it varies with.
    """

    term: ast.Expr
    draws: bool
    data: bool
    indices: tuple[str, ...]


@dataclass(slots=True)
class Facts:
    """What is known of a rule without a guide.

    Args:
        formula: its claim with definitions written out.
        where: so its guard, if it has one.
        reads: names that the guide, or Python, gives, in the order they are met.
        means: the outermost means that it reads, each once.
        laws: names whose law it reads (``q(x)``).
        choices: names, neither data nor under ``detach``, that conditions outside of means read.
        strict: whether it has a strict comparison.
        counts: whether a claim is about a count.
    """

    formula: ast.Expr
    where: ast.Expr | None
    reads: list[str] = field(default_factory=list[str])
    means: list[Mean] = field(default_factory=list[Mean])
    laws: list[str] = field(default_factory=list[str])
    choices: list[str] = field(default_factory=list[str])
    strict: bool = False
    counts: bool = False


def cost_in(checked: Checked, claim: ast.Expr, rule: RuleInfo | None = None) -> ast.Expr:
    """Return what a claim of a rule, or of a definition, costs; of what the file defines, ``cost(name(..))``."""
    module = checked.module

    def is_def(name: str) -> bool:
        value = name not in checked.params and module.find(name) is not None
        return value or module.find_def(name) is not None

    if rule is None:
        return cost_of(claim, is_def=is_def)
    return cost_of(claim, is_def=is_def, margin=rule.margin, power=rule.power)


def facts_of(checked: Checked, rule: RuleInfo) -> Facts | None:
    """Return what is known of a rule; None where its definitions expand to more than anybody would read."""
    formula = unfolded(checked, rule.formula)
    where = None if rule.where is None else unfolded(checked, rule.where)
    if formula is None or (where is None and rule.where is not None):
        return None
    facts = Facts(formula, where)
    reader = _Reader(checked, facts)
    if where is not None:
        reader.read(where, _Place(condition=True))
    reader.read(formula, _Place())
    return facts


def is_mean(expr: object) -> bool:
    """Whether an expression is ``E[..]``, ``P[..]`` or ``aggregate(..)``."""
    return is_expectation(expr) or is_aggregate(expr)


def is_expectation(expr: object) -> bool:
    """Whether an expression is ``E[..]`` or ``P[..]``."""
    return isinstance(expr, ast.Index) and isinstance(expr.base, ast.Name) and expr.base.text in ("E", "P")


def is_aggregate(expr: object) -> bool:
    """Whether an expression is ``aggregate(..)``."""
    return isinstance(expr, ast.Call | ast.Restricted) and expr.function.text == "aggregate"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a part stands: in a condition, in a mean, under ``detach`` or in ``q(..)``."""

    condition: bool = False
    mean: bool = False
    held: bool = False
    law: bool = False


class _Reader:
    def __init__(self, checked: Checked, facts: Facts) -> None:
        self.checked = checked
        self.facts = facts
        binders = [part for part in nodes(facts.formula) if isinstance(part, ast.Binder)]
        self.indices = {name.text for binder in binders for name in binder.names}

    def read(self, expr: ast.Expr, place: _Place) -> None:
        pending: list[tuple[object, _Place]] = [(expr, place)]
        while pending:
            part, place = pending.pop()
            if isinstance(part, tuple):
                pending.extend((inner, place) for inner in reversed(cast(tuple[object, ...], part)))
            elif isinstance(part, ast.Node):
                pending.extend(reversed(self.visit(part, place)))

    def visit(self, part: ast.Node, place: _Place) -> list[tuple[object, _Place]]:
        """Note what ``part`` itself says, and return what is in it, with its places."""
        facts = self.facts
        if is_mean(part):
            if not place.mean:
                self.mean(cast(ast.Expr, part))
            place = _Place(mean=True)
        chooses = _Place(condition=True, mean=place.mean, held=place.held)
        match part:
            case ast.Name():
                self.name(part.text, place)
                return []
            case ast.Field():
                return [(part.base, place)]
            case ast.Argument():
                return [(part.value, place)]
            case ast.Binder():
                return [(part.domain, place), (part.where, chooses)]
            case ast.Conditional():
                return [(part.condition, chooses), (part.then, place), (part.otherwise, place)]
            case ast.Restricted():
                return [(part.value, place), (part.where, chooses)]
            case ast.Index() if is_mean(part):
                return [(part.indices, place)]
            case ast.Count():
                return [(part.binder, place), (part.body, chooses)]
            case ast.Chain():
                facts.strict |= not place.condition and not place.mean and bool({"<", ">"} & set(part.operators))
                return [(operand, place) for operand in self.compared(part.operands, place)]
            case ast.Member():
                return [(inner, place) for inner in self.compared((part.value, part.container), place)]
            case ast.Call():
                name = part.function.text
                found = self.checked.free.get(name)
                if found is not None and found.shape == "function":
                    self.name(name, place)
                law = place.law or name == "q"
                return [(part.arguments, _Place(place.condition, place.mean, place.held or name == "detach", law))]
            case ast.Divergence():
                return [(part.left, place), (part.right, place)]
            case _:
                return [(inner, place) for inner in ast.parts(part)]

    def compared(self, operands: tuple[ast.Expr, ...], place: _Place) -> list[object]:
        """Return the operands of a comparison: in a claim, a count that is compared is no condition but a claim."""
        if place.condition or place.mean:
            return list(operands)
        found: list[object] = []
        for operand in operands:
            if isinstance(operand, ast.Count):
                self.facts.counts = True
                found += [operand.binder, operand.body]
            else:
                found.append(operand)
        return found

    def mean(self, term: ast.Expr) -> None:
        text = format_expression(term)
        if all(format_expression(mean.term) != text for mean in self.facts.means):
            data = _contains(term, is_aggregate)
            binders = [part for part in nodes(term) if isinstance(part, ast.Binder)]
            inner = {name.text for binder in binders for name in binder.names}
            names = [part.text for part in nodes(term) if isinstance(part, ast.Name)]
            indices = tuple(dict.fromkeys(name for name in names if name in self.indices and name not in inner))
            self.facts.means.append(Mean(term, _contains(term, is_expectation), data, indices))

    def name(self, text: str, place: _Place) -> None:
        found = self.checked.free.get(text)
        if found is None:
            return
        facts = self.facts
        if text not in facts.reads:
            facts.reads.append(text)
        if place.law and text not in facts.laws and not found.given:
            facts.laws.append(text)
        chosen = place.condition and not (place.mean or place.held or place.law or found.given)
        if chosen and text not in facts.choices and found.shape != "function":
            facts.choices.append(text)


def _contains(tree: ast.Expr, wanted: Callable[[object], bool]) -> bool:
    return any(wanted(part) for part in nodes(tree))


def nodes(tree: ast.Node, *, but: Callable[[object], bool] = lambda node: False) -> Iterator[ast.Node]:
    """Yield a node and all that are in it, but for the names of fields and of arguments, and what ``but`` says."""
    pending: list[object] = [tree]
    while pending:
        part = pending.pop()
        if isinstance(part, tuple):
            pending.extend(cast(tuple[object, ...], part))
        elif isinstance(part, ast.Node) and not but(part):
            yield part
            match part:
                case ast.Field():
                    pending.append(part.base)
                case ast.Argument():
                    pending.append(part.value)
                case _:
                    pending.extend(ast.parts(part))
