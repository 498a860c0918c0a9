"""Rules as mathematics: each construct of the grammar by hand, in Unicode and in LaTeX."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from asrppl.source import Source
from asrppl.syntax import ast, parse_file
from asrppl.syntax.mathematics import latex_mathematics, unicode_mathematics
from asrppl.words import BUILTINS
from tests.syntax.trees import Trees

# Three lines each: the language, Unicode, LaTeX; each one looked at.
SAMPLES = [
    tuple(sample.strip().splitlines())
    for sample in Path(__file__).with_name("mathematics.txt").read_text(encoding="utf-8").split("\n\n")
]


def formula(text: str) -> ast.Expr:
    # The parentheses stand for none in the tree; no rule begins with a sign.
    parsed = parse_file(Source("rules.asr", f"rule r: ({text})" if text.startswith("-") else f"rule r: {text}"))
    assert parsed.diagnostics == (), parsed.diagnostics[0].message
    (rule,) = parsed.file.statements
    assert isinstance(rule, ast.Rule)
    return rule.formula


@pytest.mark.parametrize(("text", "unicode", "latex"), SAMPLES)
def test_each_construct(text: str, unicode: str, latex: str) -> None:
    assert unicode_mathematics(formula(text)) == unicode
    assert latex_mathematics(formula(text)) == latex


def nodes(tree: object) -> Iterator[ast.Node]:
    if isinstance(tree, ast.Node):
        yield tree
        for part in ast.parts(tree):
            yield from nodes(part)
    elif isinstance(tree, tuple):
        for part in tree:
            yield from nodes(part)


def test_the_samples_have_every_kind_of_node() -> None:
    found = {type(node) for text, _, _ in SAMPLES for node in nodes(formula(text))}
    assert found >= {*get_args(ast.Expr), ast.Argument, ast.Binder}


@pytest.mark.parametrize("depth", [2, 5])
def test_every_tree_has_its_mathematics_with_brackets_that_match(depth: int) -> None:
    trees = Trees(depth)
    for _ in range(60):
        for statement in trees.file(depth).statements:
            if isinstance(statement, ast.Rule):
                unicode, latex = unicode_mathematics(statement.formula), latex_mathematics(statement.formula)
                assert all(unicode.count(left) == unicode.count(right) for left, right in ("()", "[]", "{}", "⌊⌋"))
                assert latex.count("{") == latex.count("}")
                assert latex.count(r"\left") == latex.count(r"\right")
                assert latex.isascii()


def test_chains_may_be_long() -> None:
    assert unicode_mathematics(formula(" and ".join(["b"] * 2_000))) == " ∧ ".join(["b"] * 2_000)
    assert unicode_mathematics(formula(" - ".join(["b"] * 2_000))) == " − ".join(["b"] * 2_000)


@pytest.mark.parametrize("name", sorted(BUILTINS - {"E", "P", "aggregate"}))
def test_every_builtin_has_a_name_in_latex(name: str) -> None:
    call = formula(f"{name}(a, b)")
    assert latex_mathematics(call).startswith("\\") or name == "q"
