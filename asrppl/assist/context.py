"""What a place of a rule file wants, told from the tokens before it: a statement that is being written has no tree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pygments.token import Comment, Error, Keyword, Name, Number, Operator, Whitespace

from asrppl.highlight import AsrLexer, Kind
from asrppl.source import Source
from asrppl.syntax.lines import depth_of, starts_statement
from asrppl.words import BINDING

Wants = Literal[
    "nothing",
    "statement",
    "operand",
    "operator",
    "binder",
    "option",
    "field",
    "given type",
    "parameter type",
    "file",
]


class Token(NamedTuple):
    """A token of the statement, spaces and comments left out."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a statement.

    Args:
        wants: what may stand there.
        prefix: what is written of it already.
        locals: the indices and parameters that are in scope, the innermost first.
        base: of a field, what it is the field of.
        called: where an argument may begin, what it is an argument of.
    """

    wants: Wants
    prefix: str = ""
    locals: tuple[str, ...] = ()
    base: str = ""
    called: str = ""


def place_at(source: Source, offset: int) -> Place:
    """Return what may stand at ``offset``."""
    text = _statement(source, offset)
    found = [(kind, said) for _, kind, said in AsrLexer().get_tokens_unprocessed(text)]
    if found and found[-1][0] in Comment:
        return Place("nothing")
    quotes = [said for kind, said in found if kind in Error and said == '"']
    tokens = [Token(kind, said) for kind, said in found if kind not in Whitespace and kind not in Comment]
    if quotes:
        written = text.rpartition('"')[2]
        return Place("file", written) if tokens[0].text == "import" else Place("nothing")
    prefix = ""
    if tokens and found[-1][0] not in Whitespace and (tokens[-1].text[0].isalpha() or tokens[-1].text[0] == "_"):
        prefix = tokens.pop().text
    elif tokens and found[-1][0] in Number:
        return Place("nothing")
    return _place(tokens, prefix)


def _statement(source: Source, offset: int) -> str:
    """Return what is written of the statement that ``offset`` stands in, to there."""
    last, _ = source.position(offset)
    first = last
    while first > 1 and not starts_statement(source.line(first)):
        first -= 1
    lines = source.text[:offset].split("\n")[first - 1 :]
    return "" if not lines[-1] and depth_of("\n".join(lines)) == 0 else "\n".join(lines)


def _place(tokens: Sequence[Token], prefix: str) -> Place:
    if not tokens:
        return Place("statement", prefix)
    words = [token.text for token in tokens]
    last = words[-1]
    if last == ".":
        return Place("field", prefix, base=_base(words))
    if tokens[0].kind is Keyword.Declaration or words[0] in ("given", "def", "let", "param", "site", "rule", "import"):
        found = _head(words, prefix)
        if found is not None:
            return found
    around, depth = _locals(tokens), _opened(words)
    if last in BINDING and tokens[-1].kind is Keyword:
        return Place("nothing")
    if _is_operand(tokens[-1]):
        return Place("binder" if _in_binder(tokens) else "operator", prefix, around)
    called = words[depth - 1] if depth > 0 and words[depth] == "(" and last in ("(", ",") else ""
    return Place("operand", prefix, around, called=called)


def _head(words: Sequence[str], prefix: str) -> Place | None:
    """Return what stands in a statement before its `=` or `:`; None further on, and where operands may stand."""
    first, last = words[0], words[-1]
    if len(words) == 1:
        return Place("nothing")
    match first:
        case "rule":
            # The lexer knows where an option's word is one.
            *_, (_, kind, _) = AsrLexer().get_tokens_unprocessed(" ".join((*words, "hard")))
            return Place("option", prefix) if kind is Keyword.Pseudo else None
        case "given":
            return Place("given type" if last == ":" else "nothing", prefix)
        case "def" if "=" not in words:
            return Place("parameter type" if last == ":" else "nothing", prefix)
        case "site" | "import":
            return Place("nothing")
        case "let" | "param" if "=" not in words:
            return Place("nothing")
        case _:
            return None


def _is_operand(token: Token) -> bool:
    return token.kind in Name or token.kind in Number or token.kind is Keyword.Constant or token.text in (")", "]", "}")


def _opened(words: Sequence[str]) -> int:
    """Return which word is the innermost bracket that is open, -1 for none."""
    depth = 0
    for at in range(len(words) - 1, -1, -1):
        depth += (words[at] in (")", "]", "}")) - (words[at] in ("(", "[", "{"))
        if depth < 0:
            return at
    return -1


def _in_binder(tokens: Sequence[Token]) -> bool:
    """Whether a binder's names have just been written: `forall i, j`."""
    for token in reversed(tokens):
        if token.kind is Keyword:
            return True
        if token.kind not in Name and token.text not in (",", "!="):
            return False
    return False


def _locals(tokens: Sequence[Token]) -> tuple[str, ...]:
    """Return the names that binders, parameters and indices introduce, as far as their brackets are open still."""
    scope: list[tuple[int, str]] = []
    depth, binding = 0, False
    declared = tokens[0].text in ("def", "let")
    for token in tokens[2:] if declared else tokens:
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if declared:
            if token.text == "=":
                declared, scope, depth = False, [(0, name) for _, name in scope], 0
            elif token.kind in Name and token.text not in ("box", "number", "formula"):
                scope.append((0, token.text))
        elif token.kind is Keyword:
            binding = True
        elif binding and (token.kind in Operator.Word or token.text == ":"):
            binding = False
        elif binding and token.kind in Name:
            scope.append((depth, token.text))
        scope = [each for each in scope if each[0] <= depth]
    return tuple(dict.fromkeys(name for _, name in reversed(scope)))


def _base(words: Sequence[str]) -> str:
    """Return the name that a point follows: `box` of `box[i + 1].`."""
    at, depth = len(words) - 2, 0
    while at >= 0 and (depth or words[at] in (")", "]")):
        depth += (words[at] in (")", "]")) - (words[at] in ("(", "["))
        at -= 1
    return words[at] if at >= 0 else ""
