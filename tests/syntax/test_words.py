"""The words of the language are those of its grammar."""

import re
from pathlib import Path

from asrppl.words import BINDING, KEYWORDS, NO_NAME, OPTION_PARTS, OPTIONS, QUANTIFIERS, REDUCTIONS, STATEMENTS

GRAMMAR = (Path(__file__).parents[2] / "grammar" / "asr.lark").read_text(encoding="utf-8")
TERMINALS = dict(re.findall(r"^([A-Z]+)(?:\.\d)?: (.*)$", GRAMMAR, re.MULTILINE))


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text))


def test_keywords_are_what_no_name_may_be() -> None:
    excluded = re.match(r"/\(\?!\(\?:([a-z|]+)\)", TERMINALS["NAME"])
    assert excluded is not None
    assert set(excluded[1].split("|")) == set(KEYWORDS)


def test_statements_and_options_have_a_terminal_each_and_are_words_before_a_name_only() -> None:
    for word in STATEMENTS:
        after = TERMINALS[word.upper()]
        assert after.startswith(f"/{word}(?=")
        assert set(re.findall(r"\(\?!\(\?:([a-z|]+)\)", after)[0].split("|")) == set(NO_NAME)
    for word in (*OPTIONS, *OPTION_PARTS):
        assert TERMINALS[word.upper()].startswith(f"/{word}(?![A-Za-z0-9_])")


def test_no_option_has_a_word_that_is_not_among_them() -> None:
    rule = GRAMMAR.partition("option: ")[2].partition("// ----")[0]
    terminals = set(re.findall(r"\b[A-Z]{2,}\b", rule)) - {"ARROW", "DOTS", "WHERE"}
    assert {word.lower() for word in terminals} == {*OPTIONS, *OPTION_PARTS}


def test_reductions_and_quantifiers_bind() -> None:
    assert words_of(TERMINALS["REDUCE"].partition("(?=")[0]) == set(REDUCTIONS)
    assert words_of(TERMINALS["QUANTIFIER"].partition("(?!")[0]) == set(QUANTIFIERS)
    assert {*REDUCTIONS, *QUANTIFIERS, "count"} == BINDING
