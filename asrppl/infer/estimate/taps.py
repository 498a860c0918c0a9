"""Terms at sites that the model enumerates, and the means that their derivatives are.

Such a term is −Σ τ ψ(a) inside Pyro's sum over a, τ = weight × cotangent for each value of the moment's axes and each
entry of the plates. With S the scale of the model's sites there, the loss has S · min over q of {… + τ E_q[ψ]}, and so

    ∂ loss / ∂τ = S · E_q[ψ],

which the backward pass of the step gives along with all other gradients: `τ` is a *tap*, a leaf of the graph. A second
tap, at 0, has ψ² in place of ψ: it costs nothing else, and says how much ψ spreads under q.

The factors are emitted at the end of the model, each with the axes that the sites it reads have in Pyro's bookkeeping:
inside `pyro.markov` one axis serves several sites, and what tells them apart is the identity that it had there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import cast

import torch
from torch import Tensor

from asrppl.core.moments import Moment
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.infer.estimate.channels import AttachedRule
from asrppl.infer.estimate.evaluation import Evaluation, Leaf
from asrppl.infer.estimate.functional import axes_of
from asrppl.infer.estimate.latents import Inside, Moved
from asrppl.infer.sites.layout import Reading
from asrppl.infer.watch.pyro_internals import unmark
from asrppl.infer.watch.recording import Frame, Recording, Site

Put = Callable[[str, Tensor, tuple[Frame, ...], float, "Tensor | None", Mapping[int, int]], None]
"""Emits a factor: its name, value, plates, scale, mask, and the identities of its enumerated axes."""


@dataclass(slots=True)
class Tap:
    """τ of one moment in one run, ``(*axes, *plates)`` with the axes that run over plates moved there.

    Args:
        first: τ.
        second: of ψ², 0.
        scale: S, of the model's sites there.
        moment: whose.
        dtype: of its integrand: where the model computes in another one, what is remembered keeps this.
        plates: its axes that run over plates.
    """

    first: Tensor
    second: Tensor
    scale: float
    moment: Moment
    dtype: torch.dtype
    plates: tuple[Moved, ...]

    @property
    def leaves(self) -> tuple[Tensor, Tensor]:
        """What the loss is differentiated by."""
        return self.first, self.second

    def spent(self) -> Tensor:
        """Return what the loss has of the term: Σ τ ∂ loss / ∂τ."""
        return (self.first.detach() * _gradient(self.first)).sum()

    def means(self, runs: int) -> tuple[Tensor, Tensor]:
        """Return E_q[ψ] and E_q[ψ²] of this run, one of ``runs``, as ``(*axes, *plates)`` of the moment."""
        found = [(_gradient(leaf) * (runs / self.scale)).to(self.dtype) for leaf in self.leaves]
        return _from_plates(found[0], self.plates), _from_plates(found[1], self.plates)


def _gradient(leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


@dataclass(frozen=True, slots=True)
class ModelRun:
    """The run that taps are put into.

    Args:
        rule: the name of the rule.
        recording: of the run.
        reading: its tensors.
        plates: how many batch axes are plates.
        kept: axes to their left that are not the model's: enumerated ones of the guide, and that of particles.
        dtype: that the programs compute in, None where they say nothing.
    """

    rule: str
    recording: Recording
    reading: Reading
    plates: int
    kept: frozenset[int]
    dtype: torch.dtype | None


def tapped(
    attached: AttachedRule, evaluation: Evaluation, run: ModelRun, unit: float | Tensor, put: Put
) -> dict[Leaf, Tap]:
    """Put the terms of a rule at the sites that the model enumerates; return their taps.

    Args:
        attached: the rule.
        evaluation: of this run.
        run: that they are put into.
        unit: what its mean violation costs, in nats.
        put: emits a factor.

    Raises:
        AsrError: no factor of the model holds the sites of a mean together (ASR092).
    """
    functional = attached.functional
    assert functional is not None
    moments = {moment.name: moment for moment in functional.moments}
    found: dict[Leaf, Tap] = {}
    for leaf, (integrand, cotangent) in evaluation.inside.items():
        moment, inside = moments[leaf[0]], attached.inside[leaf[0]]
        found[leaf] = _tap(moment, leaf[1], inside, integrand, cotangent, unit, run, put)
    return found


def _tap(
    moment: Moment,
    kind: str,
    inside: Inside,
    integrand: Tensor,
    cotangent: Tensor,
    unit: float | Tensor,
    run: ModelRun,
    put: Put,
) -> Tap:
    """Put a moment's term ψ, ``(*axes, *batch)``, with the cotangent ``(*axes, *plates)`` or ``(*axes)``."""
    every = axes_of(moment) if kind == "sum" else len(moment.variables)
    axes = every - len(inside.plates)
    sites = [_site(name, run.recording) for names, _ in inside.groups for name in names]
    scale = _scale(moment, sites, run)
    frames = _frames(inside, sites, run)
    own = tuple(frame for frame in frames if frame.dim not in {moved.dim for moved in inside.plates})
    dtype = integrand.dtype
    integrand = unmark(integrand).to(run.dtype or dtype)
    values = _with_batch(integrand, every, max(run.plates, integrand.dim() - every))
    values = _to_plates(values, inside.plates, frames)
    tau = _to_plates(_with_batch(cotangent.detach(), every, run.plates), inside.plates, frames)
    tau = tau * (unit / (scale * prod(frame.size for frame in own)))  # c is of a mean over data, as v is
    sizes = {frame.dim: frame.size for frame in frames}
    shape = [sizes.get(dim, 1) for dim in range(-run.plates, 0)]
    first = tau.to(values.dtype).expand((*values.shape[:axes], *shape)).clone().requires_grad_()
    made = Tap(first, torch.zeros_like(first).requires_grad_(), scale, moment, dtype, inside.plates)
    flat = [_flat(x, axes) for x in (values, first, made.second)]
    mask = next((site.mask for site in sites if site.mask is not None), None)
    several = len(inside.groups) > 1
    for number, (names, where) in enumerate(inside.groups):
        if names:
            members = [_site(name, run.recording) for name in names]
            identities = _identities(moment, members, run)
            rows = torch.tensor(where, device=values.device)
            psi, one, two = (x.index_select(0, rows) if several else x for x in flat)
            psi = _narrowed(psi, run, frozenset(identities))
            one, two = (_with_batch(x, 1, psi.dim() - 1) for x in (one, two))
            term = -(one * psi + two * psi.square()).sum(0)
            put(f"{run.rule}.{moment.name.rsplit(' ', 1)[-1]}.{kind}.{number}", term, frames, scale, mask, identities)
    return made


# ---- sites


def _site(name: str, recording: Recording) -> Site:
    return recording.model[name]


def _value_axes(site: Site) -> dict[int, int]:
    """Return the enumerated axes of a site's value, and their identities."""
    known = cast("Mapping[int, int]", site.infer.get("_dim_to_id", {}))
    shape = site.value.shape[: site.value.dim() - site.event_dim]
    return {dim: known[dim] for dim in known if -dim <= len(shape) and shape[dim] > 1}


def _identities(moment: Moment, members: Sequence[Site], run: ModelRun) -> dict[int, int]:
    """Return the axes of sites that are read together, with their identities.

    All of them have to be in scope where the last one is drawn: else no factor of the model holds them together, and
    one axis may stand for two of them.
    """
    last = members[-1]
    scope = set(cast("Mapping[int, int]", last.infer.get("_dim_to_id", {})).values())
    found: dict[int, int] = {}
    plates = {frame.name for frame in max((site.plates for site in members), key=len)}
    for site in members:
        own = _value_axes(site)
        apart = not set(own.values()) <= scope or any(found.get(dim, id_) != id_ for dim, id_ in own.items())
        if apart or not {frame.name for frame in site.plates} <= plates:
            why = "another plate" if not apart else "another step of pyro.markov, which has forgotten it by then"
            raise AsrError(
                [
                    Diagnostic(
                        "ASR092",
                        f"this mean reads {site.name!r} and {last.name!r} together, and the model enumerates "
                        f"{site.name!r} in {why}: none of its factors holds both",
                        moment.operator.span,
                        help="read sites of one step and the one before (`x[t]` and `x[t + 1]`), or give pyro.markov "
                        "a longer `history=`; sums of means need no common factor: `sum t: P[x[t] == 1]`",
                    )
                ]
            )
        found |= own
    return found


def _scale(moment: Moment, sites: Sequence[Site], run: ModelRun) -> float:
    scales = {float(site.scale) if _is_number(site.scale) else None for site in sites}
    if len(scales) != 1 or None in scales:
        message = f"the sites that this mean of rule `{run.rule}` reads have different scales, and Pyro sums over "
        message += "enumerated sites of one scale only"
        help = "let one number scale them (`poutine.scale`), and put them into the same subsampled plates"
        raise AsrError([Diagnostic("ASR092", message, moment.operator.span, help=help)])
    return cast(float, scales.pop())


def _is_number(scale: float | Tensor) -> bool:
    return not isinstance(scale, Tensor) or scale.numel() == 1


def _frames(inside: Inside, sites: Sequence[Site], run: ModelRun) -> tuple[Frame, ...]:
    """Return the vectorised plates that the term stands in: those of its sites, and of what else it reads."""
    found: dict[str, Frame] = {}
    for frame in (
        *(frame for site in sites for frame in site.plates),
        *(frame for name in inside.names for frame in run.reading.frames[name]),
    ):
        found.setdefault(frame.name, frame)
    return tuple(found.values())


# ---- axes


def _with_batch(value: Tensor, axes: int, batch: int) -> Tensor:
    missing = batch - (value.dim() - axes)
    return value.reshape((*value.shape[:axes], *(1,) * missing, *value.shape[axes:])) if missing > 0 else value


def _flat(value: Tensor, axes: int) -> Tensor:
    return value.flatten(0, axes - 1) if axes else value.unsqueeze(0)


def _narrowed(value: Tensor, run: ModelRun, axes: frozenset[int]) -> Tensor:
    """Return ``(rows, *batch)`` without the enumerated axes that only other sites of a family have."""
    for dim in range(1 - value.dim(), -run.plates):
        if value.shape[dim] > 1 and dim not in axes and dim not in run.kept:
            value = value.narrow(dim, 0, 1)
    return value


def _to_plates(value: Tensor, plates: Sequence[Moved], frames: Sequence[Frame]) -> Tensor:
    """Return a tensor with axes that run over plates where these have theirs in the batch, 0 for other entries."""
    sizes = {frame.dim: frame.size for frame in frames}
    for moved in sorted(plates, key=lambda each: -each.axis):  # the axes that are left keep their places
        row = value.transpose(moved.axis, moved.dim).squeeze(moved.axis)
        there = [(place, entry) for place, entry in enumerate(moved.entries) if 0 <= entry < sizes[moved.dim]]
        places, entries = (torch.tensor(each, device=row.device) for each in zip(*there, strict=True))
        shape = list(row.shape)
        shape[moved.dim] = sizes[moved.dim]
        value = row.new_zeros(shape).index_copy(moved.dim, entries, row.index_select(moved.dim, places))
    return value


def _from_plates(value: Tensor, plates: Sequence[Moved]) -> Tensor:
    """Return what `_to_plates` moved where it was."""
    for moved in sorted(plates, key=lambda each: each.axis):
        size = value.shape[moved.dim]
        entries = torch.tensor([min(max(entry, 0), size - 1) for entry in moved.entries], device=value.device)
        value = value.index_select(moved.dim, entries).unsqueeze(moved.axis).transpose(moved.axis, moved.dim)
    return value
