"""argparse with the mend: which command, option or choice a mistyped one was meant for."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from asrppl.commands import printable
from asrppl.suggest import did_you_mean


class Parser(argparse.ArgumentParser):
    """A parser whose errors say what may have been meant; parsers of its commands are of this class too."""

    _given: Sequence[str] = ()

    # argparse declares three overloads, all of which this one has.
    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Any = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse; an option that this command does not have is its own error, and not left to the whole program.

        Only here is it known which options the command has.
        """
        self._given = sys.argv[1:] if args is None else list(args)
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest

    def error(self, message: str) -> NoReturn:
        """Print the message with what its options may have been meant for, and exit with status 2."""
        self.print_usage(sys.stderr)
        mends = [f"`{word}`: {mend}\n" for word in self._unknown_options() if (mend := self._option_meant(word))]
        self.exit(2, printable(f"{self.prog}: error: {message}\n{''.join(mends)}"))

    def actions(self) -> Sequence[argparse.Action]:
        """Return all arguments of the command, and what chooses among its own commands."""
        return self._actions

    def _unknown_options(self) -> list[str]:
        words = (word.partition("=")[0] for word in self._given if word.startswith("--") and word != "--")
        # The beginning of an option stands for it, so it is known.
        return [word for word in words if not any(known.startswith(word) for known in self._option_string_actions)]

    def _option_meant(self, word: str) -> str | None:
        return did_you_mean(word, (known for known in self._option_string_actions if known.startswith("--")))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        name = action.option_strings[0] if action.option_strings else str(action.metavar or action.dest)
        mend = f"did you mean `{self.prog} check {value}`?" if self._is_rule_file(value, known) else None
        mend = mend or did_you_mean(str(value), known) or f"it is one of {', '.join(known)}"
        self.error(f"{name}: there is no `{value}`; {mend}")

    @staticmethod
    def _is_rule_file(value: object, commands: list[str]) -> bool:
        return str(value).endswith(".asr") and "check" in commands
