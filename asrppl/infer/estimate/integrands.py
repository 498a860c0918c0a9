"""The integrands of a rule's moments on the draws and data of one run, and what is read of their means."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.core.moments import Moment
from asrppl.core.signature import Level
from asrppl.infer.estimate.axes import axes_last, padded
from asrppl.infer.estimate.batch import Batch
from asrppl.infer.estimate.evaluation import Leaf
from asrppl.infer.estimate.functional import Functional, Functions, Sampled, axes_of, is_whole
from asrppl.infer.estimate.scores import scored

_NO_LEAVES: frozenset[Leaf] = frozenset()
_NONE: Mapping[str, Tensor] = MappingProxyType({})


class Integrands:
    """What one run has of a rule's moments.

    Args:
        functional: the rule.
        tensors: what the run left; what is read of moments is put beside it.
        functions: that `bind=` gave.
        batch: what the batch axes are.
        means: m̂ of the leaves that are tracked.
        exact: names of the moments whose own mean is the moment.
        scores: of moments that are known by the score function the log-probability of what was drawn.
        inside: leaves whose terms stand inside the model: no run draws them.
        others: further draws, of which it is taken how means move with the means that they read.
    """

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
        others: Sequence[Mapping[InputKey, Tensor]] = (),
    ) -> None:
        self.functional = functional
        self.tensors = tensors
        self.given: frozenset[InputKey] = frozenset(tensors)
        self.functions = functions
        self.batch = batch
        self.means = means
        self.exact = exact
        self.scores = scores
        self.inside = inside
        self.others = others
        self.integrands: dict[Leaf, Tensor] = {}
        self.estimates: dict[Leaf, Tensor] = {}
        self.leaves: dict[Leaf, Tensor] = {}
        self._moved: dict[Leaf, Tensor] = {}
        self.values: dict[Leaf, Tensor] = {}  # those, as they move with the moments that their integrands read
        self.free: list[Leaf] = []  # those with a cotangent: all that G is no ordinary function of
        self.chained: set[str] = set()  # moments that move with those that their integrands read
        self.by_name: dict[str, Moment] = functional.by_name

    def axes(self, leaf: Leaf) -> int:
        """Return how many axes of a leaf's tensors are no batch axes."""
        return self.functional.axes[leaf]

    def moved(self, leaf: Leaf) -> Tensor:
        """Return ψ − m̂ of every draw and datum."""
        if leaf not in self._moved:
            integrand, axes = self.integrands[leaf], self.axes(leaf)
            self._moved[leaf] = integrand - padded(self.leaves[leaf].detach(), axes, integrand.dim() - axes)
        return self._moved[leaf]

    # ---- moments

    def read_moments(self) -> None:
        """Evaluate the integrands, and hand what is read of each moment to those after it, and to G."""
        for stage in range(len(self.functional.stages)):
            nested = stage > 0
            fixed = {key: tensor.detach() for key, tensor in self.tensors.items()} if nested else self.tensors
            held = {**self.tensors, **{key: fixed[key] for key in fixed if key[0] in self.by_name}}
            sampled = self.functional.sampled(stage, held, self.functions)
            chained: list[Sampled] = []
            if nested:  # how it moves with the moments that it reads
                read = {key: self.tensors[key] for key in fixed if key[0] in self.by_name}
                draws = [{**fixed, **other} for other in self.others] or [fixed]
                chained = [self.functional.sampled(stage, {**each, **read}, self.functions) for each in draws]
            parts = {name: self._parts(self.by_name[name], *each) for name, each in sampled.items()}
            means = {
                (name, kind): self.batch.mean(integrand, self.axes((name, kind)), whole=is_whole(self.by_name[name]))
                for name, integrands in parts.items()
                for kind, integrand in integrands.items()
            }
            self.estimate({leaf: mean.detach() for leaf, mean in means.items() if leaf not in self.inside})
            for name, integrands in parts.items():
                moves = [self._parts(self.by_name[name], *each[name]) for each in chained]
                self._read(self.by_name[name], integrands, means, moves)

    def _read(
        self,
        moment: Moment,
        parts: dict[str, Tensor],
        means: Mapping[Leaf, Tensor],
        moves: Sequence[Mapping[str, Tensor]],
    ) -> None:
        values: dict[str, Tensor] = {}
        for kind, integrand in parts.items():
            leaf = (moment.name, kind)
            axes = self.axes(leaf)
            # What is the same for all draws and data has no batch, and its mean may have one.
            integrand = padded(integrand, axes, max(integrand.dim() - axes, self.batch.plates))
            self.integrands[leaf] = integrand
            exact = moment.name in self.exact
            if exact and not self.is_shared(moment.name):
                value = means[leaf]
            else:
                tracked = None if exact else self.means.get(leaf)
                value = self.estimates.get(leaf, means[leaf]) if tracked is None else tracked
                value = value.detach().clone().requires_grad_()
                self.free.append(leaf)
            self.leaves[leaf] = value
            if moment.name in self.scores:
                baseline = padded(value.detach(), axes, integrand.dim() - axes)
                self.integrands[leaf] = scored(integrand, baseline, self.scores[moment.name], axes)
            for each in moves:
                move = self.batch.detached().mean(each[kind], axes, whole=is_whole(moment))
                value = value + (move - move.detach()) / len(moves)
                self.chained.add(moment.name)
            values[kind] = self.values[leaf] = value
        self.feed(moment, values["sum"], values.get("share"))

    def estimate(self, means: dict[Leaf, Tensor]) -> None:
        """Keep this batch's own means, those over the data of all processes where they share it."""
        self.estimates |= means
        self.estimates |= self.shared({leaf: mean for leaf, mean in means.items() if self.is_shared(leaf[0])})

    def is_shared(self, name: str) -> bool:
        """Whether a mean is one with that of other processes."""
        return self.batch.shared is not None and name not in self.batch.about

    def shared(self, means: dict[Leaf, Tensor]) -> dict[Leaf, Tensor]:
        """Return them as means over the data of all processes."""
        if self.batch.shared is None or not means:
            return means
        return dict(zip(means, self.batch.shared(list(means.values())), strict=True))

    def _parts(self, moment: Moment, body: Tensor, where: Tensor | None) -> dict[str, Tensor]:
        whole = Level.DATUM in moment.over
        mask = self.batch.mask if whole else None
        if where is None and mask is None:
            return {"sum": body}
        axes = len(moment.variables)
        chosen = body.new_ones((1,) * axes) if where is None else where
        batch = max(body.dim() - axes_of(moment), chosen.dim() - axes, 0 if mask is None else mask.dim())
        body, chosen = padded(body, axes_of(moment), batch), padded(chosen, axes, batch)
        if mask is not None:
            chosen = chosen * mask.to(body.dtype)
        weight = chosen.unsqueeze(axes) if moment.support is not None else chosen
        meant = torch.where(weight > 0, body, torch.zeros((), dtype=body.dtype, device=body.device))
        return {"sum": meant, "share": chosen.to(body.dtype)}

    def feed(self, moment: Moment, total: Tensor, share: Tensor | None) -> None:
        """Put what the rule reads of a moment among the tensors: its value, ``(*batch, *axes)``."""
        axes = len(moment.variables)
        support = moment.support is not None
        value = total
        if share is not None:
            # Of a group that no batch had so far there is no mean: its slope would be infinite, and multipliers nan.
            divisor = torch.where(share > 0, share, torch.ones((), dtype=share.dtype, device=share.device))
            value = total / (divisor.unsqueeze(axes) if support else divisor)
            self.tensors[moment.name, "share"] = axes_last(share, axes)
        if support:
            tiny = torch.finfo(value.dtype).tiny
            self.tensors[moment.name, "log_probs"] = axes_last(value.clamp_min(tiny).log(), axes + 1)
        else:
            self.tensors[moment.name, None] = axes_last(value, axes)

    def feed_all(self) -> None:
        """Put the means that are not exact among the tensors."""
        for moment in self.functional.moments:
            if moment.name not in self.exact:
                self.feed(moment, self.leaves[moment.name, "sum"], self.leaves.get((moment.name, "share")))

    @property
    def tracked(self) -> list[Leaf]:
        """The leaves that are no function of this run."""
        return [leaf for leaf in self.free if leaf[0] not in self.exact]
