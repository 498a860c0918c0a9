"""The grammar has no conflicts, and its cached table is never trusted further than a text."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from asrppl.source import Source
from asrppl.syntax import grammar, parse_file


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("ASRPPL_CACHE", str(tmp_path))
    grammar.parser.cache_clear()
    yield tmp_path
    grammar.parser.cache_clear()


def reads() -> bool:
    grammar.parser.cache_clear()
    return len(parse_file(Source("f", "forall i != j: a[i] <= a[j]")).file.statements) == 1


def test_strict_mode_finds_no_conflict() -> None:
    grammar.make_parser(grammar.grammar_text(), strict=True)


def test_the_table_is_kept_and_read_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reads()
    (file,) = cache.iterdir()
    before = file.stat()

    def never(text: str, *, strict: bool = False) -> grammar.Parser:
        raise AssertionError("the cached table was not used")

    monkeypatch.setattr(grammar, "make_parser", never)
    assert reads()
    assert file.stat() == before


def test_a_damaged_cache_is_made_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = grammar.make_parser(grammar.grammar_text())
    monkeypatch.setattr(grammar, "make_parser", lambda text: made)
    assert reads()
    (file,) = cache.iterdir()
    good = file.read_bytes()
    pickled = b"cos\nsystem\n(S'exit'\ntR."
    for bad in (b"", b"{}", b"\xff\xfe", b"0" * 64 + b"\n{}", pickled, good[:-1], good.replace(b"NAME", b"MANE")):
        file.write_bytes(bad)
        assert reads()
        # Not byte for byte the same: the table holds sets.
        digest, _, payload = file.read_bytes().partition(b"\n")
        assert hashlib.sha256(payload).hexdigest().encode() == digest
        assert file.read_bytes() != bad


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("ASRPPL_CACHE", str(blocked))
    assert reads()
    grammar.parser.cache_clear()


def test_tables_of_other_versions_are_swept_when_one_is_made(cache: Path) -> None:
    old, recent, cut, foreign = (cache / name for name in ("grammar-0.json", "grammar-1.json", ".grammar-x", "history"))
    for file in (old, recent, cut, foreign):
        file.write_text("")
    for file in (old, cut, foreign):
        os.utime(file, (0, 0))
    assert reads()
    assert not old.exists()
    assert not cut.exists()
    assert recent.exists()
    assert foreign.exists()
