"""Which data a batch holds, where the caller says so."""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor

from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.infer.estimate.attachment import Attachment
from asrppl.infer.sites.plates import frame_of
from asrppl.infer.watch.recording import Recording, full_size

DataIndex = Callable[..., object]


def told(
    data_index: DataIndex | None,
    attachment: Attachment,
    recording: Recording,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Tensor | None:
    """Return which data the batch of a call holds, ``(B,)``, as ``data_index`` says; None without one.

    Raises:
        AsrError: it says no such thing (ASR098).
    """
    if data_index is None:
        return None
    frame = frame_of(attachment.resolution.data, recording)
    if frame is None:
        _refuse("`data_index` is given, and there is no data plate", "leave `data_index` out")
    index: Any = torch.as_tensor(data_index(*args, **kwargs))
    if index.dtype == torch.bool or index.is_floating_point() or index.is_complex() or index.shape != (frame.size,):
        _refuse(
            f"`data_index` returned a tensor {tuple(index.shape)} of {index.dtype}, for a batch of {frame.size} data",
            f"let it return whole numbers, one for each datum of the batch: a tensor ({frame.size},)",
        )
    size = attachment.resolution.size or full_size(frame)
    wrong = index[(index < 0) | (index >= size)]
    if len(wrong):
        _refuse(
            f"`data_index` says that the batch holds datum {int(wrong[0])}, and there are {size} data, from 0 on",
            f'say how many there are, by pyro.plate("{frame.name}", size, subsample_size=len(batch)), or, of a plate '
            "without a size, by regularize(..., data_size=size)",
        )
    return index.long()


def _refuse(message: str, help: str) -> NoReturn:
    raise AsrError([Diagnostic("ASR098", message, help=help)])
