"""Every production of the grammar, nested in itself or put beside itself any number of times.

The texts are made of the grammar's own rules, so that one which is added to it is repeated too. Where a production's
symbol leads back to its origin, the production nests: ``NOT not_c`` gives ``not not not x``; lists and chains are such
productions as well, of the helpers that Lark makes of ``*`` and ``+``. Statements are repeated line by line.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from lark.grammar import Symbol, Terminal

from asrppl.syntax.grammar import grammar_text, make_parser

_SAMPLES = {
    "QUANTIFIER": "forall",
    "TRUTH": "true",
    "REDUCE": "sum",
    "COUNTED": "(count",
    "NUMBER": "1",
    "COMPARE": "<=",
    "TIMES": "*",
    "STRING": '"z_{i}"',
    "NAME": "x",
}
Words = tuple[str, ...]
"""Terminals by name, as they follow each other."""


@dataclass(frozen=True)
class Production:
    """A production that leads back to its origin: its text is head, n times before, core, n times after, tail."""

    name: str
    head: Words
    before: Words
    core: Words
    after: Words
    tail: Words

    def text(self, times: int, *, distinct: bool = False) -> str:
        """Return it nested so many times."""
        words = (*self.head, *self.before * times, *self.core, *self.after * times, *self.tail)
        # A bare formula may not begin with a sign.
        return written(words if self.head else ("RULE", "NAME", "COLON", *words), distinct=distinct)


def written(words: Words, *, distinct: bool = False) -> str:
    """Return terminals as text: names are x and numbers 1, or, if ``distinct``, names x0, x1, .. stand for both."""
    numbered = iter(range(len(words)))
    return " ".join(f"x{next(numbered)}" if distinct and word in ("NAME", "NUMBER") else _spelt(word) for word in words)


def _spelt(terminal: str) -> str:
    return _SAMPLES.get(terminal) or _literals()[terminal]


@cache
def _grammar() -> Any:
    return make_parser(grammar_text())


def _rules() -> list[Any]:
    return _grammar().rules


@cache
def _literals() -> dict[str, str]:
    """Return how terminals are written that are one word or sign: as far as what has to follow them."""
    return {terminal.name: terminal.pattern.value.split("(?")[0] for terminal in _grammar().terminals}


def _shortest() -> dict[str, Words]:
    """Return the shortest derivation of each symbol that is no terminal."""
    found: dict[str, Words] = {}
    changed = True
    while changed:
        changed = False
        for rule in _rules():
            words = _joined(rule.expansion, found)
            name = rule.origin.name
            if words is not None and (name not in found or len(words) < len(found[name])):
                found[name], changed = words, True
    return found


def _joined(symbols: Sequence[Symbol], known: dict[str, Words]) -> Words | None:
    words: list[str] = []
    for symbol in symbols:
        if isinstance(symbol, Terminal):
            words.append(symbol.name)
        elif symbol.name in known:
            words += known[symbol.name]
        else:
            return None
    return tuple(words)


def _around(rule: Any, place: int, shortest: dict[str, Words]) -> tuple[Words, Words]:
    left, right = _joined(rule.expansion[:place], shortest), _joined(rule.expansion[place + 1 :], shortest)
    assert left is not None, rule
    assert right is not None, rule
    return left, right


def _contexts(start: str, shortest: dict[str, Words]) -> dict[str, tuple[Words, Words]]:
    """Return for each symbol what stands before and after it in the shortest text of ``start`` that has it."""
    found: dict[str, tuple[Words, Words]] = {start: ((), ())}
    changed = True
    while changed:
        changed = False
        for rule in _rules():
            if rule.origin.name not in found:
                continue
            before, after = found[rule.origin.name]
            for place, symbol in enumerate(rule.expansion):
                if isinstance(symbol, Terminal):
                    continue
                left, right = _around(rule, place, shortest)
                new = (*before, *left), (*right, *after)
                old = found.get(symbol.name)
                if old is None or len(new[0]) + len(new[1]) < len(old[0]) + len(old[1]):
                    found[symbol.name], changed = new, True
    return found


def productions() -> Iterator[Production]:
    """Yield every way in which a production of the grammar leads back to its origin."""
    shortest = _shortest()
    outer = _contexts("statement", shortest)
    inner: dict[str, dict[str, tuple[Words, Words]]] = {}
    for rule in _rules():
        origin = rule.origin.name
        if origin not in outer:
            continue
        for place, symbol in enumerate(rule.expansion):
            if isinstance(symbol, Terminal):
                continue
            if symbol.name not in inner:
                inner[symbol.name] = _contexts(symbol.name, shortest)
            if origin not in inner[symbol.name]:
                continue
            left, right = _around(rule, place, shortest)
            before, after = inner[symbol.name][origin]
            if not (left or right or before or after):
                continue  # a symbol that is another one adds nothing
            head, tail = outer[origin]
            name = f"{origin}: {' '.join(symbol.name for symbol in rule.expansion)}, {symbol.name} of place {place}"
            yield Production(name, head, (*left, *before), shortest[origin], (*after, *right), tail)


def statements() -> Iterator[Words]:
    """Yield the shortest statement of each kind."""
    shortest = _shortest()
    for rule in _rules():
        if rule.origin.name == "statement":
            words = _joined(rule.expansion, shortest)
            assert words is not None
            yield words
