"""Printing a tree and reading it again gives the tree."""

import pytest

from asrppl.source import Source
from asrppl.syntax import ast, format_file, parse_file
from tests.syntax.trees import Trees


def parse(text: str) -> ast.File:
    parsed = parse_file(Source("rules.asr", text))
    assert parsed.diagnostics == (), parsed.diagnostics[0].message
    return parsed.file


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_generated_trees_survive_printing_and_parsing(depth: int) -> None:
    trees = Trees(depth)
    for _ in range(60 if depth == 5 else 150):
        file = trees.file(depth)
        text = format_file(file)
        again = parse(text)
        assert again == file, text
        assert repr(again) == repr(file), text  # 3 and 3.0 are equal, yet not the same
        assert format_file(again) == text


@pytest.mark.parametrize(
    "text",
    [
        "forall i != j: nonoverlap(box[i], box[j])",
        "rule r weight 0 -> 10 over 2000 steps smooth 8 margin 0.5: a <= b <= c",
        "rule r weight 0 -> 10 over 1000..t steps: a <= b",
        "a - (b - c) - d <= -(x + 1) ^ 2 * y",
        "(a ^ b) ^ c == a ^ -b ^ c",
        "a and (b or c) and d",
        "(a implies b) implies c implies d",
        "(forall i: x[i]) and y",
        "y and forall i: x[i]",
        "(sum i: w[i]) + 1 <= 2",
        "sum i: w[i] + 1 <= 2",
        "(2 * if c then a else b) + 1 <= if c then a else b",
        "count i: hot[i] >= 2",
        "count t: (state[t] != state[t + 1]) <= 3",
        "((count t: hot[t]) + 1) * 2 <= 3",
        "(count t: a != b) ^ 2 <= 3",
        "(-a <= 3)",
        "not a in {1, 3} and b not in 0..n - 1",
        "exists u in t..t + 5 where u < n: fan[u]",
        "def f(a: box, b) = a.x <= b",
        'site w[i] = "z_where_{i}": (scale, x, y)',
        "kl(delta(k) || q(n)) <= aggregate(E[score] where group == 0)",
        "square(x: 1, y: 2, size: 1e-05).w <= 0.5",
    ],
)
def test_no_parentheses_are_lost_or_added(text: str) -> None:
    assert format_file(parse(text)) == text + "\n"
