"""`asrppl repl`: give names values, type rules, and see which hold and which indices break them."""

import argparse
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from asrppl.commands import Commands

if TYPE_CHECKING:
    from asrppl.cli.repl.shell import Repl

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

Values are expressions (x = 1/3, y = 2 * x), records and sets; `x ~ normal(0, 1)` and `n ~ [0.2, 0.8]` give laws. :help
lists the commands, ?NAME says what a name is, Tab completes.
"""
_EPILOG = """\
Works with piped input too: no prompts, every line is tried, and the status is 1 if one was in error (a rule that does
not hold is no error). docs/repl.md has more.

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
    from asrppl.cli.repl.session import Session
    from asrppl.cli.repl.shell import Repl

    repl = Repl(Session(Path.cwd()))
    if arguments.file is not None and not repl.run(f":load {arguments.file}"):
        return 1
    if sys.stdin.isatty():
        from asrppl.cli.repl.prompt import interact

        return interact(repl)
    return read_lines(repl, sys.stdin)


def read_lines(repl: "Repl", stream: TextIO) -> int:
    """Do what the lines of a stream say; returns 1 where one was in error."""
    from asrppl.cli.repl.lines import logical_lines

    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # bytes that are no text spoil their line, not the session
    failed = 0
    for text in logical_lines(line.rstrip("\r\n") for line in stream):
        failed += not repl.run(text)
        sys.stdout.flush()
        if repl.left:
            break
    return 1 if failed else 0
