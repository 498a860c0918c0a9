"""The editor's grammar knows the words that the language has."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from asrppl.cli.main import build_parser
from asrppl.words import BUILTINS, KEYWORDS

FOLDER = Path(__file__).parents[2] / "grammar" / "vscode"
PROJECT = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
GRAMMAR = json.loads((FOLDER / "syntaxes" / "asr.tmLanguage.json").read_text(encoding="utf-8"))


def patterns(node: object) -> Iterator[tuple[str, "re.Pattern[str]"]]:
    if isinstance(node, dict):
        for key in ("match", "begin", "end"):
            if key in node:
                yield node.get("name", ""), re.compile(node[key])
        for part in node.values():
            yield from patterns(part)
    elif isinstance(node, list):
        for part in node:
            yield from patterns(part)


def scopes(text: str) -> set[str]:
    return {name for name, pattern in patterns(GRAMMAR) if name and pattern.match(text)}


def test_the_files_name_each_other() -> None:
    package = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    (grammar,) = package["contributes"]["grammars"]
    (language,) = package["contributes"]["languages"]
    assert (FOLDER / grammar["path"]).is_file()
    assert (FOLDER / language["configuration"]).is_file()
    assert grammar["scopeName"] == GRAMMAR["scopeName"]


@pytest.mark.parametrize("word", KEYWORDS)
def test_reserved_words_are_marked(word: str) -> None:
    assert any(scope.startswith(("keyword", "constant.language")) for scope in scopes(word))
    assert not any(scope.startswith(("keyword", "constant")) for scope in scopes(f"{word}_x"))


@pytest.mark.parametrize("name", sorted(set(BUILTINS) - {"E", "P", "sum", "count"}))
def test_built_in_functions_are_marked(name: str) -> None:
    assert "support.function.asr" in scopes(f"{name}(x)")


def test_reductions_are_words_only_before_an_index() -> None:
    assert "keyword.control.quantifier.asr" in scopes("max i: x[i]")
    assert "keyword.control.quantifier.asr" not in scopes("max(a, b)")
    assert "keyword.control.quantifier.asr" not in scopes("mean in {1}")


@pytest.mark.parametrize(
    ("line", "indents"),
    [
        ("forall i != j:", True),
        ("rule r weight 3:  # why", True),
        ("def near(a, b) =", True),
        ("    x <= 3 and", True),
        ("let a = b +", True),
        ("param S = 50", False),
        ("rule r: x <= 3", False),
        ("# a note:", False),
        ("x <= 3  # a note:", False),
        ("rule r: landlord", False),
    ],
)
def test_enter_indents_what_goes_on(line: str, indents: bool) -> None:
    rules = json.loads((FOLDER / "language-configuration.json").read_text(encoding="utf-8"))["onEnterRules"]
    assert any(re.search(rule["beforeText"], line) for rule in rules) == indents


def test_the_client_starts_the_server_that_there_is() -> None:
    package = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    _, *words = package["contributes"]["configuration"]["properties"]["asrppl.command"]["default"]
    assert build_parser(words[0]).parse_args(words).run
    assert (FOLDER / package["main"]).is_file()
    assert package["version"] == PROJECT["version"]
