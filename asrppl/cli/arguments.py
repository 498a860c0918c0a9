"""Arguments that commands share."""

import argparse
import sys
from typing import Any

from asrppl.commands import parse_params, printable


def add_params(parser: argparse.ArgumentParser) -> None:
    """Add `-p NAME=VALUE`."""
    parser.add_argument(
        "-p",
        "--param",
        dest="params",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a param of the rules: S=64, or a set: L=1,4 (repeatable)",
    )


def params_of(arguments: argparse.Namespace, command: str) -> dict[str, Any] | None:
    """Return the params given; None, with the error printed, where one cannot be read."""
    try:
        return parse_params(arguments.params)
    except ValueError as error:
        print(printable(f"asrppl {command}: {error}"), file=sys.stderr)
        return None
