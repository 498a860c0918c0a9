"""Text → tree: tables, spans, statements and lines."""

import random
import re
from pathlib import Path

import pytest

from asrppl.source import Source
from asrppl.syntax import ast, parse_file
from asrppl.syntax.ast import (
    Binary,
    Binder,
    Call,
    Chain,
    Count,
    Index,
    Logic,
    Name,
    Negate,
    Number,
    Quantified,
    Reduced,
)
from tests.syntax.trees import NOWHERE

W = NOWHERE


def name(text: str) -> Name:
    return Name(W, text)


def number(value: float) -> Number:
    return Number(W, value)


def statements(text: str) -> tuple[ast.Statement, ...]:
    parsed = parse_file(Source("rules.asr", text))
    assert [diagnostic.message for diagnostic in parsed.diagnostics] == []
    return parsed.file.statements


def formula(text: str) -> ast.Expr:
    (rule,) = statements(text)
    assert isinstance(rule, ast.Rule)
    return rule.formula


def less(left: ast.Expr, right: ast.Expr) -> Chain:
    return Chain(W, (left, right), ("<=",))


def over(*names: str, distinct: bool = False, domain: ast.Expr | None = None, where: ast.Expr | None = None) -> Binder:
    return Binder(W, tuple(map(name, names)), distinct, domain, where)


A, B, C = name("a"), name("b"), name("c")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a + b * c", Binary(W, "+", A, Binary(W, "*", B, C))),
        ("a - b - c", Binary(W, "-", Binary(W, "-", A, B), C)),
        ("a ^ b ^ c", Binary(W, "^", A, Binary(W, "^", B, C))),
        ("(-a ^ 2)", Negate(W, Binary(W, "^", A, number(2)))),
        ("a <= b <= c", Chain(W, (A, B, C), ("<=", "<="))),
        ("a > b == c", Chain(W, (A, B, C), (">", "=="))),
        ("a or b and c", Logic(W, "or", A, Logic(W, "and", B, C))),
        ("a implies b implies c", Logic(W, "implies", A, Logic(W, "implies", B, C))),
        ("a and b iff c", Logic(W, "iff", Logic(W, "and", A, B), C)),
        ("not a <= b", ast.Not(W, less(A, B))),
        ("a in {1, 3}", ast.Member(W, A, ast.SetLiteral(W, (number(1), number(3))), False)),
        ("a not in 0..b", ast.Member(W, A, ast.Range(W, number(0), B), True)),
        ("a in [0, 0.5]", ast.Member(W, A, ast.Interval(W, number(0), number(0.5)), False)),
        ("forall i: a and b", Quantified(W, "forall", over("i"), Logic(W, "and", A, B))),
        ("exists i != j: a", Quantified(W, "exists", over("i", "j", distinct=True), A)),
        (
            "forall i, j in 0..2 where b: a",
            Quantified(W, "forall", over("i", "j", domain=ast.Range(W, number(0), number(2)), where=B), A),
        ),
        ("sum i: a == 1", Chain(W, (Reduced(W, "sum", over("i"), A), number(1)), ("==",))),
        ("sum i: a + b", Reduced(W, "sum", over("i"), Binary(W, "+", A, B))),
        ("max(a, b)", Call(W, name("max"), (ast.Argument(W, None, A), ast.Argument(W, None, B)))),
        ("f(x: a)", Call(W, name("f"), (ast.Argument(W, name("x"), A),))),
        ("f()", Call(W, name("f"), ())),
        ("kl(a || b)", ast.Divergence(W, name("kl"), A, B)),
        ("aggregate(a where b)", ast.Restricted(W, name("aggregate"), A, B)),
        ("E[a + b]", Index(W, name("E"), (Binary(W, "+", A, B),))),
        ("P[a <= b]", Index(W, name("P"), (less(A, B),))),
        ("a[b, c].x", ast.Field(W, Index(W, A, (B, C)), name("x"))),
        ("if a then b else c", ast.Conditional(W, A, B, C)),
        ("true", ast.Truth(W, True)),
        ("count i: a >= 2", Chain(W, (Count(W, over("i"), A), number(2)), (">=",))),
        # Parentheses around a count say how far it reaches, however much else the formula holds.
        ("(count t: a != b) <= 3", less(Count(W, over("t"), Chain(W, (A, B), ("!=",))), number(3))),
        ("1e-3", number(0.001)),
        # Words of the language's other places are names where they can be nothing else.
        ("weight + rule <= mean", less(Binary(W, "+", name("weight"), name("rule")), name("mean"))),
    ],
)
def test_formulas(text: str, tree: ast.Expr) -> None:
    assert formula(text) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('import "mine.asr"', ast.Import(W, "mine.asr", False)),
        ("import mine", ast.Import(W, "mine", True)),
        ("param S = 50", ast.Param(W, name("S"), number(50))),
        ("site z[i]: (x, y)", ast.Site(W, name("z"), (name("i"),), None, (name("x"), name("y")))),
        ('site z[i] = "z_{i}"', ast.Site(W, name("z"), (name("i"),), "z_{i}", None)),
        ("site z", ast.Site(W, name("z"), (), None, None)),
        ("let d[i, j] = a", ast.Let(W, name("d"), (name("i"), name("j")), A)),
        ("let d = a", ast.Let(W, name("d"), (), A)),
        ("def f() = a", ast.Def(W, name("f"), (), A)),
        (
            "def f(a: box, b) = a",
            ast.Def(W, name("f"), (ast.Parameter(W, A, name("box")), ast.Parameter(W, B, None)), A),
        ),
        ("rule r: a", ast.Rule(W, name("r"), (), A)),
        ("rule weight weight 10: a", ast.Rule(W, name("weight"), (ast.Weight(W, number(10)),), A)),
        (
            "rule r weight 0 -> b over 9 steps smooth 8: a",
            ast.Rule(W, name("r"), (ast.Weight(W, number(0), B, number(9)), ast.Smooth(W, number(8))), A),
        ),
        (
            "rule r weight 0 -> b over 3..9 steps: a",
            ast.Rule(W, name("r"), (ast.Weight(W, number(0), B, number(9), number(3)),), A),
        ),
        (
            "rule r hard margin -1: a",
            ast.Rule(W, name("r"), (ast.Hard(W, None), ast.Margin(W, Negate(W, number(1)))), A),
        ),
        ("rule r hard within b: a", ast.Rule(W, name("r"), (ast.Hard(W, B),), A)),
    ],
)
def test_statements(text: str, tree: ast.Statement) -> None:
    assert statements(text) == (tree,)


def test_numbers_without_a_point_are_integers() -> None:
    assert [
        type(node.value) for node in (formula("3"), formula("3.0"), formula("3e0")) if isinstance(node, Number)
    ] == [
        int,
        float,
        float,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a <=\n  b",
        "a <= max(\nb,\nc)\n",
        "a <= # why\n\n# more\n\tb # because",
        "\ufeffa <= b\r\n",
        "a <=\r\n  b\r\n",
        "   a <= b",
    ],
)
def test_one_statement_over_several_lines(text: str) -> None:
    assert len(statements(text)) == 1


def test_a_statement_word_before_a_name_starts_a_statement_on_any_line() -> None:
    assert len(statements("let a = 1\n  let b = 2\n\trule c: a <= b")) == 3


def test_a_statement_word_before_no_name_goes_on() -> None:
    assert len(statements("a <=\n  site + rule[1]\n  - let")) == 1


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "\ufeff", " \t\r\n"])
def test_files_without_statements_are_fine(text: str) -> None:
    assert statements(text) == ()


def test_lines_end_at_line_feeds_only() -> None:
    (rule,) = statements("# form\x0cfeed and\u2028separator stay in the comment\na <= b")
    assert rule.span.text == "a <= b"


def test_spans_cover_what_was_written() -> None:
    source = "# first\nrule r weight 2: # why\n  forall i: (a + b[i]) * 2 <= f(c)\n"
    (rule,) = statements(source)
    assert isinstance(rule, ast.Rule)
    assert isinstance(rule.formula, Quantified)
    chain = rule.formula.body
    assert isinstance(chain, Chain)
    product = chain.operands[0]
    assert isinstance(product, Binary)
    assert rule.span.text == source[8:].rstrip()
    assert [node.span.text for node in (rule.options[0], product.left, product, chain)] == [
        "weight 2",
        "(a + b[i])",
        "(a + b[i]) * 2",
        "(a + b[i]) * 2 <= f(c)",
    ]


def test_the_examples_parse() -> None:
    folder = Path(__file__).parents[2] / "examples" / "air" / "asrppl_air" / "rule_files"
    for path in folder.glob("*.asr"):
        assert statements(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", (Path(__file__).parent / "examples.txt").read_text(encoding="utf-8").split("\n---\n"))
def test_first_hour_examples_parse(text: str) -> None:
    assert len(statements(text)) == len(re.findall(r"^(?!#)\S", text, re.MULTILINE))


WORDS = [
    "forall",
    "exists",
    "in",
    "where",
    "and",
    "or",
    "not",
    "implies",
    "iff",
    "if",
    "then",
    "else",
    "true",
    "false",
    "weight",
    "over",
    "steps",
    "hard",
    "within",
    "smooth",
    "margin",
    "import",
    "param",
    "site",
    "let",
    "def",
    "rule",
    "sum",
    "mean",
    "max",
    "min",
    "count",
    "a",
    "b",
    "i",
    "j",
    "0",
    "1",
    "2.5",
    "1e-3",
    ".5",
    "1.",
    "10x",
    '"t"',
    "<=",
    "<",
    ">=",
    ">",
    "==",
    "!=",
    "=",
    "+",
    "-",
    "*",
    "/",
    "^",
    "->",
    "..",
    ".",
    "||",
    "|",
    "&",
    "!",
    ":",
    ",",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "#",
    ";",
    "'",
    "?",
    "@",
    "$",
    "\\",
    "%",
    "~",
    "\n",
    "\n",
    "\n\t",
    "\r\n",
    "≤",
    "\x00",
    "\ufeff",
]


@pytest.mark.parametrize("seed", range(8))
def test_random_words_never_crash_the_parser(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(400):
        words = draw.choices(WORDS, k=draw.randint(1, 14))
        text = "".join(word + draw.choice(["", " ", " "]) for word in words)
        parsed = parse_file(Source("random", text))
        for diagnostic in parsed.diagnostics:
            assert diagnostic.span is not None
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)


@pytest.mark.parametrize("seed", range(4))
def test_a_broken_rule_is_either_read_or_reported(seed: int) -> None:
    draw = random.Random(seed)
    good = (
        "rule r weight 0 -> 2 over 9 steps: forall i != j in 0..3 where a[i] < 2:"
        " (sum k: b[k]) in {1, 3} implies f(x: i) <= [1]"
    )
    for _ in range(300):
        at = draw.randrange(len(good))
        text = good[:at] + draw.choice(["", " ", draw.choice(WORDS)]) + good[at + draw.randint(0, 3) :]
        parsed = parse_file(Source("random", text))
        assert parsed.file.statements or parsed.diagnostics
