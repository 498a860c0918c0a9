"""What the pages say is so: codes, rules and programs in them."""

import re
from pathlib import Path

import pytest

import asrppl
from asrppl.infer import RegularizedELBO

ROOT = Path(__file__).resolve().parents[1]


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page that are in a language (``""``: in none)."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


@pytest.mark.parametrize("page", ["README.md", "docs/language.md"])
def test_rule_files_in_the_pages_check_without_a_word(page: str) -> None:
    found = [block for block in blocks(page, "") if re.search(r"^(rule|forall|param)\b", block, re.MULTILINE)]
    assert found
    for block in found:
        assert asrppl.parse(block).diagnostics == ()


def test_the_python_of_the_readme_runs_and_its_rule_comes_to_hold(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("README.md", "python")
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)
    elbo = names["elbo"]
    assert isinstance(elbo, RegularizedELBO)
    assert float(elbo.report.violations["ordered"]) < 0.05
    assert "ordered" in capsys.readouterr().out
