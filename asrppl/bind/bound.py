"""What the names of a program were bound to: a signature, and the tensors and functions that fill it."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Size, Tensor

from asrppl.bind.shapes import broadcast_shape
from asrppl.core.signature import Signature

InputKey = tuple[str, str | None]
"""A name and its component: None for a scalar array, a field of a record, ``"mask"`` or ``"log_probs"``."""


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A program's names bound.

    Args:
        signature: what each name is, without tensors.
        tensors: of shape ``(*batch, *index axes)``, the index axes outermost first and batch axes right-aligned as in
            Pyro; ``log_probs`` has one further last axis over the entry's support. The sides of squares are one
            tensor, under ``"w"`` and under ``"h"``.
        functions: what Python bound to names that are called.
        plates: how many batch axes are data; one that is further left is that of draws.
    """

    signature: Signature
    tensors: dict[InputKey, Tensor]
    functions: dict[str, Callable[..., Tensor]]
    plates: int = 0

    @property
    def laws(self) -> frozenset[str]:
        """The names of which the law is given in place of a value."""
        values = {name for name, component in self.tensors if component not in ("mask", "log_probs")}
        return frozenset(name for name, component in self.tensors if component == "log_probs") - values

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape that the batch axes of all tensors broadcast to."""
        return broadcast_shape(shape for shapes in self.batch_shapes.values() for shape in shapes)

    @property
    def batch_shapes(self) -> dict[str, list[Size]]:
        """The batch axes of each name's tensors."""
        shapes: dict[str, list[Size]] = {}
        for (name, component), tensor in self.tensors.items():
            entry = self.signature.get(name)
            axes = len(entry.axes) if entry is not None else 0
            axes += component == "log_probs"
            shapes.setdefault(name, []).append(tensor.shape[: tensor.ndim - axes])
        return shapes
