"""What other languages write in another form, with the mend in the statement's own words.

Each function returns None where its mistake is not the one made.
"""

import re

from asrppl.diagnostics import Diagnostic
from asrppl.syntax.extent import CLAUSE, FORMULA, TERM, after, before, closer, opener
from asrppl.syntax.stop import Stop
from asrppl.words import BINDING, BUILTINS, OPTIONS, STATEMENTS

_NAME = re.compile(r"[A-Za-z_]\w*")


def generator(stop: Stop) -> Diagnostic | None:
    """`all(x[i] <= 3 for i in range(3))`, `sum([x[i] for i in range(3)])`."""
    if stop.token != "for":
        return None
    text, at = stop.piece.text, opener(stop)
    if at is None:
        body = before(text, stop.at, CLAUSE)
        over = after(text, stop.at + 3, CLAUSE)
        indices = re.sub(r"^(all|each|every|any)\b[ \t]*", "", over)
        mend = f"forall {indices}: {body}"
        edit = (*stop.around(body, stop.at, stop.at + 3, over), mend)
        return stop.found("ASR001", "a quantifier stands before what it speaks of", f"write `{mend}`", edit=edit)
    start = stop.before[at][1] + 1
    if stop.before[at][0] == "[" and at > 1 and stop.before[at - 1][0] == "(":
        at -= 1
    name = stop.before[at - 1][0] if at else ""
    kind = {"all": "forall", "any": "exists", "len": "count", "count": "count", "prod": "prod", "set": "count"}.get(
        name, name if name in BINDING else None
    )
    end = closer(text, start)
    clause = re.fullmatch(r"\s*for\b(.*?)\bin\b(.*?)(?:\bif\b(.*))?", text[stop.at : end])
    if kind is None or clause is None or " for " in clause.group(2):
        return stop.found("ASR001", "there are no comprehensions", "write `forall i: ...`, `sum i: ...` and the like")
    names, domain, guard = clause.group(1).strip(), clause.group(2).strip(), clause.group(3)
    where = f" where {guard.strip()}" if guard else ""
    mend = f"{kind} {names}{_domain(domain)}{where}: {text[start : stop.at].strip()}"
    first = stop.before[at - 1][1] if at else start - 1
    if kind not in ("forall", "exists") or text[:first].rstrip()[-1:] not in ("", ":", "("):
        mend = f"({mend})"
    close = end + 2 if text[end : end + 2] == "])" else end + 1
    return stop.found("ASR001", "there are no comprehensions", f"write `{mend}`", edit=(first, close, mend))


def _domain(written: str) -> str:
    """Return the domain that another language's range is."""
    if re.fullmatch(r"range\(\s*len\(.*\)\s*\)", written):
        return ""
    ends = re.fullmatch(r"range\((?:([^,]*),)?([^,]*)\)", written)
    if ends is None:
        return f" in {written}" if re.search(r"[.{]", written) else ""
    low, high = (ends.group(1) or "0").strip(), ends.group(2).strip()
    return f" in {low}..{int(high) - 1}" if high.isdigit() else f" in {low}..{high} - 1"


def braces(stop: Stop) -> Diagnostic | None:
    """`x{i}`, `n {1, 3}`."""
    if stop.token != "{" or "NUMBER" in stop.accepts or not (_NAME.match(stop.previous) or stop.previous in (")", "]")):
        return None
    text = stop.piece.text
    inside = text[stop.at + 1 : closer(text, stop.at + 1)].strip()
    glued = text[stop.at - 1] not in " \t"
    if stop.before[0][0] == "rule" and ":" not in (word for word, _ in stop.before):
        return stop.found("ASR007", "a rule's formula follows a `:`", f"write `rule {stop.previous}: {inside}`")
    written = before(text, stop.at, TERM)
    if glued or _NAME.fullmatch(inside):
        edit = (stop.at, closer(text, stop.at + 1) + 1, f"[{inside}]")
        return stop.found("ASR001", "an index stands in square brackets", f"write `{written}[{inside}]`", edit=edit)
    help = f"write `{written} in {{{inside}}}`"
    return stop.found("ASR001", "a set follows `in`", help, edit=(stop.at, stop.at, "in "))


def ternary(stop: Stop) -> Diagnostic | None:
    """`c ? a : b`."""
    if stop.token != "?":
        return None
    text = stop.piece.text
    condition = before(text, stop.at, FORMULA)
    then = after(text, stop.at + 1, frozenset({":"}))
    colon = text.find(":", stop.at)
    otherwise = after(text, colon + 1, FORMULA | TERM) if colon > 0 else "b"
    mend = f"if {condition} then {then} else {otherwise}"
    edit = (*stop.around(condition, stop.at, colon + 1, otherwise), mend) if colon > 0 else None
    return stop.found("ASR001", "a choice is written in words", f"write `{mend}`", edit=edit)


def let_in(stop: Stop) -> Diagnostic | None:
    """`rule a: let d = x - y in d <= 3`."""
    at = next((k for k, (word, _) in enumerate(stop.before) if word in ("let", "var", "val") and k > 0), None)
    if at is None or at != len(stop.before) - 1:
        return None
    text, start = stop.piece.text, stop.before[at][1]
    found = re.match(r"\w+[ \t]+(.*?)[ \t]+in[ \t]", text[start:])
    what = found.group(1) if found is not None else f"{stop.token} = ..."
    help = f"on a line of its own above the rule: `let {what}`"
    return stop.found("ASR001", "a `let` is a statement of its own", help, stop.span(start, start + 3))


_PACKAGES = ("torch", "np", "numpy", "math", "jnp", "tf", "F")
_OURS = {"maximum": "max", "minimum": "min", "fabs": "abs", "clip": "clamp", "absolute": "abs"}


def call_of_field(stop: Stop) -> Diagnostic | None:
    """`box[i].w()`, `x.abs()`."""
    if stop.token != "(" or len(stop.before) < 3 or stop.before[-2][0] != ".":
        return None
    text, name = stop.piece.text, stop.previous
    whose = before(text, stop.before[-2][1], TERM | {"+", "-", "*", "/", "^"})
    given = text[stop.at + 1 : closer(text, stop.at + 1)].strip()
    arguments = f"{whose}, {given}" if given else whose
    start, _ = stop.around(whose, stop.before[-2][1], stop.at, "")
    end = closer(text, stop.at + 1) + 1
    if whose in _PACKAGES:
        mend = f"{_OURS.get(name, name)}({given})"
        message = f"functions stand alone, without `{whose}.`"
        return stop.found("ASR001", message, f"write `{mend}`", edit=(start, end, mend))
    if name in BINDING and not given:
        mend = f"({name} i: {whose}[i])"
    elif name in BUILTINS or given:
        mend = f"{name}({arguments})"
    else:
        help = f"write `{whose}.{name}` for a field, `{name}({arguments})` for a function"
        return stop.found("ASR001", "there are no methods", help, edit=(start, end, f"{whose}.{name}"))
    return stop.found("ASR001", "there are no methods", f"write `{mend}`", edit=(start, end, mend))


def slice(stop: Stop) -> Diagnostic | None:
    """`x[1:3]`, `x[:]`, `in 0:3`."""
    at = opener(stop)
    text = stop.piece.text
    if stop.token != ":" or at is None or stop.before[at][0] != "[" or at == 0:
        return None
    name = before(text, stop.before[at][1], TERM | {"+", "-", "*", "/", "^", "("})
    inside = text[stop.before[at][1] + 1 : closer(text, stop.at)]
    ends = re.fullmatch(r"\s*(\d+)\s*:\s*(\d+)\s*", inside)
    domain = f" in {ends.group(1)}..{int(ends.group(2)) - 1}" if ends else ""
    return stop.found("ASR001", "there are no slices", f"let an index run: `forall i{domain}: ... {name}[i] ...`")


def product(stop: Stop) -> Diagnostic | None:
    """`2 (x + 1)`, `(a)(b)`."""
    if stop.token != "(" or "TIMES" not in stop.accepts:
        return None
    if stop.previous == ")":
        found = re.search(r"\b(sum|prod|count|mean|max|min)\(([^()]* in [^()]*)\)[ \t]*$", stop.piece.text[: stop.at])
        if found is not None:
            kind, binder = found.groups()
            end = closer(stop.piece.text, stop.at + 1)
            mend = f"({kind} {binder}: {stop.piece.text[stop.at + 1 : end]})"
            edit = (found.start(), end + 1, mend)
            return stop.found("ASR001", "an index stands without parentheses", f"write `{mend}`", edit=edit)
    if re.match(r"[0-9]", stop.previous) or stop.previous in (")", "]"):
        edit = (len(stop.piece.text[: stop.at].rstrip()), stop.at, " * ")
        return stop.found("ASR001", "a product needs its `*`", f"write `{stop.previous} * (`", edit=edit)
    return None


def definition(stop: Stop) -> Diagnostic | None:
    """`def near(a, b): ...`, `let f(x) = ...`, `param S: 3`, `near(a, b) = ...`."""
    text = stop.piece.text
    first = stop.before[0][0] if stop.before else ""
    if first == "def" and stop.token in (":", "{", "->", "=>", "-", ";") and stop.previous == ")":
        body = re.sub(r"^(->|=>|[:{;])\s*(return\b\s*)?", "", text[stop.at :]).rstrip().removesuffix("}").rstrip(" ;")
        return _rewritten(stop, "a definition takes `=`", f"{text[: stop.at].rstrip()} = {body}")
    if (
        first == "def"
        and len(stop.before) == 2
        and (names := re.match(r"(\w+(?:[ \t,]+\w+)*)[ \t]*=", text[stop.at :]))
    ):
        given = ", ".join(re.findall(r"\w+", names.group(1)))
        mend = f"def {stop.previous}({given}) = {text[stop.at + names.end() :].strip()}"
        return _rewritten(stop, "arguments stand in parentheses", mend)
    if first == "given" and stop.token == "=":
        return stop.found("ASR001", "a `given` has no value: it is data", f"a constant is a param: `param{text[5:]}`")
    if first == "site" and stop.previous == "=" and "STRING" in stop.accepts:
        help = 'it says which site of the guide a name is: `site a = "b"`; priors belong into the model'
        return stop.found("ASR001", "a `site` statement takes a name in quotes", help)
    if first == "let" and stop.token == "(" and len(stop.before) == 2:
        return _rewritten(stop, "what takes arguments is a `def`", f"def {text[3:].strip()}")
    if first == "def" and stop.token in ("=", ":") and len(stop.before) == 2:
        mend = f"let {stop.previous} = {text[stop.at :].lstrip(':= ')}"
        help = f"without any it is a `let`: `{mend}`"
        return stop.found("ASR001", "a `def` takes arguments", help, edit=(0, len(text), mend))
    assigned = text.startswith(":=", stop.at)
    if first in ("param", "let") and stop.token in (":", "->", "=>") and "BECOMES" in stop.accepts and not assigned:
        kind = re.match(r":[ \t]*\w+[ \t]*=", text[stop.at :])
        rest = text[stop.at + (len(kind.group()) if kind else len(stop.token)) :].strip()
        return _rewritten(stop, f"`{first}` takes `=`", f"{text[: stop.at].rstrip()} = {rest}")
    if (
        first not in STATEMENTS
        and stop.token == "="
        and re.fullmatch(r"[A-Za-z_]\w*\([A-Za-z_\w, \t]*\)", text[: stop.at].strip())
        and not text.startswith("=", stop.at + 1)
    ):
        return stop.found("ASR004", "`=` does not compare", f"write `==` to compare, or `def {text}` to define")
    return None


def _rewritten(stop: Stop, message: str, mend: str) -> Diagnostic:
    """Return an error that is mended by writing the statement anew."""
    return stop.found("ASR001", message, f"write `{mend}`", edit=(0, len(stop.piece.text), mend))


def late_option(stop: Stop) -> Diagnostic | None:
    """`rule a: x <= 3 weight 10`, `rule a: weight 10: x <= 3`, `rule a (weight 10): x <= 3`."""
    if not stop.before or stop.before[0][0] != "rule" or len(stop.before) < 3:
        return None
    text, name = stop.piece.text, stop.before[1][0]
    last, start = stop.before[-1]
    if ":" in (word for word, _ in stop.before):
        if last in OPTIONS and stop.before[-2][0] == ":" and re.match(r"[0-9]", stop.token):
            written = f"{last} {stop.token}"
        elif stop.token in OPTIONS and {"TIMES", "COMPARE"} & stop.accepts:
            written, start = text[stop.at :].strip(), stop.at
        else:
            return None
        return stop.found(
            "ASR011", "options stand before the `:`", f"write `rule {name} {written}: ...`", stop.span(start, start + 1)
        )
    return None
