"""What each code means, with an example that brings it out and its mend: `explanations.md`, as data."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from asrppl.codes import CODES

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of an example: rules ("asr"), a program ("python"), or what asrppl says ("text")."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code means.

    Args:
        code: of the finding.
        text: a paragraph or two.
        blocks: a bad example, what asrppl says of it, and the mended example; none for what only a program that
            uses asrppl's insides can meet.
    """

    code: str
    text: str
    blocks: tuple[Block, ...]

    def plain(self) -> str:
        """Return it as a terminal shows it."""
        known = CODES[self.code]
        parts = [f"{known.severity.value} {self.code}: {known.title}", self.text]
        for label, block in zip(("For example:", "asrppl says:", "Mended:"), self.blocks, strict=False):
            indented = "\n".join(f"    {line}".rstrip() for line in block.text.rstrip("\n").split("\n"))
            parts.append(f"{label}\n\n{indented}")
        return "\n\n".join(parts)


def page() -> str:
    """Return all explanations as Markdown."""
    return (files("asrppl") / "explanations.md").read_text(encoding="utf-8")


@cache
def explanations() -> dict[str, Explanation]:
    """Return all explanations by code."""
    found: dict[str, Explanation] = {}
    for section in re.split(r"^(?=## ASR)", page(), flags=re.MULTILINE)[1:]:
        head, _, body = section.partition("\n")
        text = body.partition("```")[0].strip()
        blocks = tuple(Block(language, content) for language, content in _BLOCK.findall(body))
        code = head.removeprefix("## ").partition(":")[0]
        found[code] = Explanation(code, text, blocks)
    return found
