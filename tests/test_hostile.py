"""A few hostile texts; `python -m tests.hostile` has every production of the grammar, and mutations by the thousand."""

from pathlib import Path

import pytest

from asrppl.source import Source
from asrppl.syntax.parse import parse_file
from tests.hostile import HostileError, cost_of, families, mutate, verify_repeated
from tests.repeated import productions, statements


def test_some_productions_are_read_in_time_however_often_they_are_repeated(tmp_path: Path) -> None:
    cost_of("x <= 1", tmp_path)  # imports
    for number, (name, limit, texts) in enumerate(families()):
        if number % 17 == 0:
            verify_repeated(name, limit, {times: text for times, text in texts.items() if times <= 1000}, tmp_path)


def test_every_production_of_the_grammar_is_repeated() -> None:
    nested = {production.text(2) for production in productions()}
    wrong = [text for text in nested if parse_file(Source("f", text)).diagnostics]
    assert len(nested) > 90
    assert wrong == ["rule x hard hard hard : 1"]  # which may be given once
    assert len(list(statements())) > 20


def test_mutations_end_in_findings_or_in_a_program(tmp_path: Path) -> None:
    came = mutate(60, 1, tmp_path)
    assert came.total() == 60
    assert came["refused"] > came["accepted"] > 0


def test_a_text_that_takes_the_square_of_its_length_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.hostile.FLOOR", 0.0)
    monkeypatch.setattr("tests.hostile.MICROSECONDS", 0.0)
    with pytest.raises(HostileError, match="microseconds a byte"):
        verify_repeated("any", 1000, {1: "x <= 1"}, tmp_path)
