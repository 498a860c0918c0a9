"""Several runs of a guide and a model as one, with draws along a first axis."""

import torch
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.bind.shapes import broadcast_shape
from asrppl.core.signature import Signature
from asrppl.infer.estimate.attachment import Attachment
from asrppl.infer.estimate.channels import AttachedRule
from asrppl.infer.estimate.factor import in_the_data_plate
from asrppl.infer.estimate.here import about_data
from asrppl.infer.sites.layout import Reading
from asrppl.infer.sites.plates import frame_of
from asrppl.infer.watch.recording import Frame, Recording, full_size


class Sample:
    """Several runs as one, draws along a first axis: tensors ``(draws, *plates, *index axes)``.

    Args:
        attachment: the rules, bound.
        recording: of one run.
        readings: of all.
    """

    def __init__(self, attachment: Attachment, recording: Recording, readings: list[Reading]) -> None:
        self.attachment = attachment
        self.frames: dict[str, tuple[Frame, ...]] = readings[0].frames
        self.draws: int = len(readings)
        self.data: Frame | None = frame_of(attachment.resolution.data, recording)
        self.index: Tensor | None = None if self.data is None else recording.subsamples.get(self.data.name)
        self.size: int = attachment.resolution.size or (1 if self.data is None else full_size(self.data))
        functionals = [rule.functional for rule in attachment.rules if rule.functional is not None]
        signatures = [attachment.signature, *(functional.signature for functional in functionals)]
        shapes = {key: self._batch(key, tensor, signatures) for key, tensor in readings[0].tensors.items()}
        self.plates: int = max(map(len, shapes.values()), default=0)
        self.tensors: dict[InputKey, Tensor] = {
            key: _stacked([reading.tensors[key] for reading in readings], len(shape), self.plates)
            for key, shape in shapes.items()
        }
        self.masks: dict[str, Tensor] = {
            name: _stacked([reading.masks[name] for reading in readings], mask.dim(), self.plates)
            for name, mask in readings[0].masks.items()
        }

    @staticmethod
    def _batch(key: InputKey, tensor: Tensor, signatures: list[Signature]) -> tuple[int, ...]:
        entries = (entry for signature in signatures if (entry := signature.get(key[0])) is not None)
        entry = next(entries, None)
        axes = (0 if entry is None else len(entry.axes)) + (key[1] == "log_probs")
        return tuple(tensor.shape[: tensor.dim() - axes])

    def mask(self, attached: AttachedRule) -> Tensor | None:
        """Return which data are there for a rule."""
        found: Tensor | None = None
        for mask in {id(self.masks[name]): self.masks[name] for name in attached.names if name in self.masks}.values():
            found = mask if found is None else found & mask
        return found

    def table(self, value: Tensor, axes: int = 0) -> Tensor:
        """Return ``(*axes, *draws, *plates)`` as ``(*axes, draws, data)``: the mean over further plates."""
        missing = self.plates + 1 - (value.dim() - axes)
        value = value.reshape((*value.shape[:axes], *(1,) * missing, *value.shape[axes:]))
        dim = None if self.data is None else self.data.dim
        size = 1
        if self.data is not None and dim is not None and -dim <= self.plates:
            value, size = value.movedim(dim, axes + 1), self.data.size
        else:
            value = value.unsqueeze(axes + 1)
        value = value.flatten(axes + 2).mean(-1) if value.dim() > axes + 2 else value
        return value.expand(*value.shape[:axes], self.draws, size)

    def table_of(self, attached: AttachedRule, value: Tensor) -> Tensor:
        """Return what a rule says, a number of each draw and datum, as such a table; what is absent counts as 0."""
        if attached.rule.datum is not None and (self.data is None or self.data.dim is None):
            value = value.reshape((*(1,) * (self.plates + 2 - value.dim()), *value.shape))  # run through one by one
            return value.flatten(1, -2).mean(1).expand(self.draws, value.shape[-1])
        return self.table(self.masked(attached, self.placed(attached, value)))

    def placed(self, attached: AttachedRule, value: Tensor) -> Tensor:
        """Return it with the data along the axis of their plate."""
        return value if attached.rule.datum is None else in_the_data_plate(value, (), self.data)[0]

    def masked(self, attached: AttachedRule, value: Tensor) -> Tensor:
        """Return it with 0 for the data that are not there."""
        mask = self.mask(attached) if about_data(attached) else None
        return value if mask is None else torch.where(mask, value, torch.zeros_like(value))


def _stacked(tensors: list[Tensor], batch: int, plates: int) -> Tensor:
    """Return what runs have in common as it is, else along a first axis before those of plates."""
    first = tensors[0]
    if all(other is first or torch.equal(other, first) for other in tensors[1:]):
        return first
    shape = broadcast_shape(tensor.shape for tensor in tensors)
    stacked = torch.stack([tensor.expand(shape) for tensor in tensors])
    return stacked.reshape((len(tensors), *(1,) * (plates - batch), *shape))
