"""What a command is to the command line: something that registers a parser."""

import argparse
from typing import Any, Protocol


class Commands(Protocol):
    """Where commands register; argparse has no public name for it."""

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser:
        """Return the parser of a new command, which sets ``run``: a function of the arguments, to an exit status."""
        ...
