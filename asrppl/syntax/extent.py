"""How far the parts of a refused statement reach, so that a mend can be spelt out with the statement's own words."""

from lark.exceptions import UnexpectedInput

from asrppl.syntax.grammar import parser
from asrppl.syntax.stop import COMPARISONS, WORD, Stop
from asrppl.words import JOINING

_OPENERS, _CLOSERS = "([{", ")]}"
TERM = frozenset({",", ":", ";", "?", "=", "~", "if", "not", "forall", "exists", "{"}) | COMPARISONS | JOINING
"""Words that end a term."""
FORMULA = frozenset({",", ":", ";", "?", "implies", "iff", "where", "then", "else", "if"})
"""Words that end a formula of `and`, `or` and comparisons."""
CLAUSE = frozenset({",", ":", ";"})
"""Words that end whatever a clause says."""


def before(text: str, end: int, stops: frozenset[str]) -> str:
    """Return the part of ``text`` that ends at ``end`` and goes back to a word in ``stops`` or an open bracket."""
    depth, start = 0, end
    for found in reversed(list(WORD.finditer(text, 0, end))):
        word = found.group()
        depth += (word in _CLOSERS) - (word in _OPENERS)
        if depth < 0 or (depth == 0 and word in stops and word not in _CLOSERS):
            break
        start = found.start()
    return text[start:end].strip()


def after(text: str, start: int, stops: frozenset[str]) -> str:
    """Return the part of ``text`` from ``start`` to a word in ``stops`` or a bracket that closes an earlier one."""
    depth = 0
    for found in WORD.finditer(text, start):
        word = found.group()
        if depth == 0 and (word in stops or word in _CLOSERS):
            return text[start : found.start()].strip()
        depth += (word in _OPENERS) - (word in _CLOSERS)
    return text[start:].strip()


def opener(stop: Stop) -> int | None:
    """Return which of the words before the place is the innermost bracket that is open there."""
    depth = 0
    for position in range(len(stop.before) - 1, -1, -1):
        word = stop.before[position][0]
        depth += (word in _CLOSERS) - (word in _OPENERS)
        if depth < 0:
            return position
    return None


def closer(text: str, start: int) -> int:
    """Return where the bracket that is open at ``start`` is closed (the end of ``text`` where it is not)."""
    depth = 0
    for found in WORD.finditer(text, start):
        depth += (found.group() in _OPENERS) - (found.group() in _CLOSERS)
        if depth < 0:
            return found.start()
    return len(text)


def reads(text: str) -> bool:
    """Whether ``text`` is a statement as it stands: what is offered has to be."""
    try:
        parser().parse(text)
    except UnexpectedInput:
        return False
    return True
