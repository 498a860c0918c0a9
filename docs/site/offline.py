"""Whether pages ask anything of another host: what they load by themselves, as links that a reader follows may."""

import re
from html.parser import HTMLParser
from pathlib import Path

_LOADED = {"src", "srcset", "poster", "data", "action", "background"}
_RELATIONS = {"canonical", "next", "prev", "author", "license"}  # of <link>: said, not loaded
_FOREIGN = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_STYLE = re.compile(r"url\(\s*[\"']?([^)\"']+)|@import\s+[\"']([^\"']+)")


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self._style = tag == "style"
        self.found += [value for name, value in said.items() if name in _LOADED]
        if tag == "link" and not set(said.get("rel", "").split()) & _RELATIONS:
            self.found.append(said.get("href", ""))
        self.found += _of_style(said.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self._style:
            self.found += _of_style(data)


def _of_style(text: str) -> list[str]:
    return [first or second for first, second in _STYLE.findall(text)]


def foreign(folder: Path) -> list[str]:
    """Return what the pages and styles below ``folder`` would load from another host, each with its file.

    Scripts decide for themselves: `python -m docs.site.browser` watches them.
    """
    found: list[str] = []
    for file in sorted(folder.rglob("*")):
        if file.suffix == ".html":
            parser = _Loads()
            parser.feed(file.read_text(encoding="utf-8"))
            loaded = parser.found
        elif file.suffix == ".css":
            loaded = _of_style(file.read_text(encoding="utf-8"))
        else:
            continue
        found += [f"{file.relative_to(folder)}: {address}" for address in loaded if _FOREIGN.match(address)]
    return found
