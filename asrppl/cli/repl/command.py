"""`asrppl repl`: give names values, type rules, and see which hold and which indices break them."""

import argparse
import contextlib
import io
import re
import sys
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from asrppl.cli.output import counted, print_diagnostics
from asrppl.cli.repl.literals import ASSIGNMENT, LiteralError, parse_value, show_value
from asrppl.cli.report import read_source
from asrppl.commands import Commands, printable
from asrppl.core.labels import indexed, type_of
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.files import unreadable
from asrppl.folders import cache_folder
from asrppl.syntax.lines import depth_of, starts_statement
from asrppl.words import STATEMENTS

_DESCRIPTION = """\
Try rules on values. Give names values, type rules and terms:

  > box = [[10, 10, 8], [14, 12, 8]]
  > forall i != j: nonoverlap(box[i], box[j])
  does not hold: violation 8
    i=0, j=1: 4
    i=1, j=0: 4
  > box[0].x + 2
  12

A box is a row of 4 numbers (x, y, w, h: centre and sides) or 3 (x, y, size). For `q(n)`, give n the list of its
probabilities. Statements of the language (param, let, def, site, rule, import) are added to the session. Further,
leading axes of a value are a batch.
"""
_EPILOG = """\
Works with piped input too: no prompts, every line is tried, and the status is 1 if one was in error (a rule that does
not hold is no error).

examples:
  asrppl repl
  asrppl repl overlap.asr
  printf 'n = 2\\nn in {1, 3}\\n' | asrppl repl
"""
def add_parser(subparsers: Commands) -> None:
    """Register `asrppl repl`."""
    parser = subparsers.add_parser(
        "repl",
        help="try rules on values, line by line",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="a rule file to begin with")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    repl = Repl(Session(Path.cwd()))
    if arguments.file is not None and not repl.run(f":load {arguments.file}"):
        return 1
    if sys.stdin.isatty():
        return _interact(repl)
    stream: TextIO = sys.stdin
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # bytes that are no text spoil their line, not the session
    failed = 0
    for text in logical_lines(line.rstrip("\r\n") for line in stream):
        failed += not repl.run(text)
        sys.stdout.flush()
        if repl.left:
            break
    return 1 if failed else 0


def _interact(repl: "Repl") -> int:
    print("Rules on values. :help says what to type, Ctrl-D leaves.")
    with _history():
        while not repl.left:
            try:
                text = input("> ")
                while depth_of(text) and (more := input(". ")).strip():
                    text += "\n" + more
                repl.run(text)
            except KeyboardInterrupt:  # gives up the line, or the evaluation, not the session
                print("interrupted")
            except EOFError:
                print()
                break
    return 0


@contextlib.contextmanager
def _history() -> Generator[None]:
    """Line editing, and what was typed in earlier sessions, where the platform has them."""
    try:
        import readline
    except ImportError:
        yield
        return
    folder = cache_folder()
    if folder is None:
        yield
        return
    with contextlib.suppress(OSError):
        readline.read_history_file(folder / "history")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            readline.set_history_length(1000)
            readline.write_history_file(folder / "history")
