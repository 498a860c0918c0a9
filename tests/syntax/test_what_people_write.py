"""What people write who know other languages: each text has one error, whose mend works when it is applied."""

import re
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from asrppl.check import check_file
from asrppl.codes import Severity
from asrppl.diagnostics import Diagnostic, render
from asrppl.source import Source
from asrppl.syntax import ast, parse_file

HERE = Path(__file__).parent


class Case(NamedTuple):
    written: str
    offered: str
    mended: str


def cases(path: Path) -> list[Case]:
    blocks = re.split(r"(?m)^===.*\n", path.read_text(encoding="utf-8"))
    return [Case(*re.split(r"(?m)^> (.*)\n", block)) for block in blocks[1:]]


def found_in(text: str) -> tuple[Diagnostic, ...]:
    parsed = parse_file(Source("rules.asr", text))
    return parsed.diagnostics or check_file(parsed.file, {}, library=None).diagnostics


@pytest.mark.parametrize(
    "case",
    [case for path in sorted(HERE.glob("what_people_write*.txt")) for case in cases(path)],
    ids=lambda case: case.written.strip(),
)
def test_one_finding_offers_a_mend_that_works(case: Case) -> None:
    findings = found_in(case.written)
    assert len(findings) == 1, [finding.message for finding in findings]
    finding = findings[0]
    assert finding.span is not None
    offered = case.offered.removeprefix("? ")
    assert offered in (finding.help or ""), finding
    if offered == case.offered:
        assert offered in case.mended
    left = [found for found in found_in(case.mended) if found.severity is Severity.ERROR]
    assert not left, [found.message for found in left]


def test_what_a_program_can_mend_it_mends() -> None:
    """Each edit by itself leaves no error, but for others further on, and most make the text that was asked for."""
    alike, mended, found = 0, 0, 0
    for path in sorted(HERE.glob("what_people_write*.txt")):
        for case in cases(path):
            (finding,) = found_in(case.written)
            made: list[ast.File] = []
            for edit in finding.edits:
                text = case.written[: edit.span.start] + edit.text + case.written[edit.span.end :]
                end = edit.span.start + len(edit.text)
                left = [found for found in found_in(text) if found.severity is Severity.ERROR]
                assert all(found.span is not None and found.span.start >= end for found in left), (text, left)
                made.append(parse_file(Source("rules.asr", text)).file)
            found, mended = found + 1, mended + bool(made)
            alike += parse_file(Source("rules.asr", case.mended)).file in made
    assert mended > 0.8 * found
    assert alike >= mended - 3


def test_no_broken_text_breaks_the_messages() -> None:
    random = Random(0)
    texts = [case.written for path in sorted(HERE.glob("what_people_write*.txt")) for case in cases(path)]
    words = re.findall(r"\w+|[^\w\s]+|\n", "".join(texts))
    for _ in range(3_000):
        parts = re.findall(r"\w+|[^\w\s]+|\s", random.choice(texts))
        for _ in range(random.randint(1, 3)):
            place = random.randrange(len(parts) + 1)
            parts[place : place + random.randint(0, 2)] = random.choices(words, k=random.randint(0, 2))
        for finding in found_in("".join(parts)):
            assert render(finding)
