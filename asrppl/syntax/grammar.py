"""The grammar file, and the parse table made from it (kept between runs: making it takes half a second)."""

import contextlib
import hashlib
import json
import os
import re
import sys
import time
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, cast

import lark
from lark.grammar import Rule
from lark.lexer import TerminalDef
from lark.parsers.lalr_interactive_parser import InteractiveParser

from asrppl.files import write_whole
from asrppl.folders import cache_folder


class Parser(Protocol):
    """What we use of `lark.Lark`, with the types that it leaves out."""

    def parse(self, text: str) -> lark.Tree[lark.Token]:
        """Return the parse tree of a statement."""
        ...

    def parse_interactive(self, text: str) -> InteractiveParser:
        """Return a parse that goes token by token."""
        ...

    def memo_serialize(self, types_to_memoize: list[type]) -> tuple[object, object]:
        """Return the parser as plain data."""
        ...


def grammar_text() -> str:
    """Return the grammar: it lies inside the installed package, or beside it in a checkout."""
    installed = files("asrppl") / "grammar" / "asr.lark"
    beside = Path(__file__).resolve().parents[2] / "grammar" / "asr.lark"
    return (installed if installed.is_file() else beside).read_text(encoding="utf-8")


def make_parser(grammar: str, *, strict: bool = False) -> Parser:
    """Return a parser made afresh; ``strict`` refuses a grammar with conflicts (it needs interegular)."""
    made = lark.Lark(
        grammar,
        start="statement",
        parser="lalr",
        lexer="contextual",
        keep_all_tokens=True,  # spans are read off the tokens
        maybe_placeholders=False,
        strict=strict,
    )
    return cast(Parser, made)


@cache
def parser() -> Parser:
    """Return the parser of one statement, from the cache where the grammar has not changed since."""
    grammar = grammar_text()
    file = _cache_file(grammar)
    kept = read_table(file) if file is not None else None
    if file is not None and kept is not None:
        _mark_used(file)
        return kept
    made = make_parser(grammar)
    if file is not None:
        _save(file, made)
    return made


def _cache_file(grammar: str) -> Path | None:
    folder = cache_folder()
    if folder is None:
        return None
    key = "\0".join(("1", lark.__version__, sys.version, grammar))
    return folder / f"grammar-{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"


# The cache is JSON, not Lark's own pickle: reading it can run nothing, whoever wrote the file.


def _save(file: Path, made: Parser) -> None:
    data, memo = made.memo_serialize([TerminalDef, Rule])
    payload = json.dumps({"data": data, "memo": memo}, separators=(",", ":"))
    digest = hashlib.sha256(payload.encode()).hexdigest()
    # A read-only home or a full disk costs the next run half a second, nothing else.
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, f"{digest}\n{payload}".encode())
        _sweep(file)


# Every change of the grammar, of Lark or of Python makes a new table. Which of the old ones are still in use nobody can
# tell, since several environments may share the folder: so those used last stay. Each environment finds its own again,
# and the folder is bounded.
_TABLES = 8
_DAY = 24 * 60 * 60.0
_KEPT = 30 * _DAY


def _sweep(made: Path) -> None:
    """Remove old tables beside the one made just now, and what processes that were killed have left."""
    # $ASRPPL_CACHE may be any folder: other files there are not ours, whatever they begin with.
    tables = {file for file in made.parent.iterdir() if re.fullmatch(r"grammar-[0-9a-f]+\.json", file.name)} - {made}
    by_use = sorted(tables, key=_last_use, reverse=True)
    old = [file for file in by_use[: _TABLES - 1] if _last_use(file) < time.time() - _KEPT]
    cut = [file for file in made.parent.glob(".grammar-*") if _last_use(file) < time.time() - _DAY]
    for file in (*by_use[_TABLES - 1 :], *old, *cut):
        with contextlib.suppress(OSError):  # another process may be at it
            file.unlink()


def _last_use(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0  # another process has removed it: so may we


def _mark_used(file: Path) -> None:
    """Note that a table is in use; once a day will do, and spares the disk."""
    with contextlib.suppress(OSError):
        if _last_use(file) < time.time() - _DAY:
            os.utime(file)


def read_table(file: Path) -> Parser | None:
    """Return the parser that a file of the cache holds; None where it is damaged."""
    try:
        digest, _, payload = file.read_text(encoding="utf-8").partition("\n")
        if hashlib.sha256(payload.encode()).hexdigest() != digest:
            return None
        loader = cast(Any, lark.Lark)
        return loader.load(json.loads(payload, object_hook=_with_integer_keys))
    except Exception:
        # Whatever is wrong with a cache, the grammar is still there to make it anew.
        return None


def _with_integer_keys(data: dict[str, Any]) -> dict[Any, Any]:
    """Undo what JSON does to the table's integer keys (no name in it starts with a digit)."""
    if data and all(key.isdigit() for key in data):
        return {int(key): value for key, value in data.items()}
    return data
