"""What a call of the objective leaves to read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor

from asrppl.notebook import table


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """The rules' part of the last value of the objective: returned = loss + N Σ λ(rule) · violation(rule).

    N is the full size of the data plate, 1 without one. Tensors are detached; nothing waits for a device until read.

    >>> def model():
    ...     mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    >>> elbo = asrppl.regularize(model, AutoDelta(model, init_loc_fn=init_to_value(values={"mu": torch.tensor(3.0)})),
    ...                          "rule low weight 10: mu <= 1")
    >>> returned = elbo.loss(elbo.model, elbo.guide)
    >>> elbo.report.violations["low"], elbo.report.penalty
    (tensor(2.), tensor(20.))

    Args:
        violations: by rule, its mean over draws (exact over enumerated ones), particles and data; a 0-d tensor.
        vacuous: by rule, for what share of the draws and data it asks nothing, since no instance passes its guards or
            what it compares has no value; a 0-d tensor.
        idle: the rules that ran over no instance, wholly or in a part: no site of a family was made, say.
        weights: by rule, in nats per datum, as they were in that call.
        penalty: the sum of weight × violation, times the full size of the data plate: 0-d, in the units of the loss.
        returned: what the call returned.
    """

    violations: Mapping[str, Tensor] = field(default_factory=lambda: MappingProxyType({}))
    vacuous: Mapping[str, Tensor] = field(default_factory=lambda: MappingProxyType({}))
    idle: frozenset[str] = frozenset()
    weights: Mapping[str, float | Tensor] = field(default_factory=lambda: MappingProxyType({}))
    penalty: Tensor = field(default_factory=lambda: torch.zeros(()))
    returned: float | Tensor = 0.0

    def _rows(self) -> list[tuple[str, str, str, str]]:
        return [
            (name, f"{float(violation):.4g}", f"{float(self.weights[name]):.4g}", self._share(name))
            for name, violation in self.violations.items()
        ]

    def _share(self, name: str) -> str:
        share = float(self.vacuous.get(name, 0.0))
        if name in self.idle:
            return "over no instance"
        return f"{share:.0%}" if share else ""

    def __repr__(self) -> str:
        rules = "".join(
            f"; {name} {violation} × {weight}" + (f" (vacuous: {share})" if share else "")
            for name, violation, weight, share in self._rows()
        )
        returned, penalty = float(self.returned), float(self.penalty)
        return f"Report(returned {returned:.6g}, of it penalty {penalty:.4g}{rules})"

    def _repr_html_(self) -> str:
        title = f"returned {float(self.returned):.6g}, of it penalty {float(self.penalty):.4g}"
        return table(("rule", "violation", "weight, nats per datum", "vacuous"), self._rows(), title)

    @property
    def loss(self) -> Tensor:
        """The loss without the rules: ``returned − penalty``, 0-d."""
        return self.returned - self.penalty
