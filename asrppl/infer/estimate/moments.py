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

import torch
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.bind.shapes import broadcast_shape
from asrppl.core.moments import Moment
from asrppl.core.signature import Level
from asrppl.core.typed import Cost
from asrppl.infer.estimate.axes import axes_last, directional, padded
from asrppl.infer.estimate.functional import Functional, Functions, Sampled, axes_of
from asrppl.infer.estimate.scores import scored

Leaf = tuple[str, str]
"""A mean that is tracked: of the integrand where it is meant (``"sum"``), or of what is meant (``"share"``)."""

_NONE: Mapping[str, Tensor] = MappingProxyType({})
_NO_MEANS: Mapping[Leaf, Tensor] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Batch:
    """What the batch axes of a run are.

    Args:
        plates: how many on the right are plates; those further left are draws.
        probability: of the draws along enumerated axes; None where nothing is enumerated.
        mask: which data are there, None for all.
    """

    plates: int
    probability: Tensor | None = None
    mask: Tensor | None = None


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
        self.by_name: dict[str, Moment] = {moment.name: moment for moment in functional.moments}

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
            for name, (body, where) in sampled.items():
                self._read(self.by_name[name], body, where, chained.get(name))

    def _read(
        self, moment: Moment, body: Tensor, where: Tensor | None, chained: tuple[Tensor, Tensor | None] | None
    ) -> None:
        parts = self._parts(moment, body, where)
        moves = {} if chained is None else self._parts(moment, *chained)
        for kind, integrand in parts.items():
            leaf = (moment.name, kind)
            axes = axes_of(moment) if kind == "sum" else len(moment.variables)
            whole = is_whole(moment)
            mean = self._mean(integrand, axes, whole=whole)
            self.integrands[leaf] = integrand
            self.estimates[leaf] = mean.detach()
            if moment.name in self.exact:
                self.leaves[leaf] = mean
                continue
            tracked = self.means.get(leaf)
            value = (self.estimates[leaf] if tracked is None else tracked).detach().clone().requires_grad_()
            self.leaves[leaf] = value
            if moment.name in self.scores:
                baseline = padded(value.detach(), axes, integrand.dim() - axes)
                self.integrands[leaf] = scored(integrand, baseline, self.scores[moment.name], axes)
            if kind in moves:
                move = self._mean(moves[kind], axes, whole=whole, unit=True)
                value = value + (move - move.detach())
            parts[kind] = value
        if moment.name in self.exact:
            parts = {kind: self.leaves[moment.name, kind] for kind in parts}
        self._feed(moment, parts["sum"], parts.get("share"))

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

    def _mean(self, value: Tensor, axes: int, *, whole: bool, unit: bool = False) -> Tensor:
        """Return the mean over draws, and over data where ``whole``, as ``(*axes, *plates)``.

        With ``unit`` the sum over data in place of their mean: its slope is that of each datum's own term.
        """
        batch = value.dim() - axes
        weight = self.batch.probability
        if weight is not None:
            batch = max(batch, weight.dim())
            value = value.reshape((*value.shape[:axes], *(1,) * (batch - value.dim() + axes), *value.shape[axes:]))
        plates = min(self.batch.plates, batch)
        draws = tuple(range(-batch, -plates)) if batch > plates else ()
        if draws:
            if weight is None:
                value = value.mean(draws)
            else:
                weight = weight.reshape((*(1,) * (batch - weight.dim()), *weight.shape)).to(value.dtype)
                value = (value * weight).sum(draws) / weight.expand(
                    broadcast_shape([weight.shape, value.shape[axes:]])
                ).sum(draws)
        value = value.reshape((*value.shape[:axes], *(1,) * (self.batch.plates - plates), *value.shape[axes:]))
        if not whole:
            return value
        dims = tuple(range(axes, value.dim()))
        if not dims:
            return value
        return value.sum(dims) if unit else value.mean(dims)

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
        violations, speaking = self.functional.outer.evaluate(self._shared(), self.functions)
        violation = violations[self.functional.name]
        tracked = [leaf for leaf in self.leaves if leaf[0] not in self.exact]
        wanted = [*(self.leaves[leaf] for leaf in tracked), *slopes.values()]
        total = self._present(self._over_draws(violation)).sum()
        if total.requires_grad and wanted:
            found = torch.autograd.grad(total, wanted, retain_graph=True, allow_unused=True)
        else:
            found = (None,) * len(wanted)
        cotangents = {leaf: own for leaf, own in zip(tracked, found, strict=False) if own is not None}
        counted = dict(zip(slopes, found[len(tracked) :], strict=True))
        moves = self._moves(tracked, hard=hard)
        return Evaluation(
            violation.detach(),
            self._pulled(violation, slopes, counted, excesses) if hard else violation.detach(),
            self._term(
                violation,
                {leaf: known.get(leaf, own).clone() for leaf, own in cotangents.items()} if self.drawn else cotangents,
            ),
            self.batch.plates,
            speaking.get(self.functional.name),
            self.estimates,
            cotangents if self.drawn else {},
            self._learnt(excesses, moves),
            {name: torch.zeros_like(slopes[name]) if share is None else share for name, share in counted.items()},
            moves,
            self._each(),
            {key: tensor.detach() for key, tensor in self.tensors.items() if key not in self.given},
        )

    def _shared(self) -> dict[InputKey, Tensor]:
        """Return what G reads; where G is said of each datum, a mean of all data has the mean slope of theirs.

        The term c (ψ − m̂) of such a mean stands in the data plate, once for each datum.
        """
        names = {m.name for m in self.functional.moments if is_whole(m) and m.name not in self.exact}
        if not names or not self.functional.about_data:
            return self.tensors
        shapes: list[tuple[int, ...]] = []
        for name, component in self.functional.outer.inputs:
            entry = self.functional.signature.get(name)
            axes = (len(entry.axes) if entry is not None else 0) + (component == "log_probs")
            shape = tuple(self.tensors[name, component].shape)
            shapes.append(shape[: len(shape) - axes][-self.batch.plates :] if self.batch.plates else ())
        count = prod(broadcast_shape(shapes))
        return {
            key: tensor.detach() + (tensor - tensor.detach()) / count if key[0] in names else tensor
            for key, tensor in self.tensors.items()
        }

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

    def _over_draws(self, violation: Tensor) -> Tensor:
        return self._mean(violation, 0, whole=False) if violation.dim() > self.batch.plates else violation

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
        for (name, slope), excess in zip(slopes.items(), excesses, strict=True):
            share = counted[name]
            if share is not None:
                axes = excess.dim() - min(self.batch.plates, excess.dim()) if violation.dim() else excess.dim()
                total = total + (share * slope * excess.clamp_min(0)).detach().sum(tuple(range(axes)))
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
        integrand, mean = self.integrands[leaf], self.leaves[leaf].detach()
        moment = self.by_name[leaf[0]]
        axes = axes_of(moment) if leaf[1] == "sum" else len(moment.variables)
        batch = integrand.dim() - axes
        moved = integrand - padded(mean, axes, batch)
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
                mean, square = (self._mean(part, axes, whole=whole) for part in (move, move.square()))
                found[comparison.name] = excess.detach(), mean, square
        return found

    def _moves(self, tracked: Sequence[Leaf], *, hard: bool) -> dict[str, Tensor]:
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
        for leaf in tracked:
            moment = self.by_name[leaf[0]]
            axes = axes_of(moment) if leaf[1] == "sum" else len(moment.variables)
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
