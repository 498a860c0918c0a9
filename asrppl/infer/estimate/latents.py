"""Means of what only the model enumerates: which moments they are, and at which sites their terms stand.

Of a site that the model enumerates there is no q to sample from: Pyro sums over its values. A multiplier times a term
that is linear in q belongs inside that sum. For any prior p, data x, multiplier μ and integrand ψ

    −log Σ_a p(a, x) exp(−μ ψ(a)) = min over q of { E_q[log q(a) − log p(a, x)] + μ E_q[ψ(a)] }

(Gibbs' variational principle), so that the model is trained against the best q that pays for the rule, which is the
free q of the paper's Eq. 10. E_q[ψ] is the derivative of the left side by μ (`asrppl.infer.estimate.taps`).
This holds only of terms that are linear in q: a hinge of E_q[ψ] is none, and what a rule says of such means stands in
comparisons that have multipliers.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from pyro.infer import TraceEnum_ELBO

from asrppl.bind.bound import InputKey
from asrppl.core.laws import is_of_law
from asrppl.core.linear import costs_apart, sums_outside
from asrppl.core.moments import Moment, has_moments
from asrppl.core.rebuild import rebuilt
from asrppl.core.rules import TypedRule
from asrppl.core.signature import Level
from asrppl.core.typed import AtMost, Offset, Posterior, Read, TypedFormula, Variable
from asrppl.core.walk import TypedNode, children, walk
from asrppl.diagnostics import Sink
from asrppl.infer.estimate.functional import Functional, axes_of
from asrppl.infer.estimate.soundness import Evidence, draws_of, inputs_of
from asrppl.infer.sites.referent import Referent
from asrppl.infer.watch.recording import Site


@dataclass(frozen=True, slots=True)
class Moved:
    """An axis of a moment that runs over a plate: its position, and the entries of the plate that it has."""

    axis: int
    dim: int
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Inside:
    """Where the term of a moment stands inside the model.

    Args:
        share: whether the share of draws that are meant depends on enumerated ones, too.
        plates: its axes that run over plates.
        groups: by the sites that a value of its other axes reads, where those values are (flat, last axis fastest).
        names: what the integrand reads.
    """

    share: bool
    plates: tuple[Moved, ...]
    groups: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]
    names: tuple[str, ...]


def hidden(key: InputKey, evidence: Evidence) -> frozenset[str]:
    """Return the latents of the model, which the guide does not draw, that a tensor was computed from."""
    found = {draw.site for draw in evidence.draws(key) if draw.model}
    referent = evidence.resolution.referents.get(key[0])
    if referent is not None and referent.origin == "model":  # whether or not the run could be tracked
        items = (item for item in referent.items(evidence.recording) if isinstance(item, Site))
        found |= {item.name for item in items if not item.observed}
    return frozenset(found)


def on_means(rule: TypedRule, evidence: Evidence) -> TypedRule:
    """Return a rule that reads such latents as one on means of as few of them at a time as it can be.

    A rule on draws becomes what it costs, the mean of its violation over q. That is linear in q already, with the
    weight for its multiplier.
    """
    if not any(hidden(key, evidence) for key in inputs_of(rule.formula)):
        return rule
    if Level.DRAW in rule.formula.levels and not has_moments(rule.formula):
        return costs_apart(rule)

    def wanted(node: TypedNode) -> bool:
        return any(hidden(key, evidence) for key in inputs_of(node))

    return replace(rule, formula=rebuilt(rule.formula, sums_outside(wanted)))


def verify_latents(rule: TypedRule, inputs: Iterable[InputKey], evidence: Evidence, sink: Sink) -> bool:
    """Return whether a rule reads such latents; note an error where it has no way to (ASR092)."""
    reads, base, enumerating = False, evidence.base.__name__, issubclass(evidence.base, TraceEnum_ELBO)
    for key in sorted(inputs, key=str):
        sites = sorted(hidden(key, evidence))
        reads |= bool(sites)
        if not sites:
            continue
        name = key[0]
        span = evidence.resolution.referents[name].free.span
        own = [evidence.recording.model[site] for site in sites if site in evidence.recording.model]
        enumerated = all(site.infer.get("enumerate") == "parallel" for site in own)
        read = f"`{name}`" if sites == [name] else f"`{name}` depends on {draws_of(sites)} in the model and"
        if not enumerated or any(site.infer.get("num_samples") for site in own):
            sink.add(
                "ASR092",
                span,
                f"`{name}` depends on {draws_of(sites)} in the model, which the guide does not make and the model does "
                "not enumerate: a term that reads it would tilt the model instead of taking an expectation",
                help="let the guide sample it, or, if its values are finitely many, let the model enumerate it: "
                'infer={"enumerate": "parallel"}',
            )
        elif not enumerating:
            sink.add(
                "ASR092",
                span,
                f"{read} is to be enumerated in the model, and {base} draws it from the prior",
                help="use TraceEnum_ELBO, or let the guide sample it",
            )
        elif is_of_law(key[1]):
            sink.add(
                "ASR092",
                span,
                f"`q({name})` is not there to be read: the model enumerates {name!r}, and its q is known by its means",
                help=f"write `P[{name} == k]` for the probability of the value k",
            )
    return reads


def inside_of(rule: TypedRule, functional: Functional, evidence: Evidence, sink: Sink) -> dict[str, Inside]:
    """Return by name the moments that are means of such latents; note what has no term inside the model (ASR092)."""
    found: dict[str, Inside] = {}
    names = {moment.name for moment in functional.moments}
    for moment in functional.moments:
        inputs = [key for key in functional.inputs(moment) if key[0] not in names]
        if not any(hidden(key, evidence) for key in inputs):
            continue
        others = {name for name, _ in functional.inputs(moment)} & names
        readers = [each for each in functional.moments if moment.name in {n for n, _ in functional.inputs(each)}]
        if others or readers:
            what = "stands inside another mean, which is not affine in it" if readers else "reads another mean"
            _refuse(rule, moment, f"{what}: that is not linear in q", "split the rule, one mean beside the other", sink)
            continue
        where = frozenset[InputKey]() if moment.where is None else inputs_of(moment.where)
        plates = _plates(rule, moment, evidence, sink)
        if plates is not None:
            found[moment.name] = Inside(
                any(hidden(key, evidence) for key in where),
                plates,
                tuple(_groups(moment, plates, evidence).items()),
                tuple(sorted({name for name, _ in inputs})),
            )
    _verify_outer(rule, functional, found, sink)
    return found


def _verify_outer(rule: TypedRule, functional: Functional, found: dict[str, Inside], sink: Sink) -> None:
    """Note an error where such a mean is read outside of comparisons that have multipliers."""
    moments = {moment.name: moment for moment in functional.moments}
    for name in sorted(_outside(functional.decomposed.rule.formula, frozenset(found))):
        if rule.power != 1:
            why, mend = f"is read under `power {rule.power:g}`, which is not linear in q", "leave `power` out"
        else:
            why = "is read in a condition, or by a claim on draws, and not in a comparison of means: that is not "
            why += "linear in q"
            mend = "compare it with a number or with other means; split what is said of draws into a rule of its own"
        _refuse(rule, moments[name], why, mend, sink)


def _outside(node: TypedNode, names: frozenset[str]) -> frozenset[str]:
    if isinstance(node, Read | Posterior) and node.name in names:
        return frozenset({node.name})
    if isinstance(node, AtMost) and node.multiplier is not None:
        inside = (part for side in (node.left, node.right) for part in walk(side) if isinstance(part, TypedFormula))
        return frozenset[str]().union(*(_outside(part, names) for part in inside))
    return frozenset[str]().union(*(_outside(child, names) for child in children(node)))


def _refuse(rule: TypedRule, moment: Moment, why: str, mend: str, sink: Sink) -> None:
    sink.add(
        "ASR092",
        moment.operator.span,
        f"this is a mean of what only the model enumerates, and in rule `{rule.name}` it {why}",
        help=mend,
    )


# ---- which sites


def _free_reads(moment: Moment, evidence: Evidence) -> Iterator[tuple[Read, Referent]]:
    for part in (moment.integrand, moment.where):
        for node in walk(part) if part is not None else ():
            if isinstance(node, Read) and hidden((node.name, node.component), evidence):
                yield node, evidence.resolution.referents[node.name]


def _plates(rule: TypedRule, moment: Moment, evidence: Evidence, sink: Sink) -> tuple[Moved, ...] | None:
    """Return the axes of a moment that run over plates; None where it reads several entries of one at a time."""
    found: dict[int, tuple[Variable, int]] = {}
    for node, referent in _free_reads(moment, evidence):
        for (plate, dim), index in zip(referent.plates, node.indices[referent.family :], strict=False):
            chosen: tuple[Variable, int] | None = None
            if isinstance(index, Offset) and index.variable is not None and index.variable in moment.variables:
                chosen = index.variable, index.add
            if chosen is None or found.setdefault(dim, chosen) != chosen:
                why = f"reads more than one entry of the plate {plate!r} at a time, or a fixed one, and none of the "
                why += "model's factors holds two of them"
                mend = "read one entry in each mean, by a variable: `forall i: P[z[i] == 1]`, `sum i: P[z[i] == 1]`"
                _refuse(rule, moment, why, mend, sink)
                return None
    moved: list[Moved] = []
    for dim, (variable, add) in found.items():
        entries = tuple(value + add for value in range(variable.values[0], variable.values[-1] + 1))
        moved.append(Moved(moment.variables.index(variable), dim, entries))
    return tuple(moved)


def _groups(moment: Moment, plates: Sequence[Moved], evidence: Evidence) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Return by what they read the values of a moment's axes, those that run over plates aside."""
    gone = {moved.axis for moved in plates}
    variables = [variable for axis, variable in enumerate(moment.variables) if axis not in gone]
    ranges = [range(variable.values[0], variable.values[-1] + 1) for variable in variables]
    last = 1 if axes_of(moment) == len(moment.variables) else len(moment.entry.support or ())
    reads = list(_free_reads(moment, evidence))
    found: dict[tuple[str, ...], list[int]] = {}
    for place, values in enumerate(product(*ranges)):
        known = dict(zip(variables, values, strict=True))
        sites = {site for node, referent in reads for site in _sites(node, referent, known)}
        ordered = tuple(name for name in evidence.recording.model if name in sites)
        found.setdefault(ordered, []).extend(range(place * last, (place + 1) * last))
    return {sites: tuple(places) for sites, places in found.items()}


def _sites(node: Read, referent: Referent, known: dict[Variable, int]) -> Iterator[str]:
    """Yield the members of a name that a read has, for known values of index variables."""
    choices: list[range] = []
    for index, length in zip(node.indices, referent.lengths, strict=False):
        place = range(length)
        if isinstance(index, Offset) and (index.variable is None or index.variable in known):
            at = index.add + (0 if index.variable is None else known[index.variable])
            place = range(at, at + 1) if 0 <= at < length else range(0)
        choices.append(place)
    for numbers in product(*choices):
        flat = 0
        for number, length in zip(numbers, referent.lengths, strict=True):
            flat = flat * length + number
        yield referent.members[flat]
