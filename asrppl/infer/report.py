"""What a call of the objective leaves to read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Report:
    """The rules' part of the last value of the objective. Tensors are detached; nothing waits for a device until read.

    Args:
        violations: by rule, its mean over draws (exact over enumerated ones), particles and data; a 0-d tensor.
        weights: by rule, in nats per datum, as they were in that call.
        penalty: the sum of weight × violation, times the full size of the data plate: 0-d, in the units of the loss.
        returned: what the call returned.
    """

    violations: Mapping[str, Tensor] = field(default_factory=lambda: MappingProxyType({}))
    weights: Mapping[str, float | Tensor] = field(default_factory=lambda: MappingProxyType({}))
    penalty: Tensor = field(default_factory=lambda: torch.zeros(()))
    returned: float | Tensor = 0.0

    @property
    def loss(self) -> Tensor:
        """The loss without the rules: ``returned − penalty``, 0-d."""
        return self.returned - self.penalty
