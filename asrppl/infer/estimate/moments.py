"""A rule that reads moments, on the draws and data of one run.

Of v = G(m_1, …, m_r) with m_j = E[ψ_j], the gradient is Σ c_j ∂m_j with the cotangents c_j = ∂G/∂m_j. They are taken
at a *tracked* mean m̂_j, not at this batch's own: then c_j does not depend on the draws that ψ_j is evaluated on, and

    u = Σ_j c_j (ψ_j − m̂_j),    c_j held fixed,

is a term as a rule on draws has it: linear in the integrands, so that its gradient in the objective is right for
score functions, enumeration, particles and subsampled plates alike. A moment that no draw enters and that takes in all
the data is exact: v is then a function of it as of any other value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.core.moments import Moment
from asrppl.core.signature import Level
from asrppl.core.typed import Cost
from asrppl.infer.estimate.axes import axes_last, directional, padded
from asrppl.infer.estimate.batch import Batch
from asrppl.infer.estimate.functional import Functional, Functions, Sampled, axes_of
from asrppl.infer.estimate.scores import scored

Leaf = tuple[str, str]
"""A mean that is tracked: of the integrand where it is meant (``"sum"``), or of what is meant (``"share"``)."""

_NONE: Mapping[str, Tensor] = MappingProxyType({})
_NO_MEANS: Mapping[Leaf, Tensor] = MappingProxyType({})


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
        counted: of each comparison ∂v/∂(its amount).
        plates: how many batch axes what is about data has.
        each: of a hard rule on draws, what each of them violates it by.
        read: what G reads beside the tensors of the run.
        known: how each mean is known, in words.
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
) -> Evaluation:
    """Return a rule's violation, its term, and what its state learns of a run.

    Args:
        functional: the rule.
        tensors: what the run left.
        functions: that `bind=` gave.
        batch: what the batch axes are.
        means: m̂ of the leaves, ``(*axes, *plates)`` or ``(*axes)``; of what is missing, this batch's own is taken.
        cotangents: of a rule about draws, likewise: they are then not those of the draws that ψ is evaluated on.
        multipliers: ν of the comparisons, likewise; of what is missing, 1 where g > 0.
        exact: names of the moments whose own mean is the moment.
        hard: whether the multipliers are all that the rule costs.
        shared: of comparisons of data that are not told apart the multiplier of their mean violation.
        scores: of moments that are known by the score function the log-probability of what was drawn, ``(*batch)``.
    """
    run = _Run(functional, dict(tensors), functions, batch, dict(means), exact, scores)
    run.read_moments()
    return run.evaluate(cotangents, multipliers, hard=hard, shared=shared)


def estimates(
    functional: Functional, tensors: Mapping[InputKey, Tensor], functions: Functions, batch: Batch
) -> dict[Leaf, Tensor]:
    """Return of each leaf the mean over what a run drew, and over its data where the moment is one for all."""
    run = _Run(functional, dict(tensors), functions, batch, {}, frozenset())
    run.read_moments()
    return run.estimates


class _Run:
    def __init__(
        self,
        functional: Functional,
        tensors: dict[InputKey, Tensor],
        functions: Functions,
        batch: Batch,
        means: dict[Leaf, Tensor],
        exact: frozenset[str],
        scores: Mapping[str, Tensor] = _NONE,
    ) -> None:
        self.functional = functional
        self.tensors = tensors
        self.given = frozenset(tensors)
        self.functions = functions
        self.batch = batch
        self.means = means
        self.exact = exact
        self.scores = scores
        self.integrands: dict[Leaf, Tensor] = {}
        self.estimates: dict[Leaf, Tensor] = {}
        self.leaves: dict[Leaf, Tensor] = {}
        self.free: list[Leaf] = []  # those with a cotangent: all that G is no ordinary function of
        self.by_name: dict[str, Moment] = {moment.name: moment for moment in functional.moments}

    def _axes(self, leaf: Leaf) -> int:
        moment = self.by_name[leaf[0]]
        return axes_of(moment) if leaf[1] == "sum" else len(moment.variables)

    # ---- moments

    def read_moments(self) -> None:
        """Evaluate the integrands, and hand what is read of each moment to those after it, and to G."""
        for stage in range(len(self.functional.stages)):
            nested = stage > 0
            fixed = {key: tensor.detach() for key, tensor in self.tensors.items()} if nested else self.tensors
            held = {**self.tensors, **{key: fixed[key] for key in fixed if key[0] in self.by_name}}
            sampled = self.functional.sampled(stage, held, self.functions)
            chained: Sampled = {}
            if nested:  # how it moves with the moments that it reads
                inner = {**fixed, **{key: self.tensors[key] for key in fixed if key[0] in self.by_name}}
                chained = self.functional.sampled(stage, inner, self.functions)
            parts = {name: self._parts(self.by_name[name], *each) for name, each in sampled.items()}
            means = {
                (name, kind): self.batch.mean(integrand, self._axes((name, kind)), whole=is_whole(self.by_name[name]))
                for name, integrands in parts.items()
                for kind, integrand in integrands.items()
            }
            self.estimates |= {leaf: mean.detach() for leaf, mean in means.items()}
            self.estimates |= self._shared({leaf: self.estimates[leaf] for leaf in means if self._is_shared(leaf[0])})
            for name, integrands in parts.items():
                moves = self._parts(self.by_name[name], *chained[name]) if name in chained else {}
                self._read(self.by_name[name], integrands, means, moves)

    def _read(
        self, moment: Moment, parts: dict[str, Tensor], means: Mapping[Leaf, Tensor], moves: Mapping[str, Tensor]
    ) -> None:
        values: dict[str, Tensor] = {}
        for kind, integrand in parts.items():
            leaf = (moment.name, kind)
            axes = self._axes(leaf)
            self.integrands[leaf] = integrand
            exact = moment.name in self.exact
            if exact and not self._is_shared(moment.name):
                value = means[leaf]
            else:
                tracked = None if exact else self.means.get(leaf)
                value = (self.estimates[leaf] if tracked is None else tracked).detach().clone().requires_grad_()
                self.free.append(leaf)
            self.leaves[leaf] = value
            if moment.name in self.scores:
                baseline = padded(value.detach(), axes, integrand.dim() - axes)
                self.integrands[leaf] = scored(integrand, baseline, self.scores[moment.name], axes)
            if kind in moves:
                move = self.batch.mean(moves[kind], axes, whole=is_whole(moment))
                value = value + (move - move.detach())
            values[kind] = value
        self._feed(moment, values["sum"], values.get("share"))

    def _is_shared(self, name: str) -> bool:
        """Whether a mean is one with that of other processes."""
        return self.batch.shared is not None and name not in self.batch.about

    def _shared(self, means: dict[Leaf, Tensor]) -> dict[Leaf, Tensor]:
        if self.batch.shared is None or not means:
            return means
        return dict(zip(means, self.batch.shared(list(means.values())), strict=True))

    def _parts(self, moment: Moment, body: Tensor, where: Tensor | None) -> dict[str, Tensor]:
        whole = Level.DATUM in moment.over
        mask = self.batch.mask if whole else None
        if where is None and mask is None:
            return {"sum": body}
        chosen = body.new_ones((1,) * len(moment.variables)) if where is None else where
        if mask is not None:
            chosen = chosen * mask.to(body.dtype)
        support = moment.entry.support is not None
        weight = chosen.unsqueeze(len(moment.variables)) if support else chosen
        meant = torch.where(weight > 0, body, torch.zeros((), dtype=body.dtype, device=body.device))
        return {"sum": meant, "share": chosen.to(body.dtype)}

    def _feed(self, moment: Moment, total: Tensor, share: Tensor | None) -> None:
        """Put what the rule reads of a moment among the tensors: its value, ``(*batch, *axes)``."""
        axes = len(moment.variables)
        support = moment.entry.support is not None
        value = total
        if share is not None:
            divisor = share.clamp_min(torch.finfo(share.dtype).tiny)
            value = total / (divisor.unsqueeze(axes) if support else divisor)
            self.tensors[moment.name, "share"] = axes_last(share, axes)
        if support:
            tiny = torch.finfo(value.dtype).tiny
            self.tensors[moment.name, "log_probs"] = axes_last(value.clamp_min(tiny).log(), axes + 1)
        else:
            self.tensors[moment.name, None] = axes_last(value, axes)

    # ---- what is said of them

    def evaluate(
        self,
        known: Mapping[Leaf, Tensor],
        multipliers: Mapping[str, Tensor],
        *,
        hard: bool,
        shared: Mapping[str, Tensor],
    ) -> Evaluation:
        """Return all that there is to say of the rule."""
        excesses = self._excesses(self.tensors)
        slopes: dict[str, Tensor] = {}
        for comparison, excess in zip(self.functional.comparisons, excesses, strict=True):
            given = multipliers.get(comparison.name)
            if comparison.name in shared:
                whole = shared[comparison.name].to(excess.dtype)
                given = whole.reshape((*whole.shape, *(1,) * (excess.dim() - whole.dim()))) * (excess.detach() > 0)
            elif not hard and (given is None or self.functional.is_exact(comparison, self.exact)):
                given = excess > 0  # what is known without noise needs no multiplier to find its price
            elif given is None:
                given = torch.zeros_like(excess)
            slope = given.to(excess.dtype).expand(excess.shape)
            slopes[comparison.name] = slope.detach().clone().requires_grad_()
            self.tensors[comparison.name, None] = axes_last(slopes[comparison.name], len(comparison.variables))
        violations, speaking = self.functional.outer.evaluate(self.tensors, self.functions)
        violation = violations[self.functional.name]
        wanted = [(self.leaves[leaf], self._axes(leaf)) for leaf in self.free]
        wanted += [(slopes[each.name], len(each.variables)) for each in self.functional.comparisons]
        found = self._slopes(violation, wanted)
        cotangents = {leaf: slope for leaf, slope in zip(self.free, found, strict=False) if slope is not None}
        counted = {
            name: torch.zeros_like(slopes[name]) if share is None else share
            for name, share in zip(slopes, found[len(self.free) :], strict=True)
        }
        moves = self._moves(hard=hard)
        learnt = self._learnt(excesses, moves)
        if self.batch.shared is not None:
            cotangents, counted, learnt = self._of_all(cotangents, counted, learnt)
        tracked = {leaf: own for leaf, own in cotangents.items() if self.drawn and leaf[0] not in self.exact}
        return Evaluation(
            violation.detach(),
            self._pulled(violation, slopes, counted, excesses) if hard else violation.detach(),
            self._term(violation, cotangents | {leaf: known.get(leaf, own).clone() for leaf, own in tracked.items()}),
            self.batch.plates,
            speaking.get(self.functional.name),
            self.estimates,
            tracked,
            learnt,
            counted,
            moves,
            self._each(),
            {key: tensor.detach() for key, tensor in self.tensors.items() if key not in self.given},
        )

    def _of_all(
        self,
        cotangents: dict[Leaf, Tensor],
        counted: dict[str, Tensor],
        learnt: dict[str, tuple[Tensor, Tensor, Tensor]],
    ) -> tuple[dict[Leaf, Tensor], dict[str, Tensor], dict[str, tuple[Tensor, Tensor, Tensor]]]:
        """Return them with the means over the data of all processes, of what is one for all data."""
        slopes: dict[Leaf, Tensor] = {leaf: own for leaf, own in cotangents.items() if self._is_shared(leaf[0])}
        slopes |= {(name, "counted"): own for name, own in counted.items() if self._is_shared(name)}
        for name, (_, mean, square) in learnt.items():
            if self._is_shared(name):
                slopes |= {(name, "mean"): mean, (name, "square"): square}
        found = self._shared(slopes)
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
        found = last is not None and isinstance(last.integrand, Cost)
        return self.integrands[last.name, "sum"].detach() if found and last is not None else None

    def _excesses(self, tensors: Mapping[InputKey, Tensor]) -> list[Tensor]:
        found = self.functional.excesses(tensors, self.functions)
        return [
            value.movedim(tuple(range(-n, 0)), tuple(range(n))) if (n := len(comparison.variables)) else value
            for comparison, value in zip(self.functional.comparisons, found, strict=True)
        ]

    def _slopes(self, violation: Tensor, wanted: Sequence[tuple[Tensor, int]]) -> list[Tensor | None]:
        """Return the derivatives of the mean violation by what is ``wanted``, each with the number of its axes.

        The term that they go into is averaged over data: so what is one for all data has the mean of the slopes that
        they have, and what is there for each datum the slope of that one.
        """
        each = self._over_draws(violation)
        if not each.requires_grad or not wanted:
            return [None] * len(wanted)
        inputs = [tensor for tensor, _ in wanted]
        found: Any = torch.autograd.grad(self._present(each).sum(), inputs, retain_graph=True, allow_unused=True)
        return [
            None if slope is None else slope * (prod(slope.shape[axes:]) / each.numel())
            for slope, (_, axes) in zip(found, wanted, strict=True)
        ]

    def _over_draws(self, violation: Tensor) -> Tensor:
        return self.batch.mean(violation, 0, whole=False) if violation.dim() > self.batch.plates else violation

    def _present(self, violation: Tensor) -> Tensor:
        mask = self.batch.mask if self.functional.about_data else None
        return violation if mask is None else torch.where(mask, violation, torch.zeros_like(violation))

    def _pulled(
        self,
        violation: Tensor,
        slopes: Mapping[str, Tensor],
        counted: Mapping[str, Tensor | None],
        excesses: Sequence[Tensor],
    ) -> Tensor:
        """Return what a hard rule costs: Σ μ max(g, 0) over the comparisons that count."""
        total = torch.zeros_like(violation)
        for comparison, excess in zip(self.functional.comparisons, excesses, strict=True):
            share = counted[comparison.name]
            if share is not None:
                cost = (share * slopes[comparison.name] * excess.clamp_min(0)).detach()
                axes = tuple(range(len(comparison.variables)))
                total = total + (cost.sum(axes) if axes else cost)
        return total

    @property
    def drawn(self) -> bool:
        """Whether the rule is said of draws."""
        return Level.DRAW in self.functional.decomposed.rule.formula.levels

    def _term(self, violation: Tensor, cotangents: Mapping[Leaf, Tensor]) -> Tensor:
        term = violation if self.drawn else violation - violation.detach()
        for leaf, cotangent in cotangents.items():
            term = term + self._linear(leaf, cotangent)
        return term

    def _linear(self, leaf: Leaf, cotangent: Tensor) -> Tensor:
        """Return c (ψ − m̂), added up over the axes of the moment."""
        integrand = self.integrands[leaf]
        axes = self._axes(leaf)
        batch = integrand.dim() - axes
        exact = leaf[0] in self.exact  # then m̂ is no estimate, and the term is there for its gradient alone
        moved = integrand - (integrand if exact else padded(self.leaves[leaf], axes, batch)).detach()
        return (padded(cotangent, axes, batch) * moved).sum(tuple(range(axes))) if axes else cotangent * moved

    def _learnt(
        self, excesses: Sequence[Tensor], moves: Mapping[str, Tensor]
    ) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """Return of each comparison g, and the mean and mean square of what moves it."""
        found: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        for comparison, excess in zip(self.functional.comparisons, excesses, strict=True):
            if comparison.name in moves:
                move, axes = moves[comparison.name], len(comparison.variables)
                whole = Level.DATUM not in comparison.excess.levels
                mean, square = (self.batch.mean(part, axes, whole=whole) for part in (move, move.square()))
                found[comparison.name] = excess.detach(), mean, square
        return found

    def _moves(self, *, hard: bool) -> dict[str, Tensor]:
        """Return of each comparison J (ψ − m̂), for every draw and datum.

        J is the derivative of g by the means. J (ψ − m̂) for every draw and datum is the derivative of uᵀ(J v) by u.
        """
        learning = [
            each for each in self.functional.comparisons if hard or not self.functional.is_exact(each, self.exact)
        ]
        if not learning:
            return {}
        leaves: dict[Leaf, Tensor] = {}
        moved: dict[Leaf, Tensor] = {}
        for leaf in (leaf for leaf in self.free if leaf[0] not in self.exact):
            axes = self._axes(leaf)
            integrand = self.integrands[leaf].detach()
            mean = padded(self.leaves[leaf].detach(), axes, integrand.dim() - axes)
            moved[leaf] = integrand - mean
            leaves[leaf] = mean.expand(moved[leaf].shape).clone().requires_grad_()
        inner = _Run(
            self.functional,
            {key: tensor.detach() for key, tensor in self.tensors.items()},
            self.functions,
            self.batch,
            {},
            self.exact,
        )
        for moment in self.functional.moments:
            if moment.name not in self.exact:
                inner._feed(moment, leaves[moment.name, "sum"], leaves.get((moment.name, "share")))
        spreads = zip(self.functional.comparisons, inner._excesses(inner.tensors), strict=True)
        return {
            comparison.name: directional(spread, list(leaves.values()), list(moved.values())).detach()
            for comparison, spread in spreads
            if comparison in learning
        }


def is_whole(moment: Moment) -> bool:
    """Whether a moment is one for all data, and not one for each datum."""
    return Level.DATUM in moment.over or Level.DATUM not in moment.operator.levels
