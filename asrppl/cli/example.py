"""`asrppl example`: a world that keeps all rules of a file, and for each rule one that breaks it alone."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from asrppl.check.assumed import Lengths
from asrppl.cli.arguments import add_params, params_of
from asrppl.cli.lengths import lengths_of
from asrppl.cli.report import opened
from asrppl.commands import Commands, printable
from asrppl.files import write_whole
from asrppl.worlds.example import example
from asrppl.worlds.invent import InventionError
from asrppl.worlds.shown import Example
from asrppl.worlds.wording import example_lines

_DESCRIPTION = """\
Make up values for the names that the rules read: a small world that keeps all rules, and for each rule one that breaks
that rule alone. Where a world is not what was meant, the rules do not say what was meant.

Names that take finitely many values are gone through (up to a million worlds; laws are point masses and uniform ones).
Then 64 random worlds go down the slope of the rules' own violations. Then z3 is asked, where it is installed (pip
install 'asrppl[solve]'): it alone solves real `==`, and proves that there is no such world. Every world that is shown
was checked by the reference interpreter.
"""
_EPILOG = """\
Values are printed as `asrppl why -v` and the REPL read them. Status: 0 a world keeps all rules, 1 none was found.

examples:
  asrppl example overlap.asr --lengths box=4
  asrppl example overlap.asr -p S=64 --plot worlds.svg
  asrppl example number.asr --data 2
  asrppl example parity.asr --data 4 --range score=0..1 --seed 7
"""


def add_parser(subparsers: Commands) -> None:
    """Register `asrppl example`."""
    parser = subparsers.add_parser(
        "example",
        help="make up a world that keeps all rules, and for each rule one that breaks it alone",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="a rule file (.asr), or - for standard input")
    add_params(parser)
    parser.add_argument(
        "--lengths", metavar="NAME=LENGTH,..", type=lengths_of, help="of arrays, or of what an index runs over: box=4"
    )
    parser.add_argument(
        "--range", metavar="NAME=LOW..HIGH", type=range_of, action="append", default=[], help="of numbers (repeatable)"
    )
    parser.add_argument(
        "--int", metavar="NAME", action="append", default=[], help="this one is an integer (repeatable)"
    )
    parser.add_argument("--real", metavar="NAME", action="append", default=[], help="this one is a real (repeatable)")
    parser.add_argument("--data", metavar="N", type=_count, default=1, help="how many data a world has (default: 1)")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of the random worlds (default: 0)")
    parser.add_argument(
        "--seconds", metavar="S", type=_seconds, default=15.0, help="of z3, for a question (default: 15)"
    )
    parser.add_argument("--json", action="store_true", help="print plain data instead")
    parser.add_argument("--plot", metavar="FILE.svg", type=Path, help="draw the boxes of the worlds")
    parser.set_defaults(run=_run)


def range_of(text: str) -> tuple[str, tuple[float, float]]:
    """``"n=0..9"`` as ``("n", (0, 9))``, for argparse."""
    name, equals, value = text.partition("=")
    low, dots, high = value.partition("..")
    try:
        numbers = float(low), float(high)
    except ValueError:
        numbers = (1.0, 0.0)
    if not equals or not dots or not name or not numbers[0] <= numbers[1]:
        raise argparse.ArgumentTypeError(f"{text}: expected NAME=LOW..HIGH, such as n=0..9 or x=-1..1")
    return name, numbers


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a number of data, 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < 1e6:
        raise argparse.ArgumentTypeError(f"{text}: expected seconds, more than 0")
    return found


def _run(arguments: argparse.Namespace) -> int:
    params = params_of(arguments, "example")
    if params is None:
        return 2
    plot: Path | None = arguments.plot
    if plot is not None and plot.suffix != ".svg":
        print(printable(f"asrppl example: --plot {plot}: a picture is an .svg file"), file=sys.stderr)
        return 2
    read = opened(arguments.file, "example")
    if read is None:
        return 1
    source, library = read
    lengths: Lengths = arguments.lengths or {}
    try:
        found = example(
            source,
            params,
            library=library,
            lengths=lengths,
            ranges=dict(arguments.range),
            kinds={**dict.fromkeys(arguments.int, "int"), **dict.fromkeys(arguments.real, "real")},
            data=arguments.data,
            seed=arguments.seed,
            seconds=arguments.seconds,
        )
    except InventionError as error:
        print(printable(f"asrppl example: {error}"), file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(asdict(found), indent=2))
    else:
        for line in example_lines(found):
            print(printable(line))
    if plot is not None and not _draw(found, plot):
        return 2
    return 0 if found.keeps.values is not None else 1


def _draw(found: Example, plot: Path) -> bool:
    from asrppl.worlds.picture import svg

    picture = svg(found)
    if picture is None:
        print("asrppl example: --plot draws boxes, and there is no world with one", file=sys.stderr)
        return False
    write_whole(plot, picture.encode())
    return True
