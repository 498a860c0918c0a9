"""Mistakes of structure: what is missing, out of place, or needs parentheses.

Each function returns None where its mistake is not the one made.
"""

import re

from asrppl.diagnostics import Diagnostic
from asrppl.suggest import nearest
from asrppl.syntax.expected import described, operand
from asrppl.syntax.extent import CLAUSE, after, before, closer, opener
from asrppl.syntax.stop import COMPARISONS, WORD, Stop
from asrppl.words import BINDING, JOINING, KEYWORDS, OPTIONS, STATEMENTS

_BORROWED = {
    "assert": "rule",
    "constraint": "rule",
    "require": "rule",
    "const": "param",
    "parameter": "param",
    "var": "let",
    "function": "def",
    "fn": "def",
    "predicate": "def",
    "include": "import",
    "from": "import",
    "use": "import",
}
_ALL_OPTIONS = "`weight`, `hard`, `smooth`, `margin`, `power` and `where`"
_OPTION_HELP = {
    "weight": "as in `weight 10` or `weight 0 -> 10 over 2000 steps`",
    "within": "as in `hard within 0.01`",
    "smooth": "as in `smooth 8`",
    "margin": "as in `margin 0.5`",
    "power": "as in `power 2`",
}


def sign_first(stop: Stop) -> Diagnostic | None:
    """A line that starts with an operator: the rest of a statement above."""
    if stop.before or stop.token not in {"*", "/", "^"} | JOINING | COMPARISONS:
        return None
    return stop.found(
        "ASR010",
        f"a statement cannot start with `{stop.token}`",
        "if the line goes on with the statement above, start it with white space",
    )


def nameless(stop: Stop) -> Diagnostic | None:
    """`rule: ...`, `let = 3`."""
    if len(stop.before) != 1 or stop.previous not in STATEMENTS or stop.token not in (":", "=", "(", "["):
        return None
    written = {":": "small: ...", "=": "small = ..."}.get(stop.token)
    help = f"as in `{stop.previous} {written}`" if written is not None else None
    return stop.found("ASR001", f"`{stop.previous}` needs a name before `{stop.token}`", help)


def unknown_statement(stop: Stop) -> Diagnostic | None:
    """`rul x: ...`, what other languages call our statements, `hard rule a: ...`, `weight 10: ...`."""
    if stop.before and stop.before[0][0] in (*OPTIONS, "soft") and len(stop.before) <= 2:
        start = re.match(r"(\w+(?:[ \t]+[0-9.]+)?)[ \t]*(?:rule[ \t]+)?(\w+)?[ \t]*:", stop.piece.text)
        if start is not None and (stop.token == "rule" or re.match(r"[0-9]", stop.token) or len(stop.before) == 2):
            option = "" if start.group(1) == "soft" else f" {start.group(1)}"
            mend = f"rule {start.group(2) or 'small'}{option}:"
            help, edit = f"write `{mend} ...`", (0, start.end(), mend)
            return stop.found("ASR011", "an option follows the name of a rule", help, edit=edit)
    if len(stop.before) != 1 or not re.match(r"[A-Za-z_\"]", stop.token) or stop.token in KEYWORDS:
        return None
    word, start = stop.before[0]
    near = nearest(word, STATEMENTS, 1)
    meant = _BORROWED.get(word.lower()) or (near[0] if near else None)
    if meant is None or meant == word:
        return None
    headed = _HEAD.match(stop.piece.text, stop.at) is not None
    return stop.found(
        "ASR001",
        f"`{word}` is not a statement of the language",
        f"did you mean `{meant}`?",
        stop.span(start, start + len(word)),
        edit=(start, start + len(word), meant) if meant != "rule" or headed else None,
    )


_HEAD = re.compile(r"[A-Za-z_]\w*[ \t]*(:|(weight|hard|smooth|margin|power|where)\b)")
_ASSIGNED = re.compile(r"[ \t]*=[ \t]*")
_OPTION = r"(?:weight|hard|smooth|margin|power|where)\b"
_TWO_WORDS = re.compile(
    r"[A-Za-z_]\w*(?:[-./'!?&+][A-Za-z0-9_./'!?&+-]+|(?:[ \t]+[A-Za-z_]\w*)+(?=[ \t]*:)"
    rf"|(?:[ \t]+(?!{_OPTION}|with\b|has\b|of\b|and\b)[A-Za-z_]\w*)+(?=[ \t]+{_OPTION}))"
)


def rule_name(stop: Stop) -> Diagnostic | None:
    """`rule same-size: ...`, `rule "a b": ...`, `rule 1: ...`, `rule weight 10 a: ...`, `rule a[i]: ...`."""
    if not stop.before or stop.before[0][0] != "rule" or ":" in (word for word, _ in stop.before):
        return None
    text = stop.piece.text
    if len(stop.before) == 1 and (found := re.match(r"\"[^\"]*\"|'[^']*'|[0-9]\w*", text[stop.at :])):
        name, end = _as_name(found.group()), stop.at + found.end()
        return stop.found(
            "ASR001",
            "a rule is named by one word, without quotes",
            f"write `rule {name}`",
            stop.span(stop.at, end),
            edit=(stop.at, end, name),
        )
    if len(stop.before) < 2:
        return None
    name, start = stop.before[1]
    written = _TWO_WORDS.match(text, start)
    if stop.before[-1][1] == start and written is not None and not _options_in(written.group()):
        return stop.found(
            "ASR001",
            "a rule is named by one word of letters, digits and `_`",
            f"write `rule {_as_name(written.group())}`",
            stop.span(start, written.end()),
            edit=(start, written.end(), _as_name(written.group())),
        )
    swapped = re.match(r"rule[ \t]+(weight|smooth|margin|power)[ \t]+([0-9.]+)[ \t]+([A-Za-z_]\w*)", text)
    if swapped is not None and stop.before[-1][1] == start:
        kind, amount, other = swapped.groups()
        message = f"a rule's name comes before its options: this one is named `{name}`"
        mend = f"rule {other} {kind} {amount}"
        return stop.found("ASR011", message, f"write `{mend}: ...`", edit=(0, swapped.end(), mend))
    if len(stop.before) == 2 and stop.token in ("[", "("):
        inside = after(text, stop.at + 1, frozenset())
        if _options_in(inside):
            inside = _ASSIGNED.sub(" ", inside)
            help, end = f"write `rule {name} {inside}: ...`", closer(text, stop.at + 1) + 1
            edit = (*stop.around("", stop.at, end, ""), f" {inside}")
            return stop.found("ASR011", "options stand without brackets", help, edit=edit)
        return stop.found(
            "ASR001", "a rule takes neither indices nor arguments", f"write `rule {name}: forall {inside or 'i'}: ...`"
        )
    if stop.token in ("with", "has", "of", "and") and len(stop.before) == 2:
        edit = (stop.at, stop.at + len(stop.token), "")
        return stop.found("ASR011", "options follow the name", f"leave the `{stop.token}` out", edit=edit)
    if stop.token == "," and (rest := after(text, stop.at + 1, frozenset({":"}))):
        help, edit = f"leave the `,` out: `... {rest}:`", (stop.at, stop.at + 1, "")
        return stop.found("ASR011", "options follow each other without commas", help, edit=edit)
    return None


def _options_in(text: str) -> bool:
    return any(word in OPTIONS or word in KEYWORDS or word in BINDING for word in WORD.findall(text))


def _as_name(text: str) -> str:
    name = re.sub(r"\W+", "_", text).strip("_")
    return f"r{name}" if name[:1].isdigit() else name or "a"


def ramp(stop: Stop) -> Diagnostic | None:
    """`weight 0 to 10 over 2000 steps`, `weight 0..10 over 2000 steps`, `weight 0 -> 10 in 2000 steps`."""
    words = [word for word, _ in stop.before]
    if len(words) < 3 or words[0] != "rule" or ":" in words:
        return None
    text = stop.piece.text
    found = re.search(
        r"\bweight[ \t]+(?:from[ \t]+)?(\S+?)[ \t]*(?:to|until|\.\.+|-+>|=>|,)[ \t]*([^\s:]+)"
        r"(?:[ \t]+(?:over|in|within|during|for)[ \t]+(?:the[ \t]+first[ \t]+)?([0-9.]+))?",
        text,
    )
    alone = re.search(r"\bweight[ \t]+(\S+)[ \t]+over[ \t]+([0-9.]+)", text)
    if alone is not None and stop.token == "over" and alone.start() < stop.at < alone.end():
        mend = f"weight 0 -> {alone.group(1)} over {alone.group(2)} steps"
        whole = re.compile(r"(?:[ \t]+steps?\b)?").match(text, alone.end())
        end = alone.end() if whole is None else whole.end()
        message = "this ramp of the weight has no start"
        return stop.found("ASR011", message, f"write `{mend}`", edit=(alone.start(), end, mend))
    if found is None or not found.start() <= stop.at <= found.end() + 8:
        return None
    start, end, steps = found.groups()
    mend = f"weight {start} -> {end} over {steps or 2000} steps"
    rest = re.compile(r"(?:[ \t]+(?:steps?|epochs?|iterations?)\b)?").match(text, found.end())
    edit = (found.start(), found.end() if rest is None else rest.end(), mend)
    return stop.found("ASR011", "this ramp of the weight is not complete", f"write `{mend}`", edit=edit)


def option(stop: Stop) -> Diagnostic | None:
    """A rule's option that is unknown or incomplete."""
    words = [word for word, _ in stop.before]
    if not words or words[0] != "rule" or ":" in words:
        return None
    if stop.previous in _OPTION_HELP and operand(stop.accepts) is not None and len(words) > 2:
        if assigned := _ASSIGNED.match(stop.piece.text, stop.at):
            mend = f"write `{stop.previous} {stop.piece.text[assigned.end() :].split(':')[0].strip()}`"
            edit = (*stop.around("", stop.at, assigned.end(), ""), " ")
            return stop.found("ASR011", f"`{stop.previous}` takes its number without `=`", mend, edit=edit)
        return stop.found("ASR011", f"`{stop.previous}` needs a number", _OPTION_HELP[stop.previous])
    if "->" in words and (stop.accepts & {"OVER", "STEPS"} or stop.previous in ("->", "over")):
        return stop.found("ASR011", "this ramp of the weight is not complete", _OPTION_HELP["weight"])
    if not stop.accepts >= {"WEIGHT", "COLON"}:
        return None
    if re.match(r"[0-9]", stop.token):
        return stop.found(
            "ASR011",
            f"`{stop.token}` stands alone between the rule's name and its `:`",
            f"a weight is written `weight {stop.token}`",
            edit=(stop.at, stop.at, "weight "),
        )
    close = nearest(stop.token, OPTIONS, 1)
    rest = stop.piece.text[stop.at + len(stop.token) :]
    if re.match(r"[A-Za-z_]", stop.token) and stop.token not in KEYWORDS and (close or re.match(r"[ \t]*[0-9]", rest)):
        mend = f"did you mean `{close[0]}`?" if close else f"the options are {_ALL_OPTIONS}"
        edit = (stop.at, stop.at + len(stop.token), close[0]) if close else None
        return stop.found("ASR011", f"a rule has no option `{stop.token}`", mend, edit=edit)
    return None


def missing_colon(stop: Stop) -> Diagnostic | None:
    """`forall i x[i]`, `rule x forall i: ...`."""
    if "COLON" not in stop.accepts or "RPAR" in stop.accepts or not stop.before:
        return None
    starts = not stop.token or re.match(r'[A-Za-z0-9_({\["-]', stop.token) or stop.token == "="
    if not starts:
        return None
    if stop.before[0][0] == "rule" and ":" not in (word for word, _ in stop.before):
        name = stop.before[1][0] if len(stop.before) > 1 else ""
        if stop.token == "=" and len(stop.before) == 2:
            help, edit = f"write `rule {name}: ...`", (len(stop.piece.text[: stop.at].rstrip()), stop.at + 1, ":")
            return stop.found("ASR007", "a rule's formula follows a `:`, not `=`", help, edit=edit)
        head = stop.piece.text[: stop.at].rstrip()
        edit = (len(head), len(head), ":") if stop.token and len(stop.before) > 1 else None
        help = f"write `{head}: ...`" if edit else f"as in `rule {name} weight 10: ...`"
        return stop.found("ASR007", f"the rule `{name}` lacks the `:` before its formula", help, edit=edit)
    binding = next((word for word, _ in reversed(stop.before) if word in BINDING), None)
    if binding is None or stop.token == "=":
        return None
    return stop.found(
        "ASR007",
        f"`{binding}` lacks the `:` after its indices",
        f"as in `{binding} i: ...` or `{binding} i in 0..3: ...`",
    )


def needs_parentheses(stop: Stop) -> Diagnostic | None:
    """An open body, or a looser operator, as an operand."""
    words = [word for word, _ in stop.before]
    if operand(stop.accepts) is not None and "NUMBER" in stop.accepts:
        if "count" in words and stop.previous == ":" and stop.token in ("not", "forall", "exists", "-", "if"):
            return stop.found(
                "ASR001",
                "`count` counts a single name or call as it stands",
                "put what it counts in parentheses: `count i: (...)`",
            )
        if stop.token in ("forall", "exists", "not", "if") or stop.token in BINDING:
            return stop.found(
                "ASR001", f"`{stop.token}` cannot stand here without parentheses", f"write `({stop.token} ...)`"
            )
        return None
    if len(words) > 1 and stop.previous in BINDING and re.match(r"[A-Za-z_]", stop.token):  # read as a name there
        word, start = stop.before[-1]
        span = stop.span(start, start + len(word))
        return stop.found(
            "ASR001", f"`{word}` cannot stand here without parentheses", f"write `({word} {stop.token} ...)`", span
        )
    if stop.token == "iff" and "iff" in words:
        return stop.found("ASR001", "`iff` does not chain", "put one of them in parentheses")
    if stop.token in COMPARISONS | {"in"} and "AND" in stop.accepts:
        return stop.found(
            "ASR001", f"`{stop.token}` cannot follow a comparison with `in`", "join two comparisons with `and`"
        )
    return None


def brackets(stop: Stop) -> Diagnostic | None:
    """`{}`, `f[]`, `[3]`, `[1, 2, 3]`."""
    pair = stop.previous + stop.token
    if pair == "{}":
        return stop.found("ASR001", "a set has at least one element")
    if pair in ("()", "[]"):
        return stop.found(
            "ASR018",
            f"nothing stands between `{pair[0]}` and `{pair[1]}`",
            f"expected {described(stop.accepts - {'RPAR'})}",
        )
    if stop.token == "]" and "COMMA" in stop.accepts and "RSQB" not in stop.accepts:
        return stop.found("ASR001", "an interval has two ends, `[low, high]`", "a set is written in braces: `{1, 3}`")
    if stop.token == "," and "RSQB" in stop.accepts and stop.piece.text.rstrip().endswith("]"):
        return stop.found("ASR001", "an interval has two ends, `[low, high]`", "a set is written in braces: `{1, 3}`")
    return None


def stray_range(stop: Stop) -> Diagnostic | None:
    """`a == 1..3`."""
    if stop.token == ".." and "DOT" in stop.accepts:
        at = opener(stop)
        if at and stop.before[at - 1][0] == "in":
            start = stop.before[at][1] + 1
            end = closer(stop.piece.text, start)
            ends = stop.piece.text[start:end].strip()
            edit = (start - 1, end + 1, ends)
            return stop.found("ASR001", "a range stands without brackets", f"write `in {ends}`", edit=edit)
        return stop.found(
            "ASR001",
            "a range `a..b` cannot stand here",
            "ranges follow `in`, as in `n in 1..3`; an interval of reals is `[a, b]`",
        )
    return None


def joined_statements(stop: Stop) -> Diagnostic | None:
    """`a <= 1; b <= 2`, `a <= 1, b <= 2`, two formulas on two lines, `a: x <= 3`."""
    text = stop.piece.text
    if stop.token == ":" and len(stop.before) == 1 and re.match(r"[A-Za-z_]", stop.previous):
        rest = text[stop.at + 1 :].strip()
        help = f"write `rule {stop.previous}: {rest}`"
        return stop.found("ASR001", "a rule begins with the word `rule`", help, edit=(0, 0, "rule "))
    if not {"TIMES", "COMPARE"} & stop.accepts:
        return None
    if stop.token == "," and opener(stop) is None:
        left, right = before(text, stop.at, CLAUSE), after(text, stop.at + 1, CLAUSE)
        edit = (len(text[: stop.at].rstrip()), stop.at + 1, " and")
        return stop.found("ASR001", "`,` does not join formulas", f"write `{left} and {right}`", edit=edit)
    gap = stop.source.text[stop.piece.start + stop.before[-1][1] : stop.piece.start + stop.at] if stop.before else ""
    if "\n" in gap and not {"TIMES", "COMPARE"}.isdisjoint(stop.accepts) and stop.token:
        left, right = before(text, stop.at, CLAUSE), after(text, stop.at, CLAUSE)
        return stop.found(
            "ASR001",
            "a line that starts with white space goes on with the one above",
            f"if both are to hold, write `{left} and {right}`",
        )
    if stop.token == ";":
        return stop.found("ASR001", "`;` ends no statement", "write each statement on a line of its own")
    return None
