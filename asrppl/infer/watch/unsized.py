"""Plates without a size (``pyro.plate("data")``): as long as what is drawn within them."""

from dataclasses import replace
from typing import TypeVar

from asrppl.infer.watch.recording import Exposure, Frame, ParamStatement, Recording, Site

Item = TypeVar("Item", Site, Exposure, ParamStatement)


def with_sizes(recording: Recording) -> Recording:
    """Return a recording whose plates all have a size; the frames as Pyro has them are kept in ``unsized``."""
    sites = (*recording.guide.values(), *recording.model.values())
    raw = {frame.name: frame for site in sites for frame in site.frames if frame.size < 0}
    if not raw:
        return recording
    sizes = dict.fromkeys(raw, 1)
    for site in sites:
        for frame in site.plates:
            if frame.name in raw:
                sizes[frame.name] = max(sizes[frame.name], _length(site, int(frame.dim or 0)))

    def sized(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
        return tuple(f._replace(size=sizes[f.name], full_size=sizes[f.name]) if f.name in raw else f for f in frames)

    def items(table: dict[str, Item]) -> dict[str, Item]:
        return {name: replace(item, frames=sized(item.frames)) for name, item in table.items()}

    return Recording(
        guide=items(recording.guide),
        model=items(recording.model),
        exposed=items(recording.exposed),
        params=items(recording.params),
        unsized=raw,
    )


def _length(site: Site, dim: int) -> int:
    drawn = site.value.shape[: site.value.dim() - site.event_dim]
    return max(shape[dim] if -dim <= len(shape) else 1 for shape in (drawn, tuple(site.fn.batch_shape)))
