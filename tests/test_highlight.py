"""What the lexer takes a word for is what the grammar takes it for."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, Punctuation, String

from asrppl.diagnostics import Sink
from asrppl.highlight import AsrLexer
from asrppl.source import Source
from asrppl.syntax import parse_file
from asrppl.syntax.format import format_file
from asrppl.syntax.grammar import parser
from asrppl.syntax.lines import cut
from asrppl.words import BUILTINS, KEYWORDS, OPTION_PARTS, OPTIONS, REDUCTIONS, STATEMENTS
from tests.finite import written
from tests.programs import Writer
from tests.syntax.trees import Trees

ROOT = Path(__file__).parents[1]
FILES = [path for path in ROOT.rglob("*.asr") if ".venv" not in path.parts]
WORDS = {word.upper(): Keyword.Declaration for word in STATEMENTS} | {
    word.upper(): Keyword.Pseudo for word in (*OPTIONS, *OPTION_PARTS)
}
KINDS = {
    **WORDS,
    **dict.fromkeys(("QUANTIFIER", "REDUCE", "COUNT"), Keyword),
    **{word.upper(): Operator.Word for word in KEYWORDS},
    **dict.fromkeys(("COMPARE", "UNEQUAL", "BECOMES", "PLUS", "MINUS", "TIMES", "CARET", "ARROW"), Operator),
    **dict.fromkeys(("DOTS", "BARS"), Operator),
    **dict.fromkeys(("DOT", "COLON", "COMMA", "LPAR", "RPAR", "LSQB", "RSQB", "LBRACE", "RBRACE"), Punctuation),
    **{"TRUTH": Keyword.Constant, "NAME": Name, "NUMBER": Number, "STRING": String, "COUNTED": Punctuation},
}
"""What the lexer says of each of the grammar's terminals."""


def assert_alike(text: str) -> int:
    """Hold the lexer against the parser's own tokens, and return how many there are."""
    found = {start: (kind, said) for start, kind, said in AsrLexer().get_tokens_unprocessed(text)}
    assert "".join(said for _, said in found.values()) == text
    source, seen = Source("f", text), 0
    for piece in cut(source, Sink()):
        for token in parser().parse_interactive(piece.text).iter_parse():
            kind, said = found[piece.start + (token.start_pos or 0)]
            assert kind in KINDS[token.type], (token, piece.text)
            assert said == ("(" if token.type == "COUNTED" else str(token))
            seen += 1
    return seen


def generated() -> Iterator[str]:
    for seed in range(150):
        yield Writer(seed).file()
        yield written(seed)
        yield format_file(Trees(seed).file(3))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_rule_file_that_parses_has_the_grammars_words(path: Path) -> None:
    text = path.read_text(encoding="utf-8-sig")
    if parse_file(Source("f", text)).diagnostics:
        assert "".join(said for _, _, said in AsrLexer().get_tokens_unprocessed(text)) == text
    else:
        assert_alike(text)
        assert not any(kind in Error for _, kind, _ in AsrLexer().get_tokens_unprocessed(text))


def test_so_have_generated_programs() -> None:
    assert sum(map(assert_alike, generated())) > 10_000


@pytest.mark.parametrize(
    "rule",
    [
        "rule weight weight weight -> steps over over..hard steps smooth within: weight <= over",
        "rule r smooth mean margin -margin power (count i: on[i]) hard: hard",
        "rule r weight count i: on[i] smooth 3: count i: on[i] <= 2",
        "rule r where count i where (exists j: hot[i, j]): on[i] == 2 and k in {1} hard within hard: sum i: x[i] <= 2",
        "rule r where not weight in {1, 2} smooth 3: x <= 1",
        "given n: int\n  rule rule: rule\nrule - 1 <= 2",
        "let x[i] = if mean[i] <= 2 then mean i: x[i] else max(a, count)\nrule\n <= 3",
        'import "a.asr"\nsite box[i] = "z_{i}": (x, y, size)  # weight\nparam weight = 3',
    ],
)
def test_words_that_may_be_names_are_told_apart(rule: str) -> None:
    assert not parse_file(Source("f", rule)).diagnostics
    assert assert_alike(rule)


def test_colour_goes_on_after_what_is_wrong() -> None:
    text = "rule a weight (3: x ≤ 1\nrule b weight 2: y <= 1"
    found = [(said, kind) for _, kind, said in AsrLexer().get_tokens_unprocessed(text)]
    assert ("≤", Error) in found
    assert found.count(("rule", Keyword.Declaration)) == found.count(("weight", Keyword.Pseudo)) == 2


def test_pygments_finds_it_by_name_and_by_file() -> None:
    for lexer in (get_lexer_by_name("asr"), get_lexer_for_filename("number.asr")):
        assert (Comment.Single, "# a") in list(lexer.get_tokens("# a"))


def test_the_editors_grammar_has_the_same_words() -> None:
    path = ROOT / "grammar" / "vscode" / "syntaxes" / "asr.tmLanguage.json"
    patterns = json.loads(path.read_text(encoding="utf-8"))

    def words(pattern: str) -> set[str]:
        """Return the words that a pattern is for: not those that may not follow."""
        return set(re.findall(r"[A-Za-z]+2?", re.sub(r"\(\?[=!].*|\\.|\[.*?\]|\?:", " ", pattern)))

    of: dict[str, set[str]] = {}
    for rule in [*patterns["repository"]["expression"]["patterns"], *patterns["patterns"]]:
        for part in (rule, *rule.get("patterns", [])):
            of.setdefault(part.get("name", "statement"), set()).update(words(part.get("match", part.get("begin", ""))))
    assert of["statement"] >= set(STATEMENTS)
    assert of["keyword.other.option.asr"] == {*OPTIONS, *OPTION_PARTS}
    assert of["keyword.control.quantifier.asr"] == {"forall", "exists", "count", *REDUCTIONS}
    assert of["keyword.operator.word.asr"] | of["constant.language.asr"] == set(KEYWORDS) - {"forall", "exists"}
    assert of["support.function.asr"] == BUILTINS
