"""`asrppl lsp`: a language server for editors."""

import argparse
import sys
from importlib.util import find_spec

from asrppl.commands import Commands

_DESCRIPTION = """\
A language server: an editor starts it and speaks to it over standard input and output. It shows mistakes as you type,
and offers their mends; says of names, words and signs what they are and what a claim costs; completes, goes to
definitions, finds uses, renames and formats. docs/editors.md says how editors are told of it.

It needs the extra `lsp`: pip install 'asrppl[lsp]'.
"""


def add_parser(subparsers: Commands) -> None:
    """Register `asrppl lsp`."""
    parser = subparsers.add_parser(
        "lsp",
        help="a language server, for editors",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # Clients name the way of talking that they want; there is one.
    parser.add_argument("--stdio", action="store_true", help="talk over standard input and output (there is no other)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if find_spec("pygls") is None:
        print("asrppl lsp: it needs the package pygls: pip install 'asrppl[lsp]'", file=sys.stderr)
        return 1
    from asrppl.lsp.server import make_server  # an extra, and no other command needs it

    with open(sys.stdout.fileno(), "wb", closefd=False) as out:  # the server closes what it writes to
        make_server().start_io(sys.stdin.buffer, out)
    return 0
