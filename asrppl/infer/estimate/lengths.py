"""Values whose batch axes do not have the lengths of the plates that a rule reads them in."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from asrppl.core.labels import indexed
from asrppl.core.signature import Signature
from asrppl.diagnostics import Sink
from asrppl.infer.estimate.channels import AttachedRule
from asrppl.infer.sites.layout import Reading
from asrppl.infer.sites.referent import Referent
from asrppl.infer.watch.recording import Frame, full_size


def verify_lengths(
    rules: Iterable[AttachedRule], reading: Reading, signature: Signature, referents: Mapping[str, Referent]
) -> None:
    """Check that exposed and bound values have an entry for each of a plate's, or are the same for all.

    Raises:
        AsrError: they have not (ASR096).
    """
    sink = Sink()
    seen: set[str] = set()
    for attached in rules:
        frames = {frame.dim: frame for name in attached.names for frame in reading.frames[name]}
        for name in attached.names:
            if name not in seen and _verify(name, frames, reading, signature, referents[name], sink):
                seen.add(name)
    sink.raise_if_failed()


def _verify(
    name: str, frames: dict[int | None, Frame], reading: Reading, signature: Signature, referent: Referent, sink: Sink
) -> bool:
    """Note an error for a value that does not fit ``frames``; return whether there is one."""
    entry = signature.get(name)
    for (other, component), tensor in reading.tensors.items():
        if other != name or entry is None:
            continue
        batch = tensor.shape[: tensor.dim() - len(entry.axes) - (component == "log_probs")]
        for dim, frame in frames.items():
            if dim is None or -dim > len(batch) or batch[dim] in (1, frame.size):
                continue
            what = f"the mask of `{name}`" if component == "mask" else f"`{name}` ({referent.title})"
            of = f" of its {full_size(frame)}" if frame.size != full_size(frame) else ""
            sink.add(
                "ASR096",
                referent.free.span,
                f"{what} has length {batch[dim]} on axis {dim}, where the plate {frame.name!r} has {frame.size}{of}",
                help=_mend(name, referent, batch[dim] == full_size(frame)),
            )
            return True
    return False


def _mend(name: str, referent: Referent, whole: bool) -> str:
    if whole:
        return f'the plate is subsampled: within it, in the guide, asrppl.expose("{name}", values[indices])'
    if referent.origin == "bind":
        free = referent.free
        more = indexed(replace(free, rank=(free.rank or 0) + 1))
        return f"if these are not one value for each entry of that plate, write one more index: `{more}`"
    return "its batch axes are those of the plates around it; event_dim counts the others"
