"""The grammar has no conflicts, and its cached table is never trusted further than a text."""

import hashlib
import os
import time
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
    written = file.stat().st_mtime_ns

    def never(text: str, *, strict: bool = False) -> grammar.Parser:
        raise AssertionError("the cached table was not used")

    monkeypatch.setattr(grammar, "make_parser", never)
    assert reads()
    assert file.stat().st_mtime_ns == written


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


DAY = 24 * 60 * 60


def lay(folder: Path, name: str, days: float) -> Path:
    """A file that was last used so many days ago."""
    file = folder / name
    file.write_text("{}")
    os.utime(file, (time.time() - days * DAY,) * 2)
    return file


def test_tables_used_last_stay_and_the_folder_is_bounded(cache: Path) -> None:
    tables = [lay(cache, f"grammar-{days:024x}.json", days) for days in range(1, 21)]
    foreign = lay(cache, "grammar-notes.json", 1000)
    assert reads()
    left = set(cache.iterdir()) - {foreign}
    assert len(left) == 8  # with the one just made
    assert left > set(tables[:7])
    assert foreign.exists()


def test_a_table_in_use_is_not_swept(cache: Path) -> None:
    assert reads()
    (mine,) = cache.iterdir()
    os.utime(mine, (time.time() - 1000 * DAY,) * 2)
    assert reads()  # which marks it as used
    for days in range(1, 21):
        lay(cache, f"grammar-{days:024x}.json", days)
    grammar._sweep(lay(cache, f"grammar-{0:024x}.json", 0))
    assert mine.exists()
    assert len(list(cache.iterdir())) == 8


def test_temporary_files_of_killed_processes_are_swept(cache: Path) -> None:
    stale, fresh = lay(cache, ".grammar-killed01", 2), lay(cache, ".grammar-writing1", 0.01)
    assert reads()
    assert fresh.exists()
    assert not stale.exists()
