"""How the moments of a rule are known where their integrands jump in reparameterised draws.

In this order: the jump integrated out by a law's cdf (`asrppl.core.chances`; exact where no draw is left); else the
score function, ∂E[ψ] = E[(ψ − m̂) Σ ∂ log q(z)], over the sites z that ψ depends on and those before them, each log q
at values held fixed: where a law is computed from an earlier draw, that takes another run of the guide. (One run, with
the draw before still attached, has the wrong sign in a chain of two.)

The score function is the derivative by way of the draws. So ψ has to be a function of them alone, and what is drawn
without a pathwise gradient, whose score functions the objective has, must not depend on them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.bind.functions import WatchedFunction
from asrppl.core.chances import smoothed
from asrppl.core.halflines import NORMAL, Knowledge, Law
from asrppl.core.moments import Decomposed, Moment
from asrppl.core.pathwise import jumps, reparameterised
from asrppl.core.rebuild import free_variables
from asrppl.core.signature import Entry, Kind, Level, Signature
from asrppl.core.typed import Apply, Read, TypedDistribution
from asrppl.core.walk import TypedNode, walk
from asrppl.diagnostics import Note, Sink
from asrppl.infer.estimate.soundness import draws_of, inputs_of
from asrppl.infer.sites.cdfs import SiteLaw, cumulative, normal_at_most
from asrppl.infer.sites.layout import Reading
from asrppl.infer.sites.lineage import Lineage
from asrppl.infer.watch.recording import Recording
from asrppl.lower.quantities import Quantities, Quantity


@dataclass(frozen=True, slots=True)
class Scored:
    """A moment that is known by the score function.

    Args:
        sites: whose log-probabilities it takes, in the guide's order.
        again: whether that takes another run of the guide.
    """

    sites: tuple[str, ...]
    again: bool


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One run for what its tensors depend on.

    Args:
        lineage: of its draws.
        tracked: its tensors, with marks.
        plain: those of a run with gradients.
        fixed: those of a run whose draws are held fixed.
        laws: of the names that have one.
        functions: that `bind=` gave.
    """

    lineage: Lineage
    tracked: Reading
    plain: Reading
    fixed: Reading
    laws: Mapping[str, SiteLaw]
    functions: Mapping[str, Callable[..., Tensor]]

    @property
    def law_functions(self) -> dict[str, Callable[..., Tensor]]:
        """Those that smoothed integrands call."""
        found = {_function(law): cumulative(law) for law in self.laws.values() if not law.normal}
        return {NORMAL: normal_at_most, **found} if self.laws else {}

    @property
    def parameters(self) -> frozenset[str]:
        """The names of the laws' parameters."""
        return frozenset(name for law in self.laws.values() for name in law.parameters)

    def draws(self, key: InputKey) -> frozenset[str]:
        """Return the draws that a tensor depends on, by any way."""
        return self.lineage.of(_at(self.tracked, key), _at(self.plain, key))

    def direct(self, key: InputKey) -> frozenset[str]:
        """Return those that gradients reach, and those that end their paths."""
        return self.lineage.direct(_at(self.tracked, key), _at(self.plain, key))


def _at(reading: Reading, key: InputKey) -> list[Tensor]:
    return [reading.tensors[key]] if key in reading.tensors else []


def _function(law: SiteLaw) -> str:
    return f"{law.name}, its law"


class Knower:
    """Finds how moments are known.

    Args:
        run: what a run shows; None where it could not be tracked.
        recording: of the guide.
        signature: of the rules.
        sink: for what no estimator is right for.
    """

    def __init__(self, run: Run | None, recording: Recording, signature: Signature, sink: Sink) -> None:
        self.run = run
        self.recording = recording
        self.signature = signature
        self.sink = sink
        self.scored: dict[str, Scored] = {}
        self.smoothed: set[str] = set()
        self.entries: dict[str, Entry] = {}
        self._knowledge = None if run is None else self._known(run)

    @property
    def jumpless(self) -> frozenset[str]:
        """The names of the moments whose jumps a law's cdf took out."""
        return frozenset(self.smoothed)

    def with_laws(self) -> Signature:
        """Return the signature with the names of the laws' parameters."""
        return Signature.of({**dict(self.signature.entries), **self.entries})

    def words(self, drawless: frozenset[str]) -> str:
        """Return how the moments that jump are known, for people."""
        found: list[str] = []
        if self.smoothed & drawless:
            found.append("the probability is exact, by the law of what is drawn")
        if self.smoothed - drawless:
            found.append("the probability is by the law of what is drawn last")
        if self.scored:
            again = any(each.again for each in self.scored.values())
            found.append("it jumps, and is known by the score function" + (" of a second run" if again else ""))
        return "; ".join(found)

    def known(self, decomposed: Decomposed) -> Decomposed:
        """Return a rule with its moments' integrands smoothed where that is possible, and note what is scored."""
        return replace(decomposed, moments=tuple(self._moment(moment) for moment in decomposed.moments))

    def _moment(self, moment: Moment) -> Moment:
        integrand = moment.integrand
        if isinstance(integrand, TypedDistribution) or not self._jumps(moment):
            self._verify_scores(moment)
            return moment
        found = None if self._knowledge is None else smoothed(integrand, moment.where, self._knowledge)
        if found is not None:
            self.smoothed.add(moment.name)
            return replace(moment, integrand=found)
        self._score(moment)
        return moment

    def _jumps(self, moment: Moment) -> bool:
        return any(True for part in _parts(moment) for _ in jumps(part, self._moving))

    def _moving(self, node: TypedNode) -> Iterator[Read]:
        return reparameterised(node, self.signature)

    def _verify_scores(self, moment: Moment) -> None:
        """Refuse a jump in a continuous draw whose place moves: the score function of that draw leaves it out."""
        places = [place for part in _parts(moment) for place in jumps(part, self._with_density)]
        if not places or self.run is None:
            return
        # Probabilities beside the jump (of a finite site that is summed over) are differentiated as they are.
        inputs = frozenset[InputKey]().union(*(inputs_of(node) for node, _ in places))
        moved = next((name for name, _ in inputs if ", moment " in name), None) and "a mean"
        moved = moved or self._explicit(moment, inputs, self.run)
        if moved is not None:
            node, read = places[0]
            self.sink.add(
                "ASR064",
                node.span,
                f"this jumps in a draw at a place that moves with {moved}: the score function would leave that out",
                help="draw it with a reparameterisation, and its law's cdf is taken",
                notes=(Note(f"`{read.name}` is drawn without a reparameterisation", read.span),),
            )

    def _with_density(self, node: TypedNode) -> Iterator[Read]:
        for part in walk(node):
            entry = self.signature.get(part.name) if isinstance(part, Read) else None
            if isinstance(part, Read) and entry is not None and entry.density and part.component != "mask":
                yield part

    # ---- laws

    def _known(self, run: Run) -> Knowledge:
        laws: dict[str, Law] = {}
        places = {name: place for place, name in enumerate(self.recording.guide)}
        for name, law in run.laws.items():
            entry = self.signature.get(name)
            sites = frozenset(law.members)
            if entry is None:
                continue
            parents = frozenset[str]().union(*(run.draws((parameter, None)) for parameter in law.parameters))
            last = max(places.get(site, 0) for site in sites)
            laws[name] = Law(name, _function(law), law.parameters, law.normal, law.independent, sites, parents, last)
            levels = entry.levels if parents else entry.levels - {Level.DRAW}
            own = Entry(axes=entry.axes, levels=levels, origin=entry.origin, data=entry.data)
            self.entries |= dict.fromkeys(law.parameters, own)

        def draws(read: Read) -> frozenset[str]:
            return run.draws((read.name, read.component))

        def jump(node: TypedNode) -> bool:
            return any(True for _ in jumps(node, self._moving))

        return Knowledge(laws, draws, jump)

    # ---- the score function

    def _score(self, moment: Moment) -> None:
        run = self.run
        if run is None:
            self._refuse(moment, "and the guide could not be tracked, so that nothing says which draws it depends on")
            return
        inputs = frozenset[InputKey]().union(*(inputs_of(part) for part in _parts(moment)))
        draws = frozenset[str]().union(*(run.direct(key) for key in inputs))
        sites = tuple(name for name, site in self.recording.guide.items() if name in draws and site.pathwise)
        stuck = [name for name, site in self.recording.guide.items() if name in draws and site.stuck]
        others = sorted({name for name, _ in inputs if ", moment " in name})
        if others:
            what = "compares draws with a mean in a way that has no closed form, and would jump in that mean"
            self._refuse(moment, what, "compare an entry of a site with it (`P[z <= E[z]]`)")
            return
        for name in stuck:
            behind = sorted(run.lineage.before.get(name, frozenset()) & set(sites))
            if behind:
                what = f"depends on the draw of {name!r} too, whose law is computed from {draws_of(behind)}"
                mend = f"draw {behind[0]!r} with `fn.has_rsample_(False)`: all of it is then by score functions"
                self._refuse(moment, f"and {what}: both would be counted", mend)
                return
        attached = self._explicit(moment, inputs, run)
        if attached is not None:
            what = f"and `{attached}` depends on parameters not only by draws: the score function would leave that out"
            self._refuse(moment, what, "draw what is compared as a site of its own, or compare one entry of a site")
            return
        for name in sites:
            site = run.lineage.plain.guide[name]
            try:
                site.fn.log_prob(site.value.detach())
            except Exception as error:  # whatever a distribution does that cannot tell
                what = f"and the law of {name!r} has no log-probability at a given value ({type(error).__name__})"
                self._refuse(moment, what, "draw it from a distribution that has one")
                return
        again = any(run.lineage.parents(run.lineage.plain.guide[name]) for name in sites)
        self.scored[moment.name] = Scored(sites, again)

    def _explicit(self, moment: Moment, inputs: frozenset[InputKey], run: Run) -> str | None:
        """Return the name of what is a function of parameters where all draws are held fixed."""
        for key in sorted(inputs, key=str):
            tensor = run.fixed.tensors.get(key)
            if tensor is not None and tensor.requires_grad:
                return key[0]
        calls = [node for part in _parts(moment) for node in walk(part) if isinstance(node, Apply)]
        for call in calls:
            function = run.functions.get(call.function)
            inner = function.function if isinstance(function, WatchedFunction) else function
            if isinstance(inner, torch.nn.Module) and any(each.requires_grad for each in inner.parameters()):
                return call.function
        reals = [call for call in calls if call.kind is Kind.REAL]
        asked = [Quantity(call, free_variables(call)) for call in reals]
        with torch.enable_grad():
            values = Quantities(asked, self.signature, 1)(run.fixed.tensors, run.functions)
        return next((call.function for call, value in zip(reals, values, strict=True) if value.requires_grad), None)

    def _refuse(self, moment: Moment, why: str, mend: str | None = None) -> None:
        places = [(node, read) for part in _parts(moment) for node, read in jumps(part, self._moving)]
        node, read = places[0]
        self.sink.add(
            "ASR064",
            node.span,
            f"this jumps in a reparameterised draw, {why}",
            help=mend or f"hold the choice fixed while the claims train: `detach({read.span.text})` in its place",
            notes=(Note(f"`{read.name}` is drawn by reparameterisation", read.span),),
        )


def _parts(moment: Moment) -> tuple[TypedNode, ...]:
    return (moment.integrand,) if moment.where is None else (moment.integrand, moment.where)
