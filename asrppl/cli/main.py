"""The command line: `asrppl COMMAND ...`."""

import argparse
import gc
import io
import os
import platform
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import asrppl
from asrppl.cli.completion import SHELLS, PrintCompletion
from asrppl.cli.parser import Parser
from asrppl.commands import Commands, printable
from asrppl.diagnostics import AsrError, AsrWarning

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

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


# In the order of the help. A command imports what it needs, and none of the others: `check` has a quarter of a second.
_OWN = {
    "check": "asrppl.cli.check",
    "fmt": "asrppl.cli.fmt",
    "explain": "asrppl.cli.explain",
    "why": "asrppl.cli.why",
    "example": "asrppl.cli.example",
    "repl": "asrppl.cli.repl.command",
    "lsp": "asrppl.cli.lsp",
}


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of the whole command line; each command sets ``run``, a function of its arguments.

    Where ``command`` is one of our own it is the only one: it does not wait for the others, nor does it break with
    those of other packages.
    """
    parser = Parser(
        prog="asrppl",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    parser.add_argument(
        "--print-completion",
        action=PrintCompletion,
        choices=SHELLS,
        metavar="SHELL",
        help=f"print what makes a shell complete commands, options and files: {', '.join(SHELLS)}",
    )
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for name in [command] if command in _OWN else _OWN:
        import_module(_OWN[name]).add_parser(commands)
    if command not in _OWN:
        from importlib.metadata import entry_points  # slow to import, and our own commands need none

        for entry in sorted(entry_points(group="asrppl.commands"), key=lambda entry: entry.name):
            if entry.name not in _OWN:
                _add(entry, commands, wanted=entry.name == command)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"asrppl {asrppl.__version__}")
        parser.exit()


class _BrokenCommandError(Exception):
    """The command that was asked for is another package's, and cannot be loaded."""


def _add(entry: "EntryPoint", commands: Commands, *, wanted: bool) -> None:
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
        gc.disable()  # what is imported stays: looking for garbage in it is a tenth of the time that `check` takes
        try:
            parser = build_parser(command)
        finally:
            gc.enable()
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
        if isinstance(error, MemoryError) or "allocate memory" in str(error):  # torch's is a RuntimeError
            print(f"asrppl: there is too little memory for this ({type(error).__name__})", file=sys.stderr)
            return 1
        _report(error, command)
        return 70


def _report(error: Exception, command: str | None) -> None:
    """Say whose bug an exception is, and where it is to be told."""
    from importlib.metadata import PackageNotFoundError, version

    from asrppl.project import address

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
        known = f"asrppl {asrppl.__version__}"
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
    from importlib.metadata import entry_points

    for entry in entry_points(group="asrppl.commands"):
        if entry.name == command:
            return entry.value.partition(".")[0] if entry.dist is None else entry.dist.name
    return "asrppl"
