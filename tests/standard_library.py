"""The page of the standard library, made of its files:

python -m tests.standard_library
"""

import re
import textwrap
from pathlib import Path

from asrppl.cli.explained import Explanation, Style
from asrppl.source import Source
from asrppl.syntax import ast, parse_file
from tests.conformance import findings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "standard-library.md"
INTRODUCTION = """\
# The standard library

What every rule file may use without an import: terms and predicates of boxes. Below is the text of each, and what a
predicate costs where it does not hold. A file that defines one of these names itself has its own.

This page is made of `asrppl/stdlib` by `python -m tests.standard_library`, and not edited.
"""
WIDTH = 120
HEADING = re.compile(r"^# ---- (.+)$", re.MULTILINE)


def page() -> str:
    """Return the page, of what is in the library."""
    files = sorted((ROOT / "asrppl" / "stdlib").glob("*.asr"))
    return "\n".join([INTRODUCTION, *(_of_file(file.read_text(encoding="utf-8")) for file in files)])


def _of_file(text: str) -> str:
    about, *rest = HEADING.split(text)
    parts = [about.replace("#", "").strip() + "\n"]
    for title, section in zip(rest[::2], rest[1::2], strict=True):
        parts.append(f"## {title.capitalize()}\n")
        parts += [_of_block(block) for block in section.strip().split("\n\n")]
    return "\n".join(parts)


def _of_block(block: str) -> str:
    """Return a comment, and the definitions below it."""
    lines = block.splitlines()
    words = [line.removeprefix("# ") for line in lines if line.startswith("#")]
    text = "\n".join(line for line in lines if not line.startswith("#"))
    defined = [statement for statement in _statements(text) if isinstance(statement, ast.Def)]
    costs = [line for call in map(_call, defined) if (cost := _cost(call)) for line in _cost_lines(call, cost)]
    names = ", ".join(f"`{_call(one)}`" for one in defined)
    said = f"**{names}**" + (f": {' '.join(words)}" if words else "")
    return "\n".join([*textwrap.wrap(said, WIDTH), "", "```text", text, *([""] if costs else []), *costs, "```", ""])


def _statements(text: str) -> tuple[ast.Statement, ...]:
    return parse_file(Source("stdlib", text)).file.statements


def _call(one: ast.Def) -> str:
    return f"{one.name.text}({', '.join(parameter.name.text for parameter in one.parameters)})"


def _cost(call: str) -> str:
    """Return what a predicate costs, written out; nothing of a term."""
    found, checked = findings(Source("stdlib", call), {})
    if found:
        return ""
    explained = Explanation(checked, Style(expand=True)).rule(checked.rules[0])
    _, _, after = "\n".join(explained).partition("costs    ")
    return re.sub(r"\s+", " ", after.partition("\n    reads")[0])


def _cost_lines(call: str, cost: str) -> list[str]:
    return textwrap.wrap(f"{call}  costs  {cost}", WIDTH, subsequent_indent="    ")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
