"""Arguments that commands share."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from asrppl.commands import parse_params, printable


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the rule files that a command is for, and folders of them."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a rule file (.asr), a folder with all the rule files below it, or - for standard input",
    )


def chosen(names: list[str]) -> list[tuple[str, str | None]]:
    """Return the files that are meant, each with why there is none to read.

    A folder stands for the .asr files in it and below it, sorted; what is hidden (`.git`, `.venv`) is left out. A
    folder that cannot be listed, or without such a file, is kept, with the reason.
    """
    found: list[tuple[str, str | None]] = []
    for name in names:
        if not os.path.isdir(name):  # a file, or what its reader has words for
            found.append((name, None))
            continue
        try:
            below = sorted(_below(Path(name)))
        except OSError as error:
            found.append((error.filename or name, error.strerror or str(error)))
            continue
        found += [(str(path), None) for path in below] or [(name, "there is no .asr file in this folder or below it")]
    return found


def _below(folder: Path) -> list[Path]:
    def stop(error: OSError) -> None:
        raise error  # a folder that cannot be listed may hold rules: silence would call them fine

    found: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in files if name.endswith(".asr") and not name.startswith(".")]
    return found


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
