"""Functions from Python, watched: what they return has to be a number for each number."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from torch import Tensor

from asrppl.core.typed import FreeName
from asrppl.diagnostics import AsrError, Diagnostic


@dataclass(frozen=True, slots=True)
class WatchedFunction:
    """A bound function that names itself and its place in the rules where it cannot be one.

    Args:
        function: as it was given; what it raises is passed on as it is.
        use: of its name in the rules.
    """

    function: Callable[..., object]
    use: FreeName

    def __call__(self, *values: Tensor) -> Tensor:
        """Return the function's values.

        Raises:
            AsrError: they are no tensor, or not one for each argument (ASR073); or they are no reals, and so jump in
                an argument that gradients pass through (ASR094).
        """
        result = self.function(*values)
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

    def _fail(self, code: str, what: str, help: str | None = None) -> NoReturn:
        message = f"the function bound to `{self.use.name}` {what}"
        raise AsrError([Diagnostic(code, message, self.use.span, help=help)])
