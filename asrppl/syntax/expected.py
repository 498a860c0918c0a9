"""What the parser could have gone on with at an error, and how to say it."""

from typing import cast

from lark import Token
from lark.exceptions import UnexpectedInput

from asrppl.syntax.grammar import parser
from asrppl.words import OPTIONS

# Tokens in the order in which a message lists them.
_SHOWN = {
    "COLON": "`:`",
    "BECOMES": "`=`",
    "THEN": "`then`",
    "ELSE": "`else`",
    "COMMA": "`,`",
    "RPAR": "`)`",
    "RSQB": "`]`",
    "RBRACE": "`}`",
    "OVER": "`over`",
    "STEPS": "`steps`",
}
# Tokens worth a word only where nothing else may stand.
_ALONE = {"LPAR": "`(`", "ARROW": "`->`", "$END": "the end of the statement"}
_OPTION_TOKENS = frozenset(word.upper() for word in OPTIONS)


def accepted(text: str) -> frozenset[str]:
    """Return the kinds of token that the parser takes where it stops reading ``text``.

    A token that is refused can have folded the stack before it was; so the tokens before it are read a second time.
    """
    first = parser().parse_interactive(text)
    taken: list[Token] = []
    try:
        for token in first.iter_parse():
            taken.append(token)
    except UnexpectedInput as error:
        if taken and taken[-1] is getattr(error, "token", None):  # handed out, then refused
            taken.pop()
    again = parser().parse_interactive(text)
    for token in taken:
        again.feed_token(token)
    return frozenset(str(kind) for kind in cast(set[str], again.accepts()))


def operand(accepts: frozenset[str]) -> str | None:
    """Return what an operand is called here, None where none may stand."""
    if "QUANTIFIER" in accepts:
        return "a formula or a term"
    if "NUMBER" in accepts:
        return "a term"
    if "NAME" in accepts:
        return "a name"
    return None


def described(accepts: frozenset[str]) -> str:
    """Return in words what could stand here."""
    words: list[str] = []
    what = operand(accepts)
    if what is not None:
        words.append(what)
    if "STRING" in accepts:
        words.append("a text in quotes")
    if accepts & {"PLUS", "TIMES", "AND"}:
        words.append("an operator")
    words += [shown for kind, shown in _SHOWN.items() if kind in accepts]
    if accepts >= _OPTION_TOKENS:
        words.append("an option (`weight`, `where`, `hard`, `smooth`, `margin`, `power`)")
    if "$END" in accepts:
        words.append("the end of the statement")
    if not words:
        words = sorted(_ALONE.get(kind, f"`{kind.lower()}`") for kind in accepts)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
