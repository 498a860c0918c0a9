"""Which plate is the data's: weights are nats per entry of it."""

from collections.abc import Collection, Mapping

from asrppl.core.typed import FreeName
from asrppl.diagnostics import Sink
from asrppl.infer.watch.recording import Recording, Site, full_size


def plate_names(recording: Recording) -> set[str]:
    """Return the names of all plates, also of those that are run through one entry at a time."""
    sites = (*recording.model.values(), *recording.guide.values())
    return {frame.name for site in sites for frame in site.frames}


def _likelihoods(recording: Recording) -> list[Site]:
    # What the guide draws is a latent, conditioned on in the model or not.
    drawn = {site.name for site in recording.guide.values() if not site.observed}
    observed = [site for site in recording.model.values() if site.likelihood and site.name not in drawn]
    return observed or [site for site in recording.model.values() if site.factor]


def common_plates(recording: Recording) -> tuple[str, ...]:
    """Return the plates around all observed sites, outermost first."""
    sites = _likelihoods(recording)
    if not sites:
        return ()
    names = [frame.name for frame in sites[0].plates]
    return tuple(name for name in names if all(name in {f.name for f in site.plates} for site in sites))


def find_data_plate(
    recording: Recording, candidates: Collection[str], indexed: Collection[str], sink: Sink
) -> str | None:
    """Return the one plate of ``candidates`` that no rule indexes; None where the observed sites stand in none."""
    left = [name for name in candidates if name not in indexed]
    if len(left) == 1:
        return left[0]
    if not left:
        left = sorted({f.name for site in _likelihoods(recording) for f in site.plates} - set(indexed))
        if not left or candidates:
            return None
    names = ", ".join(f"`{name}`" for name in left)
    sink.add(
        "ASR087",
        None,
        f"it is not clear which plate is the data's: {'all' if candidates else 'some'} observed sites stand in {names}",
        help=f'name it: regularize(..., data="{left[0]}"); weights are nats per entry of it',
    )
    return None


def verify_whole(recording: Recording, indexed: Mapping[str, FreeName], sink: Sink) -> None:
    """Note an error for plates without a size, and for subsampled ones that a rule indexes."""
    frames = {
        frame.name: frame for site in (*recording.model.values(), *recording.guide.values()) for frame in site.plates
    }
    for name, frame in frames.items():
        if frame.size < 0:
            sink.add(
                "ASR087",
                None,
                f"the plate {name!r} has no size, and weights are nats per datum",
                help=f'give it one: pyro.plate("{name}", size)',
            )
    for name, use in indexed.items():
        frame = frames.get(name)
        if frame is not None and frame.size != full_size(frame):
            sink.add(
                "ASR088",
                use.span,
                f"`{use.name}` indexes the plate {name!r}, which is subsampled "
                f"({frame.size} of {full_size(frame)}): the rule would see a part of it",
                help="run that plate whole",
            )
