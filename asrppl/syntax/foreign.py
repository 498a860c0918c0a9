"""Comments, operators and words of other languages, with the mend in the statement's own words.

Each function returns None where its mistake is not the one made.
"""

import re

from asrppl.diagnostics import Diagnostic
from asrppl.syntax.extent import CLAUSE, FORMULA, TERM, after, before, closer, opener
from asrppl.syntax.stop import Stop

_NAME = re.compile(r"[A-Za-z_]\w*")
_COMMENTS = ("//", "--", "/*", "%", ";", "(*", "{-", "<!--", '"""')


def comment(stop: Stop) -> Diagnostic | None:
    """`// boxes`, `-- boxes`, `% boxes`."""
    text = stop.piece.text
    sign = next((sign for sign in _COMMENTS if text.startswith(sign)), None)
    if sign is None or len(stop.before) > len(sign):
        return None
    said = text[len(sign) :].strip()
    help = f"write `# {said}`" if said else "write `#`"
    edit = (0, len(sign), "#") if sign in ("//", "--", "%", ";") else None
    return stop.found("ASR004", f"`{sign}` starts no comment", help, stop.span(0, len(sign)), edit=edit)


def bars(stop: Stop) -> Diagnostic | None:
    """`|a - b| <= 3`, `P[a | b]`."""
    text = stop.piece.text
    if stop.token not in ("|", "||"):
        return None
    at = opener(stop)
    operator = stop.before[at - 1][0] if at else ""
    if "NUMBER" not in stop.accepts:
        if operator in ("P", "E") and at is not None and stop.before[at][0] == "[" and stop.token == "|":
            left = text[stop.before[at][1] + 1 : stop.at].strip()
            right = text[stop.at + 1 : closer(text, stop.at + 1)].strip()
            mend = (
                f"write `P[{left} and {right}] / P[{right}]`" if operator == "P" else "put the condition into the rule"
            )
            return stop.found("ASR004", "there is no `|` for `given that`", mend)
        return None
    start = stop.at + len(stop.token)
    end = text.find(stop.token, start)
    if end < 0:
        return None
    inside = text[start:end].strip()
    if re.match(r"\{[^{}:]*:[^{}]*\}$", inside):
        mend = f"(count {inside[1:-1].strip()})"
        return stop.mended("ASR004", "a set is not counted by bars", mend, stop.span(stop.at, end + 1))
    place = stop.span(stop.at, end + len(stop.token))
    return stop.mended("ASR004", f"`{stop.token}` does not enclose an absolute value", f"abs({inside})", place)


def unique(stop: Stop) -> Diagnostic | None:
    """`exists! i: hot[i]`, `exists1 i: ...`."""
    if stop.token != "!" or stop.previous != "exists":
        return None
    text, (_, start) = stop.piece.text, stop.before[-1]
    end = closer(text, stop.at + 1)
    mend = f"(count {text[stop.at + 1 : end].strip()}) == 1"
    place = stop.span(start, stop.at + 1)
    message = "there is no quantifier for exactly one"
    return stop.found("ASR004", message, f"count: write `{mend}`", place, edit=(start, end, mend))


_AMOUNTS = {
    "at least": ">=",
    "at most": "<=",
    "exactly": "==",
    "more than": ">",
    "less than": "<",
    "fewer than": "<",
    "atleast": ">=",
    "atmost": "<=",
}


def amount(stop: Stop) -> Diagnostic | None:
    """`at least 2 i: hot[i]`."""
    text = stop.piece.text
    for words, operator in _AMOUNTS.items():
        pattern = rf"\b{words}[ \t]+(\w+)[ \t]+(?:of[ \t]+)?"
        for found in re.finditer(pattern, text):
            if found.start() <= stop.at <= found.end():
                number = {"one": "1", "two": "2", "three": "3", "a": "1", "none": "0"}.get(
                    found.group(1), found.group(1)
                )
                end = closer(text, found.end())
                rest = text[found.end() : end].strip()
                what = f"(count {rest})" if ":" in rest else "(count i: ...)"
                mend = f"{what} {operator} {number}"
                return stop.found(
                    "ASR001",
                    f"there is no quantifier `{words}`",
                    f"count: write `{mend}`",
                    stop.span(found.start(), found.start() + len(words)),
                    edit=(found.start(), end, mend) if ":" in rest else None,
                )
    return None


def sampling(stop: Stop) -> Diagnostic | None:
    """`x ~ Normal(0, 1)`."""
    if stop.token != "~" or "NUMBER" in stop.accepts:
        return None
    follows = stop.piece.text[stop.at + 1 : stop.at + 2]
    if follows == "=":
        return None
    left = before(stop.piece.text, stop.at, TERM) or "x"
    return stop.found(
        "ASR004",
        "a rule draws nothing: `~` and priors belong into the model",
        f"a rule says what holds of a draw, as in `abs({left}) <= 2`",
    )


def modulo(stop: Stop) -> Diagnostic | None:
    """`n % 2`, `n mod 2`, `n div 2`."""
    if stop.token not in ("%", "mod", "rem", "div") or "TIMES" not in stop.accepts:
        return None
    text = stop.piece.text
    left = before(text, stop.at, TERM | {"+", "-"})
    right = after(text, stop.at + len(stop.token), TERM | {"+", "-", "*", "/"})
    place = stop.around(left, stop.at, stop.at + len(stop.token), right)
    if stop.token == "div":
        mend = f"floor({left} / {right})"
        return stop.found("ASR004", "there is no whole division", f"write `{mend}`", edit=(*place, mend))
    if not right:
        share = re.fullmatch(r"[0-9.]+", stop.previous)
        edit = (stop.at, stop.at + 1, " / 100") if share else None
        help = f"write `{stop.previous} / 100`" if share else None
        return stop.found("ASR004", "there are no percentages", help, edit=edit)
    mend = f"mod({left}, {right})"
    return stop.found("ASR004", f"`{stop.token}` is not an operator here", f"write `{mend}`", edit=(*place, mend))


def exclusive_or(stop: Stop) -> Diagnostic | None:
    """`a xor b`, `a ^^ b`."""
    if stop.token not in ("xor", "nand", "nor", "^") or (stop.token == "^") != (stop.previous == "^"):
        return None
    text = stop.piece.text
    if stop.token == "^":
        return stop.found("ASR004", "`^^` is not an operator here", "of formulas, write `not (a iff b)`")
    left = before(text, stop.at, FORMULA)
    right = after(text, stop.at + len(stop.token), FORMULA)
    inside = {"xor": "iff", "nand": "and", "nor": "or"}[stop.token]
    mend = f"not ({left} {inside} {right})"
    edit = (*stop.around(left, stop.at, stop.at + len(stop.token), right), mend)
    return stop.found("ASR004", f"`{stop.token}` is not an operator here", f"write `{mend}`", edit=edit)


_WORDS = {
    "is not": "!=",
    "is": "==",
    "equals": "==",
    "eq": "==",
    "ne": "!=",
    "le": "<=",
    "lt": "<",
    "ge": ">=",
    "gt": ">",
    "less": "<",
    "greater": ">",
    "plus": "+",
    "minus": "-",
    "times": "*",
    "pow": "^",
    "then": "implies",
    "then_": "implies",
    "imp": "implies",
    "implication": "implies",
    "equiv": "iff",
    "but": "and",
}


def word(stop: Stop) -> Diagnostic | None:
    """`x is 3`, `x equals 3`, `a imp b`, `x between 0 and 1`, `a unless b`."""
    if not ({"TIMES", "COMPARE"} & stop.accepts) or not _NAME.match(stop.token):
        return None
    text = stop.piece.text
    rest = text[stop.at + len(stop.token) :]
    if stop.token == "between" and (ends := re.match(r"[ \t]+(.+?)[ \t]+and[ \t]+(.+)", rest)):
        value, high = before(text, stop.at, TERM), after(ends.group(2), 0, TERM)
        mend = f"{ends.group(1)} <= {value} <= {high}"
        start, _ = stop.around(value, stop.at, stop.at, "")
        edit = (start, stop.at + len(stop.token) + ends.start(2) + len(high), mend)
        return stop.found("ASR004", "`between` is not an operator here", f"write `{mend}`", edit=edit)
    if stop.token in ("unless", "when", "whenever", "provided"):
        left, right = before(text, stop.at, CLAUSE), after(text, stop.at + len(stop.token), CLAUSE)
        mend = f"({right}) or ({left})" if stop.token == "unless" else f"({right}) implies ({left})"
        edit = (*stop.around(left, stop.at, stop.at + len(stop.token), right), mend)
        return stop.found("ASR004", f"`{stop.token}` is not an operator here", f"write `{mend}`", edit=edit)
    negated = re.match(r"[ \t]+not\b", rest) if stop.token == "is" else None
    if re.match(r"[ \t]+(not[ \t]+)?in\b", rest) and stop.token == "is":
        edit = (stop.at, stop.at + len(stop.token), "")
        return stop.found("ASR004", "`is` is not an operator here", "leave it out: `in` says it all", edit=edit)
    ours = "!=" if negated else _WORDS.get(stop.token)
    if ours is None:
        return None
    written = stop.token + (negated.group() if negated else "")
    place = stop.span(stop.at, stop.at + len(written))
    return stop.mended("ASR004", f"`{written}` is not an operator here", ours, place)


def trailing(stop: Stop) -> Diagnostic | None:
    """`x <= 3;`, `x <= 3,`, `f(x, )`, `x <= y.`."""
    text = stop.piece.text
    if stop.token in (";", ",", ".") and not text[stop.at + 1 :].strip():
        message, help = f"a statement ends without `{stop.token}`", f"leave the `{stop.token}` out"
        return stop.found("ASR001", message, help, edit=(stop.at, stop.at + 1, ""))
    if stop.previous in (",", ".") and (stop.token in (")", "]", "}") or not stop.token):
        start = stop.before[-1][1]
        message = f"nothing follows this `{stop.previous}`"
        help = f"leave the `{stop.previous}` out"
        return stop.found("ASR001", message, help, stop.span(start, start + 1), edit=(start, start + 1, ""))
    return None


def sigil(stop: Stop) -> Diagnostic | None:
    """`$x`, `@x`, `\\x`, `?x`."""
    if stop.token not in ("$", "@", "\\", "?") or not ({"NUMBER", "NAME"} & stop.accepts):
        return None
    name = _NAME.match(stop.piece.text, stop.at + 1)
    if name is None:
        return None
    place = stop.span(stop.at, name.end())
    return stop.mended("ASR001", f"no sign stands before a name, so no `{stop.token}`", name.group(), place)
