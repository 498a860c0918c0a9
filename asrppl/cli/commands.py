"""What commands share with the command line: how they register, and a type of argument."""

import argparse
from typing import Any, Protocol


class Commands(Protocol):
    """Where commands register; argparse has no public name for it."""

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser:
        """Return the parser of a new command, which sets ``run``: a function of the arguments, to an exit status."""
        ...


def positive(text: str) -> int:
    """A positive integer, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number
