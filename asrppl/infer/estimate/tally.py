"""What the runs of one call add up to: the report of the call."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.core.typed import Cost
from asrppl.infer.estimate.attachment import Attachment
from asrppl.infer.estimate.axes import in_plates
from asrppl.infer.estimate.channels import AttachedRule
from asrppl.infer.estimate.evaluation import Evaluation
from asrppl.infer.estimate.means import Mean
from asrppl.infer.report import Report
from asrppl.infer.watch.pyro_internals import unmark
from asrppl.infer.watch.recording import Frame
from asrppl.infer.worst import Run

HELD = 1e-6
"""A violation that rounding makes: the rule holds."""

Sums = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Entry:
    """What a rule's term was in one run.

    Args:
        attached: the rule.
        attachment: it is of.
        tensors: that the run left, without graphs.
        evaluation: of a rule that reads moments.
        value: of the term, for each draw and datum.
        entered: whether the objective has that value.
        averaged: the mean over draws and data.
        plates: that the term was put into.
        shares: weights of single data.
        unit: what a mean violation of 1 costs, in nats.
        data: the data plate.
        index: which of its entries were run.
    """

    attached: AttachedRule
    attachment: Attachment
    tensors: Mapping[InputKey, Tensor]
    evaluation: Evaluation | None
    value: Tensor
    entered: bool
    averaged: Mean
    plates: tuple[Frame, ...]
    shares: Tensor | None
    unit: float | Tensor
    data: Frame | None
    index: Tensor | None

    def weighed(self, value: Tensor) -> Tensor:
        """Return a mean with the weights of single data."""
        return self.averaged(value if self.shares is None else value * self.shares)


@dataclass(slots=True)
class Tally:
    """Sums over the runs of one call: by rule its violation, its cost, where it is broken and where it is vacuous.

    ``corrections``: what is not in the value of the objective that has the rules' terms. ``moments``: how means are
    known. ``runs``: what the last run left. ``later``: what is counted when the backward pass has told the means of it.
    """

    violations: Sums = field(default_factory=dict[str, Tensor])
    costs: Sums = field(default_factory=dict[str, Tensor])
    corrections: Sums = field(default_factory=dict[str, Tensor])
    broken: Sums = field(default_factory=dict[str, Tensor])
    vacuous: Sums = field(default_factory=dict[str, Tensor])
    weights: dict[str, float | Tensor] = field(default_factory=dict[str, "float | Tensor"])
    moments: dict[str, Mapping[str, str]] = field(default_factory=dict[str, "Mapping[str, str]"])
    idle: set[str] = field(default_factory=set[str])
    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    later: list[Entry] = field(default_factory=list[Entry])

    def count(self, entry: Entry) -> None:
        """Count what a rule was and cost in a run."""
        name, evaluation = entry.attached.rule.name, entry.evaluation
        violation = entry.value
        if evaluation is None:
            mean, paid = entry.averaged(violation), entry.weighed(violation)
        else:
            violation = in_plates(evaluation.violation, entry.plates)
            mean = entry.averaged(violation)
            paid = evaluation.paid if entry.shares is not None else in_plates(evaluation.paid, entry.plates)
            paid = entry.weighed(paid)
        self.add(name, mean, entry.unit * paid)
        each = violation
        if evaluation is not None and evaluation.each is not None:
            each = in_plates(evaluation.each, entry.plates)
        self.miss(name, entry.averaged((~(each <= (entry.attached.rule.hard or 0.0) + HELD)).to(mean.dtype)))
        self.runs[name] = run_of(
            entry.attached,
            entry.attachment,
            entry.tensors,
            evaluation,
            each.detach(),
            entry.averaged,
            entry.data,
            entry.index,
        )
        self.moments[name] = entry.attached.sums if evaluation is None else evaluation.known
        # What the term has in the objective is 0 in channel P, and of a rule with moments not what it costs.
        if entry.entered:
            paid = paid - (paid if evaluation is None else entry.weighed(entry.value))
        self.correct(name, entry.unit * paid)

    def complete(self) -> None:
        """Count what waited for the backward pass."""
        waited, self.later = self.later, []
        for entry in waited:
            self.count(entry)

    def add(self, name: str, violation: Tensor, cost: Tensor) -> None:
        """Add one run's."""
        _add(self.violations, name, violation)
        _add(self.costs, name, cost)

    def correct(self, name: str, amount: Tensor) -> None:
        """Add what a rule costs in one run beyond the value of its term."""
        _add(self.corrections, name, amount)

    def miss(self, name: str, share: Tensor) -> None:
        """Add the share of data and draws that break the rule in one run."""
        _add(self.broken, name, share)

    def leave_out(self, name: str, share: Tensor) -> None:
        """Add the share of data that the rule asked nothing of in one run."""
        _add(self.vacuous, name, share)

    def report(self, runs: int, returned: float | Tensor, step: int) -> Report:
        """Return the means over ``runs``."""
        costs = list(self.costs.values())
        none = torch.zeros(())
        return Report(
            violations={name: total / runs for name, total in self.violations.items()},
            satisfied={name: 1 - total / runs for name, total in self.broken.items()},
            vacuous={name: self.vacuous.get(name, none) / runs for name in self.violations},
            idle=frozenset(self.idle),
            # A copy: who sets `weights` may write to that tensor.
            weights={n: w.detach().clone() if isinstance(w, Tensor) else w for n, w in self.weights.items()},
            moments=self.moments,
            penalty=sum(costs[1:], start=costs[0]) / runs if costs else none,
            returned=returned,
            step=step,
            runs=self.runs,
        )


def _add(table: Sums, name: str, amount: Tensor) -> None:
    table[name] = table[name] + amount if name in table else amount


def run_of(
    attached: AttachedRule,
    attachment: Attachment,
    tensors: Mapping[InputKey, Tensor],
    evaluation: Evaluation | None,
    violation: Tensor,
    mean: Mean,
    data: Frame | None,
    index: Tensor | None,
) -> Run:
    """Return what a run leaves of a rule for `Report.worst`.

    Args:
        attached: the rule.
        attachment: it is of.
        tensors: that the run left, without graphs.
        evaluation: of a rule that reads moments.
        violation: of each draw and datum.
        mean: how it is averaged.
        data: the data plate.
        index: which of its entries were run.
    """
    rule, signature, functional = attached.rule, attachment.signature, attached.functional
    if functional is not None and evaluation is not None:
        signature = functional.signature
        tensors = {**tensors, **evaluation.read}
        rule = functional.decomposed.rule
        cost = functional.moments[-1].integrand if evaluation.each is not None else None
        if isinstance(cost, Cost):  # a hard rule on draws is said of their mean: here of each
            options = {"smooth": cost.smooth, "margin": cost.margin, "power": cost.power}
            rule = replace(rule, formula=cost.body, **options)
    said_of_data = (
        functional is None or functional.about_data or (evaluation is not None and evaluation.each is not None)
    )
    if not said_of_data:  # one value of all data
        data, index = None, None
    others = (frame for frame in mean.frames if said_of_data and (data is None or frame.name != data.name))
    plates = {frame.dim: frame.name for frame in others if frame.dim is not None}
    return Run(
        attached.rule.name,
        rule,
        signature,
        tensors,
        attachment.functions,
        unmark(violation),
        mean.max_plate_nesting,
        mean.probability(violation),
        None if mean.mask is None else unmark(mean.mask).detach(),
        None if data is None else data.dim,
        index,
        plates,
    )
