"""Lines as they are typed or piped: which belong together, and which want another."""

import re
from collections.abc import Iterable, Iterator

from asrppl.cli.repl.laws import TILDE
from asrppl.cli.repl.places import INPUT
from asrppl.literals import ASSIGNMENT
from asrppl.source import Source
from asrppl.syntax import parse_file
from asrppl.syntax.lines import depth_of, starts_statement

_COMMENT = re.compile(r"#.*")


def logical_lines(lines: Iterable[str]) -> Iterator[str]:
    """Join lines as a rule file does: inside an open bracket, and where the next one starts with white space.

    What ends where a formula belongs goes on with the next line however that starts, as it does at the prompt; an empty
    line ends it.
    """
    held = ""
    for line in lines:
        inside = depth_of(held) > 0
        goes_on = held and (inside or line[:1] in ("", " ", "\t") or line.startswith("#"))
        if goes_on and not _always_starts(line):
            held += f"\n{line}"
        elif held and not held.endswith("\n") and not _always_starts(line) and wants_more(held):
            held += f"\n  {line}"
        else:
            yield held
            held = line
    yield held


def _always_starts(line: str) -> bool:
    """Whether a line starts something new even inside a bracket, so that one unclosed bracket spoils one line."""
    return line.startswith((":", "?")) or is_value(line) or starts_statement(f" {line}")


def is_value(text: str) -> bool:
    """Whether a text gives a name a value or a law."""
    return bool(ASSIGNMENT.match(text) or TILDE.match(text))


def wants_more(text: str) -> bool:
    """Whether a text is only the beginning of something: a bracket is open, or it ends where a formula belongs."""
    if not text.strip() or text.lstrip().startswith((":", "?", "#")):
        return False
    if depth_of(text) > 0:
        return True
    if is_value(text):
        return text.rstrip().endswith(("=", "~"))
    for found in parse_file(Source(INPUT, text)).diagnostics:
        # Its message comes where the parser has stopped for lack of more.
        if found.code in ("ASR018", "ASR007") and found.span is not None:
            return not _COMMENT.sub("", text[found.span.start :]).strip()
    return False
