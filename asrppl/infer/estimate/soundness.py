"""What no base objective has a sound estimator for, refused rule by rule."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyro.infer import TraceEnum_ELBO, TraceMeanField_ELBO
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.core.laws import is_of_law
from asrppl.core.moments import Moment
from asrppl.core.rules import TypedRule
from asrppl.core.signature import Kind, Level, Signature
from asrppl.core.typed import CategoricalOf, Offset, Posterior, Read
from asrppl.core.units import beyond_one_datum
from asrppl.core.walk import TypedNode, walk
from asrppl.diagnostics import Sink
from asrppl.infer.sites.entries import Provenance
from asrppl.infer.sites.layout import Reading
from asrppl.infer.sites.plates import frame_of
from asrppl.infer.sites.referent import Resolution
from asrppl.infer.watch.recording import Draw, Frame, Recording, full_size


def inputs_of(formula: TypedNode, *, aggregates: bool = True) -> frozenset[InputKey]:
    """Return the tensors that a formula reads, or those that it reads outside aggregates."""
    keys: set[InputKey] = set()
    for node in walk(formula, aggregates=aggregates):
        match node:
            case Read():
                keys.add((node.name, node.component))
            case Posterior():
                keys.add((node.name, "log_probs"))
            case CategoricalOf():
                keys.add((node.name, None))
            case _:
                pass
    return frozenset(keys)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the verdicts on a rule are drawn from.

    Args:
        recording: of a run.
        resolution: what names stand for.
        reading: its tensors.
        signature: what rules were typed against.
        provenance: by tensor the draws that it was computed from, as far as gradients pass; None where not tracked.
        base: the class of the objective.
        before: by draw of the guide all that its law was computed from, by any way.
    """

    recording: Recording
    resolution: Resolution
    reading: Reading
    signature: Signature
    provenance: Provenance | None
    base: type
    before: Mapping[str, frozenset[str]]

    @property
    def data(self) -> Frame | None:
        """The data plate."""
        return frame_of(self.resolution.data, self.recording)

    def draws(self, key: InputKey) -> frozenset[Draw]:
        """Return the draws that a tensor was computed from; the worst case where they were not tracked."""
        if self.provenance is not None:
            return self.provenance.get(key, frozenset())
        name, component = key
        entry = self.signature.get(name)
        if entry is None:
            return frozenset()
        levels = entry.distribution_levels if is_of_law(component) else entry.levels
        return frozenset({Draw(name, False, False, False)} if Level.DRAW in levels else ())


def verify_moments(rule: TypedRule, moments: Iterable[Moment], evidence: Evidence, sink: Sink) -> None:
    """Note an error for means over draws of what is not there in each of them (ASR093)."""
    for moment in moments:
        for node in walk(moment.integrand):
            if not isinstance(node, Read | Posterior):
                continue
            mask = (node.name, "mask")
            absent = mask in evidence.reading.tensors and bool(evidence.draws(mask))
            outside = {index.variable for index in node.indices if isinstance(index, Offset)} & set(moment.variables)
            if absent and outside:
                names = ", ".join(variable.name for variable in moment.variables if variable in outside)
                sink.add(
                    "ASR093",
                    moment.operator.span,
                    f"`{node.name}` is not there in every draw, and so rule `{rule.name}` asks for a mean over draws "
                    "of what some of them lack",
                    help=f"let the index run inside: `E[sum {names}: …]`, `P[forall {names}: …]`",
                )
                break


def verify_draws(rule: TypedRule, inputs: frozenset[InputKey], evidence: Evidence, sink: Sink) -> None:
    """Note an error for what jumps in a draw or is cut off (ASR094)."""
    for key in sorted(inputs, key=str):
        name, component = key
        referent = evidence.resolution.referents[name]
        draws = evidence.draws(key)
        entry = evidence.signature.get(name)
        jumps = component == "mask" or (not is_of_law(component) and entry is not None and entry.kind is not Kind.REAL)
        smooth = sorted({draw.site for draw in draws if draw.pathwise and draw.continuous})
        if jumps and smooth:
            what = f"the presence of `{name}`" if component == "mask" else f"`{name}`"
            sink.add(
                "ASR094",
                referent.free.span,
                f"{what} is discrete and computed from {draws_of(smooth)}, which is reparameterised: it jumps, "
                "so the pathwise gradient misses what it does",
                help="write the comparison in the rule as an amount, or draw the discrete value as a site of its own",
            )
        elif _is_cut(evidence.reading.tensors[key], smooth, evidence.recording):
            what = f"q({name})" if is_of_law(component) else name
            sink.add(
                "ASR094",
                referent.free.span,
                f"`{what}` is computed from {draws_of(smooth)}, which is reparameterised, but no gradient gets from "
                "there to it: it jumps (a comparison made a number, say), or it was detached",
                help="expose an amount, undetached, and make the comparison in the rule",
            )


def _is_cut(value: Tensor, smooth: list[str], recording: Recording) -> bool:
    # In a run without gradients, or of draws whose parameters are constants, there is nothing to be cut.
    sites = (recording.guide[name] for name in smooth if name in recording.guide)
    return not value.requires_grad and any(site.value.requires_grad for site in sites)


def verify_axes(rule: TypedRule, names: tuple[str, ...], evidence: Evidence, sink: Sink) -> None:
    """Note an error where a rule would pair the entries of two plates on one axis (ASR097)."""
    found: dict[int | None, tuple[str, str]] = {}
    data = evidence.data
    for name in names:
        entry = evidence.signature.get(name)
        over_data = rule.datum is not None and entry is not None and entry.data is not None
        own = (data,) if over_data and data is not None and data.dim is not None else ()
        for frame in (*evidence.reading.frames[name], *own):
            plate, other = found.setdefault(frame.dim, (frame.name, name))
            if plate != frame.name:
                sink.add(
                    "ASR097",
                    evidence.resolution.referents[name].free.span,
                    f"rule `{rule.name}` reads `{other}` for each entry of the plate {plate!r} and `{name}` for each "
                    f"of {frame.name!r}, and both plates are axis {frame.dim}: it would pair their entries",
                    help="index what is in one of them, or give each plate an axis of its own (`dim=`)",
                )


def verify_indices(rule: TypedRule, names: tuple[str, ...], stuck: list[str], evidence: Evidence, sink: Sink) -> None:
    """Note errors for plates that a rule indexes in one name and not in another, or sees a part of (ASR088, ASR097).

    Plates of objects may be both where gradients pass through what is drawn: the rule then pairs all with all.
    """
    referents = evidence.resolution.referents
    indexed = {plate: name for name in names for plate, _ in referents[name].plates}
    data = evidence.data
    for name in names:
        entry = evidence.signature.get(name)
        if data is not None and entry is not None and entry.data is not None:
            indexed[data.name] = name
    for plate, name in sorted(indexed.items()):
        whole = next((n for n in names if plate in {frame.name for frame in evidence.reading.frames[n]}), None)
        if whole is not None and (stuck or plate == evidence.resolution.data):
            sink.add(
                "ASR097",
                referents[whole].free.span,
                f"rule `{rule.name}` indexes the plate {plate!r} in `{name}` "
                f"and reads `{whole}` for each of its entries without an index",
                help=f"index `{whole}` too",
            )
    span = beyond_one_datum(rule, evidence.signature)
    if data is not None and data.size != full_size(data) and span is not None:
        sink.add(
            "ASR088",
            span,
            f"rule `{rule.name}` indexes the data plate {data.name!r}, which is subsampled "
            f"({data.size} of {full_size(data)}), and this reads more of it than one datum: it would see a part",
            help="let a `forall` at the head of the rule run over the data, each time reading that datum alone; "
            "leave the index out; or run that plate whole",
        )


def verify_plates(rule: TypedRule, names: tuple[str, ...], stuck: list[str], evidence: Evidence, sink: Sink) -> None:
    """Note errors for draws without a pathwise gradient where the base leaves part of it out (ASR095)."""
    frames = {frame.name for name in names for frame in evidence.reading.frames[name]}
    if rule.datum is not None and evidence.data is not None and evidence.data.dim is not None:
        frames.add(evidence.data.name)
    if evidence.base is TraceMeanField_ELBO and evidence.provenance is not None:
        sink.add(
            "ASR095",
            rule.span,
            f"rule `{rule.name}` depends on {draws_of(stuck)}, and TraceMeanField_ELBO has the pathwise gradient only",
            help="use Trace_ELBO, TraceGraph_ELBO or TraceEnum_ELBO",
        )
    if not issubclass(evidence.base, TraceEnum_ELBO):
        return
    for name in stuck:
        site = evidence.recording.guide.get(name)
        if site is not None and site.infer.get("enumerate") == "parallel" and site.infer.get("_markov_depth"):
            sink.add(
                "ASR095",
                rule.span,
                f"rule `{rule.name}` depends on the draw of {name!r}, which is enumerated within pyro.markov: "
                "its axis is used again by later sites, and the rule would take one for the other",
                help="enumerate it outside pyro.markov, or use Trace_ELBO",
            )
        missing = [frame.name for frame in site.plates if frame.name not in frames] if site is not None else []
        if missing:
            sink.add(
                "ASR095",
                rule.span,
                f"rule `{rule.name}` stands outside the plate {missing[0]!r} and depends on the draw of {name!r} "
                "inside it; TraceEnum_ELBO is right only where nothing outside a plate depends on what is inside",
                help="use Trace_ELBO or TraceGraph_ELBO, or reparameterise the draw",
            )


def draws_of(names: list[str]) -> str:
    """Return what messages call the draws of these sites."""
    return f"the draw of {names[0]!r}" if len(names) == 1 else "the draws of " + ", ".join(map(repr, names))
