"""Syntax errors: golden messages, all of a file's at once, limits, and texts that no one would write."""

import re
import time
from pathlib import Path

import pytest

from asrppl.codes import CODES
from asrppl.diagnostics import render
from asrppl.source import Source
from asrppl.suggest import distance
from asrppl.syntax import parse_file
from asrppl.syntax.format import format_file
from tests.conformance import said_of_syntax
from tests.golden import check_golden

ERRORS = sorted((Path(__file__).parent / "errors").glob("*.asr"))


def codes(text: str) -> list[str]:
    return [diagnostic.code for diagnostic in parse_file(Source("rules.asr", text)).diagnostics]


@pytest.mark.parametrize("path", ERRORS, ids=lambda path: path.stem)
def test_messages_are_as_they_were_read_and_approved(path: Path, update_golden: bool) -> None:
    check_golden(path.with_suffix(".err"), said_of_syntax(path), update=update_golden)


def test_every_code_has_a_line_and_every_line_a_case() -> None:
    golden = "".join(path.with_suffix(".err").read_text(encoding="utf-8") for path in ERRORS)
    limits = {"ASR014", "ASR015", "ASR016", "ASR017"}
    assert set(re.findall(r"ASR\d{3}", golden)) | limits == {
        code for code, known in CODES.items() if known.stage == "syntax"
    }


def test_one_unclosed_bracket_spoils_one_statement() -> None:
    parsed = parse_file(Source("f", "param a = 1\nlet b = f(a\nrule c: a <= 1\n  rule d: (a <= 2\nparam e = 3\n"))
    assert [diagnostic.code for diagnostic in parsed.diagnostics] == ["ASR002", "ASR002"]
    assert [type(statement).__name__ for statement in parsed.file.statements] == ["Param", "Rule", "Param"]


def test_errors_come_in_order_of_place_and_leave_the_good_statements() -> None:
    parsed = parse_file(Source("f", "a <=\nb <= 2\nc $ 3\nd <= 4)\n≤\n"))
    assert [diagnostic.span.source.position(diagnostic.span.start)[0] for diagnostic in parsed.diagnostics] == [
        1,
        3,
        4,
        5,
    ]
    assert len(parsed.file.statements) == 1


@pytest.mark.parametrize(
    "nested", ["(", "f(", "not ", "a + (", "{", "[1, ", "- ", "a[", "forall i: ", "a ^ ", "a implies "]
)
def test_deep_nesting_is_an_error_and_never_exhausts_the_stack(nested: str) -> None:
    closers = {"(": ")", "{": "}", "[": "]"}
    depth = 16_000 // len(nested)
    opened = [character for character in nested if character in closers]
    text = "rule deep: " + nested * depth + "a" + "".join(closers[c] for c in reversed(opened)) * depth
    if len(text) > 16_384:
        text = (
            "rule deep: " + nested * (depth // 3) + "a" + "".join(closers[c] for c in reversed(opened)) * (depth // 3)
        )
    expected = [] if nested == "(" else ["ASR014"]  # parentheses alone make no depth
    assert codes(text) == expected


@pytest.mark.parametrize("operator", ["and", "or", "+", "-", "*"])
def test_a_chain_of_one_operator_is_one_level_however_long(operator: str) -> None:
    tail = " <= 1" if operator in "+-*" else ""
    text = "rule x: " + f" {operator} ".join(["a"] * 2_000) + tail + "\n"
    parsed = parse_file(Source("rules.asr", text))
    assert parsed.diagnostics == ()
    assert format_file(parsed.file) == text


def test_operators_that_take_turns_are_nested() -> None:
    assert codes("rule x: " + "(" * 45 + "a" + " + 1) * a" * 45 + " <= 1") == []
    assert codes("rule x: " + "(" * 60 + "a" + " + 1) * a" * 60 + " <= 1") == ["ASR014"]


def test_long_statements_and_files_are_refused() -> None:
    assert codes("rule x: f(" + "a, " * 6_000 + "a) <= 1\nb <= 1") == ["ASR015"]
    assert codes("a <= 1\n" * 40_000) == ["ASR016"]


def test_syntax_errors_are_counted_up_to_a_hundred() -> None:
    assert codes("a $\n" * 500) == ["ASR001"] * 100 + ["ASR017"]
    assert codes("a )\n" * 500) == ["ASR002"] * 100 + ["ASR017"]


@pytest.mark.parametrize(
    "text",
    [
        "\x00",
        "a <= \x00 3",
        "a <= 3\x0b",
        "a\x0c<= 3",
        "a <= 3\rb <= 3",
        "a <= 3 # \x1b[31m\rb",
        '"\x07"',
        "\ud800 <= 3",
    ],
)
def test_control_characters_are_errors_in_code(text: str) -> None:
    assert codes(text)
    for diagnostic in parse_file(Source("f", text)).diagnostics:
        assert render(diagnostic)


@pytest.mark.parametrize(
    "line",
    [
        "a" * 16_000,
        "1" * 16_000 + ".",
        "a." * 8_000,
        "." * 16_000,
        "(" * 16_000,
        "=" * 16_000,
        "'" * 16_000,
        "count i: " * 1_700,
        "a... " * 3_000,
        "rule a: " + "for in if " * 1_500,
        "rule a " + "weight 0 to " * 1_300,
        "sum " * 4_000,
        "| " * 8_000,
        "a ? " * 4_000,
        "x in (0, " * 1_800,
        "forall i, " * 1_600,
        "at least " * 1_800,
    ],
)
def test_hostile_lines_are_read_in_linear_time(line: str) -> None:
    start = time.perf_counter()
    parse_file(Source("f", "\n".join([line] * 8)))
    assert time.perf_counter() - start < 20


def test_work_ends_with_the_last_message_that_is_shown() -> None:
    """(It grew with the square of the text: four minutes for a quarter of this.)"""
    found = parse_file(Source("f", "é " * 100_000)).diagnostics
    assert len(found) == 101
    assert found[-1].code == "ASR017"


def test_long_names_are_compared_as_names() -> None:
    """(Their distance took the product of their lengths: minutes for these.)"""
    assert distance("a" * 50_000, "a" * 49_999 + "b") == 1
    assert distance("ab" * 10_000, "cd" * 10_000) == 20_000
    assert distance("nonoverlap", "nonvoerlap") == 1
