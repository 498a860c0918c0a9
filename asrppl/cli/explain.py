"""`asrppl explain`: what a rule file says, rule by rule; or what a code of a finding means."""

import argparse
import dataclasses
import re
import sys
from collections.abc import Iterator
from typing import cast

from asrppl.cli.arguments import add_params, params_of
from asrppl.cli.color import add_color, color_of, show
from asrppl.cli.explained import add_ways, print_explained
from asrppl.cli.report import check_path
from asrppl.codes import CODES
from asrppl.commands import Commands, printable
from asrppl.explanations import explanations
from asrppl.syntax import parse_file
from asrppl.syntax.ast import Node

_DESCRIPTION = """\
Say what each rule of a file means: its formula as mathematics, its weight in nats per datum, what a violation costs,
what it reads, the means that it takes, and what `regularize` makes of it, as far as that is known without a guide.
Its level is what its violation varies with, at most:

  sample      draws of the guide and the datum: it enters the ELBO like a likelihood, draw by draw
  posterior   the datum only: a functional of q(z given x)
  population  neither: a functional of the mean over the data
  global      draws outside the data plate

Of the code of an error or a warning, say what it means, with an example and its mend.
"""
_EPILOG = """\
examples:
  asrppl explain overlap.asr
  asrppl explain overlap.asr -p S=64
  asrppl explain overlap.asr --expand --latex
  asrppl explain overlap.asr --lengths box=50 --code
  asrppl explain overlap.asr --tree
  asrppl explain ASR036
"""


def add_parser(subparsers: Commands) -> None:
    """Register `asrppl explain`."""
    parser = subparsers.add_parser(
        "explain",
        help="say what each rule of a file, or an error, means",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="a rule file (.asr), - for standard input, or a code: ASR036")
    add_params(parser)
    add_ways(parser)
    parser.add_argument("--tree", action="store_true", help="print the syntax tree of the file instead")
    add_color(parser)
    parser.set_defaults(run=_run)


def _explain_code(code: str) -> int:
    found = explanations().get(code)
    if found is None:
        near = sorted(CODES, key=lambda known: abs(int(known[3:]) - int(code[3:])))[:3]
        there = ", ".join(sorted(near))
        print(f"asrppl explain: there is no code {code}; codes near it: {there}", file=sys.stderr)
        return 1
    print(found.plain())
    return 0


def _run(arguments: argparse.Namespace) -> int:
    if re.fullmatch(r"(?i)asr\d+", arguments.file):
        return _explain_code(arguments.file.upper())
    params = params_of(arguments, "explain")
    if params is None:
        return 2
    report = check_path(arguments.file, params)
    if report.source is None:
        print(printable(f"asrppl explain: {arguments.file}: {report.problem}"), file=sys.stderr)
        return 1
    if report.failed:
        found = (show(diagnostic, color_of(arguments), sys.stderr) for diagnostic in report.diagnostics)
        print("\n\n".join(found), file=sys.stderr)
        return 1
    if arguments.tree:
        for statement in parse_file(report.source).file.statements:
            print("\n".join(_lines(statement)))
        return 0
    return print_explained(report, arguments)


def _lines(tree: object) -> Iterator[str]:
    """Yield a node and its parts, a line each, indented by depth."""
    pending: list[tuple[object, str, int]] = [(tree, "", 0)]
    while pending:
        node, label, depth = pending.pop()
        before = "  " * depth + label
        if isinstance(node, Node):
            parts = [part for part in dataclasses.fields(node) if part.name != "span"]
            plain = {part.name: getattr(node, part.name) for part in parts}
            shown = {name: value for name, value in plain.items() if not isinstance(value, Node | tuple)}
            yield before + type(node).__name__ + "".join(f" {name}={value!r}" for name, value in shown.items())
            inside = [(value, f"{name}: ", depth + 1) for name, value in plain.items() if name not in shown]
            pending.extend(reversed(inside))
        elif isinstance(node, tuple):
            pending.extend((item, label, depth) for item in reversed(cast(tuple[object, ...], node)))
        else:
            yield f"{before}{node!r}"
