"""docs/writing-rules.md: each sentence's rule holds in the world that keeps it, and not in the one that breaks it."""

import re
from pathlib import Path

import pytest

import asrppl
from asrppl.source import Source
from asrppl.worlds import why
from tests.conformance import values_in
from tests.test_corpus_compiled import as_given

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "writing-rules.md"
ASSISTANTS = (ROOT / "docs" / "llms.txt").read_text(encoding="utf-8")
HERE = "https://github.com/asrppl/asrppl/blob/main/"
BLOCKS = re.findall(r"^```asr\n# (.+?)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
WORLD = re.compile(r"^# (keeps|breaks) (.+)$", re.MULTILINE)


def test_there_are_sixty_sentences_each_with_two_worlds() -> None:
    assert len({sentence for sentence, _ in BLOCKS}) == len(BLOCKS) >= 60
    for sentence, rule in BLOCKS:
        assert [found[1] for found in WORLD.finditer(rule)] == ["keeps", "breaks"], sentence


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("text", [pytest.param(text, id=sentence) for sentence, text in BLOCKS])
def test_a_sentence_is_what_its_rule_says(text: str) -> None:
    program = asrppl.parse(text)
    boxes = {name for name, free in program.free.items() if free.shape == "box"}
    for verdict, world in WORLD.findall(text):
        values = values_in(world)
        said = why(Source("rule.asr", text), values, shown=0)
        assert [one.problem for one in said if one.problem] == []
        assert any(one.applies for one in said), "a world of which nothing is asked shows nothing"
        assert all(one.holds for one in said) == (verdict == "keeps")
        given = {name: as_given(value, is_box=name in boxes) for name, value in values.items()}
        for name, violation in program.violations(given).items():
            wanted = [one.violation for one in said if one.rule == name]
            assert violation.expand(len(wanted)).tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def test_the_page_for_assistants_names_what_is_there() -> None:
    links = re.findall(rf"\]\({HERE}([^)]+)\)", ASSISTANTS)
    assert links
    for link in links:
        assert (ROOT / link).is_file(), link
    assert f"{len(BLOCKS)} pairs" in ASSISTANTS
    for name in set(re.findall(r"asrppl\.(\w+)\(", ASSISTANTS)):
        assert hasattr(asrppl, name), name
    for name in set(re.findall(r"elbo\.(\w+)", ASSISTANTS)):
        assert hasattr(asrppl.RegularizedELBO, name), name
    assert max(map(len, ASSISTANTS.splitlines())) <= 120
