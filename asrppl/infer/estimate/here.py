"""Where a rule is evaluated: which data and draws a run holds, and how each mean of the rule is known there."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.bind.shapes import broadcast, broadcast_shape
from asrppl.core.signature import Level
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.infer.estimate.attachment import Attachment
from asrppl.infer.estimate.batch import Batch
from asrppl.infer.estimate.channels import AttachedRule
from asrppl.infer.estimate.evaluation import Leaf
from asrppl.infer.estimate.functional import Functional
from asrppl.infer.estimate.means import probability_of
from asrppl.infer.estimate.moments import estimates
from asrppl.infer.estimate.multipliers import Place
from asrppl.infer.estimate.ranks import Share
from asrppl.infer.estimate.scores import log_q
from asrppl.infer.sites.layout import Reading
from asrppl.infer.watch.pyro_internals import unmark
from asrppl.infer.watch.recording import PARTICLES, Frame, Recording, Site, full_size

Further = Callable[[Attachment, Recording, int], Iterator[Reading]]
Again = Callable[[AttachedRule], Mapping[str, Site]]

FURTHER = 32
"""How often the guide is drawn anew for the mean of a datum that is not told from others."""


@dataclass(frozen=True, slots=True)
class Here:
    """Where a rule is evaluated.

    Args:
        attachment: the rules, bound.
        recording: of the run.
        reading: its tensors.
        data: the data plate.
        enumerated: sites whose draws are enumerated.
        around: the plates that are open.
        further: draws the guide anew, so often, on the same data.
        again: runs the guide once more at the values that it drew, for a rule; returns its sites.
        max_plate_nesting: axes further left are enumerated.
    """

    attachment: Attachment
    recording: Recording
    reading: Reading
    data: Frame | None
    enumerated: Sequence[Site]
    around: tuple[Frame, ...]
    max_plate_nesting: float
    further: Further
    again: Again

    @property
    def all_data(self) -> bool:
        """Whether the run holds as many data as there are."""
        if self.data is None:
            return True
        return self.data.size == (self.attachment.resolution.size or full_size(self.data))


def about_data(attached: AttachedRule) -> bool:
    """Whether a rule is said of each datum: a mask and weights of data are then those of what it costs."""
    return attached.functional is None or attached.functional.about_data


def inside_of(attached: AttachedRule) -> frozenset[Leaf]:
    """Return the leaves whose terms stand inside the model."""
    if not attached.inside:
        return frozenset()
    share = {(name, "share") for name, inside in attached.inside.items() if inside.share}
    return frozenset({(name, "sum") for name in attached.inside} | share)


def place_of(here: Here, share: Share | None, *, all_data: bool) -> Place | None:
    """Return which data the batch holds; None without data, or where nothing says so."""
    data = here.data
    if data is None or data.dim is None:
        return None
    size = here.attachment.resolution.size or full_size(data)
    index = here.recording.entries(data)
    handed = here.recording.handed or (data.size == full_size(data) and not all_data)
    if handed and here.recording.told is None:
        return None  # nothing says which data are in the batch
    order = _order(data.size)
    if index is None:
        index = order
    if share is not None and share.apart and here.recording.told is None:
        return Place(data.dim, index + share.offset, share.size)
    # On another device the question would have to be waited for.
    whole = share is None and data.size == size and index.is_cpu and torch.equal(index, order)
    return Place(data.dim, index, size, whole)


@lru_cache(maxsize=8)
def _order(size: int) -> Tensor:
    return torch.arange(size)


def exact_in(attached: AttachedRule, functional: Functional, *, all_data: bool) -> frozenset[str]:
    """Return the names of the moments that no draw enters, of which the run has all data: they are what it says."""
    if not attached.drawless:
        return frozenset()
    found: set[str] = set()
    for (moments, _), reads in zip(functional.stages, functional.reads, strict=True):
        for moment in moments:
            others = {name for name, _ in reads[moment.name]} & {other.name for other in functional.moments}
            takes_all = all_data or Level.DATUM not in moment.over
            if moment.name in attached.drawless and takes_all and others <= found:
                found.add(moment.name)
    return frozenset(found)


def ways_of(
    attached: AttachedRule, functional: Functional, exact: frozenset[str], drawn: frozenset[str], *, told: bool
) -> dict[str, str]:
    """Return how each mean of a rule is known, by its text; ``drawn`` are of one datum, which are ``told`` apart."""
    found = dict(attached.sums)
    for moment in functional.moments:
        words = ["tracked"]
        if moment.name in exact:
            words = ["exact"]
        elif moment.name in attached.inside:
            words = ["enumerated in the model"]
        elif moment.name in drawn:
            words = ["tracked per datum" if told else "drawn anew"]
        if moment.name in attached.smoothed:
            words.append("by its law" if moment.name in exact else "by the law of what is drawn last")
        if moment.name in attached.scored:
            words.append("score function")
        text = moment.operator.span.text  # also of the share of the data that it is a mean over
        if words != ["exact"] or text not in found:
            found[text] = ", ".join(words)
    return found


def scores_of(attached: AttachedRule, functional: Functional, here: Here) -> dict[str, Tensor]:
    """Return of each moment that is known by the score function the log-probability of what was drawn."""
    particles = [-frame.dim - 1 for frame in here.around if frame.name == PARTICLES and frame.dim is not None]
    found: dict[str, Tensor] = {}
    for moment in functional.moments:
        how = attached.scored.get(moment.name)
        if how is not None:
            sites = here.again(attached) if how.again else here.recording.guide
            names = {name for name, _ in functional.inputs(moment)}
            frames = {frame.name for name in names for frame in here.reading.frames.get(name, ())}
            total = log_q(sites, how.sites, frames, particles[0] if particles else here.max_plate_nesting)
            if total is not None:
                found[moment.name] = unmark(total)
    return found


def drawn_anew(
    functional: Functional,
    here: Here,
    names: frozenset[str],
    plates: int,
    others: Sequence[Mapping[InputKey, Tensor]],
    known: Mapping[Leaf, Tensor],
) -> dict[Leaf, Tensor]:
    """Return the means of each datum over further draws, which those of the gradient do not depend on.

    What reads other means is evaluated at theirs: a stage at a time.
    """
    means: dict[Leaf, Tensor] = {}
    for stage, _ in functional.stages:
        found: dict[Leaf, list[Tensor]] = {}
        for tensors in others:
            own = estimates(functional, tensors, here.attachment.functions, Batch(plates), dict(known) | means)
            for leaf, mean in own.items():
                if leaf[0] in names & {moment.name for moment in stage}:
                    found.setdefault(leaf, []).append(mean)
        means |= {leaf: torch.stack(broadcast(*each)).mean(0) for leaf, each in found.items()}
    return means


def batch_of(attached: AttachedRule, here: Here) -> Batch:
    """Return what the axes of a rule's inputs are.

    Raises:
        AsrError: draws are enumerated one by one (ASR095).
    """
    signature = here.attachment.signature
    shapes: list[tuple[int, ...]] = []
    for name, component in attached.inputs:
        tensor, entry = here.reading.tensors[name, component], signature.get(name)
        axes = (len(entry.axes) if entry is not None else 0) + (component == "log_probs")
        shapes.append(tuple(tensor.shape[: tensor.dim() - axes]))
    shape = broadcast_shape(shapes)
    if any("_enum_total" in site.infer for site in here.enumerated):
        message = f"rule `{attached.rule.name}` takes a mean over draws, and they are enumerated one by one"
        help = 'enumerate them in parallel, as in config_enumerate(guide, "parallel")'
        raise AsrError([Diagnostic("ASR095", message, attached.rule.span, help=help)])
    particles = [-frame.dim for frame in here.around if frame.name == PARTICLES and frame.dim is not None]
    nesting = len(shape) if here.max_plate_nesting == float("inf") else int(here.max_plate_nesting)
    plates = particles[0] - 1 if particles else nesting
    frames = tuple(frame for name in attached.names for frame in here.reading.frames[name])
    weight = probability_of(torch.empty(shape), here.enumerated, frames) if here.enumerated else None
    masks = {id(mask): mask for name in attached.names if (mask := here.reading.masks.get(name)) is not None}
    mask: Tensor | None = None
    for each in masks.values():
        mask = each if mask is None else mask & each
    return Batch(plates, weight if isinstance(weight, Tensor) else None, mask)


def of_each_datum(functional: Functional, attached: AttachedRule, here: Here) -> frozenset[str]:
    """Return the names of the moments and comparisons that are there for each datum."""
    frames: Iterable[Frame] = (frame for name in attached.names for frame in here.reading.frames[name])
    if here.data is None or here.data.name not in {frame.name for frame in frames}:
        return frozenset()
    return functional.of_each_datum
