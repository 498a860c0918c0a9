"""What a run says of a rule that reads moments."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from asrppl.bind.bound import InputKey

Leaf = tuple[str, str]
"""A mean that is tracked: of the integrand where it is meant (``"sum"``), or of what is meant (``"share"``)."""


@dataclass(slots=True)
class Evaluation:
    """What a run says of a rule, tensors ``(*axes, *batch)``.

    Args:
        violation: v, of each datum where the rule is about data.
        paid: what it costs at a weight of 1; of a hard rule what its multipliers make of it.
        term: u, with the graph of what it was computed from.
        speaking: where the rule is not vacuous; None where it never is.
        estimates: of each leaf this batch's own mean.
        cotangents: of each leaf that of this batch, where the rule is about draws.
        excess: of each comparison g at m̂, and how far each draw and datum moves it: mean, and mean square.
        moves: that of each draw and datum, ``(*axes, *batch)``.
        counted: of each comparison ∂v/∂(its amount); of one that is all of v, nothing.
        plates: how many batch axes what is about data has.
        each: of a hard rule on draws, what each of them violates it by.
        read: what G reads beside the tensors of the run.
        known: how each mean is known, in words.
        inside: of each leaf whose term stands inside the model ψ and c; what is known of it after the step's backward
            pass completes the rest (`settle`).
    """

    violation: Tensor
    paid: Tensor
    term: Tensor
    plates: int
    speaking: Tensor | None = None
    estimates: dict[Leaf, Tensor] = field(default_factory=dict[Leaf, Tensor])
    cotangents: dict[Leaf, Tensor] = field(default_factory=dict[Leaf, Tensor])
    excess: dict[str, tuple[Tensor, Tensor, Tensor]] = field(default_factory=dict[str, tuple[Tensor, Tensor, Tensor]])
    counted: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    moves: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    each: Tensor | None = None
    read: dict[InputKey, Tensor] = field(default_factory=dict[InputKey, Tensor])
    known: dict[str, str] = field(default_factory=dict[str, str])
    inside: dict[Leaf, tuple[Tensor, Tensor]] = field(default_factory=dict[Leaf, tuple[Tensor, Tensor]])
    settle: Callable[[Mapping[Leaf, tuple[Tensor, Tensor]], bool], None] | None = None

    def amount(self, name: str) -> Tensor:
        """Return max(g, 0) of a comparison."""
        return self.excess[name][0].clamp_min(0) if name in self.counted else self.violation
