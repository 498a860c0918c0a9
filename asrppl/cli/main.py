"""The command line: `asrppl COMMAND ...`."""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from asrppl import __version__
from asrppl.cli import air, check, demo, explain, repl
from asrppl.cli.output import printable
from asrppl.diagnostics import AsrError

_DESCRIPTION = """\
Rules, as text, about what a Pyro guide infers.

A rule file (.asr) says what must hold: `forall i != j: nonoverlap(box[i], box[j])` is a whole one. `asrppl.regularize`
makes an ELBO that trains the guide to keep the rules. The commands here look at rule files and run the paper's AIR.
"""
_EPILOG = """\
examples:
  asrppl check overlap.asr            find mistakes; list what the file expects from the guide
  asrppl check *.asr -p S=64          with a param set
  asrppl explain overlap.asr          what each rule says, its weight, and what it varies with
  asrppl repl overlap.asr             give names values and see which rules hold
  asrppl demo                         train AIR with and without rules, side by side

`asrppl COMMAND --help` says more. Status: 0 fine, 1 errors found, 2 wrong usage, 130 interrupted.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; each command sets ``run``, a function of its arguments."""
    parser = argparse.ArgumentParser(
        prog="asrppl",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"asrppl {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for module in (check, explain, repl, demo, air):
        module.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or a pipe that cannot show a character gets an escape for it, not a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = build_parser()
    try:
        arguments = parser.parse_args(argv)
        if not hasattr(arguments, "run"):
            parser.print_help()
            return 2
        status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except AsrError as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    except BrokenPipeError:
        # What read our output is gone; Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        print(f"asrppl: {place}{error.strerror or error}", file=sys.stderr)
        return 1
