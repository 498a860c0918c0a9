"""The page of public names: the table that GitHub shows, and below it each name's docstring, by mkdocstrings."""

import re
from types import FunctionType

import asrppl

_NAME = re.compile(r"^\| `([A-Za-z_.]+)`", re.MULTILINE)


def _home(name: str) -> str:
    """Return where a name is looked up: `asrppl.infer.regularize` is a module, and the function of that name in it."""
    found = getattr(asrppl, name) if name in asrppl.__all__ else None
    return f"{found.__module__}.{name}" if isinstance(found, FunctionType) else f"asrppl.{name}"


def with_docstrings(text: str) -> str:
    """Return the page with a directive for each name of its table, and links from the table to them."""
    names = [name for name in _NAME.findall(text) if name != "__version__"]
    members: dict[str, list[str]] = {}
    for name in names:
        owner, _, member = name.rpartition(".")
        if owner in members:
            members[owner].append(member)
        else:
            members[name] = []
    table = _NAME.sub(lambda match: f"| [`{match[1]}`](#{_home(match[1])})" if match[1] in names else match[0], text)
    parts = [table.rstrip(), "", "## What each says of itself", ""]
    for name, its in members.items():
        parts += [f"::: {_home(name)}", "    options:", f"      members: [{', '.join(its)}]", ""]
    return "\n".join(parts)
