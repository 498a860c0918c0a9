"""Another name for what files name, wherever they do; refused where some name would come to mean another thing."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from asrppl.assist.analysis import Analysis
from asrppl.assist.symbols import Occurrence, Symbol
from asrppl.codes import Severity
from asrppl.diagnostics import Diagnostic
from asrppl.source import Span
from asrppl.syntax import ast
from asrppl.words import KEYWORDS

Analyses = Mapping[str, Analysis]
"""Files by the names that messages give them."""


class RenameError(Exception):
    """Why something cannot be called otherwise, in words."""


def renamable(analysis: Analysis, offset: int) -> Occurrence:
    """Return the name at ``offset`` that can be another.

    Raises:
        RenameError: there is none, or it is not the rules' own.
    """
    found = analysis.at(offset)
    if found is None:
        raise RenameError("there is no name here")
    symbol = found.symbol
    if symbol.kind in ("builtin", "type"):
        raise RenameError(f"`{symbol.name}` is a word of the language")
    if symbol.kind == "library":
        raise RenameError(f"`{symbol.name}` is in the standard library")
    if symbol.kind == "file" or (symbol.kind == "field" and symbol.home is None):
        raise RenameError(f"`{symbol.name}` is not named by the rules")
    site = analysis.checked.sites.get(symbol.name)
    if symbol.kind == "guide" and (site is None or site.pattern is None):
        mend = f'`site {_indexed("NAME", site)} = "{symbol.name}"` gives it another one here'
        raise RenameError(f"`{symbol.name}` is what the guide, or Python, calls it: {mend}")
    return found


def _indexed(name: str, site: ast.Site | None) -> str:
    indices = () if site is None else site.indices
    return f"{name}[{', '.join(index.text for index in indices)}]" if indices else name


def rename(
    analyses: Analyses, symbol: Symbol, name: str, again: Callable[[Mapping[str, str]], Analyses]
) -> dict[str, list[Span]]:
    """Return the places to write the new name at, by file.

    Args:
        analyses: the files that may name it: its own, and those that import it.
        symbol: what is to be called otherwise.
        name: what it is to be called.
        again: analyses the same files, with these texts in place of theirs.

    Raises:
        RenameError: the name is none, or some name would mean another thing than before.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise RenameError(f"`{name}` is no name: names are made of letters, digits and `_`")
    if name in KEYWORDS:
        raise RenameError(f"`{name}` is a word of the language")
    places = {file: [each.span for each in found.uses(symbol)] for file, found in analyses.items()}
    places = {file: spans for file, spans in places.items() if spans}
    for file in places:
        if not analyses[file].whole:
            raise RenameError(f"{file} has errors of syntax, and what cannot be read may name it, too")
    after = again({file: _written(analyses[file].source.text, spans, name) for file, spans in places.items()})
    _verify(analyses, after, name)
    return places


def _written(text: str, spans: Sequence[Span], name: str) -> str:
    for span in sorted(spans, key=lambda span: span.start, reverse=True):
        text = text[: span.start] + name + text[span.end :]
    return text


def _verify(before: Analyses, after: Analyses, name: str) -> None:
    """Raise where names that meant one thing come to mean two, or two one: the new name is taken, or hides another."""
    forth, back = dict[object, object](), dict[object, object]()
    for file, analysis in before.items():
        if new := _new_error(analysis.diagnostics, after[file].diagnostics):
            raise RenameError(f"with the name `{name}` there would be an error: {new.message}")
        if len(analysis.occurrences) != len(after[file].occurrences):
            raise RenameError(f"with the name `{name}` {file} would be read in another way")
        for old, found in zip(analysis.occurrences, after[file].occurrences, strict=True):
            was, now = _identity(old.symbol), _identity(found.symbol)
            same = old.symbol.kind == found.symbol.kind and forth.setdefault(was, now) == now
            if not same or back.setdefault(now, was) != was:
                line, _ = old.span.source.position(old.span.start)
                raise RenameError(
                    f"`{name}` stands for something else already: `{old.symbol.name}` in line {line} of {file} "
                    "would come to mean another thing"
                )


def _identity(symbol: Symbol) -> object:
    home = symbol.home
    return symbol.kind, symbol.name, None if home is None else (home.source.name, home.start)


def _new_error(before: Iterable[Diagnostic], after: Iterable[Diagnostic]) -> Diagnostic | None:
    """Return an error that was not there: of errors with one code there are more than before."""
    known = Counter(found.code for found in before)
    for found in after:
        known[found.code] -= 1
        if known[found.code] < 0 and found.severity is Severity.ERROR:
            return found
    return None
