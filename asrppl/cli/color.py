"""Colour of findings, on terminals that have it."""

import argparse
import os
import sys
from typing import Literal, TextIO, cast

from asrppl.codes import Severity
from asrppl.commands import printable
from asrppl.diagnostics import Diagnostic, parts

When = Literal["auto", "always", "never"]

_RED, _YELLOW, _CYAN, _BOLD = "31", "33", "36", "1"


def add_color(parser: argparse.ArgumentParser) -> None:
    """Add `--color`."""
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="of findings; auto: on a terminal, unless NO_COLOR is set (default: auto)",
    )


def color_of(arguments: argparse.Namespace) -> When:
    """Return what `--color` was given."""
    return cast(When, arguments.color)


def colored(when: When, stream: TextIO) -> bool:
    """Whether findings are coloured on a stream (https://no-color.org: any text in NO_COLOR is a no)."""
    if when != "auto":
        return when == "always"
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def show(diagnostic: Diagnostic, when: When = "auto", stream: TextIO | None = None) -> str:
    """Return a finding as the stream (standard output) shows it, free of control characters other than colours."""
    if not colored(when, sys.stdout if stream is None else stream):
        return "".join(printable(text) for _, text in parts(diagnostic))
    bad = _RED if diagnostic.severity is Severity.ERROR else _YELLOW
    styles = {"severity": bad, "code": _BOLD, "carets": bad, "help": _CYAN}
    pieces = ((styles.get(part), printable(text)) for part, text in parts(diagnostic))
    return "".join(text if style is None else f"\x1b[{style}m{text}\x1b[0m" for style, text in pieces)
