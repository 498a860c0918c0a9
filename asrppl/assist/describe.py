"""What stands at a place of a rule file: what people see who point at it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pygments.token import Keyword, Operator

from asrppl.assist.analysis import Analysis, comment_of
from asrppl.assist.symbols import Occurrence, Symbol
from asrppl.assist.types import type_of_definition, type_of_free
from asrppl.assist.vocabulary import VOCABULARY
from asrppl.check import RuleInfo
from asrppl.check.expand.values import Definition
from asrppl.check.facts import cost_in, nodes
from asrppl.check.standard import standard_definitions
from asrppl.core.labels import indexed, level_name, weight_text
from asrppl.diagnostics import Sink
from asrppl.highlight import AsrLexer
from asrppl.source import Source, Span
from asrppl.syntax import ast
from asrppl.syntax.lines import cut
from asrppl.syntax.mathematics import unicode_mathematics

_LONG = 100
_FIELDS = {
    "x": "of its centre, to the right",
    "y": "of its centre, downwards",
    "w": "its width",
    "h": "its height",
    "size": "the side of a square",
    "left": "its left edge, x − w / 2",
    "right": "its right edge, x + w / 2",
    "top": "its top edge, y − h / 2",
    "bottom": "its bottom edge, y + h / 2",
}


@dataclass(frozen=True, slots=True)
class Description:
    """What there is to say of a place.

    Args:
        span: what it is said of.
        code: in the language, one line.
        lines: in words, each a line: type and level, what it costs, what its comment says.
    """

    span: Span
    code: str
    lines: tuple[str, ...]


def describe(analysis: Analysis, offset: int) -> Description | None:
    """Return what stands at ``offset``, None where there is nothing to say."""
    found = analysis.at(offset)
    if found is not None:
        return _named(analysis, found)
    return _worded(analysis, offset)


def signature(node: ast.Statement) -> str:
    """Return a statement in one line: of a ``def`` what is called, of others all, if it is not long."""
    pieces = cut(Source("", node.span.text), Sink())  # which blanks comments
    text = re.sub(r"\s+", " ", " ".join(piece.text for piece in pieces))
    if isinstance(node, ast.Def):
        text = text.partition("=")[0].rstrip()
    return text if len(text) <= _LONG else text[: _LONG - 2] + " …"


def describe_definition(analysis: Analysis, definition: Definition) -> tuple[str, ...]:
    """Return what there is to say of a ``param``, ``let`` or ``def``: its type, what it costs, its comment."""
    node = definition.node
    lines = [type_of_definition(analysis.checked, node)]
    if isinstance(node, ast.Def):
        lines += [f"= {unicode_mathematics(node.body)}"]
        if lines[0] == "formula":
            lines.append(f"costs {unicode_mathematics(cost_in(analysis.checked, node.body))}")
    return tuple(line for line in (*lines, comment_of(node.span)) if line)


# ---- names


def _named(analysis: Analysis, found: Occurrence) -> Description | None:
    symbol, checked = found.symbol, analysis.checked
    match symbol.kind:
        case "param" | "let" | "def" | "library":
            definition = checked.module.find(symbol.name) or standard_definitions().get(symbol.name)
            if definition is None:  # refused
                return None
            return Description(found.span, signature(definition.node), describe_definition(analysis, definition))
        case "rule":
            rule = next((rule for rule in checked.rules if rule.name == symbol.name), None)
            return None if rule is None else Description(found.span, f"rule {rule.name}", _rule(analysis, rule))
        case "guide":
            return Description(found.span, *_free(analysis, symbol))
        case "index":
            return Description(found.span, symbol.name, (_index(analysis, symbol),))
        case "parameter":
            return Description(found.span, symbol.name, (f"a parameter of `{_owner(analysis, symbol)}`",))
        case "field":
            about = _FIELDS.get(symbol.name) if symbol.home is None else None
            what = f"of a box: {about}" if about is not None else "a component"
            return Description(found.span, f".{symbol.name}", (what,))
        case "file":
            return Description(found.span, f'import "{symbol.name}"', (VOCABULARY["import"].text,))
        case "type":
            return Description(found.span, symbol.name, ("a type",))
        case "builtin":
            word = VOCABULARY[symbol.name]
            return Description(found.span, word.form, (word.text,))


def _rule(analysis: Analysis, rule: RuleInfo) -> tuple[str, ...]:
    cost = cost_in(analysis.checked, rule.formula, rule)
    lines = [
        f"{weight_text(rule.weight, rule.hard)}, {level_name(rule.levels)} level",
        unicode_mathematics(rule.formula),
        f"costs {unicode_mathematics(cost)}",
    ]
    if rule.where is not None:
        lines.append(f"where {unicode_mathematics(rule.where)}: of other data it asks nothing")
    return (*lines, *filter(None, [comment_of(rule.span)]))


def _free(analysis: Analysis, symbol: Symbol) -> tuple[str, tuple[str, ...]]:
    checked = analysis.checked
    free = checked.free.get(symbol.name)
    statements = [each for each in (checked.sites.get(symbol.name), checked.given.get(symbol.name)) if each is not None]
    if free is None:
        return symbol.name, (*(signature(each) for each in statements), "no rule reads it")
    said = [f"`{signature(each)}`" for each in statements] + [comment_of(each.span) for each in statements]
    origin = "from Python" if free.shape == "function" else "data" if free.given else "from the guide, or Python"
    return indexed(free), (type_of_free(free), origin, *filter(None, said))


def _index(analysis: Analysis, symbol: Symbol) -> str:
    """Return what an index runs over."""
    for part in (part for statement in analysis.file.statements for part in nodes(statement)):
        if isinstance(part, ast.Binder) and any(name.span == symbol.home for name in part.names):
            if part.domain is None:
                return "an index: all values that keep what it indexes inside its axes"
            return f"an index, in {unicode_mathematics(part.domain)}"
    return "an index"


def _owner(analysis: Analysis, symbol: Symbol) -> str:
    definitions = [*analysis.checked.module.own.values(), *analysis.checked.module.imported.values()]
    for definition in (*definitions, *standard_definitions().values()):
        node = definition.node
        if isinstance(node, ast.Def) and any(each.name.span == symbol.home for each in node.parameters):
            return signature(node).removeprefix("def ")
    return "a def"


# ---- words and signs


def _worded(analysis: Analysis, offset: int) -> Description | None:
    """Return what a word of the language, or a comparison, means; in a claim also what it costs."""
    for start, kind, text in AsrLexer().get_tokens_unprocessed(analysis.source.text):
        if start <= offset < start + len(text) and (kind in Keyword or kind in Operator):
            span = Span(analysis.source, start, start + len(text))
            if text == "rule":
                return _rule_at(analysis, span)
            word = VOCABULARY.get(text)
            claim = _claim_around(analysis, offset, text)
            lines = ([] if word is None else [word.text]) + ([] if claim is None else [_cost(analysis, *claim)])
            code = word.form if word is not None else text
            return Description(span, code, tuple(lines)) if lines else None
        if start > offset:
            break
    return None


def _rule_at(analysis: Analysis, span: Span) -> Description:
    rule = next((rule for rule in analysis.checked.rules if rule.span.start == span.start), None)
    if rule is None:
        return Description(span, VOCABULARY["rule"].form, (VOCABULARY["rule"].text,))
    return Description(span, f"rule {rule.name}", _rule(analysis, rule))


def _cost(analysis: Analysis, claim: ast.Expr, rule: RuleInfo) -> str:
    return f"costs {unicode_mathematics(cost_in(analysis.checked, claim, rule))}"


def _claim_around(analysis: Analysis, offset: int, text: str) -> tuple[ast.Expr, RuleInfo] | None:
    """Return the smallest claim around a place, if the sign or word there is its head: conditions cost nothing."""
    for rule in analysis.checked.rules:
        inside = [claim for claim in _claims(rule.formula) if claim.span.start <= offset < claim.span.end]
        if inside:
            return (inside[-1], rule) if text in _heads(inside[-1]) else None
    return None


def _heads(claim: ast.Expr) -> tuple[str, ...]:
    """Return the signs or words that make a claim what it is."""
    match claim:
        case ast.Logic():
            return (claim.operator,)
        case ast.Quantified():
            return (claim.quantifier,)
        case ast.Chain():
            return claim.operators
        case ast.Member():
            return ("not", "in")
        case ast.Not():
            return ("not",)
        case _:
            return ()


def _claims(formula: ast.Expr) -> Iterator[ast.Expr]:
    """Yield the parts of a claim that are claims, each before what is in it; what is negated is left out."""
    pending = [formula]
    while pending:
        part = pending.pop()
        yield part
        match part:
            case ast.Logic(operator="and" | "or"):
                pending += [part.right, part.left]
            case ast.Logic(operator="implies"):
                pending.append(part.right)
            case ast.Quantified():
                pending.append(part.body)
            case _:
                pass
