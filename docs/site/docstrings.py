"""For mkdocstrings: examples that docstrings set off by `::` are shown as sessions, in colour."""

import re
import textwrap
from typing import Any

from griffe import Docstring, Extension, Object

from docs.site.links import in_prose

_BLOCK = re.compile(r"^( *)(.*)::\n\n((?:\1 {4}.*\n|\n)*\1 {4}.*(?:\n|$))", re.MULTILINE)
_BARE = re.compile(r"^>>> .*\n(?:(?! *$).+\n?)*", re.MULTILINE)


def fenced(text: str) -> str:
    """Return a docstring with its sessions in fences.

    >>> print(fenced("Say it::\\n\\n    >>> 1 + 1\\n    2\\n"))
    Say it:
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    <BLANKLINE>
    """

    def block(match: re.Match[str]) -> str:
        inner = textwrap.dedent(match[3]).strip("\n")
        fence = _fence(inner, match[1]) if inner.startswith(">>> ") else match[3]
        return f"{match[1]}{match[2]}:\n\n{fence}"

    def bare(match: re.Match[str]) -> str:
        return _fence(match[0].rstrip("\n"), "")

    return in_prose(_BLOCK.sub(block, text), lambda prose: _BARE.sub(bare, prose))


def _fence(inner: str, indent: str) -> str:
    return textwrap.indent(f"```pycon\n{inner}\n```\n", indent, lambda line: bool(line.strip()))


class Sessions(Extension):
    """Changes docstrings as they are read."""

    def on_instance(self, *, obj: Object, **kwargs: Any) -> None:
        """Fence the sessions of what has a docstring."""
        if isinstance(obj.docstring, Docstring):
            obj.docstring.value = fenced(obj.docstring.value + "\n").rstrip("\n")
