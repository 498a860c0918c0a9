"""Which recorded thing each free name of a program means, and which of its plates are index axes."""

from collections.abc import Collection

from asrppl.core.free import FreeNames
from asrppl.diagnostics import Sink
from asrppl.infer.sites.axes import settle
from asrppl.infer.sites.find import find_referent, origin_words, tables_of
from asrppl.infer.sites.plates import find_data_plate, verify_size, verify_whole
from asrppl.infer.sites.referent import Referent, Resolution
from asrppl.infer.watch.recording import Recording


def resolve(
    free: FreeNames,
    recording: Recording,
    *,
    given: Collection[str] = (),
    own: Collection[str] = (),
    data: str | None = None,
    data_size: int | None = None,
) -> Resolution:
    """Return what every name of ``free`` means in ``recording``.

    Args:
        free: the program's free names.
        recording: one run of guide and model.
        given: names that ``bind=`` gives.
        own: names that the rule file defines.
        data: the data plate's name, if the caller says.
        data_size: its size, if the caller says.

    Raises:
        AsrError: all findings at once: ASR080 to ASR088.
    """
    sink = Sink()
    tables = tables_of(recording)
    for name in own:
        for origin, table in tables.items():
            if name in table:
                sink.add(
                    "ASR082",
                    None,
                    f"the rules define `{name}`, which hides the {origin_words(origin)} {name!r}",
                    help="rename it in the rules; both would be called the same",
                )
    found: dict[str, Referent] = {}
    for name, use in free.items():
        referent = find_referent(use, recording, tables, given, sink)
        if referent is not None:
            found[name] = referent
    plate = find_data_plate(recording, data, sink)
    verify_size(plate, data_size, recording, sink)
    sink.raise_if_failed()
    referents = {
        name: referent if referent.origin == "bind" else settle(referent, recording, plate, sink)
        for name, referent in found.items()
    }
    sink.raise_if_failed()
    indexed = {name: r.free for r in referents.values() for name, _ in r.plates if name != plate}
    verify_whole(recording, indexed, sink)
    sink.raise_if_failed()
    return Resolution(referents, plate, data_size)
