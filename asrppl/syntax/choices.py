"""Mistakes around `if`, and around what follows `in`.

Each function returns None where its mistake is not the one made.
"""

import re

from asrppl.diagnostics import Diagnostic
from asrppl.syntax.extent import CLAUSE, FORMULA, TERM, after, before, closer, opener
from asrppl.syntax.stop import COMPARISONS, WORD, Stop
from asrppl.words import BINDING, JOINING

_BINDER = re.compile(rf"\b((?:{'|'.join(BINDING)})[ \t][^:\"]*?)(?:[ \t]+where[ \t]+([^:]*))?[ \t]*:[ \t]*$")
_JOINS = {"and", "or", "implies", "iff"}


def _closed(text: str) -> str:
    """Return a formula as an operand."""
    return f"({text})" if _JOINS & set(WORD.findall(text)) else text


def _is_formula(text: str) -> bool:
    return bool((COMPARISONS | _JOINS | {"in", "not", "forall", "exists", "true", "false"}) & set(WORD.findall(text)))


def unfinished(stop: Stop) -> Diagnostic | None:
    """An `if` without `then` or `else`, or with formulas for branches."""
    for kind, word in (("ELSE", "else"), ("THEN", "then")):
        if kind not in stop.accepts or stop.token not in {"", *")]},:{", "then", "else"} | COMPARISONS | JOINING:
            continue
        follows = word in WORD.findall(stop.piece.text, stop.at)
        if follows and not (stop.token in COMPARISONS | JOINING and word == "else"):
            continue
        depth = 0
        for text, start in reversed(stop.before):
            depth += (text == "else") - (text == "if")
            if depth < 0:
                place = stop.span(start, start + 2)
                if not follows:
                    return stop.found("ASR008", f"this `if` has no `{word}`", _whole(stop, start), place)
                message = f"`{stop.token}` cannot stand in a branch of an `if`: its branches are terms"
                return stop.found("ASR001", message, _whole(stop, start))
    return None


def _whole(stop: Stop, start: int) -> str:
    """Return the mend of the `if` at ``start``, whose parts may be formulas."""
    text = stop.piece.text
    condition = after(text, start + 2, CLAUSE | {"then", "{"})
    at = text.index(condition, start + 2) + len(condition)
    rest = re.sub(r"^[ \t]*(:|then\b|,|\{)[ \t]*(then\b)?", "", text[at : closer(text, at)])
    rest = re.sub(r"([ \t]*\}|\b(endif|end|fi)\b)[ \t]*$", "", rest)
    then, _, otherwise = re.sub(r"\belse[ \t]*:", "else", rest).partition(" else ")
    then, otherwise = then.strip(" ;:"), otherwise.strip()
    then = after(then, 0, frozenset({",", ";"}))
    if not condition or not then:
        return "write `if c then a else b`; among formulas, `c implies φ`"
    if otherwise and not _is_formula(then):
        return f"write `if {condition} then {then} else {otherwise}`"
    implied = f"{_closed(condition)} implies {then}"
    if otherwise:
        negated = f"not {_closed(condition)} implies {otherwise}"
        return f"among formulas, write `({implied}) and ({negated})`"
    if _is_formula(then):
        return f"among formulas, write `{implied}`"
    return f"write `if {condition} then {then} else ...`; among formulas, `{implied}`"


def trailing(stop: Stop) -> Diagnostic | None:
    """`a if c else b`, `x <= 3 if c`, `x <= 3 where c`."""
    if stop.token not in ("if", "where") or not {"PLUS", "COMPARE"} & stop.accepts:
        return None
    text = stop.piece.text
    rest = stop.at + len(stop.token)
    condition = after(text, rest, frozenset({"else"}) | CLAUSE)
    otherwise = re.match(r"[ \t]*else\b(.*)", text[text.index(condition, rest) + len(condition) :])
    if otherwise is not None:
        chosen = (
            f"if {condition} then {before(text, stop.at, TERM)} else {after(otherwise.group(1), 0, FORMULA | TERM)}"
        )
        then, last = before(text, stop.at, TERM), after(otherwise.group(1), 0, FORMULA | TERM)
        edit = (*stop.around(then, stop.at, text.index("else", rest), last), chosen)
        return stop.found("ASR001", "an `if` comes before what it chooses", f"write `{chosen}`", edit=edit)
    formula = before(text, stop.at, CLAUSE)
    words = [word for word, _ in stop.before]
    binder = _BINDER.search(text[: text.rindex(formula, 0, stop.at)][-400:]) if formula else None
    if binder is not None:
        guard = f"{condition} and {binder.group(2)}" if binder.group(2) else condition
        mend = f"{binder.group(1)} where {guard}: {formula}"
        begin = text.rindex(binder.group(), 0, stop.at)
    elif words[0] == "rule" and words.count(":") == 1 and ":" in words[2:] and opener(stop) is None:
        head = text[: stop.before[words.index(":")][1]].rstrip()
        mend, begin = f"{head} where {condition}: {formula}", 0
    else:
        mend, (begin, _) = f"{_closed(condition)} implies {formula}", stop.around(formula, stop.at, stop.at, "")
    _, end = stop.around("", stop.at, rest, condition)
    message = f"a condition with `{stop.token}` comes before what it is for"
    return stop.found("ASR001", message, f"write `{mend}`", edit=(begin, end, mend))


def members(stop: Stop) -> Diagnostic | None:
    """`n in (1, 3)`, `n in 1, 3`."""
    if stop.token != "," or "PLUS" not in stop.accepts or "COLON" in stop.accepts:
        return None
    words = [word for word, _ in stop.before[-3:]]
    if words[-3:-1] == ["in", "("] or words[-2:-1] == ["in"]:
        first = stop.before[-1][1]
        listed = after(stop.piece.text, first, (FORMULA | {"and", "or"}) - {","})
        mend, end = f"write `in {{{listed}}}`", first + len(listed)
        if words[-3:-1] == ["in", "("]:
            first, end = stop.before[-2][1], closer(stop.piece.text, first) + 1
        between = None
        if first < stop.before[-1][1] and listed.count(",") == 1:
            mend += f", or `in [{listed}]` for all between them"
            between = first, end, f"[{listed}]"
        edit = first, end, f"{{{listed}}}"
        return stop.found("ASR001", "a list of values stands in braces", mend, edit=edit, or_else=between)
    return None


def dots(stop: Stop) -> Diagnostic | None:
    """`0...3`, `0:3`, `range` with its ends joined by other signs."""
    text = stop.piece.text
    for found in re.finditer(r"\b(\w+)[ \t]*\.\.\.+[ \t]*(\w+)", text):
        if found.start() <= stop.at <= found.end():
            place = stop.span(found.start(), found.end())
            return stop.mended("ASR004", "a range has two points", f"{found[1]}..{found[2]}", place)
    if stop.token == ":":
        found = re.search(r"\bin[ \t]+(\w+)[ \t]*:[ \t]*(\w+)[ \t]*$", text[: stop.at])
        if found is not None:
            place = stop.span(found.start(1), found.end())
            mend = f"{found[1]}..{found[2]}"
            help, edit = f"write `{mend}`: both ends are in it", (found.start(1), found.end(), mend)
            return stop.found("ASR004", "a range is written with `..`", help, place, edit=edit)
    if stop.token == "to" and "DOTS" in stop.accepts:
        low = before(text, stop.at, TERM)
        high = after(text, stop.at + 2, TERM)
        edit = (*stop.around(low, stop.at, stop.at + 2, high), f"{low}..{high}")
        help = f"write `{low}..{high}`: both ends are in it"
        return stop.found("ASR004", "a range is written with `..`", help, edit=edit)
    return None
