"""The command line: `asrppl COMMAND ...`."""

import argparse
import io
import os
import platform
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version

from asrppl import __version__
from asrppl.cli import check, example, explain, fmt, lsp, why
from asrppl.cli.completion import SHELLS, PrintCompletion
from asrppl.cli.parser import Parser
from asrppl.cli.repl import command as repl
from asrppl.commands import Commands, printable
from asrppl.diagnostics import AsrError, AsrWarning
from asrppl.project import address

_DESCRIPTION = """\
Rules, as text, about what a Pyro guide infers.

A rule file (.asr) says what must hold: `forall i != j: nonoverlap(box[i], box[j])` is a whole one. `asrppl.regularize`
makes an ELBO that trains the guide to keep the rules. The commands from check to lsp are about rules; the others
come from packages beside this one, as those of the paper's AIR do.
"""
_EPILOG = """\
examples:
  asrppl check overlap.asr            find mistakes; list what the file expects from the guide
  asrppl check *.asr -p S=64          with a param set
  asrppl fmt overlap.asr              put its white space in order
  asrppl explain overlap.asr          each rule as mathematics, what it costs, reads and varies with
  asrppl why number.asr -v n=2        which instances of values break a rule, and what mends them
  asrppl example overlap.asr          a world that keeps all rules, and one that breaks each alone
  asrppl repl overlap.asr             give names values and see which rules hold
  asrppl demo                         train AIR with and without rules, side by side

`asrppl COMMAND --help` says more. Status: 0 fine, 1 errors found, 2 wrong usage, 70 a bug of asrppl, 130 interrupted.
"""


_OWN = {
    "check": check,
    "fmt": fmt,
    "explain": explain,
    "why": why,
    "example": example,
    "repl": repl,
    "lsp": lsp,
}


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of the whole command line; each command sets ``run``, a function of its arguments.

    Commands of other packages are left out where ``command`` is one of our own: it does not wait for them, nor does it
    break with them.
    """
    parser = Parser(
        prog="asrppl",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"asrppl {__version__}")
    parser.add_argument(
        "--print-completion",
        action=PrintCompletion,
        choices=SHELLS,
        metavar="SHELL",
        help=f"print what makes a shell complete commands, options and files: {', '.join(SHELLS)}",
    )
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for module in _OWN.values():
        module.add_parser(commands)
    if command not in _OWN:
        for entry in sorted(entry_points(group="asrppl.commands"), key=lambda entry: entry.name):
            if entry.name not in _OWN:
                _add(entry, commands, wanted=entry.name == command)
    return parser


class _BrokenCommandError(Exception):
    """The command that was asked for is another package's, and cannot be loaded."""


def _add(entry: EntryPoint, commands: Commands, *, wanted: bool) -> None:
    """Register the command of another package; one that cannot be loaded stops nobody but who wants it."""
    try:
        entry.load()(commands)
    except Exception as error:  # whatever another package's code raises
        why = f"{entry.value} cannot be loaded ({type(error).__name__}: {error})"
        if wanted:
            raise _BrokenCommandError(f"{entry.name}: {why}") from error
        commands.add_parser(entry.name, help=printable(why).replace("%", "%%"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or a pipe that cannot show a character gets an escape for it, not a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if argv is None else argv
    command = next((word for word in words if not word.startswith("-")), None)
    try:
        parser = build_parser(command)
        arguments = parser.parse_args(argv)
        if not hasattr(arguments, "run"):
            parser.print_help()
            return 2
        status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except (AsrError, AsrWarning) as error:  # a warning comes here under `python -W error`
        print(printable(str(error)), file=sys.stderr)
        return 1
    except _BrokenCommandError as error:
        print(printable(f"asrppl {error}"), file=sys.stderr)
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
    except Exception as error:  # whatever is left is no mistake of the user's
        _report(error, command)
        return 70


def _report(error: Exception, command: str | None) -> None:
    """Say whose bug an exception is, and where it is to be told."""
    owner = "asrppl" if command in _OWN else _owner(command)
    # Our own commands are run again in a moment; one of another package may have trained for a day.
    if command not in _OWN or os.environ.get("ASRPPL_TRACEBACK"):
        print(printable("".join(traceback.format_exception(error))), end="", file=sys.stderr)
        how = "with the lines above"
    else:
        how = "with what it prints under ASRPPL_TRACEBACK=1"
    where = address("Issues", "Bug Tracker", "Tracker", "Homepage", package=owner) or "the project's issue tracker"
    try:
        known = f"{owner} {version(owner)}"
    except PackageNotFoundError:
        known = f"asrppl {__version__}"
    print(
        printable(
            f"asrppl: this is a bug of {owner}: {type(error).__name__}: {error}\n"
            f"{known}, Python {platform.python_version()}, {platform.system()}\n"
            f"Please report it, {how}: {where}"
        ),
        file=sys.stderr,
    )


def _owner(command: str | None) -> str:
    """Return the package that a command comes from."""
    for entry in entry_points(group="asrppl.commands"):
        if entry.name == command:
            return entry.value.partition(".")[0] if entry.dist is None else entry.dist.name
    return "asrppl"
