"""What a call of the objective leaves to read."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from typing import Any, cast

import torch
from torch import Tensor

from asrppl.diagnostics import public
from asrppl.infer.worst import Kept, Run, Worst
from asrppl.notebook import table

Interval = tuple[Tensor, Tensor]


def _no_tensors() -> dict[str, Tensor]:
    return {}


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """The rules' part of the last value of the objective: returned = loss + N Σ λ(rule) · violation(rule).

    N is the full size of the data plate, 1 without one. Tensors are detached, 0-d; nothing waits for a device until
    read. It is plain data: it copies and pickles (with the hundred worst data of each rule).

    >>> def model():
    ...     mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    >>> elbo = asrppl.regularize(model, AutoDelta(model, init_loc_fn=init_to_value(values={"mu": torch.tensor(3.0)})),
    ...                          "rule low weight 10: mu <= 1")
    >>> returned = elbo.loss(elbo.model, elbo.guide)
    >>> elbo.report.violations["low"], elbo.report.penalty
    (tensor(2.), tensor(20.))
    >>> elbo.report.worst(1)
    [Worst(rule='low', violation=2.0, datum=None, at={})]
    >>> elbo.report.to_dict()["rules"]["low"]["satisfied"]
    0.0

    Args:
        violations: by rule, its mean over draws (exact over enumerated ones), particles and data.
        satisfied: by rule, the share of the draws and data that keep it, 0 to 1: whose violation is at most the ε of
            ``hard within ε`` (else 0), up to 1e-6. What is vacuous or absent keeps it. Of a rule that is said of the
            whole population, 1 where it holds.
        vacuous: by rule, for what share of the draws and data it asks nothing, since no instance passes its guards or
            what it compares has no value.
        idle: the rules that ran over no instance, wholly or in a part: no site of a family was made, say.
        weights: by rule, in nats per datum, as they were in that call; of a hard rule its largest multiplier.
        moments: by rule, how each mean that it reads is known: "exact", "tracked", "tracked per datum", "drawn anew",
            "enumerated in the model", and "score function" where its gradient is by that.
        intervals: by rule, where its violation is with the chance asked for; `asrppl.evaluate` alone finds them.
        penalty: the sum of weight × violation, times the full size of the data plate, in the units of the loss.
        returned: what the call returned; nan of `asrppl.evaluate`, which does not evaluate the objective.
        step: of the schedules, before the call.
        runs: by rule, what `worst` reads.
    """

    violations: Mapping[str, Tensor] = field(default_factory=_no_tensors)
    satisfied: Mapping[str, Tensor] = field(default_factory=_no_tensors)
    vacuous: Mapping[str, Tensor] = field(default_factory=_no_tensors)
    idle: frozenset[str] = frozenset()
    weights: Mapping[str, float | Tensor] = field(default_factory=dict[str, "float | Tensor"])
    moments: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, "Mapping[str, str]"])
    intervals: Mapping[str, Interval] = field(default_factory=dict[str, Interval])
    penalty: Tensor = field(default_factory=lambda: torch.zeros(()))
    returned: float | Tensor = 0.0
    step: int = 0
    runs: Mapping[str, Run | Kept] = field(default_factory=dict[str, "Run | Kept"], compare=False)

    @property
    def loss(self) -> Tensor:
        """The loss without the rules: ``returned − penalty``, 0-d."""
        return self.returned - self.penalty

    @public
    def worst(self, count: int = 10, rule: str | None = None) -> list[Worst]:
        """Return the data that break a rule most: rule by rule, of each at most ``count``, the worst first.

        Each has ``rule``, ``violation`` (the datum's, its mean over draws), ``datum`` (the plate's own index where it
        is subsampled, else the place in the batch; None without a data plate) and ``at``: the values of the rule's
        outer index variables where most of that is. Where particles are looped, of the last one. It is found when it
        is asked for, of the batch of the call; the reports of `RegularizedELBO.history` have none.

        >>> at = torch.tensor([[0.0, 1.0], [0.0, 5.0], [0.0, 3.0]])
        >>> def model():
        ...     with pyro.plate("data", 3):
        ...         pyro.sample("z", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
        >>> guide = AutoDelta(model, init_loc_fn=init_to_value(values={"z": at}))
        >>> elbo = asrppl.regularize(model, guide, "rule low: forall j: z[j] <= 2", data="data")
        >>> loss = elbo.loss(model, guide)
        >>> for found in elbo.report.worst(2):
        ...     print(found)
        low: datum 1, j = 1: 3
        low: datum 2, j = 1: 1

        Args:
            count: how many of each rule.
            rule: the name of one, None for all.

        Raises:
            KeyError: there is no such rule.
        """
        if rule is not None and rule not in self.violations:
            raise KeyError(f"there is no rule `{rule}`; rules there are: {', '.join(self.violations) or 'none'}")
        return [found for name, run in self.runs.items() if rule is None or name == rule for found in run.worst(count)]

    @public
    def to_dict(self) -> dict[str, Any]:
        """Return all of it as numbers and texts, for JSON: ``step``, ``returned``, ``penalty``, ``rules`` by name.

        One transfer from the device. `worst` is not part of it.
        """
        numbers = _numbers(
            [self.returned, self.penalty]
            + [part for name in self.violations for part in (self.violations[name], self.weights[name])]
            + [table[name] for table in (self.satisfied, self.vacuous) for name in table]
            + [end for ends in self.intervals.values() for end in ends]
        )
        found: dict[str, Any] = {"step": self.step, "returned": next(numbers), "penalty": next(numbers), "rules": {}}
        rules: dict[str, dict[str, Any]] = found["rules"]
        for name in self.violations:
            rules[name] = {"violation": next(numbers), "weight": next(numbers)}
        for word, known in (("satisfied", self.satisfied), ("vacuous", self.vacuous)):
            for name in known:
                rules[name][word] = next(numbers)
        for name in self.intervals:
            rules[name]["interval"] = [next(numbers), next(numbers)]
        for name, row in rules.items():
            row["idle"] = name in self.idle
            row["moments"] = dict(self.moments.get(name, {}))
        return found

    @public
    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` with a row for each rule; the extra ``asrppl[pandas]`` installs what it takes.

        A run's history is ``pandas.concat(report.to_pandas() for report in elbo.history)``.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            pandas: Any = import_module("pandas")
        except ImportError:
            raise ImportError("to_pandas needs pandas: pip install 'asrppl[pandas]', or take to_dict()") from None
        known = self.to_dict()
        rows: list[dict[str, Any]] = []
        for name, row in known["rules"].items():
            ends = row.pop("interval", None)
            row |= {} if ends is None else {"low": ends[0], "high": ends[1]}
            row["moments"] = "; ".join(f"{text}: {how}" for text, how in row["moments"].items())
            rows.append({"step": self.step, "rule": name, **row})
        return pandas.DataFrame(rows)

    def without_runs(self) -> "Report":
        """Return it without what `worst` reads: the size of a batch is then no part of its own."""
        return replace(self, runs={})

    def __reduce__(self) -> tuple[Any, ...]:
        values = (getattr(self, each.name) for each in fields(self))
        return Report, tuple(_on_cpu(value) for value in values)

    # ---- for people

    def _rows(self) -> list[tuple[str, str, str, str, str]]:
        known = self.to_dict()["rules"]
        return [
            (name, _violation(row), f"{row['weight']:.4g}", f"{row.get('satisfied', 1.0):.0%}", _share(row))
            for name, row in known.items()
        ]

    def __repr__(self) -> str:
        rules = "".join(
            f"; {name} {violation} × {weight}" + (f" (vacuous: {share})" if share else "")
            for name, violation, weight, _, share in self._rows()
        )
        return f"Report({self._title()}{rules})"

    def _title(self) -> str:
        returned, penalty = float(self.returned), float(self.penalty)
        return f"returned {returned:.6g}, of it penalty {penalty:.4g}"

    def _repr_html_(self) -> str:
        head = ("rule", "violation", "weight, nats per datum", "satisfied", "vacuous")
        return table(head, self._rows(), self._title())


def _violation(row: Mapping[str, Any]) -> str:
    interval: list[float] | None = row.get("interval")
    return f"{row['violation']:.4g}" + ("" if interval is None else f" [{interval[0]:.4g}, {interval[1]:.4g}]")


def _share(row: Mapping[str, Any]) -> str:
    if row["idle"]:
        return "over no instance"
    share = row.get("vacuous", 0.0)
    return f"{share:.0%}" if share else ""


def _numbers(values: Iterable[float | Tensor]) -> Iterator[float]:
    """Yield the values as floats, those of a device in one transfer."""
    given = list(values)
    held = [value.detach().double().reshape(()) for value in given if isinstance(value, Tensor)]
    device = next((value.device for value in held if value.device.type != "cpu"), torch.device("cpu"))
    read = iter(
        cast("list[float]", cast(Any, torch.stack([each.to(device) for each in held])).tolist() if held else [])
    )
    for value in given:
        yield next(read) if isinstance(value, Tensor) else float(value)


def _on_cpu(value: object) -> object:
    """Return what a report has, where any machine can read it."""
    match value:
        case Tensor():
            return value.detach().cpu()
        case dict():
            return {key: _on_cpu(part) for key, part in cast("dict[object, object]", value).items()}
        case tuple():
            return tuple(_on_cpu(part) for part in cast("tuple[object, ...]", value))
        case _:
            return value
