"""`asrppl explain --lengths`: the grid of each rule, and with `--code` the function that runs in training."""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from asrppl.check import Checked, RuleInfo, type_program
from asrppl.check.assumed import Lengths, assumed
from asrppl.check.facts import facts_of
from asrppl.codes import Severity
from asrppl.core.grids import largest_grid
from asrppl.core.moments import decomposed, needs_decomposing
from asrppl.core.rules import TypedProgram, TypedRule
from asrppl.core.separation import fits, flattened, operands, way_of
from asrppl.core.signature import Signature
from asrppl.core.typed import Conjunction, Cost, Every, Formula
from asrppl.diagnostics import AsrError

LARGE = 10_000_000
"""Instances from which on a warning is due."""
_HUGE = "huge: it runs in parts, slowly, and a `count` at once; narrow an index with `in`"
_BATCH, _FLOAT = 64, 4
_SHOWN = 8  # of the numbers of a constant


def lengths_of(text: str) -> dict[str, tuple[int, ...]]:
    """``"box=50,y=3x20"`` as ``{"box": (50,), "y": (3, 20)}``, for argparse."""
    found: dict[str, tuple[int, ...]] = {}
    for pair in text.split(","):
        name, equals, value = pair.strip().partition("=")
        parts = value.split("x")
        if not equals or not name or not all(part.isdecimal() and int(part) > 0 for part in parts):
            raise argparse.ArgumentTypeError(f"{pair.strip()}: expected NAME=LENGTH, such as box=50 or y=3x20")
        found[name] = tuple(map(int, parts))
    return found


@dataclass(frozen=True, slots=True)
class Sized:
    """The rules of a file, typed as if its names had the lengths that were given.

    Args:
        signature: what the names were taken for.
        rules: typed, by name.
        problem: why there are none.
    """

    signature: Signature
    rules: dict[str, TypedRule]
    problem: str | None = None


def sized(checked: Checked, rules: Sequence[RuleInfo], lengths: Lengths) -> Sized:
    """Type the rules of a file for given lengths."""
    facts = [found for rule in rules if (found := facts_of(checked, rule)) is not None]
    formulas = [part for found in facts for part in (found.formula, found.where) if part is not None]
    signature, missing, variables = assumed(checked, formulas, lengths)
    for name in lengths:
        if name not in checked.free and name not in variables:
            known = ", ".join([*checked.free, *sorted(name for name in variables if "′" not in name)])
            return Sized(signature, {}, f"--lengths: the rules have no `{name}`; they have {known}")
    if missing:
        names = ", ".join(f"`{part.entry}`" for part in missing)
        by_index = next((f", or {part.index}=50" for part in missing if part.index), "")
        return Sized(signature, {}, f"how long is {names}? --lengths {missing[0].name}=50{by_index}")
    try:
        program, _ = type_program(checked, signature)
    except AsrError as error:
        found = next(found for found in error.diagnostics if found.severity is Severity.ERROR)
        law = next((free for free in checked.free.values() if free.shape == "distribution" or free.law), None)
        example = "" if law is None else f"{law.name}={'3x' * (law.rank or 0)}5"
        hint = f"; a law of finitely many values has their number last: --lengths {example}" if law is not None else ""
        return Sized(signature, {}, f"for these lengths: {found.message} ({found.code}){hint}")
    return Sized(signature, {rule.name: rule for rule in program.rules})


def grid_of(rule: TypedRule) -> tuple[str, str | None]:
    """Return how many instances a rule has and what memory they take, and a warning if that is huge."""
    variables = largest_grid([rule.formula])
    size = math.prod(len(variable.values) for variable in variables)
    if not variables:
        return "1 instance", None
    names, counts = zip(*((variable.name, f"{len(variable.values):,}") for variable in variables), strict=True)
    product = f"{' × '.join(counts)} = " if len(counts) > 1 else ""
    memory = f"{_bytes(size * _BATCH * _FLOAT)} an array (batch of {_BATCH}, float32)"
    text = f"{' × '.join(names)}: {product}{size:,} instances, {memory}"
    return text, _HUGE if size >= LARGE and not fits(rule.formula, LARGE) else None


def pairs_of(rule: TypedRule) -> str | None:
    """Return which pairs of a rule are looked at where there are many; None of a rule that is not over pairs."""
    found: list[str] = []
    for node in _outermost(rule.formula):
        for part in operands(flattened(node)):
            if len(part.variables) < 2:
                continue
            pairs = way_of(part, rule.margin, rule.power)
            if pairs is None:
                how = "all of them"
            else:
                names = f"{pairs.first.name}, {pairs.second.name}"
                count = len(pairs.axes)
                how = f"{names} that meet along {count} axes (a grid)" if count > 1 else f"{names} that meet (a sweep)"
                if pairs.far is not None:
                    how = f"{names} that are far apart, as sorted sums"
            if how not in found:
                found.append(how)
    return "; ".join(found) or None


def _outermost(node: Formula) -> Iterator[Every]:
    if isinstance(node, Every):
        yield node
    elif isinstance(node, Conjunction):
        for operand in node.operands:
            yield from _outermost(operand)


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def code_of(rule: TypedRule, signature: Signature) -> str:
    """Return the Python function that a rule is lowered to, and what it reads.

    Of a rule that reads means it is what is made of them: each mean is an input.
    """
    from asrppl.lower import lower

    heads: list[str] = []
    entries = dict(signature.entries)
    if needs_decomposing(rule):
        parts = decomposed(rule, multipliers=False)
        rule = parts.rule
        for moment in parts.moments:
            entries[moment.name] = moment.entry
            what = "what this costs: " if isinstance(moment.integrand, Cost) else ""
            heads.append(f"# {moment.name}: {what}{' '.join(moment.operator.span.text.split())}\n")
    plan = lower(TypedProgram((rule,)), signature=Signature.of(entries), elements=_BATCH)
    shares = {key[0] for key in plan.inputs if key[1] == "share"}
    heads = [_as_share(head) if head[2:].partition(":")[0] in shares else head for head in heads]
    keys = [key if isinstance(key, str) else ".".join(part for part in key if part) for key in plan.arguments]
    if keys:
        heads.append(f"# reads {'; '.join(keys)}\n")
    for name, constant in plan.module.named_buffers():
        # (torch does not say of what its lists are)
        shown = cast(Any, constant).tolist() if constant.numel() <= _SHOWN else f"of shape {tuple(constant.shape)}"
        heads.append(f"# {name}: {shown}\n")
    return "".join(heads) + plan.code


def _as_share(head: str) -> str:
    name, _, text = head.partition(": ")
    return f"{name}: the share of those meant by {text}"
