"""Values on the command line: `-v NAME=VALUE`, and files of them (.json, .npz)."""

import argparse
import json
import zipfile
from pathlib import Path
from typing import cast

from asrppl.files import unreadable
from asrppl.literals import ASSIGNMENT, LiteralError, parse_value


class ValuesError(ValueError):
    """Values that cannot be read; the message says which, and how they are written."""


def add_values(parser: argparse.ArgumentParser) -> None:
    """Add `--values FILE` and `-v NAME=VALUE`."""
    parser.add_argument(
        "--values", metavar="FILE", help="values by name: a JSON object (.json), or arrays that NumPy saved (.npz)"
    )
    parser.add_argument(
        "-v",
        "--value",
        dest="value",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a number, true, false, or lists of them: n=2, 'box=[[10, 10, 8], [14, 12, 8]]' (repeatable)",
    )


def values_of(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the values that were given; those of `-v` count where both are.

    Raises:
        ValuesError: they cannot be read.
    """
    found = {} if arguments.values is None else read_values(Path(arguments.values))
    for text in arguments.value:
        match = ASSIGNMENT.fullmatch(text)
        if match is None:
            raise ValuesError(f"-v {text}: expected NAME=VALUE, such as n=2 or 'box=[[10, 10, 8], [14, 12, 8]]'")
        try:
            found[match.group(1)] = parse_value(match.group(2))
        except LiteralError as error:
            raise ValuesError(f"-v {text}: {error}") from None
    return found


def read_values(path: Path) -> dict[str, object]:
    """Return the values that a file has by name (.npz, else JSON).

    Raises:
        ValuesError: they cannot be read.
    """
    try:
        if path.suffix == ".npz":
            return _arrays(path)
        found: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValuesError(f"{path}: {unreadable(error)}") from None
    except json.JSONDecodeError as error:
        raise ValuesError(f"{path}: no JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    if not isinstance(found, dict):
        raise ValuesError(f'{path}: expected an object of values by name, such as {{"n": 2}}')
    return cast(dict[str, object], found)


def _arrays(path: Path) -> dict[str, object]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name].tolist() for name in arrays.files}
    except FileNotFoundError as error:
        raise ValuesError(f"{path}: {unreadable(error)}") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValuesError(f"{path}: no arrays that NumPy saved by name ({error})") from None
