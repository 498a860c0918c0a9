"""What is legal in guide and model but hardly meant, where rules read it."""

from torch import Tensor

from asrppl.diagnostics import Diagnostic
from asrppl.infer.sites.axes import item_shape
from asrppl.infer.sites.plates import frame_of
from asrppl.infer.sites.referent import Resolution
from asrppl.infer.watch.recording import Recording, Site


def warnings_of(resolution: Resolution, recording: Recording) -> tuple[Diagnostic, ...]:
    """Return the warnings: a data plate without a size (ASR110), values of all data outside it (ASR111)."""
    found: list[Diagnostic] = []
    plate = resolution.data
    if plate in recording.unsized and resolution.size is None:
        found.append(
            Diagnostic(
                "ASR110",
                f"the data plate {plate!r} has no size: the length of a batch stands for the number of data",
                help=f'give the plate its size, pyro.plate("{plate}", size), or say regularize(..., data_size=size)',
            )
        )
    frame = frame_of(plate, recording)
    for referent in resolution.referents.values():
        if frame is None or frame.size < 2 or referent.origin == "bind" or referent.family:
            continue
        item = next(referent.items(recording))
        shape = item_shape(item) if isinstance(item.value, Tensor) else ()
        if not shape or shape[0] != frame.size or any(f.name == plate for f in item.frames):
            continue
        if isinstance(item, Site) and not item.deterministic and not _in_plate(item.name, plate, recording):
            continue  # a draw of as many parts as there are data
        found.append(
            Diagnostic(
                "ASR111",
                f"{referent.title} has length {frame.size}, as the data plate {plate!r} has, and stands outside it: "
                "to the rules its entries are parts of one thing, which a `forall` sums over",
                referent.free.span,
                help="if it has an entry for each datum, make it within the plate; event_dim counts its other axes",
            )
        )
    return tuple(found)


def _in_plate(name: str, plate: str | None, recording: Recording) -> bool:
    site = recording.model.get(name)
    return site is not None and any(frame.name == plate for frame in site.frames)
