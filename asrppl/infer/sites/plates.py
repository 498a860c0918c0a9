"""Which plate is the data's: weights are nats per entry of it. It is found from model and guide alone."""

from collections.abc import Mapping

from asrppl.core.free import FreeName
from asrppl.diagnostics import Sink
from asrppl.infer.watch.recording import Frame, Recording, Site, full_size
from asrppl.suggest import nearest


def frame_of(plate: str | None, recording: Recording) -> Frame | None:
    """Return a plate's frame, of a site that it is vectorised at where there is one."""
    sites = (*recording.model.values(), *recording.guide.values(), *recording.exposed.values())
    found = [frame for site in sites for frame in site.frames if frame.name == plate]
    return next((frame for frame in found if frame.dim is not None), found[0] if found else None)


def plate_names(recording: Recording) -> set[str]:
    """Return the names of all plates, also of those that are run through one entry at a time."""
    items = (*recording.model.values(), *recording.guide.values(), *recording.exposed.values())
    return {frame.name for item in items for frame in item.frames}


def _likelihoods(recording: Recording) -> list[Site]:
    # What the guide draws is a latent, conditioned on in the model or not.
    drawn = {site.name for site in recording.guide.values() if not site.observed}
    observed = [site for site in recording.model.values() if site.likelihood and site.name not in drawn]
    return observed or [site for site in recording.model.values() if site.factor]


def _candidates(site: Site) -> list[str]:
    """Return the plates around a site that may be the data's, outermost first.

    One that is run through entry by entry may be, but not within a vectorised one: there it holds parts of a datum.
    """
    found: list[str] = []
    within = False
    for frame in site.frames:
        within |= frame.dim is not None
        if frame.dim is not None or not within:
            found.append(frame.name)
    return found


def find_data_plate(recording: Recording, data: str | None, sink: Sink) -> str | None:
    """Return the data plate: ``data`` where it is given, else the one around all observed sites; None without any."""
    if data is not None:
        _verify_name(data, recording, sink)
        return data
    around = [_candidates(site) for site in _likelihoods(recording)]
    every = [name for name in (around[0] if around else ()) if all(name in names for names in around)]
    if len(every) == 1:
        return every[0]
    left = every or sorted({name for names in around for name in names})
    if not left:
        return None
    names = ", ".join(f"`{name}`" for name in left)
    kind = "factors" if _likelihoods(recording)[0].factor else "observed sites"
    what = f"all {kind} stand in {names}" if every else f"no plate is around all {kind}; around some of them: {names}"
    sink.add(
        "ASR087",
        None,
        f"it is not clear which plate is the data's: {what}",
        help=f'name it: regularize(..., data="{left[0]}"); weights are nats per entry of it',
    )
    return None


def _verify_name(data: str, recording: Recording, sink: Sink) -> None:
    there = sorted(plate_names(recording))
    if data not in there:
        close = nearest(data, there, 1)
        sink.add(
            "ASR087",
            None,
            f"no site stands in a plate {data!r}, which is to be the data's; plates with sites in them: "
            f"{', '.join(map(repr, there)) or 'none'}",
            help=f'did you mean regularize(..., data="{close[0]}")?' if close else None,
        )


def verify_size(plate: str | None, data_size: int | None, recording: Recording, sink: Sink) -> None:
    """Note an error for a size of the data that the data plate has already, or that there is no data plate for."""
    if data_size is None or plate in recording.unsized:
        return
    frame = frame_of(plate, recording)
    what = "there is no data plate" if frame is None else f"the data plate {plate!r} has the size {full_size(frame)}"
    sink.add("ASR087", None, f"{what}, and `data_size` is for a plate without a size", help="leave `data_size` out")


def verify_whole(recording: Recording, indexed: Mapping[str, FreeName], sink: Sink) -> None:
    """Note an error for plates of objects that a rule indexes and that are subsampled."""
    for name, use in indexed.items():
        frame = frame_of(name, recording)
        if frame is not None and frame.size != full_size(frame):
            sink.add(
                "ASR088",
                use.span,
                f"`{use.name}` indexes the plate {name!r}, which is subsampled "
                f"({frame.size} of {full_size(frame)}): the rule would see a part of it",
                help="run that plate whole",
            )
