"""Mistakes of structure: what is missing, out of place, or needs parentheses.

Each function returns None where its mistake is not the one made.
"""

import re

from asrppl.diagnostics import Diagnostic
from asrppl.suggest import nearest
from asrppl.syntax.expected import described, operand
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
    "use": "import",
}
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
    return stop.found("ASR001", f"`{stop.previous}` needs a name before `{stop.token}`")


def unknown_statement(stop: Stop) -> Diagnostic | None:
    """`rul x: ...`, and what other languages call our statements."""
    if len(stop.before) != 1 or not re.match(r"[A-Za-z_\"]", stop.token) or stop.token in KEYWORDS:
        return None
    word, start = stop.before[0]
    near = nearest(word, STATEMENTS, 1)
    meant = _BORROWED.get(word.lower()) or (near[0] if near else None)
    if meant is None or meant == word:
        return None
    return stop.found(
        "ASR001",
        f"`{word}` is not a statement of the language",
        f"did you mean `{meant}`?",
        stop.span(start, start + len(word)),
    )


def comparing_binder(stop: Stop) -> Diagnostic | None:
    """`forall i < j: ...`."""
    if stop.token not in COMPARISONS or len(stop.before) < 2:
        return None
    words = [word for word, _ in stop.before]
    start = len(words) - 1
    while start > 0 and (
        words[start] in (",", "!=") or (words[start] not in BINDING and re.match(r"[A-Za-z_]", words[start]))
    ):
        start -= 1
    if words[start] not in BINDING or start == len(words) - 1:
        return None
    left, kind = words[-1], words[start]
    after = WORD.findall(stop.piece.text[stop.at + len(stop.token) :])
    right = after[0] if after and re.match(r"[A-Za-z_]", after[0]) else None
    if stop.token == "=":
        return stop.found(
            "ASR012", f"`{kind} {left} = ...` is not how a domain is written", f"write `{kind} {left} in 0..3: ...`"
        )
    if right is None or stop.token == "==":
        return stop.found(
            "ASR012",
            f"a binder cannot compare; it reads `{kind} {left} where ...`",
            f"write `{kind} {left} where {left} {stop.token} ...: ...`",
        )
    if stop.token == "!=":
        return stop.found(
            "ASR012", "`!=` in a binder takes two names", f"write `{kind} i, j, k where i != j and j != k: ...`"
        )
    return stop.found(
        "ASR012",
        f"a binder cannot compare: `{kind} {left} {stop.token} {right}` reads like a bound on `{left}`",
        f"write `{kind} {left}, {right} where {left} {stop.token} {right}: ...`",
    )


def option(stop: Stop) -> Diagnostic | None:
    """A rule's option that is unknown or incomplete."""
    words = [word for word, _ in stop.before]
    if not words or words[0] != "rule" or ":" in words:
        return None
    if stop.previous in _OPTION_HELP and operand(stop.accepts) is not None and len(words) > 2:
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
        )
    close = nearest(stop.token, OPTIONS, 1)
    rest = stop.piece.text[stop.at + len(stop.token) :]
    if re.match(r"[A-Za-z_]", stop.token) and stop.token not in KEYWORDS and (close or re.match(r"[ \t]*[0-9]", rest)):
        mend = (
            f"did you mean `{close[0]}`?"
            if close
            else "the options are `weight`, `hard`, `smooth`, `margin`, `power` and `where`"
        )
        return stop.found("ASR011", f"a rule has no option `{stop.token}`", mend)
    return None


def unfinished_if(stop: Stop) -> Diagnostic | None:
    """An `if` without `then` or `else`, or with formulas for branches."""
    for kind, word in (("ELSE", "else"), ("THEN", "then")):
        if kind not in stop.accepts or stop.token not in {"", *")]},:", "then", "else"} | COMPARISONS | JOINING:
            continue
        if word in WORD.findall(stop.piece.text, stop.at):
            if stop.token in COMPARISONS | JOINING and word == "else":
                return stop.found(
                    "ASR001",
                    f"`{stop.token}` cannot stand in a branch of an `if`: its branches are terms",
                    "among formulas, write `(c implies φ) and (not c implies ψ)`",
                )
            continue
        depth = 0
        for text, start in reversed(stop.before):
            depth += (text == "else") - (text == "if")
            if depth < 0:
                mend = (
                    "write `if c then a else b`; among formulas, `c implies φ`"
                    if word == "else"
                    else "write `if c then a else b`"
                )
                return stop.found("ASR008", f"this `if` has no `{word}`", mend, stop.span(start, start + 2))
    return None


def trailing_if(stop: Stop) -> Diagnostic | None:
    """`a if c else b`."""
    if stop.token == "if" and "PLUS" in stop.accepts:
        return stop.found("ASR001", "an `if` comes before what it chooses", "write `if c then a else b`")
    return None


def set_in_parentheses(stop: Stop) -> Diagnostic | None:
    """`n in (1, 3)`, `n in 1, 3`."""
    if stop.token != "," or "PLUS" not in stop.accepts or "COLON" in stop.accepts:
        return None
    words = [word for word, _ in stop.before[-3:]]
    if words[-3:-1] == ["in", "("] or words[-2:-1] == ["in"]:
        return stop.found("ASR001", "a list of values stands in braces", f"write `in {{{words[-1]}, ...}}`")
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
        return stop.found(
            "ASR007", f"the rule `{name}` lacks the `:` before its formula", f"as in `rule {name} weight 10: ...`"
        )
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
        return stop.found(
            "ASR001",
            "a range `a..b` cannot stand here",
            "ranges follow `in`, as in `n in 1..3`; an interval of reals is `[a, b]`",
        )
    return None


def joined_statements(stop: Stop) -> Diagnostic | None:
    """`a <= 1; b <= 2`."""
    if stop.token == ";":
        return stop.found("ASR001", "`;` ends no statement", "write each statement on a line of its own")
    return None
