"""How a rule's violation changes with the means that it reads, and how far each draw and datum moves it."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Self

import torch
from torch import Tensor

from asrppl.core.moments import Comparison
from asrppl.core.signature import Level
from asrppl.infer.estimate.axes import axes_last, directional, padded
from asrppl.infer.estimate.evaluation import Leaf
from asrppl.infer.estimate.functional import is_whole
from asrppl.infer.estimate.integrands import Integrands

Squares = Mapping[Leaf, tuple[Tensor, Tensor]]
"""Of leaves their means and mean squares, ``(*axes, *plates)``."""

Moves = dict[str, tuple[Tensor, Tensor | None]]
"""By comparison how far each draw and datum moves it, and the spread within what is no draw."""

WITHIN = " within"
"""Of a leaf that others read: how these move with it."""

Value = tuple[Tensor, Tensor | None, dict[Leaf, Tensor], dict[str, Tensor]]
"""A violation, where it is not vacuous, and its derivatives: by leaves, and by the amounts of comparisons."""


class Derivatives(Integrands):
    """Derivatives of what a rule says of the means that a run has."""

    def value(self, excesses: Sequence[Tensor], slopes: Mapping[str, Tensor]) -> Value:
        """Return G and its derivatives, the amounts of comparisons having ``slopes``."""
        if (classical := self.functional.classical) is not None:
            leaf, factor = classical
            plain = self.free == [leaf] and self.is_plain(leaf[0]) and self.batch.mask is self.batch.shared is None
            if plain and self.leaves[leaf].shape == excesses[0].shape and excesses[0].dim() <= self.batch.plates:
                # What max(a m + b, 0) changes with is known without a graph.
                (slope,) = slopes.values()
                return excesses[0].relu(), None, {leaf: _times(slope.detach(), factor)}, {}
        graph = torch.is_grad_enabled()
        with torch.enable_grad():  # multipliers pay for what counts, in evaluations too
            violations, speaking = self.functional.outer.evaluate(self.tensors, self.functions)
            violation = violations[self.functional.name]
            wanted = [(self.leaves[leaf], self.axes(leaf)) for leaf in self.free]
            wanted += [(slopes[each.name], len(each.variables)) for each in self.functional.comparisons]
            graph = graph and not self._is_closed()
            found = self._slopes(violation, wanted, again=graph)
        cotangents = {leaf: slope for leaf, slope in zip(self.free, found, strict=False) if slope is not None}
        counted = {
            name: torch.zeros_like(slopes[name]) if share is None else share
            for name, share in zip(slopes, found[len(self.free) :], strict=True)
        }
        violation = violation if graph else violation.detach()
        return violation, speaking.get(self.functional.name), cotangents, counted

    def is_plain(self, name: str) -> bool:
        """Whether a moment is the value of its leaf, which is tracked."""
        return not (name in self.exact or name in self.chained or self.inside or (name, "share") in self.leaves)

    def _is_closed(self) -> bool:
        """Whether gradients reach G through leaves and slopes alone: with their cotangents its graph is done with."""
        outer = self.functional.outer
        own = {name for name, _ in self.free} - self.chained
        own |= {comparison.name for comparison in self.functional.comparisons}
        return not outer.functions and all(key[0] in own or not self.tensors[key].requires_grad for key in outer.inputs)

    def _slopes(self, violation: Tensor, wanted: Sequence[tuple[Tensor, int]], *, again: bool) -> list[Tensor | None]:
        """Return the derivatives of the mean violation by what is ``wanted``, each with the number of its axes.

        The term that they go into is averaged over data: so what is one for all data has the mean of the slopes that
        they have, and what is there for each datum the slope of that one. The graph stays where it is used ``again``.
        """
        each = self._over_draws(violation)
        if not each.requires_grad or not wanted:
            return [None] * len(wanted)
        inputs = [tensor for tensor, _ in wanted]
        found: Any = torch.autograd.grad(self._present(each).sum(), inputs, retain_graph=again, allow_unused=True)
        count = each.numel()
        return [
            None if slope is None else _times(slope, prod(slope.shape[axes:]) / count)
            for slope, (_, axes) in zip(found, wanted, strict=True)
        ]

    def _over_draws(self, violation: Tensor) -> Tensor:
        return self.batch.mean(violation, 0, whole=False) if violation.dim() > self.batch.plates else violation

    def _present(self, violation: Tensor) -> Tensor:
        mask = self.batch.mask if self.functional.about_data else None
        return violation if mask is None else torch.where(mask, violation, torch.zeros_like(violation))

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
        total = torch.zeros(())
        for other in self.tracked:
            if other in cotangents and other not in self._nested:
                size = cotangents[other].abs()
                axes = self.axes(other)
                size = size.sum(tuple(range(axes))) if axes else size
                total = total + (size.mean() if is_whole(self.by_name[leaf[0]]) else size)
        return total

    def moves(self, known: Squares, *, hard: bool) -> Moves:
        """Return of each comparison J (ψ − m̂), for every draw and datum; of ``known`` leaves the spread within each.

        J is the derivative of g by the means. Where g is affine in them J (ψ − m̂) is its linear part at ψ − m̂;
        elsewhere it is, for every draw and datum, the derivative of uᵀ(J v) by u. Of leaves that are ``known`` there
        are means and mean squares in place of draws; how far they spread together is not known, and is taken to be as
        far as it can be.
        """
        learning = [
            each for each in self.functional.comparisons if hard or not self.functional.is_exact(each, self.exact)
        ]
        if not learning:
            return {}
        if known or not all(self.is_plain(name) for name in self.by_name):
            return self._turned(learning, known)
        if (classical := self.functional.classical) is not None:
            leaf, factor = classical
            return {learning[0].name: (_times(self.moved(leaf).detach(), factor), None)}
        if (linear := self.functional.linear) is None:
            return self._turned(learning, known)
        tensors = dict(self.tensors)
        for leaf in self.leaves:
            tensors[leaf[0], None] = axes_last(self.moved(leaf).detach(), self.axes(leaf))
        with torch.no_grad():
            found = self._axes_first(linear(tensors, self.functions))
        return {each.name: (move, None) for each, move in zip(self.functional.comparisons, found, strict=True)}

    def _turned(self, learning: Sequence[Comparison], known: Squares) -> Moves:
        """Return how far each draw and datum moves a comparison of any form."""
        inner = self.detached()
        moved: dict[Leaf, Tensor] = {}
        spreads: dict[Leaf, Tensor] = {}
        for leaf in self.tracked:
            axes = self.axes(leaf)
            integrand = self.integrands[leaf].detach()
            if leaf in known:
                integrand, square = known[leaf]
                spreads[leaf] = (square - integrand.square()).clamp_min(0).sqrt()
            mean = padded(self.leaves[leaf].detach(), axes, integrand.dim() - axes)
            moved[leaf] = integrand - mean
            inner.leaves[leaf] = mean.expand(moved[leaf].shape).clone().requires_grad_()
        inner.feed_all()
        leaves = [inner.leaves[leaf] for leaf in moved]
        excesses = inner._axes_first(self.functional.excesses(inner.tensors, self.functions))
        found: dict[str, tuple[Tensor, Tensor | None]] = {}
        for comparison, excess in zip(self.functional.comparisons, excesses, strict=True):
            if comparison in learning:
                move = directional(excess, leaves, list(moved.values())).detach()
                apart = [directional(excess, [inner.leaves[leaf]], [sd]).abs() for leaf, sd in spreads.items()]
                found[comparison.name] = move, sum(apart[1:], start=apart[0]).detach() if apart else None
        return found

    def excesses(self) -> list[Tensor]:
        """Return g of each comparison, ``(*axes, *batch)``, without a graph."""
        with torch.no_grad():
            return self._axes_first(self.functional.excesses(self.tensors, self.functions))

    def _axes_first(self, found: Sequence[Tensor]) -> list[Tensor]:
        return [
            value.movedim(tuple(range(-n, 0)), tuple(range(n))) if (n := len(comparison.variables)) else value
            for comparison, value in zip(self.functional.comparisons, found, strict=True)
        ]

    def detached(self) -> Self:
        """Return this run without graphs, to be evaluated at other means."""
        tensors = {key: tensor.detach() for key, tensor in self.tensors.items()}
        return type(self)(self.functional, tensors, self.functions, self.batch, {}, self.exact)


def _times(value: Tensor, factor: float) -> Tensor:
    return value if factor == 1 else value * factor
