"""What cannot be lowered."""

from asrppl.source import Span


class NeedsGuideError(Exception):
    """``E[..]`` or ``P[..]``: an expectation under the guide, which no value that a draw took can give.

    Args:
        letter: ``"E"`` or ``"P"``.
        span: where it stands.
    """

    def __init__(self, letter: str, span: Span) -> None:
        self.letter = letter
        self.span = span
        super().__init__(f"`{letter}[..]` is an expectation under the guide: no given value can stand for it")
