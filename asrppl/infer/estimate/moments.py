"""A rule that reads moments, on the draws and data of one run.

Of v = G(m_1, …, m_r) with m_j = E[ψ_j], the gradient is Σ c_j ∂m_j with the cotangents c_j = ∂G/∂m_j. They are taken
at a *tracked* mean m̂_j, not at this batch's own: then c_j does not depend on the draws that ψ_j is evaluated on, and

    u = Σ_j c_j (ψ_j − m̂_j),    c_j held fixed,

is a term as a rule on draws has it: linear in the integrands, so that its gradient in the objective is right for
score functions, enumeration, particles and subsampled plates alike. A moment that no draw enters and that takes in all
the data is exact: v is then a function of it as of any other value.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.bind.shapes import broadcast_shape
from asrppl.core.moments import Comparison
from asrppl.core.signature import Level
from asrppl.core.typed import Cost
from asrppl.infer.estimate.axes import axes_last, padded
from asrppl.infer.estimate.batch import Batch
from asrppl.infer.estimate.derivatives import Moves, Squares
from asrppl.infer.estimate.evaluation import Evaluation, Leaf
from asrppl.infer.estimate.functional import Functional, Functions, is_whole
from asrppl.infer.estimate.integrands import Integrands
from asrppl.infer.estimate.within import WITHIN, Nested

_NO_LEAVES: frozenset[Leaf] = frozenset()
_NONE: Mapping[str, Tensor] = MappingProxyType({})
_NO_MEANS: Mapping[Leaf, Tensor] = MappingProxyType({})


def evaluate(
    functional: Functional,
    tensors: Mapping[InputKey, Tensor],
    functions: Functions,
    batch: Batch,
    *,
    means: Mapping[Leaf, Tensor],
    cotangents: Mapping[Leaf, Tensor] = _NO_MEANS,
    multipliers: Mapping[str, Tensor] = _NONE,
    exact: frozenset[str],
    hard: bool = False,
    shared: Mapping[str, Tensor] = _NONE,
    scores: Mapping[str, Tensor] = _NONE,
    inside: frozenset[Leaf] = _NO_LEAVES,
    others: Sequence[Mapping[InputKey, Tensor]] = (),
) -> Evaluation:
    """Return a rule's violation, its term, and what its state learns of a run.

    Args:
        functional: the rule.
        tensors: what the run left.
        functions: that `bind=` gave.
        batch: what the batch axes are.
        means: m̂ of the leaves, ``(*axes, *plates)`` or ``(*axes)``; of what is missing, this batch's own is taken.
        cotangents: of a rule about draws, and of moments that others read, likewise: they are then not those of the
            draws that ψ is evaluated on.
        multipliers: ν of the comparisons, likewise; of what is missing, 1 where g > 0.
        exact: names of the moments whose own mean is the moment.
        hard: whether the multipliers are all that the rule costs.
        shared: of comparisons of data that are not told apart the multiplier of their mean violation.
        scores: of moments that are known by the score function the log-probability of what was drawn, ``(*batch)``.
        inside: leaves whose terms stand inside the model, where their draws are enumerated: no run draws them.
        others: further draws, of which it is taken how means move with the means that they read.
    """
    run = _Run(functional, dict(tensors), functions, batch, dict(means), exact, scores, inside, others)
    run.read_moments()
    return run.evaluate(cotangents, multipliers, hard=hard, shared=shared)


def estimates(
    functional: Functional,
    tensors: Mapping[InputKey, Tensor],
    functions: Functions,
    batch: Batch,
    means: Mapping[Leaf, Tensor] = _NO_MEANS,
) -> dict[Leaf, Tensor]:
    """Return of each leaf the mean over what a run drew, and over its data where the moment is one for all.

    What reads another mean reads that of ``means``, and what is missing there is this run's own.
    """
    run = Integrands(functional, dict(tensors), functions, batch, dict(means), frozenset())
    run.read_moments()
    return run.estimates


class _Run(Nested):
    """What a rule says of the means that a run has."""

    def evaluate(
        self,
        known: Mapping[Leaf, Tensor],
        multipliers: Mapping[str, Tensor],
        *,
        hard: bool,
        shared: Mapping[str, Tensor],
    ) -> Evaluation:
        """Return all that there is to say of the rule."""
        comparisons, excesses = self.functional.comparisons, self.excesses()
        waits = self.functional.comparisons_of({name for name, _ in self.inside})
        axes = {each.name: len(each.variables) for each in comparisons}
        slopes: dict[str, Tensor] = {}
        for comparison, excess in zip(comparisons, excesses, strict=True):
            given = multipliers.get(comparison.name)
            if comparison.name in shared:
                whole = shared[comparison.name].to(excess.dtype)
                given = whole.reshape((*whole.shape, *(1,) * (excess.dim() - whole.dim()))) * (excess.detach() > 0)
            elif given is None and comparison.name in waits:
                given = torch.zeros_like(excess)  # no mean of it is known before a step is over
            elif not hard and (given is None or self.functional.is_exact(comparison, self.exact)):
                given = excess > 0  # what is known without noise needs no multiplier to find its price
            elif given is None:
                given = torch.zeros_like(excess)
            slope = given.to(excess.dtype)
            if slope.shape != excess.shape:
                own = axes[comparison.name]
                slope = padded(slope, own, excess.dim() - own)
                slope = slope.expand(broadcast_shape((slope.shape, excess.shape)))  # data may all have the same g
            slopes[comparison.name] = slope.detach().clone().requires_grad_()
            self.tensors[comparison.name, None] = axes_last(slopes[comparison.name], len(comparison.variables))
        violation, speaking, cotangents, counted = self.value(excesses, slopes)
        moves = {} if self.inside else self.moves({}, hard=hard)
        learnt = self._learnt(excesses, moves)
        slopes_within = self.within(cotangents, known)
        if self.batch.shared is not None:
            cotangents, counted, learnt = self._of_all(cotangents | slopes_within, counted, learnt)
            slopes_within = {leaf: cotangents.pop(leaf) for leaf in slopes_within}
        tracked = {leaf: own for leaf, own in cotangents.items() if self.drawn and leaf[0] not in self.exact}
        held = cotangents | {leaf: known.get(leaf, own).clone() for leaf, own in tracked.items()}
        for leaf, slope in slopes_within.items():
            read = leaf[0], leaf[1].removesuffix(WITHIN)
            held[read] = held[read] + known.get(leaf, slope) * self.reach(read, held)
        tracked |= slopes_within
        inside = {
            leaf: (self.integrands[leaf], held.pop(leaf, torch.zeros_like(self.leaves[leaf])))
            for leaf in self.integrands
            if leaf in self.inside
        }
        evaluation = Evaluation(
            violation.detach(),
            self._pulled(violation, slopes, counted, excesses) if hard else violation.detach(),
            self._term(violation, held),
            self.batch.plates,
            speaking,
            self.estimates,
            tracked,
            learnt,
            {each.name: self._one(counted[each.name], each) for each in comparisons if each.name in counted},
            {name: move for name, (move, _) in moves.items()},
            self._each(),
            self._read_beside(),
            inside=inside,
        )
        if inside:

            def settle(known: Squares, whole: bool) -> None:
                self._settle(evaluation, known, slopes, hard=hard, whole=whole)

            evaluation.settle = settle
        return evaluation

    def _settle(
        self, evaluation: Evaluation, known: Squares, slopes: Mapping[str, Tensor], *, hard: bool, whole: bool
    ) -> None:
        """Complete an evaluation by the means and mean squares of what the model enumerates, ``(*axes, *plates)``.

        Where the batch is the ``whole`` data, or nothing is tracked yet, the violation is that of these means.
        """
        moves = self.moves(known, hard=hard)
        learnt = self._learnt(self.excesses(), moves)
        if self.batch.shared is not None:
            learnt = self._of_all({}, {}, learnt)[2]
        evaluation.excess = learnt
        evaluation.moves = {name: move for name, (move, _) in moves.items()}
        self.estimate(
            {
                leaf: self.batch.mean(mean, self.axes(leaf), whole=is_whole(self.by_name[leaf[0]]))
                for leaf, (mean, _) in known.items()
            }
        )
        after = self.detached()
        for leaf in self.tracked:
            now = leaf in known and (whole or leaf not in self.means or not is_whole(self.by_name[leaf[0]]))
            after.leaves[leaf] = self.estimates[leaf] if now else self.leaves[leaf].detach()
        after.feed_all()
        violations, _ = self.functional.outer.evaluate(after.tensors, self.functions)
        evaluation.violation = evaluation.paid = violations[self.functional.name].detach()
        evaluation.read = {key: after.tensors[key] for key in evaluation.read}
        if hard:
            excesses = after.excesses()
            evaluation.paid = self._pulled(evaluation.violation, slopes, evaluation.counted, excesses)

    def _read_beside(self) -> dict[InputKey, Tensor]:
        return {key: tensor.detach() for key, tensor in self.tensors.items() if key not in self.given}

    def _of_all(
        self,
        cotangents: dict[Leaf, Tensor],
        counted: dict[str, Tensor],
        learnt: dict[str, tuple[Tensor, Tensor, Tensor]],
    ) -> tuple[dict[Leaf, Tensor], dict[str, Tensor], dict[str, tuple[Tensor, Tensor, Tensor]]]:
        """Return them with the means over the data of all processes, of what is one for all data."""
        slopes: dict[Leaf, Tensor] = {leaf: own for leaf, own in cotangents.items() if self.is_shared(leaf[0])}
        slopes |= {(name, "counted"): own for name, own in counted.items() if self.is_shared(name)}
        for name, (_, mean, square) in learnt.items():
            if self.is_shared(name):
                slopes |= {(name, "mean"): mean, (name, "square"): square}
        found = self.shared(slopes)
        return (
            {leaf: found.get(leaf, own) for leaf, own in cotangents.items()},
            {name: found.get((name, "counted"), own) for name, own in counted.items()},
            {
                name: (excess, found.get((name, "mean"), mean), found.get((name, "square"), square))
                for name, (excess, mean, square) in learnt.items()
            },
        )

    def _each(self) -> Tensor | None:
        last = self.functional.moments[-1] if self.functional.moments else None
        found = last is not None and isinstance(last.integrand, Cost) and (last.name, "sum") not in self.inside
        return self.integrands[last.name, "sum"].detach() if found and last is not None else None

    def _pulled(
        self,
        violation: Tensor,
        slopes: Mapping[str, Tensor],
        counted: Mapping[str, Tensor],
        excesses: Sequence[Tensor],
    ) -> Tensor:
        """Return what a hard rule costs: Σ μ max(g, 0) over the comparisons that count."""
        total = None
        with torch.no_grad():
            for comparison, excess in zip(self.functional.comparisons, excesses, strict=True):
                name, axes = comparison.name, tuple(range(len(comparison.variables)))
                whole = name not in counted  # then the violation is its amount
                cost = slopes[name] * violation if whole else counted[name] * slopes[name] * excess.clamp_min(0)
                cost = cost.sum(axes) if axes else cost
                total = cost if total is None else total + cost
        if total is None or total.shape != violation.shape:
            total = torch.zeros_like(violation) + (0.0 if total is None else total)
        return total

    def _term(self, violation: Tensor, cotangents: Mapping[Leaf, Tensor]) -> Tensor:
        parts = [self._linear(leaf, cotangent) for leaf, cotangent in cotangents.items()]
        if self.drawn or violation.requires_grad or not parts:
            parts.insert(0, violation if self.drawn else violation - violation.detach())
        term = sum(parts[1:], start=parts[0])
        return term if term.shape == violation.shape else term.expand(broadcast_shape((term.shape, violation.shape)))

    def _linear(self, leaf: Leaf, cotangent: Tensor) -> Tensor:
        """Return c (ψ − m̂), added up over the axes of the moment."""
        integrand = self.integrands[leaf]
        axes = self.axes(leaf)
        # Of an exact moment m̂ is no estimate, and the term is there for its gradient alone.
        moved = integrand - integrand.detach() if leaf[0] in self.exact else self.moved(leaf)
        if not axes:
            return cotangent * moved
        return (padded(cotangent, axes, integrand.dim() - axes) * moved).sum(tuple(range(axes)))

    def _learnt(self, excesses: Sequence[Tensor], moves: Moves) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """Return of each comparison g, and the mean and mean square of what moves it."""
        found: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        for comparison, excess in zip(self.functional.comparisons, excesses, strict=True):
            if comparison.name in moves:
                (move, within), axes = moves[comparison.name], len(comparison.variables)
                whole = Level.DATUM not in comparison.excess.levels
                with torch.no_grad():
                    square = move.square() if within is None else move.square() + within.square()
                    mean, square = (self.batch.mean(part, axes, whole=whole) for part in (move, square))
                value = self._one(excess.detach(), comparison)
                mean, square = (padded(part, axes, value.dim() - axes) if whole else part for part in (mean, square))
                found[comparison.name] = value, mean, square
        return found

    def _one(self, value: Tensor, comparison: Comparison) -> Tensor:
        """Return what no draw moves, without axes along which it is repeated: those of draws, of vectorised particles.

        What is one for all data, ``(*axes)``, may have plates of length 1 from a law that it reads.
        """
        axes = len(comparison.variables)
        draws = tuple(range(axes, value.dim() - self.batch.plates))
        value = value.mean(draws) if draws else value
        one = Level.DATUM not in comparison.excess.levels and value.shape[axes:].numel() == 1
        return value.reshape(value.shape[:axes]) if one else value
