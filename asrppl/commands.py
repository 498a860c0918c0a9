"""What a package needs to add commands to `asrppl`.

An entry point of the group ``asrppl.commands`` names a function of one argument, the `Commands` to register with:

    [project.entry-points."asrppl.commands"]
    simulate = "mypackage.cli:add_parser"
"""

import argparse
from typing import Any, Protocol

# Characters that move the cursor or reorder the line: a rule file is not to write on the terminal.
_UNSAFE = {
    code: "\ufffd"
    for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F)
    if chr(code) not in "\t\n"
}


class Commands(Protocol):
    """Where commands register; argparse has no public name for it."""

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser:
        """Return the parser of a new command, which sets ``run``: a function of the arguments, to an exit status."""
        ...


def printable(text: str) -> str:
    """Return the text with control characters replaced, one for one, so that carets stay in place."""
    return text.translate(_UNSAFE)


def parse_params(pairs: list[str]) -> dict[str, Any]:
    """`["S=64", "L=1,3"]` as `{"S": 64, "L": [1, 3]}`; raises `ValueError` with the pair that is none."""
    params: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        try:
            numbers = [_number(part) for part in value.strip("{}").split(",")]
        except ValueError:
            numbers = []
        if not equals or not name.isidentifier() or not numbers:
            raise ValueError(f"-p {pair}: expected NAME=NUMBER, such as S=64, or NAME=NUMBER,NUMBER, such as L=1,3")
        is_set = "," in value or value.startswith("{")
        params[name] = numbers if is_set else numbers[0]
    return params


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
