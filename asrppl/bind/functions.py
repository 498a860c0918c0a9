"""Functions from Python, watched: what they return has to be a number for each number."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

import torch
from torch import Tensor

from asrppl.core.free import FreeName
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.source import Span

_SHOWN = 200
_MEND = (
    "it is given numbers, one for each index and datum, and returns as many; of a network that takes vectors: "
    "lambda x: net(x.unsqueeze(-1)).squeeze(-1)"
)


class Place(str):
    """Where a call stands: "file:start:end". Calls that are the same are one, so as a key all places are equal."""

    __slots__ = ()

    def __str__(self) -> str:
        """Return the same for all; ``repr`` is the text itself."""
        return "a place"

    @classmethod
    def of(cls, span: Span) -> "Place":
        """Return the place of a span."""
        return cls(f"{span.source.name}:{span.start}:{span.end}")


@dataclass(frozen=True, slots=True)
class WatchedFunction:
    """A bound function that names itself and its place in the rules where it cannot be one.

    Args:
        function: as it was given.
        use: of its name in the rules.
        span: of the call.
    """

    function: Callable[..., object]
    use: FreeName
    span: Span | None = None

    def at(self, place: str) -> "WatchedFunction":
        """Return the function as it is called at a `Place`."""
        name, start, end = place.rsplit(":", 2)
        source = self.use.span.source
        return replace(self, span=Span(source, int(start), int(end)) if name == source.name else self.use.span)

    def __call__(self, *values: Tensor) -> Tensor:
        """Return the function's values.

        Raises:
            AsrError: the function raises an error, or its values are no tensor, or not one for each argument (ASR073);
                or they are no reals, and so jump in an argument that gradients pass through (ASR094).
        """
        try:
            result = self.function(*values)
        except AsrError:
            raise
        except Exception as error:  # whatever a user's code raises
            shapes = " and ".join(str(tuple(value.shape)) for value in values)
            given = f" for values of shape {shapes}" if values else ""
            says = (str(error).strip().splitlines() or [""])[0][:_SHOWN]
            self._fail("ASR073", f"raised {type(error).__name__}{given}: {says}", help=_MEND, cause=error)
        if not isinstance(result, Tensor):
            self._fail("ASR073", f"returned a {type(result).__name__}, not a tensor")
        if values and result.shape != values[0].shape:
            self._fail(
                "ASR073",
                f"made {tuple(result.shape)} of values of shape {tuple(values[0].shape)}: "
                "it must act on each value by itself",
            )
        if not result.is_floating_point() and any(value.requires_grad for value in values):
            self._fail(
                "ASR094",
                "makes whole numbers or Booleans of what gradients pass through: it jumps, and they miss that",
                help="return an amount, and compare it in the rule",
            )
        return result

    def _fail(self, code: str, what: str, help: str | None = None, cause: Exception | None = None) -> NoReturn:
        message = f"the function bound to `{self.use.name}` {what}"
        raise AsrError([Diagnostic(code, message, self.span or self.use.span, help=help)]) from cause

    def verify_predicate(self, result: Tensor) -> None:
        """Raise `AsrError` (ASR073) where a predicate's values are no Booleans."""
        if result.dtype is not torch.bool:
            kind = str(result.dtype).removeprefix("torch.")
            self._fail(
                "ASR073",
                f"stands where a formula is needed, and returned {kind} values",
                help="return Booleans, or compare what it returns in the rule",
            )
