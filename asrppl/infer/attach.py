"""Rules attached to one structure of guide and model: names bound, program typed and lowered, channels chosen."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import prod
from types import MappingProxyType

import torch
from torch import Tensor

from asrppl.bind.bound import Bound, InputKey
from asrppl.core.moments import needs_decomposing
from asrppl.core.pathwise import verify_pathwise
from asrppl.core.signature import Entry, Signature
from asrppl.diagnostics import Diagnostic, Sink
from asrppl.infer.estimate.attachment import Attachment
from asrppl.infer.estimate.channels import AttachedRule, Rerun, choose, recheck_pathwise, warn_of_data
from asrppl.infer.estimate.known import Run
from asrppl.infer.estimate.lengths import verify_lengths
from asrppl.infer.estimate.soundness import Evidence
from asrppl.infer.sites.absent import with_absent
from asrppl.infer.sites.cdfs import SiteLaw, read_laws, site_laws
from asrppl.infer.sites.entries import Provenance, signature_of
from asrppl.infer.sites.layout import Reading
from asrppl.infer.sites.lineage import Lineage, ancestors
from asrppl.infer.sites.read import read
from asrppl.infer.sites.referent import Resolution
from asrppl.infer.sites.resolve import resolve
from asrppl.infer.sites.warn import warnings_of
from asrppl.infer.watch.again import Fixed
from asrppl.infer.watch.pyro_internals import marks_of
from asrppl.infer.watch.recorder import Tracker
from asrppl.infer.watch.recording import Recording
from asrppl.program import Program

logger: logging.Logger = logging.getLogger(__name__)

_NO_ENTRIES: Mapping[str, Entry] = MappingProxyType({})
_NOTHING: Mapping[InputKey, frozenset[str]] = MappingProxyType({})


def attach(
    program: Program,
    recording: Recording,
    rerun: Rerun,
    *,
    given: Bound,
    data: str | None,
    data_size: int | None,
    base: type,
    families: Mapping[str, Entry] = _NO_ENTRIES,
    seen: Mapping[InputKey, frozenset[str]] = _NOTHING,
) -> Attachment:
    """Return ``program`` attached to what ``recording`` shows of guide and model.

    Args:
        program: the rules.
        recording: of a run.
        rerun: runs guide and model apart, with a tracker.
        given: what ``bind=`` gave.
        data: the name of the data plate.
        data_size: the number of data, of a plate without a size.
        base: the class of the objective.
        families: names that were numbered sites in another run, as they were there.
        seen: sites whose draws the run of ``recording`` was seen to compute tensors from.

    Raises:
        AsrError: with all findings of one stage: names (ASR080 to ASR089), types, estimators (ASR092 to ASR097).
    """
    given = with_absent(program.free, recording, given, families)
    resolution = resolve(
        program.free, recording, given=set(given.signature), own=program.defined, data=data, data_size=data_size
    )
    reading = read(resolution, recording, given)
    tracked = _tracked(resolution, given, rerun)
    drawn = frozenset(reading.masks) if tracked is None else _drawn(tracked[1])
    if drawn:
        resolution = replace(resolution, drawn=drawn)
        reading = read(resolution, recording, given)
        tracked = None if tracked is None else (tracked[0], read(resolution, tracked[0], given))
    provenance = _with_seen(None if tracked is None else _marks(tracked[1]), seen, recording)
    signature = signature_of(resolution, recording, reading, given, provenance)
    typed = program.typed(signature)
    sink = Sink()
    verify_pathwise(typed, signature)
    elements = max((_batch_elements(signature, key, tensor) for key, tensor in reading.tensors.items()), default=1)
    taken = [rule for rule in typed.rules if not rule.weight.off or rule.hard is not None]
    moments = any(needs_decomposing(rule) for rule in taken)
    run = _run(tracked[0], resolution, given, signature, rerun) if tracked is not None and moments else None
    before = run.lineage.before if run is not None else {} if tracked is None else ancestors(tracked[0])
    evidence = Evidence(recording, resolution, reading, signature, provenance, base, before)
    rules = tuple(choose(rule, evidence, sink, elements, run) for rule in taken)
    sink.raise_if_failed()
    if provenance is not None:
        rules = recheck_pathwise(rules, evidence, given, rerun, sink, elements, run)
        sink.raise_if_failed()
    verify_lengths(rules, reading, signature, resolution.referents)
    plain = tuple(attached.rule for attached in rules if attached.functional is None)
    plan = program.plan(signature, elements=elements, rules=plain, shares=True)
    program.warn_once(signature)
    found = program.warnings(signature)
    return Attachment(
        resolution,
        given,
        signature,
        plan,
        given.functions if run is None else {**given.functions, **run.law_functions},
        rules,
        frozenset(reading.masks),
        (*found, *warnings_of(resolution, recording), *warn_of_data(rules, evidence)),
        _idle(rules, found),
        {} if run is None else _read_in(rules, run),
    )


def _idle(rules: Iterable[AttachedRule], found: Iterable[Diagnostic]) -> frozenset[str]:
    """Return the names of the rules that run over no instance, wholly or in a part (ASR066)."""
    places = [
        span
        for warning in found
        if warning.code == "ASR066"
        for span in (warning.span, *(note.span for note in warning.notes))  # in a `def`, and of its calls
        if span is not None
    ]
    return frozenset(
        attached.rule.name
        for attached in rules
        for span, own in ((span, attached.rule.span) for span in places)
        if span.source == own.source and own.start <= span.start and span.end <= own.end
    )


def _read_in(rules: Iterable[AttachedRule], run: Run) -> dict[str, SiteLaw]:
    """Return the laws whose parameters the rules read."""
    functionals = [attached.functional for attached in rules if attached.functional is not None]
    read = {
        name for functional in functionals for moment in functional.moments for name, _ in functional.inputs(moment)
    }
    return {name: law for name, law in run.laws.items() if read & set(law.parameters)}


def _with_seen(
    provenance: Provenance | None, seen: Mapping[InputKey, frozenset[str]], recording: Recording
) -> Provenance | None:
    """Return the draws of another run with those of this one: what depends on them may differ from run to run."""
    if provenance is None or not seen:
        return provenance
    sites = {**recording.model, **recording.guide}
    draws = {key: frozenset(sites[name].draw() for name in names if name in sites) for key, names in seen.items()}
    return {key: provenance.get(key, frozenset()) | draws.get(key, frozenset()) for key in {*provenance, *draws}}


def _batch_elements(signature: Signature, key: InputKey, tensor: Tensor) -> int:
    # By tensor: names of different rules may stand in different plates on one axis, which do not broadcast.
    name, component = key
    entry = signature.get(name)
    axes = (len(entry.axes) if entry is not None else 0) + (component == "log_probs")
    return prod(tensor.shape[: tensor.dim() - axes])


def _tracked(resolution: Resolution, given: Bound, rerun: Rerun) -> tuple[Recording, Reading] | None:
    try:
        recording = rerun(Tracker())
        return recording, read(resolution, recording, given)
    except Exception as error:  # whatever a user's code makes of a tensor subclass
        logger.warning(
            "asrppl: the guide cannot be tracked (%s: %s); its draws count as read", type(error).__name__, error
        )
        return None


def _drawn(tracked: Reading) -> frozenset[str]:
    """Return the names whose data are absent in some draws: that is no matter of which data there are."""
    return frozenset(name for name, mask in tracked.masks.items() if marks_of(mask))


def _marks(tracked: Reading) -> Provenance:
    return {key: marks_of(tensor) for key, tensor in tracked.tensors.items()}


def _run(tracked: Recording, resolution: Resolution, given: Bound, signature: Signature, rerun: Rerun) -> Run | None:
    """Return what rules that read moments have to know of the guide's laws; None where nothing of them jumps."""
    if not any(entry.reparameterised or entry.density for _, entry in signature.entries):
        return None
    with torch.enable_grad():
        try:
            plain, fixed = rerun(None), rerun(Fixed())
        except Exception as error:  # whatever a user's code makes of draws without gradients
            logger.warning("asrppl: the guide does not run at fixed draws (%s: %s)", type(error).__name__, error)
            return None
        laws = site_laws(resolution, plain, signature)

        def reading_of(recording: Recording) -> Reading:
            reading = read(resolution, recording, given)
            read_laws(laws, resolution, recording, reading)
            return reading

        lineage = Lineage(tracked, plain)
        return Run(lineage, reading_of(tracked), reading_of(plain), reading_of(fixed), laws, given.functions)
