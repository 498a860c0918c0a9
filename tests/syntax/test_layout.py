"""Putting white space in order changes nothing else."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from asrppl.diagnostics import Sink
from asrppl.source import Source
from asrppl.syntax import ast, format_file, parse_file
from asrppl.syntax.grammar import parser
from asrppl.syntax.layout import WIDTH, LayoutError, tidy
from asrppl.syntax.lines import cut
from tests.syntax.trees import Trees

ROOT = Path(__file__).parents[2]


def order(text: str) -> str:
    return tidy(Source("rules.asr", text))


def pieces_of(text: str) -> Iterator[tuple[str, str]]:
    """Yield tokens by kind and text, of the whole file."""
    for piece in cut(Source("rules.asr", text), Sink()):
        for token in parser().parse_interactive(piece.text).iter_parse():
            yield token.type, re.sub(r"\s", "", token) if token.type == "COUNTED" else str(token)


def comments_of(text: str) -> list[str]:
    return [line[line.index("#") :].rstrip() for line in text.split("\n") if "#" in line]


def names_of(text: str) -> list[str]:
    """Return what rules are called: by their name, or by their line."""
    source = Source("rules.asr", text)
    rules = [each for each in parse_file(source).file.statements if isinstance(each, ast.Rule)]
    return [each.name.text if each.name else f"line {source.position(each.span.start)[0]}" for each in rules]


def disordered(text: str, seed: int) -> str:
    """Return the text with other white space, line breaks and comments."""
    choices = random.Random(seed)
    lines: list[str] = []
    for piece in cut(Source("rules.asr", text), Sink()):
        parts: list[str] = []
        before = ""
        for token in parser().parse_interactive(piece.text).iter_parse():
            glued = before and (before[-1] + token[0]).isalnum()
            gap = choices.choice(["", " ", "  ", "\t", " \t "]) if before and not glued else " " * bool(before)
            if before and token.type not in ("NAME", "RULE", "LET", "DEF", "SITE", "GIVEN", "PARAM", "IMPORT"):
                gap = choices.choice([gap] * 8 + ["\n  ", "  # why, (not\n\t", "\n\n     ", "\n# at the edge\n    "])
            if (before[-1:].isdigit() and token[0] == ".") or before[-1:] + token[0] in ("<=", ">=", "==", "!=", "->"):
                gap = " "
            parts += [gap, str(token)]
            before = str(token)
        lines.append("".join(parts))
        lines += choices.choice([[], [], ["# between"], ["", "   # indented"], ["\t"]])
    return "\n".join(lines) + choices.choice(["", "\n", "\n\n"])


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_tokens_comments_and_names_stay(depth: int) -> None:
    trees = Trees(depth)
    for seed in range(60):
        text = disordered(format_file(trees.file(depth)), seed)
        if parse_file(Source("rules.asr", text)).diagnostics:
            continue
        made = order(text)
        assert list(pieces_of(made)) == list(pieces_of(text)), text
        assert comments_of(made) == comments_of(text)
        assert names_of(made) == names_of(text)
        assert order(made) == made
        assert [line for line in made.split("\n") if line != line.rstrip()] == []


def test_disordered_texts_are_mostly_sound() -> None:
    """What the test above passes over is little."""
    trees = Trees(7)
    texts = [disordered(format_file(trees.file(2)), seed) for seed in range(60)]
    assert sum(not parse_file(Source("rules.asr", text)).diagnostics for text in texts) > 50


def test_spaces() -> None:
    text = "rule r:  forall i!=j where g[ i ]==- 1:( x [i]+2 ) *y[i ]^-2<=min( a,b )or c not   in 0 .. n-1#why"
    assert order(text) == (
        "rule r: forall i != j where g[i] == -1: (x[i] + 2) * y[i] ^ -2 <= min(a, b) or c not in 0..n - 1  #why\n"
    )
    assert order("rule r: kl( q(n)||delta( 1 ))<=0") == "rule r: kl(q(n) || delta(1)) <= 0\n"
    assert order("rule r: ( count i : x[i])>=2 and\n  # a\n y .w<1") == (
        "rule r: (count i: x[i]) >= 2 and\n    # a\n    y.w < 1\n"
    )


def test_long_lines_are_broken_where_they_bind_least() -> None:
    text = "rule r: " + " and ".join(f"(value_{i}[0] <= 1 or value_{i}[1] >= 2)" for i in range(4))
    made = order(text)
    assert made.splitlines()[0] == "rule r:"
    assert all(len(line) <= WIDTH for line in made.splitlines())
    assert all(line.startswith("    ") for line in made.splitlines()[1:])
    assert order(made) == made


def test_no_line_is_broken_above_a_rule_that_is_called_by_its_line() -> None:
    long = "let d[i] = " + " + ".join(f"value_{i}[i]" for i in range(20))
    text = f"{long}\nx <= 1\n{long.replace('let d', 'let e')}\n"
    made = order(text).splitlines()
    assert made[0] == long
    assert made[1] == "x <= 1"
    assert len(made) > 3


def test_a_break_makes_no_statement_of_what_is_a_name() -> None:
    """A line that begins with `rule x` begins a rule, wherever it stands."""
    head = "rule r: " + "a" * 85
    text = f"{head} <= max(b, rule)\n"
    assert order(text) == order(order(text))
    assert list(pieces_of(order(text))) == list(pieces_of(text))


def test_line_ends_and_blank_lines_stay() -> None:
    assert order("x<=1\r\n\r\ny<=1\r\n") == "x <= 1\r\n\r\ny <= 1\r\n"
    assert order("\n\nx<=1\n\n\n# end") == "\n\nx <= 1\n\n\n# end\n"
    assert order("") == ""


def test_what_does_not_parse_is_left_alone() -> None:
    with pytest.raises(LayoutError) as refused:
        order("x <= <= 1")
    assert refused.value.diagnostics[0].code == "ASR001"


@pytest.mark.parametrize(
    "path",
    [p for top in ("asrppl", "examples") for p in sorted((ROOT / top).rglob("*.asr")) if p.stem != "6-mistakes"],
    ids=lambda path: path.name,
)
def test_our_own_files_are_in_order(path: Path) -> None:
    text = path.read_text()
    assert order(text) == text
