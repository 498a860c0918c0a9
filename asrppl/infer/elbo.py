"""An objective with the rules' terms in it: what a call computes, reports and remembers."""

import re
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import torch
from pyro.infer import TraceEnum_ELBO
from pyro.infer.elbo import ELBO
from torch import Tensor

from asrppl.bind.bound import Bound
from asrppl.bind.values import bind_values
from asrppl.core.bounded import Bounded
from asrppl.core.families import members
from asrppl.core.free import FreeName
from asrppl.core.labels import weight_text
from asrppl.diagnostics import Diagnostic, public, warn_of
from asrppl.infer.bindings import Bindings, bindings_of
from asrppl.infer.curves import curves
from asrppl.infer.estimate.memory import Memory
from asrppl.infer.estimate.ranks import Group, Ranks
from asrppl.infer.estimate.tally import Tally
from asrppl.infer.pair import CarriedError, Pair
from asrppl.infer.report import Report
from asrppl.infer.told import DataIndex
from asrppl.infer.verify import verify_guide
from asrppl.infer.watch.recorder import kept_rng, run_apart
from asrppl.infer.watch.untouched import kept_params, untouched
from asrppl.notebook import table
from asrppl.program import Program

Callback = Callable[..., Any]

_PAIRS_KEPT = 8
_REMEMBERED = 1000  # reports of training calls: some numbers of each rule
_ORDER_WARNING = re.compile(r'at model site "asrppl\.', re.IGNORECASE)  # as the warnings module compiles it


_FIRST = 16  # an untrained guide says little of what is vacuous


def _free_in(program: Program, bind: Mapping[str, object]) -> dict[str, FreeName]:
    """Return the free names that ``bind`` gives, by themselves or as numbered members (``w_0``, ``w_1``, …)."""
    return {name: use for name, use in program.free.items() if name in bind or members(use, bind)}


class RegularizedELBO(ELBO):
    """An ELBO that adds the rules' terms to a base objective; made by `regularize`.

    It serves wherever Pyro takes an ELBO: ``SVI(model, guide, optim, loss=elbo)``, and ``elbo(model, guide)`` as a
    torch module. It works on the model and guide that a call brings; each pair is bound on its first call::

        >>> def model():
        ...     mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        >>> elbo = asrppl.regularize(model, AutoNormal(model), "rule low: mu <= -1")
        >>> print(elbo.bindings())
        mu  real  scalar  varies with z  guide site 'mu'
        no data plate
        rule low  channel P  depends on reparameterised draws only

    Args:
        model: given to `regularize`; what `bindings` runs.
        guide: likewise.
        program: the rules.
        base: the objective.
        bind: values by name.
        data: the data plate's name.
        data_size: its size, where it has none.
        data_index: which data a batch holds, of the arguments of a call.
        step: of the schedules: how many training calls (`loss_and_grads`, `differentiable_loss`) there have been.
            It may be set, to go on with a run.
        group: of processes that share each batch.

    `weights`, where it is set, stands in for the schedules: by rule its weight, a number or a 0-d tensor. A step in a
    CUDA graph reads its weights from the device.
    """

    def __init__(
        self,
        model: Callback,
        guide: Callback,
        program: Program,
        base: ELBO,
        *,
        bind: Mapping[str, object] | None = None,
        data: str | None = None,
        data_size: int | None = None,
        data_index: DataIndex | None = None,
        step: int = 0,
        group: Group | None = None,
    ) -> None:
        # ELBO.__init__ is left out: its settings are the base objective's, which the properties below forward.
        self.model = model
        self.guide = guide
        self.program = program
        self.base = base
        self.given: Bound = bind_values(_free_in(program, bind or {}), bind or {}, plain_is_data=True)
        self.data = data
        self.data_size = data_size
        self.data_index = data_index
        self.step: int = step
        self.weights: Mapping[str, float | Tensor] | None = None
        self._report = Report()
        self._history: deque[Report] = deque(maxlen=_REMEMBERED)
        self._calls = 0
        self._vacuous: set[str] = set()  # rules that are said to be
        self._pairs: Bounded[object, Pair] = Bounded(_PAIRS_KEPT)
        self.memory: Memory = Memory(Ranks(group))

    # ---- the objective

    @public
    def loss(self, model: Callback, guide: Callback, *args: Any, **kwargs: Any) -> float:
        """Return the loss with its penalty, without gradients; the schedules stay where they are."""
        base: Any = self.base
        enumerating = issubclass(type(base), TraceEnum_ELBO)
        if not enumerating or not self._pair(model, guide).looks_inside(args, kwargs):
            return self._run(base.loss, model, guide, args, kwargs)
        # Means of what the model enumerates are derivatives of the loss.
        with torch.enable_grad():
            returned: Tensor = self._run(base.differentiable_loss, model, guide, args, kwargs)
        return returned.item()

    @public
    def loss_and_grads(self, model: Callback, guide: Callback, *args: Any, **kwargs: Any) -> float:
        """Return the loss with its penalty, and add its gradient to the parameters; a training step."""
        returned = self._run(cast(Any, self.base).loss_and_grads, model, guide, args, kwargs, training=True)
        self._advance()
        return returned

    @public
    def differentiable_loss(self, model: Callback, guide: Callback, *args: Any, **kwargs: Any) -> Tensor:
        """Return the loss with its penalty as a tensor whose gradient is the estimator's; a training step."""
        base: Any = self.base
        compute = base.differentiable_loss if hasattr(base, "differentiable_loss") else self._graph_loss
        returned = self._run(compute, model, guide, args, kwargs, training=True)
        self._advance()
        return returned

    def _graph_loss(self, model: Callback, guide: Callback, *args: Any, **kwargs: Any) -> Tensor:
        # TraceGraph_ELBO has no differentiable_loss: its value is −elbo, its gradient the surrogate's.
        elbo, surrogate = cast(Any, self.base)._loss_and_surrogate_loss(model, guide, args, kwargs)
        return -elbo.detach() + (surrogate - surrogate.detach())

    def _advance(self) -> None:
        if torch.is_grad_enabled():
            self.step += 1

    def _run(
        self,
        compute: Callback,
        model: Callback,
        guide: Callback,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        training: bool = False,
    ) -> Any:
        verify_guide(guide)
        training = training and torch.is_grad_enabled()
        self.memory.begin(self._texts(), training=training)
        if not self.program.rules:  # then it is the base objective itself
            returned = compute(model, guide, *args, **kwargs)
            self._leave(Report(returned=_value(returned), step=self.step), training=training)
            return returned
        base: Any = self.base
        guess: Callback = base._guess_max_plate_nesting
        if base.max_plate_nesting == float("inf") and (base.vectorize_particles or isinstance(base, TraceEnum_ELBO)):
            # The base would guess by running the wrapped programs, and the report would count that run.
            guess(model, guide, args, kwargs)
        if isinstance(base, TraceEnum_ELBO):
            _keep_quiet()
        pair = self._pair(model, guide)
        runs = 1 if base.vectorize_particles else base.num_particles
        if training and runs > 1 and pair.begins():
            # No mean is known yet, and one particle says little of it: all are run before the first step, for the
            # means, and then for the cotangents there.
            for _ in range(2):
                with self.memory.ahead(), kept_rng(), kept_params(), untouched(model, guide):
                    self.loss(model, guide, *args, **kwargs)
            self.memory.begin(self._texts(), training=True)  # anew: the calls ahead were calls of their own
        try:
            with pair.at(self.step, self.weights) as tally:
                returned = compute(pair.run_model, pair.run_guide, *args, **kwargs)
                if not isinstance(returned, Tensor) and any(leaf.grad is None for leaf in self.memory.taps):
                    # Pyro takes no gradients of programs without params, and the means are derivatives.
                    return self.loss(model, guide, *args, **kwargs)
                spent = self._settle(returned, tally, runs)
                if not isinstance(returned, Tensor):  # whoever takes a tensor is not made to wait for it
                    pair.warn_of_nan()
        except CarriedError as refusal:
            raise refusal.error from refusal.error.__cause__
        self.memory.finish(training=training)
        if spent is not None:
            returned = returned - (spent if isinstance(returned, Tensor) else spent.item())
        if tally.corrections:
            # The model's terms of channel P are zero in value; this is what they stand for.
            extra = cast(Tensor, sum(tally.corrections.values())) / runs
            returned = returned + (extra if isinstance(returned, Tensor) else extra.item())
        self._warn_stuck()
        self._leave(tally.report(runs, _value(returned), self.step), training=training)
        self._warn_vacuous(pair)
        return returned

    def _settle(self, returned: Any, tally: Tally, runs: int) -> Tensor | None:
        """Take the means of what the model enumerates from a loss; return what it has of the rules on them."""
        taps = self.memory.taps
        if not taps:
            return None
        if isinstance(returned, Tensor):
            found = torch.autograd.grad(returned, taps, retain_graph=True, allow_unused=True)
            for leaf, gradient in zip(taps, found, strict=True):
                leaf.grad = gradient
        spent = self.memory.settle(runs)
        tally.complete()
        return spent

    def _texts(self) -> Iterator[str]:
        for rule in self.program.rules:
            yield f"{rule.name}: {rule.text}; {rule.weight} {rule.hard} {rule.margin} {rule.power} {rule.smooth}"
        yield from (f"{name} = {value}" for name, value in self.program.params.items())

    def _leave(self, report: Report, *, training: bool) -> None:
        self._report = report
        if training:
            self._history.append(report.without_runs())

    def _pair(self, model: Callback, guide: Callback) -> "Pair":
        try:
            key: object = (model, guide)
            found = self._pairs.get(key)
        except TypeError:  # unhashable callables
            key = (id(model), id(guide))
            found = self._pairs.get(key)
        if found is None:
            pair = Pair(
                model,
                guide,
                self.program,
                self.given,
                self.data,
                self.data_size,
                self.data_index,
                self.base,
                self.memory,
            )
            found = self._pairs.put(key, pair)
        return found

    def _warn_stuck(self) -> None:
        for name in self.memory.stuck():
            rule = next(rule for rule in self.program.rules if rule.name == name)
            message = f"hard rule `{name}` does not come to hold: its multipliers rise, and its violation does not fall"
            help = (
                "it contradicts another rule, or the guide cannot keep it; give it a weight, or a larger ε: "
                "`hard within 0.1`"
            )
            warn_of([Diagnostic("ASR118", message, rule.span, help=help)])

    def _warn_vacuous(self, pair: Pair) -> None:
        """Warn of rules that ask nothing of most data: now and then, since a device is waited for."""
        self._calls += 1
        if self._calls < _FIRST or (self._calls & (self._calls - 1) and self._calls % 256):
            return
        for rule in self.program.rules:
            share = self._report.vacuous.get(rule.name)
            if rule.name not in self._vacuous and share is not None and float(share) > 0.5 and not pair.is_empty(rule):
                self._vacuous.add(rule.name)
                message = f"rule `{rule.name}` asks nothing of {float(share):.0%} of the data and draws here"
                help = (
                    "its guards let nothing through there, or what it compares has no value; training can lower a "
                    "rule's cost by that. `report.vacuous` has the share at every step"
                )
                warn_of([Diagnostic("ASR115", message, rule.span, help=help)])

    # ---- what there is to read

    @property
    def report(self) -> Report:
        """The rules' part of the last call."""
        return self._report

    @property
    def history(self) -> tuple[Report, ...]:
        """The reports of the last training calls, 1,000 at most, the oldest first: `Report.worst` of them is empty.

        >>> def model():
        ...     mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        >>> elbo = asrppl.regularize(model, AutoNormal(model), "rule low: mu <= -1")
        >>> svi = SVI(model, elbo.guide, pyro.optim.Adam({"lr": 0.1}), loss=elbo)
        >>> losses = [svi.step() for _ in range(3)]
        >>> [report.step for report in elbo.history], losses == [report.returned for report in elbo.history]
        ([0, 1, 2], True)
        """
        return tuple(self._history)

    @public
    def plot(self) -> Any:
        """Return `history` as a `matplotlib.figure.Figure`: loss, violations and weights over the steps.

        The extra ``asrppl[plot]`` installs what it takes. A notebook shows the figure; else save it:

        >>> def model():
        ...     mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        >>> elbo = asrppl.regularize(model, AutoNormal(model), "rule low weight 0 -> 5 over 50 steps: mu <= -1")
        >>> svi = SVI(model, elbo.guide, pyro.optim.Adam({"lr": 0.1}), loss=elbo)
        >>> losses = [svi.step() for _ in range(3)]
        >>> elbo.plot().savefig("run.png")

        Raises:
            ImportError: matplotlib is not installed.
            ValueError: no training call has been made.
        """
        return curves(self.history, [rule.name for rule in self.program.rules if rule.hard is not None])

    @public
    def bindings(self, *args: Any, **kwargs: Any) -> Bindings:
        """Return what each name of the rules is bound to, and each rule's channel, for programs called so.

        Guide and model run once or a few times, and leave no trace: random numbers, params, buffers, the attributes of
        their modules and objects, and whether a guide is set up are what they were.

        Raises:
            AsrError: what training would raise on its first call.
        """
        with kept_params(), untouched(self.model, self.guide):
            pair = self._pair(self.model, self.guide)
            attachment = pair.attach(run_apart(self.model, self.guide, args, kwargs), args, kwargs)
        return bindings_of(attachment)

    def __repr__(self) -> str:
        rules = ", ".join(rule.name for rule in self.program.rules) or "none"
        return f"RegularizedELBO({type(self.base).__name__}, step {self.step}, rules: {rules})"

    def _repr_html_(self) -> str:
        rows: list[tuple[str, ...]] = []
        for rule in self.program.rules:
            last = self._report.violations.get(rule.name)
            shown = "not called yet" if last is None else f"{float(last):.4g}"
            rows.append((rule.name, weight_text(rule.weight, rule.hard), f"{rule.weight.at(self.step):.4g}", shown))
        title = f"{type(self.base).__name__} with the rules of {self.program.source.name}, step {self.step}"
        return table(("rule", "weight", "now", "violation"), rows, title)

    # ---- settings of the base objective

    @property
    def num_particles(self) -> int:
        """How many particles the base averages over."""
        return cast(Any, self.base).num_particles

    @property
    def vectorize_particles(self) -> bool:
        """Whether particles are an axis."""
        return cast(Any, self.base).vectorize_particles

    @property
    def max_plate_nesting(self) -> float:
        """How many axes on the right are plates."""
        return cast(Any, self.base).max_plate_nesting

    @property
    def retain_graph(self) -> bool | None:
        """Whether a step keeps autograd's graph."""
        return cast(Any, self.base).retain_graph

    def _get_trace(self, model: Callback, guide: Callback, args: Any, kwargs: Any) -> Any:
        return cast(Any, self.base)._get_trace(model, guide, args, kwargs)

    # ---- state

    def state_dict(self) -> dict[str, Any]:
        """Return what a run needs, beside its parameters, to go on: the step, tracked means and multipliers."""
        return {"step": self.step, **self.memory.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.step = int(state["step"])
        self.memory.load_state_dict(state, {rule.name: rule.hard for rule in self.program.rules})

    def __getstate__(self) -> dict[str, object]:
        # What was bound is bound again on the next call: recordings and lowered graphs do not travel.
        state = {key: value for key, value in self.__dict__.items() if key not in ("_pairs", "_report", "_history")}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._report = Report()
        self._history = deque(maxlen=_REMEMBERED)
        self._pairs = Bounded(_PAIRS_KEPT)


def _value(returned: float | Tensor) -> float | Tensor:
    return returned.detach() if isinstance(returned, Tensor) else returned


def _keep_quiet() -> None:
    """Silence Pyro's guess, from its place alone, that a term outside a plate depends on enumerated draws inside.

    What it depends on is known here (ASR095). A filter that stays, since one for each call would make Python forget
    which other warnings it has shown.
    """
    wanted = ("ignore", _ORDER_WARNING, RuntimeWarning)
    if not any((kind, pattern, category) == wanted for kind, pattern, category, *_ in warnings.filters):
        warnings.filterwarnings("ignore", _ORDER_WARNING.pattern, RuntimeWarning)
