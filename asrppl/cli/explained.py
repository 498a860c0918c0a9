"""What `asrppl explain FILE` says of each rule: its mathematics, what it costs, reads and takes means of."""

import argparse
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeGuard, cast

from asrppl.check import Checked, RuleInfo
from asrppl.check.facts import Facts, Mean, cost_in, facts_of, nodes
from asrppl.cli.lengths import code_of, grid_of, lengths_of, pairs_of, sized
from asrppl.cli.output import level, weight
from asrppl.cli.report import FileReport
from asrppl.cli.wrap import WIDTH, wrapped
from asrppl.commands import printable
from asrppl.core.labels import indexed, type_of
from asrppl.core.rules import TypedRule
from asrppl.core.signature import Level
from asrppl.syntax import ast
from asrppl.syntax.mathematics import latex_mathematics, unicode_mathematics

_INDENT, _LABEL = 4, 9


@dataclass(frozen=True, slots=True)
class Style:
    """How rules are shown: as LaTeX, and with what they name by `let` and `def` written out."""

    latex: bool = False
    expand: bool = False

    def set(self, expression: ast.Expr) -> str:
        """Return an expression as mathematics."""
        return latex_mathematics(expression) if self.latex else unicode_mathematics(expression)


_NOTE = 13
_NOTES = {
    "head": ("first Σ", "where its index runs over the data plate, the mean"),
    "min": ("min", "of `or`, `exists`: of what nothing can change first, then of whole steps, then amounts"),
    "strict": ("a < b", "of whole numbers costs what a + 1 ≤ b does"),
    "count": ("#{..} ≥ k", "costs the k smallest of those counted; #{..} ≤ k all but k of what `not` costs"),
    "def": ("cost(..)", "of what the rules define; --expand writes it out"),
    "draws": ("of draws", "an exact sum of finitely many values whose probabilities read no draw; else tracked"),
    "data": ("of data", "exact where every batch is all the data; else tracked from step to step"),
    "datum": ("each datum", "where a plate tells the data apart; else the mean of 32 further draws"),
    "law": ("law", "of finitely many values, or of a family with a closed form for what is asked of it"),
    "channel": (
        "channel P",
        "along the paths of draws; S, by the score function, where one that is read has none",
    ),
}
"""What is said once, after all rules that have it: a word and what it means."""


@dataclass(slots=True)
class Explanation:
    """Explains the rules of a file, and collects what it says once, after them all."""

    checked: Checked
    style: Style
    noted: set[str] = field(default_factory=set[str])

    def rule(self, rule: RuleInfo) -> Iterator[str]:
        """Yield the lines that explain one rule."""
        yield f"{rule.name}: {weight(rule)}, {level(rule)} level"
        facts = facts_of(self.checked, rule)
        formula, where = rule.formula, rule.where
        if self.style.expand and facts is not None:
            formula, where = facts.formula, facts.where
        yield from self.formula(None, formula)
        if where is not None:
            yield from self.row("where", f"{self.style.set(where)}: of other data it asks nothing")
        if rule.smooth is not None:
            yield from self.row("smooth", f"{rule.smooth:g}: `or` and `exists` take the power mean")
        if rule.power != 1:
            yield from self.row("power", f"{rule.power:g}: of every amount")
        if rule.margin:
            yield from self.row("margin", f"{rule.margin:g}: what `<` costs beyond `<=`")
        cost = cost_in(self.checked, formula, rule)
        yield from self.formula("costs", cost)
        if facts is None:
            yield from self.row("reads", "more than is shown: its definitions expand to too much")
            return
        self.note_cost(facts, formula, cost)
        free = [self.checked.free[name] for name in facts.reads]
        if free:
            yield from self.row("reads", "; ".join(f"{indexed(name)}: {type_of(name)}" for name in free))
        for number, mean in enumerate(facts.means):
            yield from self.mean("" if number else "means", mean)
        yield from self.row("trains", self.trains(rule, facts))
        for name in facts.choices:
            yield from self.row("chooses", f"by {name}: if that is a reparameterised draw, detach({name}) (ASR064)")

    def mean(self, label: str, mean: Mean) -> Iterator[str]:
        """Yield what a mean is taken over, and what it varies with."""
        over = " and ".join(word for word, there in (("draws", mean.draws), ("data", mean.data)) if there)
        each = f", for each {', '.join(mean.indices)}" if mean.indices else ""
        self.noted |= {word for word in ("draws", "data") if word in over}
        datum = "" if mean.data else " and each datum" if each else ", for each datum"
        self.noted |= set() if mean.data else {"datum"}
        yield from self.formula(label, mean.term, f" of {over}{each}{datum}")

    def trains(self, rule: RuleInfo, facts: Facts) -> str:
        """Return what `regularize` makes of a rule, as far as the rule alone tells."""
        if rule.hard is not None or facts.means:
            datum = Level.DATUM in rule.levels and Level.DRAW not in rule.levels
            if Level.DRAW in rule.levels and rule.hard is None:
                self.noted.add("channel")
                return "draw by draw, beside tracked means, in channel P or S"
            what = "a multiplier for each comparison"
            if rule.hard is not None and Level.DRAW in rule.levels:
                what = "a multiplier: the mean violation is to be 0"
            self.noted |= {"datum"} if datum else set()
            if rule.power != 1 and rule.hard is None:
                return "at the means as they are tracked: with `power` there are no multipliers"
            bound = "without bound" if rule.hard is not None else "up to the weight"
            return f"{what}{' and each datum' if datum else ''}, {bound}"
        values = [name for name in facts.reads if self.checked.free[name].draw and not self.checked.free[name].given]
        if facts.laws:
            self.noted.add("law")
        if facts.laws and not values:
            return f"through the law of {', '.join(facts.laws)}"
        if not values and not facts.laws:
            return "nothing: it reads data only"
        self.noted.add("channel")
        return "draw by draw, in channel P or S"

    def note_cost(self, facts: Facts, claim: ast.Expr, cost: ast.Expr) -> None:
        """Note which words a cost has that need saying."""
        self.noted |= {name for name, there in (("strict", facts.strict), ("count", facts.counts)) if there}
        unknown = [part.arguments[0].value for part in nodes(cost) if _calls(part, "cost")]
        inner = [part.operand if isinstance(part, ast.Not) else part for part in unknown]
        self.noted |= {"def"} if any(not isinstance(part, ast.Chain | ast.Member) for part in inner) else set()
        self.noted |= {"head"} if isinstance(cost, ast.Reduced) and cost.reduction == "sum" else set()
        self.noted |= {"min"} if _minima(cost) > _minima(claim) else set()

    def grid(self, rule: TypedRule) -> Iterator[str]:
        """Yield how large a rule's grid is, with a warning if that is huge."""
        text, warning = grid_of(rule)
        yield from self.row("grid", text)
        if (pairs := pairs_of(rule)) is not None:
            yield from self.row("pairs", pairs)
        if warning is not None:
            yield from self.row("warning", warning)

    def formula(self, label: str | None, expression: ast.Expr, after: str = "") -> Iterator[str]:
        """Yield an expression in lines, behind a label (None: without room for one)."""
        text = self.style.set(expression)
        lines = [text] if self.style.latex else wrapped(text, WIDTH - _INDENT - (0 if label is None else _LABEL))
        if after and len(lines[-1]) + len(after) <= WIDTH - _INDENT - _LABEL:
            lines[-1] += " " + after
        elif after:
            lines.append(after)
        yield from _placed(label, lines)

    def row(self, label: str, text: str) -> Iterator[str]:
        """Yield a text in lines, behind a label."""
        yield from _placed(label, textwrap.wrap(text, WIDTH - _INDENT - _LABEL - 2, break_long_words=False))

    def notes(self) -> Iterator[str]:
        """Yield what holds of all the rules that were explained: the params, and what their words mean."""
        if self.checked.params:
            shown = ", ".join(
                f"{name} = {_value(value, self.is_list(name))}" for name, value in self.checked.params.items()
            )
            yield from textwrap.wrap(shown, WIDTH, initial_indent=f"{'params':{_NOTE}}", subsequent_indent=" " * _NOTE)
        yield from (f"{word:{_NOTE}}{text}" for name, (word, text) in _NOTES.items() if name in self.noted)

    def is_list(self, name: str) -> bool:
        """Whether a param is a list, and no set."""
        found = self.checked.module.find(name)
        return found is not None and isinstance(found.node, ast.Param) and isinstance(found.node.value, ast.Vector)


def _placed(label: str | None, lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        head = "" if label is None else f"{'' if number else label:{_LABEL}}"
        yield " " * _INDENT + head + ("  " if number else "") + line


def _calls(node: ast.Node, name: str) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and node.function.text == name


def _minima(tree: ast.Expr) -> int:
    return sum(
        _calls(part, "min") or (isinstance(part, ast.Reduced) and part.reduction == "min") for part in nodes(tree)
    )


def _value(value: object, is_list: bool = False) -> str:
    if isinstance(value, tuple):
        inside = ", ".join(_value(part, is_list) for part in cast(tuple[object, ...], value))
        return f"[{inside}]" if is_list else f"{{{inside}}}"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def add_ways(parser: argparse.ArgumentParser) -> None:
    """Add the ways of showing rules."""
    parser.add_argument("--latex", action="store_true", help="formulas as LaTeX, for math mode with amsmath")
    parser.add_argument("--expand", action="store_true", help="write out what rules name by `let` and `def`")
    parser.add_argument(
        "--lengths",
        type=lengths_of,
        metavar="NAME=LENGTH,..",
        help="lengths of arrays (box=50; y=3x20 of two axes; n=5 for a law of 5 values) or indices (i=50,j=50): "
        "say how large each rule's grid is",
    )
    parser.add_argument(
        "--code", action="store_true", help="with --lengths: the Python function that each rule becomes"
    )


def print_explained(report: FileReport, arguments: argparse.Namespace) -> int:
    """Print what the rules of a file mean; return the exit status."""
    assert report.checked is not None
    explanation = Explanation(report.checked, Style(arguments.latex, arguments.expand))
    sizes = None
    if arguments.lengths is not None or arguments.code:
        sizes = sized(report.checked, report.rules, arguments.lengths or {})
        if sizes.problem is not None:
            print(printable(f"asrppl explain: {sizes.problem}"), file=sys.stderr)
            return 2
    for number, rule in enumerate(report.rules):
        if number:
            print()
        for line in explanation.rule(rule):
            print(printable(line))
        typed = None if sizes is None else sizes.rules.get(rule.name)
        if sizes is not None and typed is not None:
            for line in explanation.grid(typed):
                print(line)
            if arguments.code:
                print("\n" + printable(code_of(typed, sizes.signature)), end="")
    notes = list(explanation.notes())
    if notes:
        print("\n" + "\n".join(map(printable, notes)))
    return 0
