"""Mistakes of spelling: words, operators, numbers and texts as other languages write them.

Each function returns None where its mistake is not the one made.
"""

import re

from asrppl.diagnostics import Diagnostic
from asrppl.source import Span
from asrppl.suggest import nearest
from asrppl.syntax.extent import CLAUSE, TERM, after, opener
from asrppl.syntax.stop import COMPARISONS, Stop
from asrppl.words import BINDING, BUILTINS, JOINING, KEYWORDS, LAWS, QUANTIFIERS, STATEMENTS

# How other languages write our operators; the longer spellings first.
_FOREIGN = (
    ("<=>", "`iff`"),
    ("<->", "`iff`"),
    ("==>", "`implies`"),
    ("===", "`==`"),
    ("!==", "`!=`"),
    ("&&", "`and`"),
    ("||", "`or`"),
    ("=>", "`implies`, or `>=` for a comparison"),
    ("->", "`implies`"),
    ("=<", "`<=`"),
    ("<>", "`!=`"),
    ("=/=", "`!=`"),
    ("/=", "`!=`"),
    ("\\=", "`!=`"),
    ("^=", "`!=`"),
    ("/\\", "`and`"),
    ("\\/", "`or`"),
    ("~=", "`!=`"),
    (":=", "`=`"),
    ("**", "`^`"),
    ("//", "`#` for a comment, `/` for a division"),
    ("/*", "`#` for a comment"),
    ("&", "`and`"),
    ("|", "`or`"),
    ("!", "`not`"),
    ("~", "`not`"),
)


# What other languages, and people, call a quantifier.
_QUANTIFIERS = {
    "for": "forall",
    "foreach": "forall",
    "no": "not exists",
    "none": "not exists",
    "nothing": "not exists",
    "all": "forall",
    "every": "forall",
    "each": "forall",
    "any": "exists",
    "some": "exists",
    "exist": "exists",
}


_IN_TWO_WORDS = {
    **{f"for {word}": "forall" for word in ("all", "every", "each", "any")},
    **{f"there {word}": "exists" for word in ("exists", "is", "exist", "are")},
}


def reserved_as_name(stop: Stop) -> Diagnostic | None:
    """`let in = 3`: a word of the language where a name belongs."""
    first = stop.before[0][0] if stop.before else ""
    if first in STATEMENTS and len(stop.before) >= 2 and stop.before[1][0] in JOINING | {"not"}:
        word, start = stop.before[1]  # `let in = 3`: `let` has been read as a name
        return _reserved(stop, word, stop.span(start, start + len(word)))
    if stop.token in KEYWORDS and "NAME" in stop.accepts and "NUMBER" not in stop.accepts:
        return _reserved(stop, stop.token, None)
    if stop.token in KEYWORDS and first in STATEMENTS and len(stop.before) == 1:
        return _reserved(stop, stop.token, None)
    return None


def _reserved(stop: Stop, word: str, span: Span | None) -> Diagnostic:
    return stop.found(
        "ASR006", f"`{word}` is a word of the language and cannot be a name", f"say `{word}_`, or the like", span
    )


def capitals(stop: Stop) -> Diagnostic | None:
    """`Forall i: ...`: a word of the language in capitals."""
    word = stop.previous.lower()
    if word == stop.previous or word not in (*KEYWORDS, *BINDING):
        return None
    start = stop.before[-1][1]
    message = f"the words of the language are written small, not `{stop.previous}`"
    return stop.mended("ASR001", message, word, stop.span(start, start + len(word)))


def misspelt(stop: Stop) -> Diagnostic | None:
    """`foral i: ...`: a name before a name, and close to a word that could stand before one."""
    if not re.match(r"[A-Za-z_]", stop.token) or not re.match(r"[A-Za-z_]", stop.previous):
        return None
    two = " ".join(word for word, _ in stop.before[-2:])
    if two in _IN_TWO_WORDS:
        start = stop.before[-2][1]
        span = stop.span(start, stop.before[-1][1] + len(stop.previous))
        return stop.mended("ASR001", f"`{two}` is not a word of the language", _IN_TWO_WORDS[two], span)
    text = stop.piece.text
    word, start = stop.before[-1]
    both = f"{word} {stop.token}"
    if both in _IN_TWO_WORDS:
        span = stop.span(start, stop.at + len(stop.token))
        return stop.mended("ASR001", f"`{both}` is not a word of the language", _IN_TWO_WORDS[both], span)
    if word in BUILTINS and word not in BINDING:
        given = after(text, stop.at, TERM | {"+", "-", "*", "/", "^"})
        mend = f"{word}({given})"
        edit = (start, stop.at + len(given), mend)
        return stop.found("ASR001", f"what `{word}` is of stands in parentheses", f"write `{mend}`", edit=edit)
    subscript = re.fullmatch(rf"({'|'.join(BINDING)})_([A-Za-z]\w*)", word)
    if subscript is not None:
        kind, index = subscript.groups()
        body = after(text, stop.at, CLAUSE if kind in QUANTIFIERS else CLAUSE | COMPARISONS)
        mend = f"{kind} {index}: {body}"
        mend = mend if kind in QUANTIFIERS else f"({mend})"
        place = stop.span(start, start + len(word))
        edit = (start, stop.at + len(body), mend)
        return stop.found("ASR001", "an index follows its word", f"write `{mend}`", place, edit=edit)
    near = [_QUANTIFIERS[stop.previous]] if stop.previous in _QUANTIFIERS else []
    near += nearest(stop.previous, ("forall", "exists", "count", "not"), 1)
    if not near or stop.previous in KEYWORDS or stop.previous in BINDING:
        return None
    word, start = stop.before[-1]
    span = stop.span(start, start + len(word))
    edit = (start, start + len(word), near[0])
    message = f"`{word}` is not a word of the language"
    return stop.found("ASR001", message, f"did you mean `{near[0]}`?", span, edit=edit)


_NUMBER = re.compile(r"-?[0-9][0-9_.]*([eE][-+]?[0-9]+)?")
_DEFINABLE = re.compile(r"[A-Za-z_]\w*(\[[A-Za-z_]\w*(, *[A-Za-z_]\w*)*\])?")


def named_argument(stop: Stop) -> Diagnostic | None:
    """`square(x=0, y=0, size=3)`, `sum(x, axis=0)`, `sum(x[i], i=0..3)`."""
    at, text = opener(stop), stop.piece.text
    if stop.token != "=" or not at or text.startswith("=", stop.at + 1) or stop.before[-2][0] not in ("(", ","):
        return None
    called = stop.before[at - 1][0]
    if stop.before[at][0] != "(" or not re.match(r"[A-Za-z_]", called):
        return None
    value, first = after(text, stop.at + 1, CLAUSE), after(text, stop.before[at][1] + 1, CLAUSE)
    if called not in BUILTINS | BINDING or called == "box" or called in LAWS:
        mend = f"{stop.previous}: {value}"
        edit = (*stop.around(stop.previous, stop.at, stop.at + 1, value), mend)
        return stop.found("ASR004", "an argument is named with `:`", f"write `{mend}`", edit=edit)
    help = f"write them in their order, without `{stop.previous} =`"
    if called in BINDING - {"min", "max"} and ".." in value:
        help = f"write `({called} {stop.previous} in {value}: {first})`"
    elif called in BINDING and re.fullmatch(r"\w+", first):
        help = f"write `({called} i: {first}[i])`"
    return stop.found("ASR004", f"the arguments of `{called}` have no names", help)


def equals(stop: Stop) -> Diagnostic | None:
    """`a = b` for `a == b`, and `let x == 3` for `let x = 3`."""
    follows = stop.piece.text[stop.at + 1 : stop.at + 2]
    if stop.token == "=" and "COMPARE" in stop.accepts and follows not in ("<", ">"):
        help = "write `==`"
        words = [word for word, _ in stop.before]
        left, right = stop.piece.text[: stop.at].strip(), stop.piece.text[stop.at + 1 :].strip()
        define = None
        if words[0] not in STATEMENTS and _DEFINABLE.fullmatch(left):
            known = _NUMBER.fullmatch(right) and "[" not in left
            define = (0, stop.at + 1, f"{'param' if known else 'let'} {left} =")
            help = f"write `==` to compare, or `{define[2]} {right if known else '...'}` to define"
        return stop.found("ASR004", "`=` does not compare", help, edit=(stop.at, stop.at + 1, "=="), or_else=define)
    doubled = stop.piece.text[: stop.at + 1].endswith("==") and not stop.piece.text[: stop.at + 1].endswith("===")
    if stop.token == "=" and doubled and stop.before[0][0] in ("param", "let", "def", "site"):  # the first `=` was read
        place = stop.span(stop.at - 1, stop.at + 1)
        return stop.mended("ASR004", "`==` compares; a definition takes `=`", "=", place)
    return None


def foreign_operator(stop: Stop) -> Diagnostic | None:
    """`&&`, `!`, `**` and the like."""
    text = stop.piece.text
    for spelling, ours in _FOREIGN:
        for start in range(max(0, stop.at - len(spelling) + 1), stop.at + 1):
            if text.startswith(spelling, start) and start + len(spelling) > stop.at:
                if spelling == "!" and text.startswith("!=", start):
                    continue
                if spelling in ("|", "||") and {"kl", "js", "tv"} & {word for word, _ in stop.before}:
                    ours = "`||` between two distributions and nothing else: `kl(p || q)`"
                end = start + len(spelling)
                plain = re.fullmatch(r"`([^`]+)`", ours)
                edit = None if plain is None else (start, end, _apart(text, start, end, plain[1]))
                message = f"`{spelling}` is not an operator here"
                return stop.found("ASR004", message, f"write {ours}", stop.span(start, end), edit=edit)
    return None


def _apart(text: str, start: int, end: int, ours: str) -> str:
    """Return what is to stand from ``start`` to ``end``: a word is parted from what stands around it."""
    if not ours[0].isalpha():
        return ours
    before = " " if start and text[start - 1] not in " \t(" else ""
    return before + ours + (" " if text[end : end + 1] not in " \t" else "")


def number(stop: Stop) -> Diagnostic | None:
    """`1.`, `.5`, `10x`, `1_000`."""
    text = stop.piece.text
    if stop.token == "." and "NUMBER" in stop.accepts and (digits := re.match(r"\.([0-9]+)", text[stop.at :])):
        place = stop.span(stop.at, stop.at + digits.end())
        return stop.mended("ASR005", f"`{digits.group()}` lacks its first digit", f"0{digits.group()}", place)
    number = stop.previous[:-1]
    if stop.previous.endswith(".") and re.fullmatch(r"[0-9]+(\.[0-9]+)?", number) and "NUMBER" not in stop.accepts:
        mend = f"write `{number}`" if "." in number else f"write `{number}` or `{number}.0`"
        start = stop.before[-1][1]
        end = start + len(stop.previous)
        message = f"`{number}.` ends in a point"
        return stop.found("ASR005", message, mend, stop.span(start, end), edit=(start, end, number))
    if not re.match(r"[0-9]", stop.token) or "NUMBER" not in stop.accepts:
        return None
    product = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z_]\w*)", stop.token)
    help = "a number reads like `3`, `0.5` or `1e-3`"
    if re.fullmatch(r"[0-9_]+", stop.token):
        return stop.mended("ASR005", f"`{stop.token}` is not a number", stop.token.replace("_", ""))
    if product is not None and not re.match(
        r"[eE]|0[xXoObB]", product.group(2) if product.group(1) != "0" else stop.token
    ):
        mend = f"{product.group(1)} * {product.group(2)}"
        help = f"write `{mend}` for a product; a name cannot start with a digit"
        edit = (stop.at, stop.at + len(stop.token), mend)
        return stop.found("ASR005", f"`{stop.token}` is not a number", help, edit=edit)
    return stop.found("ASR005", f"`{stop.token}` is not a number", help)


def stray_text(stop: Stop) -> Diagnostic | None:
    """`'text'`, and texts in quotes where there is no place for one."""
    quoted = re.match(r"'([^']*)'", stop.piece.text[stop.at :])
    if quoted is not None and "STRING" in stop.accepts:
        place = stop.span(stop.at, stop.at + quoted.end())
        return stop.mended("ASR013", "texts stand in double quotes", f'"{quoted.group(1)}"', place)
    if quoted is not None and re.fullmatch(r"[A-Za-z_]\w*", quoted.group(1)):
        place = stop.span(stop.at, stop.at + quoted.end())
        return stop.mended("ASR013", "names are written without quotes", quoted.group(1), place)
    if stop.token[:1] == "'":
        return stop.found("ASR013", "texts stand in double quotes", 'write `"..."`')
    field = re.fullmatch(r'"([A-Za-z_]\w*)"', stop.token)
    if field is not None and stop.previous == "[":
        start, end = stop.before[-1][1], stop.at + len(stop.token) + 1
        edit = (start, end, f".{field.group(1)}") if stop.piece.text[end - 1 : end] == "]" else None
        return stop.found("ASR013", "a field is read with a point", f"write `.{field.group(1)}`", edit=edit)
    if stop.token[:1] == '"' and "STRING" not in stop.accepts:
        return stop.found(
            "ASR013",
            "a text in quotes cannot stand here",
            "texts follow `import`, and `site NAME[i] =`; names are written without quotes",
        )
    return None
