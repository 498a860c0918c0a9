"""Rules with an aggregate where particles are run one by one: evaluated once a step, on the particles of all of it.

An aggregate is a mixture over draws as over data, inside of what the rule says of it: as vectorised particles have it.
A mean over particles of what the rule says of each is another number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from asrppl.core.signature import Signature
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.infer.estimate.attachment import Attachment
from asrppl.infer.sites.read import Reading
from asrppl.infer.watch.recording import PARTICLES, Frame, Recording


@dataclass(slots=True)
class Runs:
    """The particles of one step, with the graphs of their tensors."""

    attachment: Attachment | None = None
    recordings: list[Recording] = field(default_factory=list[Recording])
    readings: list[Reading] = field(default_factory=list[Reading])

    def add(self, attachment: Attachment, recording: Recording, reading: Reading) -> None:
        """Keep a run for the rules that are evaluated on all of them.

        Raises:
            AsrError: its draws are enumerated one by one (ASR095), or what it reads has other shapes than in the runs
                before (ASR093).
        """
        if not attachment.together:
            return
        rule = next(attached.rule for attached in attachment.rules if attached.together)
        if any("_enum_total" in site.infer for site in recording.guide.values()):
            message = f"rule `{rule.name}` takes an aggregate over particles that enumerate draws one by one"
            help = 'enumerate them in parallel, as in config_enumerate(guide, "parallel")'
            raise AsrError([Diagnostic("ASR095", message, rule.span, help=help)])
        if self.attachment is not None and self.attachment.signature != attachment.signature:
            message = f"rule `{rule.name}` takes an aggregate over particles, and their sites differ in number or shape"
            help = "run one particle a step, or programs that make the same sites in each"
            raise AsrError([Diagnostic("ASR093", message, rule.span, help=help)])
        self.attachment = attachment
        self.recordings.append(recording)
        self.readings.append(reading)

    @property
    def frame(self) -> Frame:
        """The axis that the runs stand along: as the plate of vectorised particles."""
        size = len(self.readings)
        return Frame(PARTICLES, -self._batch() - 1, size, 0, size)

    def reading(self) -> Reading:
        """Return the tensors of all runs, along one more batch axis on the left."""
        signature, first = self._signature(), self.readings[0]
        tensors = {
            key: self.stack([reading.tensors[key] for reading in self.readings], _axes(signature, key))
            for key in first.tensors
        }
        masks = {name: self.stack([reading.masks[name] for reading in self.readings]) for name in first.masks}
        return Reading(tensors, first.frames, masks, first.supports, first.ranks, first.laws)

    def stack(self, tensors: Sequence[Tensor], axes: int = 0) -> Tensor:
        """Return what the runs have one of each, the last ``axes`` axes of which are no batch axes."""
        first = tensors[0]
        if all(tensor is first for tensor in tensors):
            return first  # given, or a param: the same in all runs
        missing = self._batch() + axes - first.dim()
        return torch.stack([tensor.reshape((1,) * missing + tuple(tensor.shape)) for tensor in tensors])

    def _batch(self) -> int:
        first, signature = self.readings[0], self._signature()
        ranks = [tensor.dim() - _axes(signature, key) for key, tensor in first.tensors.items()]
        return max([*ranks, *(mask.dim() for mask in first.masks.values()), *self._plates()])

    def _plates(self) -> list[int]:
        return [-(frame.dim or 0) for site in self.recordings[0].model.values() for frame in site.plates]

    def _signature(self) -> Signature:
        assert self.attachment is not None
        return self.attachment.signature


def _axes(signature: Signature, key: tuple[str, str | None]) -> int:
    entry = signature.get(key[0])
    return (len(entry.axes) if entry is not None else 0) + (key[1] == "log_probs")
