"""Mistakes between a quantifier (or reduction, or count) and its `:`.

Each function returns None where its mistake is not the one made.
"""

import re

from asrppl.diagnostics import Diagnostic
from asrppl.syntax.extent import CLAUSE, after, closer
from asrppl.syntax.stop import COMPARISONS, WORD, Stop
from asrppl.words import BINDING, KEYWORDS

_NAME = re.compile(r"[A-Za-z_]\w*")
_WHERE = ("|", "st", "with", "if", "when", "such", "suchthat", "and", "s", "for", ";")


def _opened(stop: Stop) -> tuple[int, str] | None:
    """Return the binder that the place stands in: which word begins it, and what is written of it so far."""
    words = [word for word, _ in stop.before]
    depth = 0
    for at in range(len(words) - 1, -1, -1):
        depth += (words[at] in (")", "]", "}")) - (words[at] in ("(", "[", "{"))
        if depth < 0 or (depth == 0 and words[at] == ":"):
            return None
        if depth == 0 and words[at] in BINDING and at < len(words) - 1:
            start = stop.before[at][1] + len(words[at])
            return at, stop.piece.text[start : stop.at].strip()
    return None


def _place(stop: Stop, at: int) -> tuple[int, int]:
    word, start = stop.before[at]
    return start, start + len(word)


def bound_above(stop: Stop, at: int) -> set[str]:
    """Return the names that binders before the word number ``at`` introduce."""
    words = [word for word, _ in stop.before]
    found: set[str] = set()
    for start, word in enumerate(words[:at]):
        if word in BINDING:
            for name in words[start + 1 : at]:
                if name not in (",", "!=") and (name in KEYWORDS or not _NAME.match(name)):
                    break
                found.add(name)
    return found - {",", "!="}


def comparing(stop: Stop) -> Diagnostic | None:
    """`forall i < j: ...`, `forall i /= j: ...`."""
    found = _opened(stop)
    if found is None:
        return None
    at, written = found
    kind, text = stop.before[at][0], stop.piece.text
    unequal = re.match(r"(/=|<>|~=|=/=|\\=|!==|\^=)[ \t]*", text[stop.at :])
    if unequal is not None and _NAME.fullmatch(written):
        place = stop.span(stop.at, stop.at + len(unequal.group(1)))
        other = _NAME.match(text, stop.at + unequal.end())
        mend = f"write `{kind} {written} != {other.group() if other is not None else 'j'}`"
        edit = (stop.at, stop.at + unequal.end(1), "!=")
        return stop.found("ASR012", f"`{unequal.group(1)}` is not an operator here", mend, place, edit=edit)
    if stop.token not in COMPARISONS or not re.fullmatch(r"\w+([ \t]*(,|!=)[ \t]*\w+)*", written):
        return None
    if kind not in ("forall", "exists") and ":" not in text[stop.at :] and _NAME.fullmatch(written):
        message = f"`{kind}` needs its index and a `:`"
        return stop.found("ASR007", message, f"write `({kind} i: {written}[i])`", stop.span(*_place(stop, at)))
    left = stop.previous
    rest = text[stop.at + len(stop.token) :]
    bound = after(rest, 0, CLAUSE)
    right = WORD.match(rest.lstrip())
    name = right.group() if right is not None and _NAME.match(right.group()) else None
    if stop.token == "=":
        ends = re.fullmatch(r"(\S+)[ \t]*(?:\.\.+|to|:)[ \t]*(\S+)", bound)
        domain = f"{ends.group(1)}..{ends.group(2)}" if ends is not None else bound if ".." in bound else "0..3"
        message = f"`{kind} {left} = ...` is not how a domain is written"
        edit = (*_head(stop, at, bound), f"{written} in {domain}") if ".." in domain and ":" not in bound else None
        return stop.found("ASR012", message, f"write `{kind} {written} in {domain}: ...`", edit=edit)
    if name is None or stop.token == "==" or name in bound_above(stop, at) or name != bound:
        return stop.found(
            "ASR012",
            f"a binder cannot compare; it reads `{kind} {left} where ...`",
            f"write `{kind} {written} where {left} {stop.token} {bound}: ...`",
            edit=(*_head(stop, at, bound), f"{written} where {left} {stop.token} {bound}") if bound else None,
        )
    if stop.token == "!=":
        return stop.found(
            "ASR012", "`!=` in a binder takes two names", f"write `{kind} i, j, k where i != j and j != k: ...`"
        )
    return stop.found(
        "ASR012",
        f"a binder cannot compare: `{kind} {left} {stop.token} {name}` reads like a bound on `{left}`",
        f"write `{kind} {written}, {name} where {left} {stop.token} {name}: ...`",
        edit=(*_head(stop, at, bound), f"{written}, {name} where {left} {stop.token} {name}"),
    )


def _head(stop: Stop, at: int, last: str) -> tuple[int, int]:
    """Return where the indices of the binder that the word number ``at`` begins stand, to the end of ``last``."""
    _, end = stop.around("", stop.at, stop.at + len(stop.token), last)
    return stop.before[at + 1][1], end


def second_domain(stop: Stop) -> Diagnostic | None:
    """`forall a in 0..1, b in 1..2: ...`."""
    found = _opened(stop)
    if found is None or stop.token not in (",", "and", "or") or " in " not in f" {found[1]} ":
        return None
    kind = stop.before[found[0]][0]
    rest = after(stop.piece.text, stop.at + len(stop.token), frozenset({":"}))
    if re.match(r"\w+[ \t]+in\b", rest) is None:
        condition = re.sub(r"^where[ \t]+", "", rest)
        edit = (*_tail(stop, rest), f" where {condition}")
        help = f"write `{kind} {found[1]} where {condition}: ...`"
        return stop.found("ASR001", "a binder takes one domain, and then a `where`", help, edit=edit)
    more = re.sub(r",[ \t]*(?=\w+[ \t]+in\b)", f": {kind} ", rest)
    help, edit = f"nest them: `{kind} {found[1]}: {kind} {more}: ...`", (*_tail(stop, rest), f": {kind} {more}")
    return stop.found("ASR001", "a binder takes one domain for all its indices", help, edit=edit)


def _tail(stop: Stop, rest: str) -> tuple[int, int]:
    """Return where the refused word and ``rest`` after it stand, with the space before them."""
    return stop.around("", stop.at, stop.at + len(stop.token), rest)


def guard(stop: Stop) -> Diagnostic | None:
    """`forall i | g: ...`, `forall i such that g: ...`."""
    found = _opened(stop)
    if found is None or "WHERE" not in stop.accepts or stop.token not in _WHERE:
        return None
    text = stop.piece.text
    written = re.match(r"such[ \t]+that|s\.[ \t]*t\.|\S+?(?=\b|[ \t])|\S", text[stop.at :])
    assert written is not None
    place = stop.span(stop.at, stop.at + written.end())
    rest = after(text, stop.at + written.end(), CLAUSE)
    kind = stop.before[found[0]][0]
    help = f"write `{kind} {found[1]} where {rest}: ...`"
    edit = (stop.at, stop.at + written.end(), "where")
    return stop.found("ASR001", "which indices are meant is said with `where`", help, place, edit=edit)


def missing_comma(stop: Stop) -> Diagnostic | None:
    """`forall x1 x2: ...`."""
    found = _opened(stop)
    if found is None or not _NAME.fullmatch(stop.token) or stop.token in KEYWORDS or "COMMA" not in stop.accepts:
        return None
    rest = after(stop.piece.text, stop.at, frozenset({":", "in", "where", "[", "(", "."}) | COMPARISONS)
    colon = stop.piece.text[stop.at + len(rest) :].lstrip()[:1]
    if " in " in f" {found[1]} " or not re.fullmatch(r"\w+([ \t]+\w+)*", rest) or colon not in (":", "i", "w"):
        return None
    names = ", ".join((found[1], *rest.split()))
    help = f"write `{stop.before[found[0]][0]} {names}`"
    edit = (stop.before[found[0] + 1][1], stop.at + len(rest), names)
    return stop.found("ASR001", "indices are separated by commas", help, edit=edit)


def range_without_in(stop: Stop) -> Diagnostic | None:
    """`forall i 0..3: ...`, `forall i from 0 to 3: ...`, `forall i of x: ...`."""
    found = _opened(stop)
    if found is None or "IN" not in stop.accepts or not _NAME.match(stop.previous):
        return None
    kind, text = stop.before[found[0]][0], stop.piece.text
    rest = after(text, stop.at, frozenset({":"}))
    ends = re.match(r"(?:from[ \t]+)?(-?\w+)[ \t]*(?:\.\.|to|through|-)[ \t]*(\S+)[ \t]*$", rest)
    if ends is not None:
        domain = f"{ends.group(1)}..{ends.group(2)}"
    elif rest.startswith("{"):
        domain = rest
    else:
        return None
    edit = (stop.at, stop.at + len(rest), f"in {domain}")
    return stop.found("ASR007", "a domain follows `in`", f"write `{kind} {found[1]} in {domain}: ...`", edit=edit)


def parentheses(stop: Stop) -> Diagnostic | None:
    """`forall (i in 0..3) (x[i] <= 3)`, `exists(i: hot[i])`, `forall x[i] <= 3`, `count hot[i]`."""
    text, kind = stop.piece.text, stop.previous
    if stop.token in ("(", "[") and kind in ("forall", "exists"):
        end = closer(text, stop.at + 1)
        binder, body = text[stop.at + 1 : end].strip(), text[end + 1 :].strip()
        inner, colon, inside = binder.partition(":")
        to = len(text)
        if colon:
            mend, to = f"{kind} {inner.strip()}: {inside.strip()}", end + 1
        else:
            body = body.lstrip(":.,").strip()
            body = body[1:-1] if body.startswith("(") and closer(body, 1) == len(body) - 1 else body
            mend = f"{kind} {binder}: {body}"
        message, edit = f"the indices of `{kind}` stand without parentheses", (stop.before[-1][1], to, mend)
        return stop.found("ASR001", message, f"write `{mend}`", edit=edit)
    if stop.token == "[" and len(stop.before) > 1 and stop.before[-2][0] in BINDING:
        kind, start = stop.before[-2]
        inside = text[stop.at + 1 : closer(text, stop.at + 1)]
        names = inside if re.fullmatch(r"\w+([ \t]*,[ \t]*\w+)*", inside) and not inside[0].isdigit() else "i"
        listed = after(text, stop.before[-1][1], COMPARISONS | {":"})
        if kind in ("max", "min") and "," in listed:
            mend = f"{kind}({listed})"
            edit = (start, stop.before[-1][1] + len(listed), mend)
            return stop.found("ASR007", f"what `{kind}` is of stands in parentheses", f"write `{mend}`", edit=edit)
        rest = after(text, stop.before[-1][1], CLAUSE if kind in ("forall", "exists") else CLAUSE | COMPARISONS)
        mend = f"{kind} {names}: {rest}"
        mend = mend if kind in ("forall", "exists") else f"({mend})"
        place = stop.span(start, start + len(kind))
        edit = (start, stop.before[-1][1] + len(rest), mend)
        return stop.found("ASR007", f"`{kind}` needs its index and a `:`", f"write `{mend}`", place, edit=edit)
    indexed = re.search(r"\b(sum|prod|mean|max|min|count)\[([\w, ]+)\][ \t]*$", text[: stop.at])
    if stop.token == ":" and indexed is not None:
        rest = after(text, stop.at + 1, CLAUSE | COMPARISONS)
        mend = f"({indexed.group(1)} {indexed.group(2)}: {rest})"
        _, end = stop.around("", stop.at, stop.at + 1, rest)
        message = f"the indices of `{indexed.group(1)}` stand without brackets"
        return stop.found("ASR001", message, f"write `{mend}`", edit=(indexed.start(1), end, mend))
    return None


def colon(stop: Stop) -> Diagnostic | None:
    """`forall i. x[i]`, `forall i -> x[i]`, `forall i, x[i] <= 3`."""
    found = _opened(stop)
    if found is None or "COLON" not in stop.accepts:
        return None
    kind, text, written = stop.before[found[0]][0], stop.piece.text, found[1]
    sign = re.match(r"\.(?!\.)|->|=>|\|-|[;{(]", text[stop.at :])
    if sign is not None:
        body = text[stop.at + sign.end() :].strip()
        end = closer(body, 0)
        body = body[:end].strip()
        return stop.found(
            "ASR007",
            f"`{kind}` takes a `:` after its indices, not `{sign.group()}`",
            f"write `{kind} {written}: {body}`",
            stop.span(stop.at, stop.at + sign.end()),
            edit=(len(text[: stop.at].rstrip()), stop.at + sign.end(), ":") if sign.group() not in "{(" else None,
        )
    names = re.fullmatch(r"(.+?)[ \t]*,[ \t]*(\w+)", written)
    if stop.token in ("[", ".") and names is not None:
        body = after(text, stop.before[-1][1], frozenset())
        mend = f"{kind} {names.group(1)}: {body}"
        edit = (stop.before[found[0]][1], stop.before[-1][1] + len(body), mend)
        return stop.found("ASR007", f"`{kind}` lacks the `:` after its indices", f"write `{mend}`", edit=edit)
    return None
