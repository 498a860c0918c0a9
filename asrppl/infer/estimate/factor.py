"""The rules' terms: one factor in the model for each rule.

Within Pyro's sum over plates a rule with violation v, weight λ and a data plate of full size N stands as

    log-factor = −λ · N / Π_f full(f) · v,    over the plates f that v varies over, each scaled by full(f) / size(f),

so that the sum is −λ · N · mean(v): λ is nats per datum whatever the plate, the batch or the level. Weights of single
data (`poutine.scale` with a tensor around the observations) weigh v of those data likewise. A rule whose head runs over
the data, an instance for each, varies over the data plate as one without that index does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from types import MappingProxyType
from typing import Any, cast

import pyro
import torch
from pyro import distributions as dist
from pyro.poutine.messenger import Messenger
from torch import Tensor

from asrppl.core.signature import Signature
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.infer.estimate.attachment import Attachment
from asrppl.infer.estimate.axes import in_plates
from asrppl.infer.estimate.channels import AttachedRule
from asrppl.infer.estimate.evaluation import Evaluation
from asrppl.infer.estimate.here import Again, Further, Here, about_data
from asrppl.infer.estimate.means import Mean, enumerates
from asrppl.infer.estimate.memory import Memory
from asrppl.infer.estimate.tally import Entry, Tally
from asrppl.infer.estimate.taps import ModelRun, tapped
from asrppl.infer.sites.layout import Reading
from asrppl.infer.sites.plates import frame_of
from asrppl.infer.watch.pyro_internals import send, unmark
from asrppl.infer.watch.recording import PARTICLES, Frame, Recording, full_size, unwrap


class _Within(Messenger):
    """Puts what is sampled into plates that are not open, as the sites that a rule reads were."""

    def __init__(self, frames: tuple[Frame, ...], scale: float | Tensor, mask: Tensor | None) -> None:
        super().__init__()
        self.frames = frames
        self.scale = scale
        self.mask = mask

    def _process_message(self, msg: Any) -> None:
        msg["cond_indep_stack"] = self.frames + msg["cond_indep_stack"]
        msg["scale"] = self.scale * msg["scale"]
        if self.mask is not None:
            msg["mask"] = self.mask if msg["mask"] is None else self.mask & msg["mask"]


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What is open where the factors are emitted: those handlers reach the factors by themselves."""

    frames: tuple[Frame, ...]
    scale: float | Tensor


def _probe() -> _Surroundings:
    message = send("asrppl_probe", "asrppl_probe", True)
    return _Surroundings(tuple(message["cond_indep_stack"]), message["scale"])


def open_plates() -> tuple[Frame, ...]:
    """Return the plates that are open here."""
    return _probe().frames


def emit(
    attachment: Attachment,
    recording: Recording,
    reading: Reading,
    weights: Mapping[str, float | Tensor],
    *,
    max_plate_nesting: float,
    tally: Tally,
    memory: Memory,
    further: Further,
    again: Again,
) -> None:
    """Evaluate the rules on a run and put their terms into the model that is running.

    Args:
        attachment: the rules, bound.
        recording: the run of guide and model.
        reading: its tensors.
        weights: by rule, now.
        max_plate_nesting: axes further left are enumerated.
        tally: gets each rule's violation and cost.
        memory: what rules that read moments remember of the steps before, and of which data the batch is.
        further: draws the guide anew.
        again: runs it once more at the values that it drew, with the plates around that are open here.

    Raises:
        AsrError: a violation varies over an axis that no plate explains (ASR096).
    """
    violations, speaking = attachment.violations(reading)
    around = _probe()
    plate = frame_of(attachment.resolution.data, recording)
    data = attachment.resolution.size or (1 if plate is None else full_size(plate))
    shares = _data_weights(attachment.resolution.data, recording)
    residual = _common_scale(recording)
    if plate is not None and plate.name in recording.unsized and _is_number(residual, data / plate.size):
        residual = 1.0  # a plate without a size: the programs scale a batch up by hand
    inner = residual / _over(around.scale, around.frames)
    dtype = _dtype(recording)
    enumerated = [site for site in recording.guide.values() if enumerates(site)]
    outer = [frame_of(frame.name, recording) or frame for frame in around.frames]
    silence: dict[object, Tensor] = {}
    held = {key: unmark(tensor).detach() for key, tensor in reading.tensors.items()}
    index = recording.entries(plate)
    for attached in attachment.rules:
        name = attached.rule.name
        frames = _frames(attached, reading)
        evaluation: Evaluation | None = None
        if attached.functional is not None:
            here = Here(
                attachment, recording, reading, plate, enumerated, around.frames, max_plate_nesting, further, again
            )
            evaluation = memory.evaluate(attached, here, weights[name])
            violations[name] = evaluation.term
            if evaluation.speaking is not None:
                speaking[name] = evaluation.speaking
        violation = violations[name] if dtype is None else violations[name].to(dtype)
        if attached.rule.datum is not None:
            violation, frames = in_the_data_plate(violation, frames, plate)
        open_names = {frame.name for frame in around.frames}
        own = tuple(frame for frame in frames if frame.name not in open_names)
        counted = own + tuple(f for f in outer if f.dim is not None and f.name != PARTICLES)
        _verify_axes(attached, violation, own + around.frames, max_plate_nesting, reading, attachment.signature)
        violation = in_plates(violation, own)
        mask = _mask(attached, reading) if about_data(attached) else None
        force = weights[name] if attached.rule.hard is None else 1.0
        weight = force * data / prod(full_size(frame) for frame in counted)
        term = violation if attached.channel == "S" else violation - violation.detach()
        scale = inner * prod(full_size(frame) / frame.size for frame in own)
        in_plate = attachment.resolution.data in {frame.name for frame in counted}
        own_shares = shares if in_plate and about_data(attached) else None
        if own_shares is not None:
            scale = scale * own_shares
        with _Within(tuple(recording.unsized.get(frame.name, frame) for frame in own), scale, mask):
            _put(f"asrppl.{name}", -weight * term)

        averaged = Mean(mask, enumerated, counted, max_plate_nesting)
        unit = force * data * residual
        value, entered = violation.detach(), attached.channel == "S"
        entry = Entry(
            attached, attachment, held, evaluation, value, entered, averaged, own, own_shares, unit, plate, index
        )
        if evaluation is None or not evaluation.inside:
            tally.count(entry)
        else:
            kept = {int(dim) for site in enumerated if (dim := site.infer.get("_enumerate_dim")) is not None}
            kept |= {frame.dim for frame in around.frames if frame.dim is not None}
            run = ModelRun(name, recording, reading, evaluation.plates, frozenset(kept), dtype)
            memory.tapped(evaluation, tapped(attached, evaluation, run, unit, partial(_put_inside, around)))
            tally.later.append(entry)
        if name in speaking:
            # Rules under one guard have one answer, which is averaged once.
            key = (id(speaking[name]), id(mask), counted)
            if key not in silence:
                silent = (~speaking[name]).to(value.dtype)
                if attached.rule.datum is not None:
                    silent, _ = in_the_data_plate(silent, (), plate)
                silence[key] = averaged(in_plates(silent, own))
            tally.leave_out(name, silence[key])
        tally.weights[name] = weights[name] if attached.rule.hard is None else memory.pull(name)
        if name in attachment.idle:
            tally.idle.add(name)


def _put(name: str, log_factor: Tensor, infer: Mapping[str, object] = MappingProxyType({})) -> None:
    """Do what `pyro.factor` does, but let nan through: a warning names the entry that it comes from (ASR117)."""
    unit: Any = dist.Unit(log_factor, validate_args=False)
    cast(Any, pyro).sample(name, unit, obs=unit.sample(), infer={"is_auxiliary": True, **infer})


def _put_inside(
    around: _Surroundings,
    name: str,
    log_factor: Tensor,
    frames: tuple[Frame, ...],
    scale: float,
    mask: Tensor | None,
    identities: Mapping[int, int],
) -> None:
    """Emit a factor of what the model enumerates, as its sites were: in their plates, scale and enumerated axes."""
    own = tuple(frame for frame in frames if frame.name not in {other.name for other in around.frames})
    with _Within(own, scale / around.scale, mask):
        _put(f"asrppl.{name}", log_factor, {"_dim_to_id": dict(identities)})


# ---- where a factor stands


def _frames(attached: AttachedRule, reading: Reading) -> tuple[Frame, ...]:
    found: dict[str, Frame] = {}
    for name in attached.names:
        for frame in reading.frames[name]:
            found.setdefault(frame.name, frame)
    return tuple(found.values())


def in_the_data_plate(
    violation: Tensor, frames: tuple[Frame, ...], data: Frame | None
) -> tuple[Tensor, tuple[Frame, ...]]:
    """Return the violations of a rule that indexes single data, on the last axis, as those of one that does not."""
    assert data is not None
    if data.dim is None:  # run through one by one: there is no axis for it
        return violation.mean(-1), frames
    batch = violation.shape[:-1]
    violation = violation.reshape(*(1,) * (-data.dim - len(batch)), *violation.shape)
    return violation.transpose(-1, data.dim - 1).squeeze(-1), (*frames, data)


def _varies(reading: Reading, signature: Signature, name: str, dim: int) -> bool:
    """Whether a tensor of ``name`` has more than one entry along a batch axis."""
    entry = signature.get(name)
    for (other, component), tensor in reading.tensors.items():
        if other == name and entry is not None:
            batch = tensor.shape[: tensor.dim() - len(entry.axes) - (component == "log_probs")]
            if -dim <= len(batch) and batch[dim] != 1:
                return True
    return False


def _verify_axes(
    attached: AttachedRule,
    violation: Tensor,
    frames: Sequence[Frame],
    max_plate_nesting: float,
    reading: Reading,
    signature: Signature,
) -> None:
    known = {frame.dim for frame in frames}
    for dim in range(-violation.dim(), 0):
        if violation.shape[dim] != 1 and dim not in known and dim >= -max_plate_nesting:
            varying = [name for name in attached.names if _varies(reading, signature, name, dim)]
            names = ", ".join(f"`{name}`" for name in varying or attached.names)
            raise AsrError(
                [
                    Diagnostic(
                        "ASR096",
                        f"the violation of rule `{attached.rule.name}` varies over axis {dim} "
                        f"(length {violation.shape[dim]}), where no plate of that axis is around {names}",
                        attached.rule.span,
                        help="expose a value within the plates it varies over, with event_dim counting its index axes; "
                        "mark a vectorised guide's batch axes with plates",
                    )
                ]
            )


def _mask(attached: AttachedRule, reading: Reading) -> Tensor | None:
    mask: Tensor | None = None
    for name in attached.names:
        other = reading.masks.get(name)
        if other is not None and other is not mask:
            mask = other if mask is None else mask & other
    return mask


# ---- units


def _dtype(recording: Recording) -> torch.dtype | None:
    """Return the dtype that the programs compute in; TraceEnum_ELBO does not mix it with a rule's on whole numbers."""
    for site in (*recording.guide.values(), *recording.model.values()):
        if site.value.is_floating_point():
            return site.value.dtype
    for site in (*recording.guide.values(), *recording.model.values()):
        for part in vars(unwrap(site.fn)).values():
            if isinstance(part, Tensor) and part.is_floating_point():
                return part.dtype
    return None


def _data_weights(data: str | None, recording: Recording) -> Tensor | None:
    """Return the weights that `poutine.scale` gives to single data, None where no observation has a tensor of them."""
    for site in recording.model.values():
        if site.likelihood and data in {frame.name for frame in site.plates}:
            scale = _over(site.scale, site.frames)
            if isinstance(scale, Tensor) and scale.numel() > 1:
                return scale.detach()
    return None


def _common_scale(recording: Recording) -> float | Tensor:
    """Return what scales all the model's sites beside their plates' subsampling, 1 if they differ.

    Weights of single data are no such scale: they are those of the data's terms.
    """
    found: float | Tensor | None = None
    for site in recording.model.values():
        if site.deterministic:
            continue
        residual = _over(site.scale, site.frames)
        if isinstance(residual, Tensor) and residual.numel() > 1:
            return 1.0
        if found is None:
            found = residual
        elif found is not residual and not _close(found, residual):
            return 1.0
    return 1.0 if found is None else found


def _over(scale: float | Tensor, frames: Sequence[Frame]) -> float | Tensor:
    """Return what of ``scale`` the subsampling of ``frames`` does not account for."""
    return scale / prod(full_size(frame) / frame.size for frame in frames)


def _is_number(scale: float | Tensor, number: float) -> bool:
    return not (isinstance(scale, Tensor) and scale.numel() > 1) and _close(scale, number)


def _close(left: float | Tensor, right: float | Tensor) -> bool:
    return abs(float(left) - float(right)) <= 1e-6 * abs(float(left))
