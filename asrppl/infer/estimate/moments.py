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
from typing import cast

import torch
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.bind.shapes import broadcast_shape
from asrppl.core.moments import Moment
from asrppl.core.signature import Level
from asrppl.infer.estimate.evaluation import Batch, Evaluation, Leaf
from asrppl.infer.estimate.functional import Functional, Functions, Sampled, axes_of
from asrppl.infer.estimate.scores import scored

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
        inside: leaves whose terms stand inside the model, where their draws are enumerated: no run draws them.
    """
    run = _Run(functional, dict(tensors), functions, batch, dict(means), exact, scores, inside)
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
        inside: frozenset[Leaf] = _NO_LEAVES,
    ) -> None:
        self.functional = functional
        self.tensors = tensors
        self.functions = functions
        self.batch = batch
        self.means = means
        self.exact = exact
        self.scores = scores
        self.inside = inside
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
            if leaf not in self.inside:
                self.estimates[leaf] = mean.detach()
            if moment.name in self.exact:
                self.leaves[leaf] = mean
                continue
            tracked = self.means.get(leaf)
            value = (mean if tracked is None else tracked).detach().clone().requires_grad_()
            self.leaves[leaf] = value
            if moment.name in self.scores:
                baseline = _padded(value.detach(), axes, integrand.dim() - axes)
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
            self.tensors[moment.name, "share"] = _axes_last(share, axes)
        if support:
            tiny = torch.finfo(value.dtype).tiny
            self.tensors[moment.name, "log_probs"] = _axes_last(value.clamp_min(tiny).log(), axes + 1)
        else:
            self.tensors[moment.name, None] = _axes_last(value, axes)

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
        waits = self.functional.comparisons_of({name for name, _ in self.inside})
        slopes: dict[str, Tensor] = {}
        for comparison, excess in zip(self.functional.comparisons, excesses, strict=True):
            given = multipliers.get(comparison.name)
            if comparison.name in shared:
                whole = shared[comparison.name].to(excess.dtype)
                given = whole.reshape((*whole.shape, *(1,) * (excess.dim() - whole.dim()))) * (excess.detach() > 0)
            elif comparison.name in waits and given is None:
                given = torch.zeros_like(excess)  # no mean of it is known before a step is over
            elif not hard and (given is None or self.functional.is_exact(comparison, self.exact)):
                given = excess > 0  # what is known without noise needs no multiplier to find its price
            elif given is None:
                given = torch.zeros_like(excess)
            slope = given.to(excess.dtype).expand(excess.shape)
            slopes[comparison.name] = slope.detach().clone().requires_grad_()
            self.tensors[comparison.name, None] = _axes_last(slopes[comparison.name], len(comparison.variables))
        violations, speaking = self.functional.outer.evaluate(self.tensors, self.functions)
        violation = violations[self.functional.name]
        tracked = [leaf for leaf in self.leaves if leaf[0] not in self.exact]
        wanted = [*(self.leaves[leaf] for leaf in tracked), *slopes.values()]
        total = self._over_draws(violation).sum()
        if total.requires_grad and wanted:
            found = torch.autograd.grad(total, wanted, retain_graph=True, allow_unused=True)
        else:
            found = (None,) * len(wanted)
        cotangents = {leaf: own for leaf, own in zip(tracked, found, strict=False) if own is not None}
        none = {leaf: torch.zeros_like(self.leaves[leaf]) for leaf in self.inside}
        inside = {leaf: (self.integrands[leaf], cotangents.pop(leaf, zero)) for leaf, zero in none.items()}
        counted = dict(zip(slopes, found[len(tracked) :], strict=True))
        evaluation = Evaluation(
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
            {} if self.inside else self._moves([excess.detach() for excess in excesses], tracked, {}, hard=hard),
            {name: torch.zeros_like(slopes[name]) if share is None else share for name, share in counted.items()},
            inside,
        )
        if self.inside:

            def settle(known: Mapping[Leaf, tuple[Tensor, Tensor]], whole: bool) -> None:
                self._settle(evaluation, known, slopes, tracked, hard=hard, whole=whole)

            evaluation.settle = settle
        return evaluation

    def _settle(
        self,
        evaluation: Evaluation,
        known: Mapping[Leaf, tuple[Tensor, Tensor]],
        slopes: Mapping[str, Tensor],
        tracked: Sequence[Leaf],
        *,
        hard: bool,
        whole: bool,
    ) -> None:
        """Complete an evaluation by the means and mean squares of what the model enumerates, ``(*axes, *plates)``.

        Where the batch is the ``whole`` data, or nothing is tracked yet, the violation is that of these means.
        """
        excesses = [excess.detach() for excess in self._excesses(self.tensors)]
        evaluation.excess = self._moves(excesses, tracked, known, hard=hard)
        after = self._detached()
        for leaf in tracked:
            moment = self.by_name[leaf[0]]
            value = self.leaves[leaf].detach()
            if leaf in known:
                mean = known[leaf][0]
                axes = axes_of(moment) if leaf[1] == "sum" else len(moment.variables)
                own = self._mean(mean, axes, whole=is_whole(moment))
                self.estimates[leaf] = own
                value = own if whole or leaf not in self.means or not is_whole(moment) else value
            after.leaves[leaf] = value
        after._feed_all()
        violations, _ = self.functional.outer.evaluate(after.tensors, self.functions)
        evaluation.violation = violations[self.functional.name].detach()
        evaluation.paid = evaluation.violation
        if hard:
            evaluation.paid = self._pulled(
                evaluation.violation, slopes, evaluation.counted, after._excesses(after.tensors)
            )

    def _detached(self) -> "_Run":
        """Return this run without graphs, to be evaluated at other means."""
        tensors = {key: tensor.detach() for key, tensor in self.tensors.items()}
        return _Run(self.functional, tensors, self.functions, self.batch, {}, self.exact)

    def _feed_all(self) -> None:
        """Put the means that are not exact among the tensors."""
        for moment in self.functional.moments:
            if moment.name not in self.exact:
                self._feed(moment, self.leaves[moment.name, "sum"], self.leaves.get((moment.name, "share")))

    def _excesses(self, tensors: Mapping[InputKey, Tensor]) -> list[Tensor]:
        found = self.functional.excesses(tensors, self.functions)
        return [
            value.movedim(tuple(range(-n, 0)), tuple(range(n))) if (n := len(comparison.variables)) else value
            for comparison, value in zip(self.functional.comparisons, found, strict=True)
        ]

    def _over_draws(self, violation: Tensor) -> Tensor:
        return self._mean(violation, 0, whole=False) if violation.dim() > self.batch.plates else violation

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
        moved = integrand - _padded(mean, axes, batch)
        return (_padded(cotangent, axes, batch) * moved).sum(tuple(range(axes))) if axes else cotangent * moved

    def _moves(
        self,
        excesses: Sequence[Tensor],
        tracked: Sequence[Leaf],
        known: Mapping[Leaf, tuple[Tensor, Tensor]],
        *,
        hard: bool,
    ) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """Return of each comparison g, and the mean and mean square of J (ψ − m̂) over draws and data.

        J is the derivative of g by the means. J (ψ − m̂) for every draw and datum is the derivative of uᵀ(J v) by u.
        Of leaves that are ``known`` there are means and mean squares in place of draws; how far they spread together is
        not known, and is taken to be as far as it can be.
        """
        learning = [
            each for each in self.functional.comparisons if hard or not self.functional.is_exact(each, self.exact)
        ]
        if not learning:
            return {}
        inner = self._detached()
        moved: dict[Leaf, Tensor] = {}
        spreads: dict[Leaf, Tensor] = {}
        for leaf in tracked:
            moment = self.by_name[leaf[0]]
            axes = axes_of(moment) if leaf[1] == "sum" else len(moment.variables)
            integrand = self.integrands[leaf].detach()
            if leaf in known:
                integrand, square = known[leaf]
                spreads[leaf] = (square - integrand.square()).clamp_min(0).sqrt()
            mean = _padded(self.leaves[leaf].detach(), axes, integrand.dim() - axes)
            moved[leaf] = integrand - mean
            inner.leaves[leaf] = mean.expand(moved[leaf].shape).clone().requires_grad_()
        inner._feed_all()
        found: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        leaves = [inner.leaves[leaf] for leaf in moved]
        for comparison, excess, spread in zip(
            self.functional.comparisons, excesses, inner._excesses(inner.tensors), strict=True
        ):
            if comparison not in learning:
                continue
            axes = len(comparison.variables)
            moves = _directional(spread, leaves, list(moved.values()))
            within = sum(
                (_directional(spread, [inner.leaves[leaf]], [sd]).abs() for leaf, sd in spreads.items()),
                start=torch.zeros_like(moves),
            )
            whole = Level.DATUM not in comparison.excess.levels
            parts = (moves, moves.square() + within.square())
            mean, square = (self._mean(part, axes, whole=whole).detach() for part in parts)
            found[comparison.name] = excess, mean, square
        return found


def is_whole(moment: Moment) -> bool:
    """Whether a moment is one for all data, and not one for each datum."""
    return Level.DATUM in moment.over or Level.DATUM not in moment.operator.levels


def _directional(value: Tensor, leaves: Sequence[Tensor], moved: Sequence[Tensor]) -> Tensor:
    """Return the derivative of ``value`` in the direction ``moved`` of ``leaves``, element by element of the batch."""
    if not leaves or not value.requires_grad:
        return torch.zeros_like(value)
    dual = torch.zeros_like(value).requires_grad_()
    rows = torch.autograd.grad(value, leaves, dual, create_graph=True, allow_unused=True)
    known = zip(cast("tuple[Tensor | None, ...]", rows), moved, strict=True)
    total = sum((row * move).sum() for row, move in known if row is not None)
    if not isinstance(total, Tensor) or not total.requires_grad:
        return torch.zeros_like(value)
    (found,) = torch.autograd.grad(total, dual)
    return found


def _padded(value: Tensor, axes: int, batch: int) -> Tensor:
    """Return ``(*axes, *plates)`` with as many batch axes as asked for."""
    own = value.dim() - axes
    if own > batch:
        return value.reshape((*value.shape[:axes], *value.shape[axes + own - batch :]))
    return value.reshape((*value.shape[:axes], *(1,) * (batch - own), *value.shape[axes:]))


def _axes_last(value: Tensor, axes: int) -> Tensor:
    return value.movedim(tuple(range(axes)), tuple(range(-axes, 0))) if axes else value
