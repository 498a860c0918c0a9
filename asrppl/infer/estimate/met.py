"""What the runs of a call say of means that no training step has found yet."""

from torch import Tensor

from asrppl.infer.estimate.evaluation import Evaluation, Leaf


class Met:
    """Means and cotangents over runs, until there are tracked ones.

    A run reads the mean over the runs of its call before it. Of calls made ahead of a first training step the first
    settles the means, and the second finds the cotangents at them: then each particle of the step reads what an axis of
    particles would.
    """

    def __init__(self) -> None:
        self.means: dict[Leaf, Tensor] = {}
        self.cotangents: dict[Leaf, Tensor] = {}
        self._counts: dict[Leaf, int] = {}
        self._settled = False

    def add(self, evaluation: Evaluation) -> None:
        """Count a run in."""
        table, found = (self.cotangents, evaluation.cotangents) if self._settled else (self.means, evaluation.estimates)
        for leaf, value in found.items():
            count = self._counts[leaf] = self._counts.get(leaf, 0) + 1
            before = table.get(leaf, value)
            table[leaf] = before + (value - before) / count

    def settle(self) -> None:
        """End a call that was made ahead."""
        self._settled = True
        self._counts = {}
