"""Rules in colour: a Pygments lexer, for notebooks, sessions and pages.

It reads what is right, and goes on over what is not. Words that are names in most places are words of the language
where the grammar takes them for such: `weight` in a rule's head, `mean` before an index.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.style import Style
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
    _TokenType,  # pyright: ignore[reportPrivateUsage]
)

from asrppl.words import (
    BUILTINS,
    JOINING,
    KEYWORDS,
    NO_NAME,
    OPERATORS,
    OPTION_PARTS,
    OPTIONS,
    QUANTIFIERS,
    REDUCTIONS,
    STATEMENT_START,
)

Kind = _TokenType
"""What a token is: one of Pygments' kinds."""

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<comment>\#[^\r\n]*)"
    r'|(?P<string>"[^"\\\n]*")'
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_]))"
    r"|(?P<operator><=|>=|==|!=|->|\.\.|\|\||[-+*/^<>=])"
    r"|(?P<mark>[.,:()\[\]{}])"
    r"|(?P<other>.)"
)
_PLAIN = {
    "space": Whitespace,
    "comment": Comment.Single,
    "string": String.Double,
    "number": Number,
    "operator": Operator,
    "mark": Punctuation,
    "other": Error,
}
_OF_OPTIONS = (*OPTIONS, *OPTION_PARTS)
# An index cannot be called as a rule's option is: `weight mean over 5 steps` reads a param `mean`.
_REDUCTION = re.compile(
    rf"(?:{'|'.join((*REDUCTIONS, 'count'))})(?=[ \t]+(?!(?:{'|'.join((*NO_NAME, *_OF_OPTIONS))})(?![A-Za-z0-9_]))"
    r"[A-Za-z_])"
)
_CALL, _OPERATOR = re.compile(r"[ \t]*\("), re.compile(r"[ \t]*\[")


class _Head:
    """How far a rule's head reaches, from its name to its colon, and where an operand is due in it.

    A colon in brackets, or after a `count`, is not the head's.
    """

    def __init__(self) -> None:
        self.over = False
        self._operand = False
        self._depth = 0
        self._binders = 0

    def takes_option(self) -> bool:
        return not (self._operand or self._depth or self._binders)

    def see(self, kind: str, text: str, found: Kind) -> None:
        """Go on over a token that is neither space nor comment."""
        if text in ("(", "[", "{"):
            self._depth += 1
        elif text in (")", "]", "}"):
            self._depth -= 1
        elif found is Keyword:
            self._binders += not self._depth
        elif text == ":" and not self._depth:
            self.over = not self._binders
            self._binders -= 1
        if found is Keyword.Pseudo:
            self._operand = text not in ("hard", "steps")
        else:
            ends = kind in ("word", "number", "string") or text in (")", "]", "}")
            self._operand = not ends or found in (Operator.Word, Keyword)


class AsrLexer(Lexer):
    """The lexer of asrppl's rule files.

    >>> from pygments.lexers import get_lexer_by_name
    >>> [(str(kind), text) for kind, text in get_lexer_by_name("asr").get_tokens("max i: x[i]")][:2]
    [('Token.Keyword', 'max'), ('Token.Text.Whitespace', ' ')]
    """

    name = "asr rules"
    url = "https://github.com/asrppl/asrppl"
    aliases: ClassVar[Sequence[str]] = ("asr",)
    filenames: ClassVar[Sequence[str]] = ("*.asr",)
    mimetypes: ClassVar[Sequence[str]] = ("text/x-asr",)

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, Kind, str]]:
        """Yield the tokens of a rule file: where each begins, what it is, its text."""
        head: _Head | None = None
        before: Kind | None = None
        first = True  # on its line
        for match in _TOKEN.finditer(text):
            kind, said = match.lastgroup or "other", match.group()
            found = _PLAIN.get(kind)
            if found is None:
                named = before is Keyword.Declaration
                found = Name.Function if named else _word(text, match, first, head is not None and head.takes_option())
            yield match.start(), found, said
            if kind in ("space", "comment"):
                first = "\n" in said or (first and kind == "space")
                continue
            if found is Keyword.Declaration:
                head = _Head() if said == "rule" else None
            elif head is not None:
                head.see(kind, said, found)
                head = None if head.over else head
            before, first = found if said != "import" else None, False


class OnAnyPage(Style):
    """Colours between light and dark: a notebook's background is its reader's choice."""

    styles: ClassVar[Mapping[Kind, str]] = {
        Comment: "italic #808080",
        Keyword: "bold #2f8f4e",
        Keyword.Pseudo: "nobold #2f8f4e",
        Operator.Word: "bold #9a5fc9",
        Name.Function: "#2878c8",
        Name.Builtin: "#2878c8",
        Number: "#b36b00",
        String: "#b36b00",
        Error: "#d03030",
    }


def html_of(text: str) -> str:
    """Return rules as HTML in colour, for a notebook: their styles stand in it, and the background is the page's."""
    formatter = HtmlFormatter[str](noclasses=True, nobackground=True, wrapcode=True, style=OnAnyPage)
    return highlight(text, AsrLexer(stripnl=False), formatter)


def _word(text: str, match: "re.Match[str]", first: bool, option: bool) -> Kind:
    """Return what a word is, from what stands around it."""
    word, end = match.group(), match.end()
    if first and STATEMENT_START.match(text, match.start()):
        return Keyword.Declaration
    if word in QUANTIFIERS or _REDUCTION.match(text, match.start()):
        return Keyword
    if word in ("true", "false"):
        return Keyword.Constant
    if word in JOINING or word in KEYWORDS:
        return Operator.Word
    if option and word in _OF_OPTIONS:
        return Keyword.Pseudo
    if word in OPERATORS and word != "aggregate" and _OPERATOR.match(text, end):
        return Name.Builtin
    if _CALL.match(text, end):
        return Name.Builtin if word in BUILTINS else Name.Function
    return Name
