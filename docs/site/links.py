"""Links of pages that read on GitHub, made links of the site.

What the site has is linked there, pictures are brought along, and all else in the repository is linked where it is
hosted. Codes of findings in prose become links to their pages.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from posixpath import dirname, normpath, relpath

HOSTED = "https://github.com/asrppl/asrppl"
FILES, FOLDERS = f"{HOSTED}/blob/main/", f"{HOSTED}/tree/main/"
RAW = "https://raw.githubusercontent.com/asrppl/asrppl/main/"
PICTURES = (".png", ".svg", ".gif")
CODE_PAGES = "diagnostics"

_FENCE = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
# Where a code may not become a link: in code, in a link, in a heading.
_CODE = re.compile(r"(`[^`]*`|\[[^]]*\]\([^)]*\)|^#.*$|^ {4}.*$)|\b(ASR\d{3})\b", re.MULTILINE)


class Links:
    """How links of one page after another are put.

    Args:
        root: of the repository.
        targets: the staged files of pages, by their files in the repository.
        codes: those that have a page.
    """

    def __init__(self, root: Path, targets: Mapping[str, str], codes: frozenset[str]) -> None:
        self.root = root
        self.targets = targets
        self.codes = codes
        self.pictures: dict[str, str] = {}  # by file in the repository: where they are staged

    def put(self, text: str, source: str, target: str) -> str:
        """Return a page's text with its links put.

        Raises:
            ValueError: a link leads nowhere.
        """

        def link(match: re.Match[str]) -> str:
            return f"]({self._put(match[1], source, target)})"

        return self.named(in_prose(text, lambda prose: _LINK.sub(link, prose)), target)

    def named(self, text: str, target: str) -> str:
        """Return a page's text with the codes in its prose as links."""

        def code(match: re.Match[str]) -> str:
            if match[1] is not None or match[2] not in self.codes or target.endswith(f"{match[2]}.md"):
                return match[0]
            return f"[{match[2]}]({_between(target, f'{CODE_PAGES}/{match[2]}.md')})"

        return in_prose(text, lambda prose: _CODE.sub(code, prose))

    def _put(self, link: str, source: str, target: str) -> str:
        wanted, mark, anchor = link.partition("#")
        for hosted in (FILES, RAW, FOLDERS):
            if wanted.startswith(hosted):
                path = wanted.removeprefix(hosted)
                break
        else:
            if re.match(r"[a-z]+:", link) or not wanted:
                return link
            path = normpath(f"{dirname(source)}/{wanted}".lstrip("/"))
        path = path.rstrip("/")
        if not (self.root / path).exists():
            raise ValueError(f"{source}: the link to {link} leads nowhere")
        if path in self.targets:
            return _between(target, self.targets[path]) + mark + anchor
        if path.endswith(PICTURES):
            self.pictures[path] = f"pictures/{path}"
            return _between(target, self.pictures[path])
        return (FOLDERS if (self.root / path).is_dir() else FILES) + path + mark + anchor


def in_prose(text: str, change: Callable[[str], str]) -> str:
    """Return a page's text with what stands outside of its fenced blocks changed."""
    parts = _FENCE.split(text)
    return "".join(part if index % 2 else change(part) for index, part in enumerate(parts))


def _between(here: str, there: str) -> str:
    return relpath(there, dirname(here) or ".")
