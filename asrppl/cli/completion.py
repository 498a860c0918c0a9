"""`asrppl --print-completion SHELL`: what makes a shell complete commands, options and files."""

import argparse
from collections.abc import Mapping
from typing import Any, cast

from asrppl.cli.parser import Parser

SHELLS = ("bash", "zsh", "tcsh", "fish")


class PrintCompletion(argparse.Action):
    """Prints the script of a shell and ends the program, as `--version` does."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: object, values: object, option: object = None
    ) -> None:
        """See the class; the package that writes scripts is an extra, which is said where it is missing."""
        try:
            import shtab  # an extra, and nothing else needs it
        except ModuleNotFoundError:
            parser.exit(1, "asrppl: completion needs the package shtab: pip install 'asrppl[completion]'\n")
        files = cast(dict[str, Any], {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY})
        _mark(parser, files)
        print(shtab.complete(parser, str(values)))
        parser.exit()


def _mark(parser: object, kinds: Mapping[str, Any]) -> None:
    """Say of each argument that takes a file or a folder how shells complete one: what it is called says what it is."""
    if not isinstance(parser, Parser):
        return
    for action in parser.actions():
        if isinstance(action.metavar, str) and action.metavar in kinds:
            vars(action)["complete"] = kinds[action.metavar]  # where shtab looks
        choices = cast(object, action.choices)
        if isinstance(choices, Mapping):
            for command in cast(Mapping[str, object], choices).values():
                _mark(command, kinds)
