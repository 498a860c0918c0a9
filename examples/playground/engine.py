"""What the page asks of Python: texts in, plain data out. It needs no torch, and runs under Pyodide as it runs here."""

import copy
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from asrppl.check import Checked, RuleInfo, check_file, type_program
from asrppl.check.standard import standard_definitions
from asrppl.codes import Severity
from asrppl.core.labels import indexed, level_name, type_of, weight_text
from asrppl.core.signature import Signature
from asrppl.diagnostics import AsrError, Diagnostic, in_order, render
from asrppl.explanations import explanations
from asrppl.reference.names import Scope
from asrppl.source import Source
from asrppl.syntax import ast, parse_file
from asrppl.syntax.mathematics import unicode_mathematics
from asrppl.words import BUILTINS
from asrppl.worlds import why
from asrppl.worlds.data import Data, Datum, data_of, given_to, lengths_of, signature_of
from asrppl.worlds.instances import Place, broken, total
from asrppl.worlds.watched import Watched, everyone
from asrppl.worlds.wording import assignments, example_lines, headline, lines_of, written
from examples.playground.values import are_rows, parse_values, with_entry

NAME = "rules"
SHOWN = 24
"""Broken instances of a rule that are listed, the worst first."""
LOOKED_INTO = 3
"""Instances whose mends are looked for, when it is asked why."""

MOST_WORLDS = 600
"""That are looked at for an example: a browser takes some seconds for them, one by one."""

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A text of rules, and what the checker made of it."""

    source: Source
    checked: Checked
    diagnostics: tuple[Diagnostic, ...]

    @property
    def failed(self) -> bool:
        """Whether it has an error."""
        return any(found.severity is Severity.ERROR for found in self.diagnostics)

    def read(self, values: Values) -> Values:
        """Return the values that the rules read, `z_0`, `z_1`, … among them."""
        return {name: values[name] for name in given_to(self.checked.free, values)}


@lru_cache(maxsize=8)
def sheet_of(text: str) -> Sheet:
    """Return a text of rules, checked; the last few are kept, for nothing but values changes in a drag."""
    source = Source(NAME, text)
    parsed = parse_file(source)
    checked = check_file(parsed.file, {}, library=None)
    return Sheet(source, checked, in_order((*parsed.diagnostics, *checked.diagnostics)))


def without_errors(text: str) -> str:
    """Return a text with the statements blanked that have errors, and those that these leave without a meaning."""
    for _ in range(_ROUNDS):
        sheet = sheet_of(text)
        if not sheet.failed:
            return text
        text = _blanked(sheet, sheet.diagnostics)
    return ""


def _blanked(sheet: Sheet, findings: Iterable[Diagnostic]) -> str:
    errors = [found for found in findings if found.severity is Severity.ERROR]
    wrong = [found.span for found in errors if found.span]
    unknown = {found.fields["name"] for found in errors if found.code == "ASR070"}  # whose first use the span is
    spans = [statement.span for statement in parse_file(sheet.source).file.statements]
    kept = [
        span
        for span in spans
        if not any(span.start <= one.start < span.end for one in wrong)
        and unknown.isdisjoint(re.findall(r"\w+", span.text))
    ]
    inside = {at for span in kept for at in range(span.start, span.end)}
    # Places stay as they are: so do the names of rules that are called by their lines.
    return "".join(sign if at in inside or sign == "\n" else " " for at, sign in enumerate(sheet.source.text))


_ROUNDS = 4


@lru_cache(maxsize=4)
def typed(text: str, signature: Signature) -> tuple[Diagnostic, ...]:
    """Type rules against what their values are; return the warnings that this brings out.

    Raises:
        AsrError: the values do not fit the rules.
    """
    return type_program(sheet_of(text).checked, signature)[1]


def check(text: str) -> dict[str, Any]:
    """Return the findings of a text by itself, the names that it expects, and its rules as mathematics."""
    sheet = sheet_of(text)
    expects = [
        {"name": free.name, "shown": indexed(free), "type": type_of(free), "shape": free.shape, "rank": free.rank}
        for free in sheet.checked.free.values()
    ]
    return {
        "diagnostics": [_finding(found) for found in sheet.diagnostics],
        "failed": sheet.failed,
        "expects": expects,
        "rules": [_rule(rule) for rule in sheet.checked.rules],
    }


def _finding(found: Diagnostic) -> dict[str, Any]:
    return {**found.to_json(), "text": render(found)}


def _rule(rule: RuleInfo) -> dict[str, Any]:
    return {
        "name": rule.name,
        "line": rule.span.source.position(rule.span.start)[0],
        "weight": weight_text(rule.weight, rule.hard),
        "factor": rule.weight.end if rule.hard is None and rule.weight.constant else None,
        "level": level_name(rule.levels),
        "means": unicode_mathematics(rule.formula),
    }


# ---- rules at values


def evaluate(text: str, values: str) -> dict[str, Any]:
    """Return what each rule costs at given values, instance by instance, once it was typed against them."""
    sheet = sheet_of(without_errors(text))
    given, problems = parse_values(values)
    answer: dict[str, Any] = {
        "problems": problems,
        "boxes": {name: given[name] for name in given if _may_be_boxes(sheet, name) and are_rows(given[name])},
        "diagnostics": [],
        "rules": [],
    }
    for _ in range(_ROUNDS):
        try:
            data = data_of(sheet.checked.free, sheet.read(given))
            warnings = [typed(sheet.source.text, signature_of(sheet.checked.free, one)) for one in data.values[:1]]
        except AsrError as error:
            if not answer["diagnostics"]:  # later ones come of what was left out
                unread = {problem["name"] for problem in problems}  # what is wrong with these is said already
                findings = [found for found in error.diagnostics if found.fields.get("name") not in unread]
                answer["diagnostics"] = [_finding(_for_the_page(sheet, found)) for found in findings]
            sheet = sheet_of(_blanked(sheet, error.diagnostics))  # the other rules are worked out
        else:
            answer["diagnostics"] += [_finding(found) for each in warnings for found in each]
            answer["rules"] = [_costs(rule, watched, place) for rule, watched, place in _each(sheet, data)]
            break
    return answer


def _for_the_page(sheet: Sheet, found: Diagnostic) -> Diagnostic:
    """Return a finding with a mend that suits: no text gives a value to a name that is called."""
    name = found.fields.get("name", "")
    free = sheet.checked.free.get(name)
    if found.code != "ASR070" or free is None:
        return found
    if free.shape != "function":
        return replace(found, help=f"write `{name} = ...` in Values, or `param {name} = ...` if it is a constant")
    known = [*sorted(standard_definitions()), *sorted(BUILTINS)]
    near = [f"`{one}`" for one in known if len(name) > 2 and (name in one or one in name.split("_"))]
    help = f"did you mean {' or '.join(near[:3])}?" if near else "it would come from Python: write what it stands for"
    return replace(found, message=f"there is no function `{name}`", help=help)


def _may_be_boxes(sheet: Sheet, name: str) -> bool:
    """Whether the page is to draw a name: rules take it for boxes, or do not read it (yet)."""
    free = sheet.checked.free.get(name)
    return free is None or free.shape == "box"


def _each(sheet: Sheet, data: Data) -> list[tuple[ast.Rule, Watched, tuple[int, ...]]]:
    """Return each rule with the interpreter of each datum that it speaks of, and where in the batch that is."""
    watched = everyone(lambda datum: _interpreter(sheet.source, datum), data.values)
    found: list[tuple[ast.Rule, Watched, tuple[int, ...]]] = []
    for rule in sheet.checked.rules if watched else ():
        places = list(zip(watched, data.places(), strict=True)) if rule.levels else [(watched[0], ())]
        found += [(one.rule(rule.name), one, place) for one, place in places]
    return found


def _interpreter(source: Source, datum: Datum) -> Watched:
    """Return the interpreter of a datum; its text is read once, and not at every move of a drag."""
    found = copy.copy(_interpreter_of(source))
    found.values = dict(datum)
    return found


@lru_cache(maxsize=4)
def _interpreter_of(source: Source) -> Watched:
    return Watched(source, {})


def _costs(rule: ast.Rule, watched: Watched, datum: tuple[int, ...]) -> dict[str, Any]:
    answer: dict[str, Any] = {"datum": list(datum), "applies": True, "violation": 0.0, "instances": [], "more": 0}
    answer["name"] = (
        rule.name.text if rule.name is not None else f"line {rule.span.source.position(rule.span.start)[0]}"
    )
    answer["problem"] = ""
    try:
        answer["applies"] = watched.applies(rule)
        if not answer["applies"]:
            return answer
        reading = watched.reading(rule)
        # What all have to hold adds up: the sum is the rule's violation, and nothing is worked out twice.
        found = list(broken(watched, reading, Place(rule.formula, Scope(watched.module), True)))
        found.sort(key=lambda pair: -total(pair[1]))
        for place, parts in found[:SHOWN]:
            with watched.noting() as noted:
                place.cost(watched, reading)
            entries = sorted({(cell.name, *cell.place) for cell in noted})
            answer["instances"].append(
                {"at": dict(place.indices), "violation": total(parts), "reads": entries, "text": place.text(watched)}
            )
    except NotImplementedError as error:
        answer["problem"] = str(error)
        return answer
    answer["violation"] = sum(total(parts) for _, parts in found)
    answer["more"] = len(found) - len(answer["instances"])
    return answer


def tell_why(text: str, values: str, rule: str) -> dict[str, Any]:
    """Return why a rule does not hold: its worst instances, their branches, and the cheapest mend of each."""
    sheet = sheet_of(without_errors(text))
    given, _ = parse_values(values)
    try:
        found = why(sheet.source, sheet.read(given), only=[rule], shown=LOOKED_INTO)
    except AsrError as error:
        return {"lines": str(error).split("\n")}
    # (In a batch, `with_entry` would not know which datum is meant.)
    broken = [one for told in found if not told.datum for one in told.instances]
    mends = {one.mend.entry: one.mend.new for one in broken if one.mend is not None}
    offers = [
        _offer(sheet, f"Set {entry} to {written(new)}", changed)
        for entry, new in mends.items()
        if (changed := with_entry(given, entry, new)) is not None
    ]
    return {"lines": [line for one in found for line in lines_of(one)], "offers": offers}


def _offer(sheet: Sheet, label: str, values: Values) -> dict[str, str]:
    """Return other values for the page to take, as it has them."""
    boxes = [name for name, free in sheet.checked.free.items() if free.shape == "box"]
    return {"label": label, "values": "".join(f"{line}\n" for line in assignments(values, boxes))}


def give_example(text: str, values: str) -> dict[str, Any]:
    """Return a world that keeps all rules, and for each one that breaks it alone, where all worlds can be looked at."""
    from asrppl.worlds.example import example  # not before it is asked for: the first answer does not wait for it
    from asrppl.worlds.invent import InventionError, invent

    sheet = sheet_of(text)
    try:
        lengths = lengths_of(sheet.checked.free, parse_values(values)[0])  # an example's are to be as long
        count = invent(sheet.checked, lengths, 1).worlds if not sheet.failed else 0.0
        if count > MOST_WORLDS:
            many = "infinitely many worlds" if math.isinf(count) else f"{count:,.0f} worlds"
            return {"lines": [f"There are {many}; this page looks through {MOST_WORLDS:,} at most.", _ELSEWHERE]}
        found = example(sheet.source, lengths=lengths)
    except (AsrError, InventionError) as error:
        return {"lines": str(error).split("\n")}
    shown = [one for one in (found.keeps, *found.breaks) if one.values is not None]
    offers = [_offer(sheet, f"Take the one that {headline(one)}", one.values or {}) for one in shown]
    return {"lines": list(example_lines(found)), "offers": offers}


_ELSEWHERE = (
    "On your own machine the command `asrppl example RULES` goes further: it descends on the violations, and asks z3."
)


def explain(code: str) -> dict[str, Any]:
    """Return what the code of a finding means."""
    return {"lines": explanations()[code].plain().split("\n")}
