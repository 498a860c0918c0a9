"""`asrppl fmt`: rule files with their white space in order."""

import argparse
import difflib
import sys
from pathlib import Path

from asrppl.cli.arguments import add_files, chosen
from asrppl.cli.color import add_color, color_of
from asrppl.cli.output import counted, print_diagnostics
from asrppl.cli.report import read_source
from asrppl.commands import Commands, printable
from asrppl.files import unreadable, write_whole
from asrppl.syntax.layout import WIDTH, LayoutError, tidy

_DESCRIPTION = f"""\
Put the white space of rule files in order, in place: single spaces, four of them before what goes on with a statement,
and lines of at most {WIDTH} characters where they can be broken. Nothing else changes: tokens and comments stay as they
are, your line breaks and blank lines stay, and so do the names of rules (a rule without a name is called by its line,
so above one no line is broken). A file with errors of syntax is left alone.

Status 1 if a file has errors; with --check also if one is not in order.
"""
_EPILOG = """\
examples:
  asrppl fmt overlap.asr
  asrppl fmt --check rules/
  asrppl fmt --diff overlap.asr
  asrppl fmt - < overlap.asr
"""


def add_parser(subparsers: Commands) -> None:
    """Register `asrppl fmt`."""
    parser = subparsers.add_parser(
        "fmt",
        help="put the white space of rule files in order",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_files(parser)
    parser.add_argument("--check", action="store_true", help="write nothing; say which files are not in order")
    parser.add_argument("--diff", action="store_true", help="write nothing; print what would change")
    add_color(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    files = chosen(arguments.files)
    changed = failed = 0
    for file, problem in files:
        if problem is not None:
            print(printable(f"asrppl fmt: {file}: {problem}"), file=sys.stderr)
            failed += 1
            continue
        try:
            source, _ = read_source(file)
            made = tidy(source)
        except (OSError, UnicodeDecodeError) as error:
            print(printable(f"asrppl fmt: {file}: {unreadable(error)}"), file=sys.stderr)
            failed += 1
            continue
        except LayoutError as error:
            print_diagnostics(error.diagnostics, color_of(arguments))
            failed += 1
            continue
        differs = made != source.text
        changed += differs
        if arguments.diff:
            sys.stdout.write(printable(_diff(source.name, source.text, made)))
        elif file == "-" and not arguments.check:
            sys.stdout.write(made)
        elif differs and arguments.check:
            print(printable(f"{file}: not in order"))
        elif differs:
            _replace(Path(file), made)
    if arguments.files != ["-"] and not arguments.diff:
        would = "would change" if arguments.check else "changed"
        wrong = f", {failed} with errors" if failed else ""
        print(f"{counted(changed, 'file')} {would}, {len(files) - changed - failed} in order already{wrong}")
    return 1 if failed or (arguments.check and changed) else 0


def _diff(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), name, f"{name} in order")
    return "".join(line if line.endswith("\n") else line + "\n\\ no line end\n" for line in lines)


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all; a link stays one, and permissions stay."""
    path = path.resolve()
    mark = b"\xef\xbb\xbf" if path.read_bytes().startswith(b"\xef\xbb\xbf") else b""
    write_whole(path, mark + text.encode())
