"""Means within means: how far a mean reaches by way of others whose integrands read it."""

from collections.abc import Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor

from asrppl.core.signature import Level
from asrppl.infer.estimate.derivatives import Derivatives
from asrppl.infer.estimate.evaluation import Leaf
from asrppl.infer.estimate.functional import is_whole

WITHIN = " within"
"""Of a leaf that others read: how these move with it."""


class Nested(Derivatives):
    """What a run says of the cotangents of moments that other moments read."""

    @property
    def drawn(self) -> bool:
        """Whether the rule is said of draws."""
        return Level.DRAW in self.functional.decomposed.rule.formula.levels

    def within(self, cotangents: dict[Leaf, Tensor], known: Mapping[Leaf, Tensor]) -> dict[Leaf, Tensor]:
        """Take from cotangents what goes by way of other moments; return how much of it there is for what they pull.

        With m_j = E[ψ_j] that reads m, the cotangent of m has a part c_j E[∂ψ_j/∂m]. Of this run's own draws that mean
        is correlated with the integrand of m that it multiplies. (At one draw the gradient of E[(z − E[z])²] would be
        0.) So it is tracked, by what c_j there is: a multiplier that moves is followed at once.
        """
        if not self.chained:
            return {}
        for leaf, own in self._by_way(cotangents).items():
            cotangents[leaf] = cotangents[leaf] - own
        pulls = cotangents
        if self.drawn:
            pulls = {leaf: known.get(leaf, own) for leaf, own in cotangents.items()}
        found: dict[Leaf, Tensor] = {}
        for leaf, own in self._by_way(pulls).items():
            key, reach = (leaf[0], leaf[1] + WITHIN), self.reach(leaf, pulls)
            share = own / reach.clamp_min(torch.finfo(own.dtype).tiny)
            found[key] = torch.where(reach > 0, share, known.get(key, torch.zeros_like(share)))
        return found

    @property
    def _nested(self) -> list[Leaf]:
        """The leaves that are no function of this run, and that the integrand of such another reads."""
        reads = [own for stage in self.functional.reads for name, own in stage.items() if name not in self.exact]
        names = {name for own in reads for name, _ in own}
        return [leaf for leaf in self.tracked if leaf[0] in names and leaf not in self.inside]

    def _by_way(self, cotangents: Mapping[Leaf, Tensor]) -> dict[Leaf, Tensor]:
        """Return the part of the cotangents of nested leaves that goes by way of the moments that read them."""
        nested = self._nested
        outer = [leaf for leaf in self.tracked if leaf in cotangents and leaf not in nested]
        outer = [leaf for leaf in outer if leaf[0] in self.chained and self.values[leaf].requires_grad]
        if not nested or not outer:
            return {}
        pulls: list[Tensor] = []
        for leaf in outer:
            value = self.values[leaf]
            pulls.append((cotangents[leaf] / prod(value.shape[self.axes(leaf) :])).expand(value.shape))
        found: Any = torch.autograd.grad(
            [self.values[leaf] for leaf in outer],
            [self.leaves[leaf] for leaf in nested],
            pulls,
            retain_graph=True,
            allow_unused=True,
        )
        return {
            leaf: slope * prod(slope.shape[self.axes(leaf) :])
            for leaf, slope in zip(nested, found, strict=True)
            if slope is not None and leaf in cotangents
        }

    def reach(self, leaf: Leaf, cotangents: Mapping[Leaf, Tensor]) -> Tensor:
        """Return how large the cotangents are together that reach a nested leaf, for each datum where it is of one."""
        nested, total = self._nested, torch.zeros(())
        for other in self.tracked:
            if other in cotangents and other not in nested:
                size = cotangents[other].abs()
                axes = self.axes(other)
                size = size.sum(tuple(range(axes))) if axes else size
                total = total + (size.mean() if is_whole(self.by_name[leaf[0]]) else size)
        return total
