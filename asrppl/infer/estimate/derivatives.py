"""How a rule's violation changes with the means that it reads, and how far each draw and datum moves it."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any, Self

import torch
from torch import Tensor

from asrppl.core.moments import Comparison
from asrppl.core.signature import Level
from asrppl.infer.estimate.axes import axes_last, directional, padded
from asrppl.infer.estimate.evaluation import Leaf
from asrppl.infer.estimate.integrands import Integrands

Squares = Mapping[Leaf, tuple[Tensor, Tensor]]
"""Of leaves their means and mean squares, ``(*axes, *plates)``."""

Moves = dict[str, tuple[Tensor, Tensor | None]]
"""By comparison how far each draw and datum moves it, and the spread within what is no draw."""

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
        if self._is_one_for_all() and excesses[0].numel() == 1:
            # Of what all data have together, max(g, 0) changes with a mean as g does: that is known by now.
            (slope,), ((excess, row),) = slopes.values(), self._gradients.values()
            return excess.relu(), None, {leaf: own * slope.detach() for leaf, own in row.items()}, {}
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

    def _is_one_for_all(self) -> bool:
        """Whether the rule is one comparison of what all data have together, a function of tracked means alone."""
        if not self.functional.is_one or self.batch.mask is not None or self.batch.shared is not None:
            return False
        (comparison,) = self.functional.comparisons
        plain = self.tracked and all(map(self.is_plain, self.by_name))
        return bool(plain) and not (comparison.variables or comparison.excess.levels) and self._is_closed()

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

    def moves(self, known: Squares, *, hard: bool) -> Moves:
        """Return of each comparison J (ψ − m̂), for every draw and datum; of ``known`` leaves the spread within each.

        J is the derivative of g by the means. Where g is affine in them J (ψ − m̂) is its linear part at ψ − m̂; of a
        g that is one for all data J is its gradient; elsewhere J v is the derivative of uᵀ(J v) by u. Of leaves that
        are ``known`` there are means and mean squares in place of draws; how far they spread together is not known, and
        is taken to be as far as it can be.
        """
        learning = [
            each for each in self.functional.comparisons if hard or not self.functional.is_exact(each, self.exact)
        ]
        if not learning:
            return {}
        if not known and not any(each.variables or each.excess.levels for each in learning):
            return self._sloped(learning)
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

    def _sloped(self, learning: Sequence[Comparison]) -> Moves:
        """Return how far each draw and datum moves comparisons that are one for all data."""
        found: Moves = {}
        for comparison in learning:
            excess, row = self._gradients[comparison.name]
            move = torch.zeros_like(excess)
            for leaf, slope in row.items():
                moved, axes = self.moved(leaf).detach(), self.axes(leaf)
                part = padded(slope, axes, moved.dim() - axes) * moved
                move = move + (part.sum(tuple(range(axes))) if axes else part)
            found[comparison.name] = move, None
        return found

    @cached_property
    def _gradients(self) -> dict[str, tuple[Tensor, dict[Leaf, Tensor]]]:
        """By comparison g and its derivatives by the tracked means."""
        inner = self.detached()
        for leaf in self.tracked:
            inner.leaves[leaf] = self.leaves[leaf].detach().requires_grad_()
        leaves = list(inner.leaves)
        inputs = list(inner.leaves.values())
        found: dict[str, tuple[Tensor, dict[Leaf, Tensor]]] = {}
        with torch.enable_grad():
            inner.feed_all()
            excesses = inner._axes_first(self.functional.excesses(inner.tensors, self.functions))
            for comparison, excess in zip(self.functional.comparisons, excesses, strict=True):
                rows: Any = [None] * len(leaves)
                if excess.requires_grad:
                    total = excess.mean() if excess.dim() else excess  # a law repeats it for each particle
                    rows = torch.autograd.grad(total, inputs, retain_graph=len(excesses) > 1, allow_unused=True)
                row = {leaf: slope for leaf, slope in zip(leaves, rows, strict=True) if slope is not None}
                found[comparison.name] = excess.detach(), row
        return found

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
        if self._is_one_for_all():
            return [excess for excess, _ in self._gradients.values()]
        with torch.no_grad():
            return self._axes_first(self.functional.excesses(self.tensors, self.functions))

    def _axes_first(self, found: Sequence[Tensor]) -> list[Tensor]:
        """Return g of each comparison as ``(*axes, *batch)``; what each datum has, with an axis for each plate."""
        values: list[Tensor] = []
        for comparison, value in zip(self.functional.comparisons, found, strict=True):
            axes = len(comparison.variables)
            value = value.movedim(tuple(range(-axes, 0)), tuple(range(axes))) if axes else value
            each = Level.DATUM in comparison.excess.levels
            values.append(padded(value, axes, max(value.dim() - axes, self.batch.plates)) if each else value)
        return values

    def detached(self) -> Self:
        """Return this run without graphs, to be evaluated at other means."""
        tensors = {key: tensor.detach() for key, tensor in self.tensors.items()}
        return type(self)(self.functional, tensors, self.functions, self.batch, {}, self.exact)


def _times(value: Tensor, factor: float) -> Tensor:
    return value if factor == 1 else value * factor
