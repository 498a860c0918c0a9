"""`asrppl why`: for values, which instances break a rule, by how much, and what would mend it most cheaply."""

import argparse
import json
import sys
from dataclasses import asdict

from asrppl.cli.arguments import add_params, params_of
from asrppl.cli.report import opened
from asrppl.cli.values import ValuesError, add_values, values_of
from asrppl.commands import Commands, printable
from asrppl.worlds import why
from asrppl.worlds.why import SHOWN
from asrppl.worlds.wording import lines_of

_DESCRIPTION = """\
For values of the names that the rules read, say of each rule whether it holds; and of one that does not, which
instances break it and by how much: which branch of an `or` is active, the violation's parts (what nothing can change,
whole steps, amounts), and the one number that mends it with the least change.
"""
_EPILOG = """\
Values are as in the REPL: a box is a row of 4 numbers (x, y, w, h: centre and sides) or 3 (x, y, size), for `q(n)` n is
the list of its probabilities, and further, leading axes are a batch. Status: 0 all rules hold, 1 one does not.

examples:
  asrppl why overlap.asr -v 'box=[[10, 10, 8], [14, 12, 8]]'
  asrppl why overlap.asr --values boxes.json -p S=64
  asrppl why overlap.asr --values boxes.npz --rule apart --most 20
"""


def add_parser(subparsers: Commands) -> None:
    """Register `asrppl why`."""
    parser = subparsers.add_parser(
        "why",
        help="say which instances of values break a rule, and what mends them",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="a rule file (.asr), or - for standard input")
    add_values(parser)
    add_params(parser)
    parser.add_argument("--rule", action="append", metavar="NAME", help="only this rule (repeatable)")
    parser.add_argument(
        "--most", type=_count, default=SHOWN, metavar="N", help=f"instances of a rule (default: {SHOWN})"
    )
    parser.add_argument("--json", action="store_true", help="print plain data instead")
    parser.set_defaults(run=_run)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: expected how many, 0 or more")
    return int(text)


def _run(arguments: argparse.Namespace) -> int:
    params = params_of(arguments, "why")
    if params is None:
        return 2
    try:
        values = values_of(arguments)
    except ValuesError as error:
        print(printable(f"asrppl why: {error}"), file=sys.stderr)
        return 2
    read = opened(arguments.file, "why")
    if read is None:
        return 1
    source, library = read
    try:
        found = why(source, values, params, library=library, shown=arguments.most, only=arguments.rule)
    except KeyError as error:
        print(printable(f"asrppl why: {error.args[0]}"), file=sys.stderr)
        return 2
    if arguments.json:
        plain = [{**asdict(one), "violation": one.violation} for one in found]
        print(json.dumps(plain, indent=2, default=str))  # (of a Normal its text)
    for one in () if arguments.json else found:
        for line in lines_of(one):
            print(printable(line))
    return 0 if all(one.holds for one in found) else 1
