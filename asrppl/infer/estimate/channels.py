"""The channel of each rule, decided by the draws that it depends on."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from asrppl.bind.bound import Bound, InputKey
from asrppl.core.moments import needs_decomposing
from asrppl.core.rules import TypedRule
from asrppl.core.signature import Level
from asrppl.core.typed import Apply
from asrppl.core.units import averaged
from asrppl.core.walk import walk
from asrppl.diagnostics import Diagnostic, Sink
from asrppl.infer.estimate.functional import Functional
from asrppl.infer.estimate.known import Knower, Run, Scored
from asrppl.infer.estimate.latents import Inside, hidden, inside_of, on_means, verify_latents
from asrppl.infer.estimate.soundness import (
    Evidence,
    draws_of,
    inputs_of,
    verify_axes,
    verify_draws,
    verify_indices,
    verify_moments,
    verify_plates,
)
from asrppl.infer.estimate.sums import law_keys, ways_of_sums, with_sums
from asrppl.infer.sites.read import read
from asrppl.infer.watch.recorder import Tracker, Watcher
from asrppl.infer.watch.recording import Recording, Site

logger: logging.Logger = logging.getLogger(__name__)

_WORDS = "the term stands inside the model, which enumerates what it reads"

Channel = Literal["S", "P"]
Rerun = Callable[[Watcher | None], Recording]


@dataclass(frozen=True, slots=True)
class AttachedRule:
    """One rule of an attachment.

    Args:
        rule: typed.
        channel: S where the violation depends on a draw that gradients do not pass through, else P.
        names: that it reads outside aggregates: those whose plates it varies over.
        reason: of the channel, for people.
        inputs: the tensors that it reads.
        watched: whether a guide of the same structure could let it depend on a draw that it does not depend on now.
        functional: the rule taken apart, where it reads moments or is hard.
        drawless: names of its moments that no draw enters.
        scored: by name those that jump in reparameterised draws, and are known by the score function.
        unsummed: the rule as it is written, where means of it are sums over the states of finite sites.
        laws: the probabilities that these sums read.
        inside: by name the moments whose terms stand inside the model, where it enumerates what they read.
        fixed: whether the multipliers of these are its weight: it is said of draws.
        smoothed: names of the moments whose jumps a law's cdf took out.
        sums: how the means are known that are sums now, by what is written.
    """

    rule: TypedRule
    channel: Channel
    names: tuple[str, ...]
    reason: str
    inputs: frozenset[InputKey]
    watched: bool
    functional: Functional | None = None
    drawless: frozenset[str] = frozenset()
    scored: Mapping[str, Scored] = field(default_factory=dict[str, Scored])
    unsummed: TypedRule | None = None
    laws: frozenset[InputKey] = frozenset()
    inside: Mapping[str, Inside] = field(default_factory=dict[str, Inside])
    fixed: bool = False
    smoothed: frozenset[str] = frozenset()
    sums: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def watching(self) -> frozenset[InputKey]:
        """What must not come to depend on a draw that gradients do not pass through, if it is watched."""
        return self.inputs if self.channel == "P" else self.laws


def choose(rule: TypedRule, evidence: Evidence, sink: Sink, elements: int, run: Run | None = None) -> AttachedRule:
    """Return a rule, its means as sums where they are known, with the channel that is right for it."""
    known = with_sums(rule, evidence)
    attached = choose_channel(known, evidence, sink, elements, run)
    if known is rule:
        return attached
    laws = law_keys(known, rule)
    watched = attached.watched or _may_change(laws, evidence)
    return replace(attached, unsummed=rule, laws=laws, watched=watched, sums=ways_of_sums(rule, known))


def choose_channel(
    rule: TypedRule, evidence: Evidence, sink: Sink, elements: int, run: Run | None = None
) -> AttachedRule:
    """Return a rule with the channel that is right for it; note an error where there is none."""
    drawn = rule.hard is None and Level.DRAW in rule.formula.levels
    rule = on_means(rule, evidence)
    fixed = drawn and Level.DRAW not in rule.formula.levels
    moments = needs_decomposing(rule)
    rule = averaged(rule) if moments else rule
    inputs = inputs_of(rule.formula)
    names = tuple(sorted({name for name, _ in inputs_of(rule.formula)}))
    draws = frozenset(draw for key in inputs for draw in evidence.draws(key))
    stuck = sorted({draw.site for draw in draws if not draw.pathwise and not draw.model})
    hides = verify_latents(rule, inputs, evidence, sink)
    verify_draws(rule, inputs, evidence, sink)
    outside = tuple(sorted({name for name, _ in inputs_of(rule.formula, aggregates=False)}))
    verify_axes(rule, names, evidence, sink)
    verify_indices(rule, outside, stuck, evidence, sink)
    knower = Knower(run, evidence.recording, evidence.signature, sink)
    functional = Functional.of(rule, knower.with_laws(), elements, knower.known) if moments else None
    drawless = frozenset[str]() if functional is None else _drawless(functional, evidence, run)
    if functional is not None:
        verify_moments(rule, functional.moments, evidence, sink)
    inside = inside_of(rule, functional, evidence, sink) if functional is not None and hides else {}
    _verify_unscored(rule, inside, knower, sink)
    how = "".join(f"; {words}" for words in (knower.words(drawless), _WORDS if inside else "") if words)
    if stuck:
        verify_plates(rule, names, stuck, evidence, sink)
        reason = (
            f"depends on {draws_of(stuck)}" if evidence.provenance is not None else "the guide could not be tracked"
        )
    else:
        reason = "depends on reparameterised draws only" if draws else "depends on no draw"
    return AttachedRule(
        rule,
        "S" if stuck else "P",
        names,
        reason + how,
        inputs,
        not stuck and _may_change(inputs, evidence),
        functional,
        drawless,
        knower.scored,
        inside=inside,
        fixed=fixed,
        smoothed=knower.jumpless,
    )


def _verify_unscored(rule: TypedRule, inside: Mapping[str, Inside], knower: Knower, sink: Sink) -> None:
    """Refuse what jumps in a reparameterised draw beside what the model enumerates (ASR092)."""
    if not inside.keys().isdisjoint(knower.scored):
        sink.add(
            "ASR092",
            rule.span,
            f"rule `{rule.name}` jumps in a reparameterised draw within a mean of what only the model enumerates: its "
            "term stands inside the model, where the score function of that draw has no place",
            help="compare the draw in a mean of its own, or compare what the model enumerates alone",
        )


def _drawless(functional: Functional, evidence: Evidence, run: Run | None) -> frozenset[str]:
    """Return the moments that no draw enters, by way of another one neither."""
    found: set[str] = set()
    for (moments, _), reads in zip(functional.stages, functional.reads, strict=True):
        for moment in moments:
            own = {key for key in reads[moment.name] if key[0] in evidence.resolution.referents}
            others = {key[0] for key in reads[moment.name]} & {other.name for other in functional.moments}
            drawn = any(evidence.draws(key) for key in own)
            if run is not None:
                laws = (key for key in reads[moment.name] if key[0] in run.parameters)
                drawn = drawn or any(run.draws(key) for key in laws)
            if others <= found and not drawn:
                found.add(moment.name)
    return frozenset(found)


def _may_change(inputs: frozenset[InputKey], evidence: Evidence) -> bool:
    """Whether a draw that gradients do not pass through is made before something of ``inputs``."""
    guide = evidence.recording.guide
    stuck = [place for place, site in enumerate(guide.values()) if site.stuck]
    if not stuck:
        return False
    places = {name: place for place, name in enumerate(guide)}
    for name, component in inputs:
        referent = evidence.resolution.referents[name]
        if referent.origin in ("bind", "param"):
            continue
        if referent.origin != "guide" or component == "mask" or not referent.site_distribution:
            return True
        if any(places[member] > stuck[0] for member in referent.members):
            return True
    return False


def warn_of_data(rules: Iterable[AttachedRule], evidence: Evidence) -> Iterator[Diagnostic]:
    """Yield a warning for each rule that reads observed sites and plain values alone (ASR116)."""
    for attached in rules:
        functions = any(isinstance(node, Apply) for node in walk(attached.rule.formula))  # they may have parameters
        if attached.inputs and not functions and all(_is_data(key, evidence) for key in attached.inputs):
            names = ", ".join(f"`{name}`" for name in sorted({name for name, _ in attached.inputs}))
            yield Diagnostic(
                "ASR116",
                f"rule `{attached.rule.name}` reads only data ({names}): no gradient flows, and it trains nothing",
                attached.rule.span,
                help="let it read what the guide draws or exposes, or leave it out",
            )


def _is_data(key: InputKey, evidence: Evidence) -> bool:
    referent = evidence.resolution.referents[key[0]]
    if evidence.reading.tensors[key].requires_grad or evidence.draws(key):
        return False
    if referent.origin == "bind":
        entry = evidence.signature.get(key[0])
        return entry is None or entry.origin == "bind="  # else a family without a site in this call
    return all(isinstance(item, Site) and item.likelihood for item in referent.items(evidence.recording))


def recheck_pathwise(
    rules: tuple[AttachedRule, ...],
    evidence: Evidence,
    given: Bound,
    rerun: Rerun,
    sink: Sink,
    elements: int,
    run: Run | None = None,
) -> tuple[AttachedRule, ...]:
    """Return the rules with channel S for those whose inputs change with draws that left no mark on them.

    Marks are lost in functions of a user's own, in ``item()`` and in branches. What changes so is not summed over
    either: the rule is then taken as it is written.
    """
    suspects = any(site.traced and site.stuck for site in evidence.recording.guide.values())
    if not suspects or all(rule.channel == "S" and rule.unsummed is None for rule in rules):
        return rules
    try:
        before = read(evidence.resolution, rerun(None), given).tensors
        after = read(evidence.resolution, rerun(Tracker(disturb=True)), given).tensors
    except Exception as error:  # a guide may refuse a draw it never makes, each in its own way
        logger.warning("asrppl: draws cannot be exchanged (%s: %s); their marks decide", type(error).__name__, error)
        return rules
    changed = {key for key, tensor in before.items() if not _same(tensor, after.get(key))}
    changed -= {key for key in changed if hidden(key, evidence)}  # their terms stand inside the model
    unmarked = {key for key in changed if all(draw.pathwise for draw in evidence.draws(key))}
    found: list[AttachedRule] = []
    for attached in rules:
        if attached.unsummed is not None and not unmarked.isdisjoint(attached.inputs):
            attached = choose_channel(attached.unsummed, evidence, sink, elements, run)
        if attached.channel == "S" or changed.isdisjoint(attached.inputs):
            found.append(attached)
            continue
        reason = "changes with draws that gradients do not pass through"
        found.append(replace(attached, channel="S", reason=reason, watched=False, drawless=frozenset()))
    return tuple(found)


def _same(left: Tensor, right: Tensor | None) -> bool:
    if right is None or left.shape != right.shape:
        return False
    if not left.is_floating_point():
        return bool(torch.equal(left, right))
    return bool(torch.allclose(left, right, rtol=1e-5, atol=1e-8, equal_nan=True))
