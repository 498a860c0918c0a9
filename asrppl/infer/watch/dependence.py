"""What of a training step depends on draws that gradients do not pass through, found while the step runs.

A rule's channel is chosen once, and a guide may change its ways: a curriculum lets a discrete draw in later. Autograd
keeps no trace of such draws, so every torch function is watched: what one makes of a marked tensor is marked.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_NONE = frozenset[str]()
_LEAKS = frozenset(
    ("item", "__bool__", "__int__", "__float__", "__index__", "__complex__", "__array__", "__contains__", "tolist",
     "numpy", "is_nonzero", "equal", "allclose")
)  # fmt: skip
"""Functions that make Python's own values of a tensor, whose way cannot be followed."""


class Watch(TorchFunctionMode):
    """Follows marked tensors through torch functions.

    Attributes:
        leaks: how often a marked tensor became a value of Python's, by which the program may have branched.
    """

    def __init__(self) -> None:
        super().__init__()
        self.leaks: int = 0
        self._marked: dict[int, tuple[Tensor, frozenset[str]]] = {}  # the tensors too: else their ids are used again

    def mark(self, value: Tensor, sites: frozenset[str]) -> None:
        """Mark ``value`` as computed from the draws of ``sites``."""
        self._marked[id(value)] = value, self.marks_of(value) | sites

    def marks_of(self, value: object) -> frozenset[str]:
        """Return the sites whose draws ``value`` was computed from."""
        known = self._marked.get(id(value))
        return _NONE if known is None else known[1]

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call ``func``, and carry marks from what it takes to what it makes."""
        result = func(*args, **(kwargs or {}))
        if self._marked:
            taken = (*args, *kwargs.values()) if kwargs else args
            found = _NONE.union(*(self.marks_of(tensor) for tensor in _tensors(taken)))
            if found:
                self._carry(found, getattr(func, "__name__", ""), result, args)
        return result

    def _carry(self, found: frozenset[str], name: str, result: object, args: tuple[Any, ...]) -> None:
        if name in _LEAKS:
            self.leaks += 1
        made = list(_tensors((result,)))
        if name == "__setitem__":
            made.append(args[0])
        for tensor in made:
            self.mark(tensor, found)
            base = tensor._base  # of a view that was written to, what it is a view of
            if base is not None and name.endswith("_"):
                self.mark(base, found)


def _tensors(values: Iterable[object]) -> Iterable[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple) and not isinstance(value, torch.Size):
            yield from _tensors(cast("list[object]", value))
        elif isinstance(value, dict):
            yield from _tensors(cast("dict[object, object]", value).values())
