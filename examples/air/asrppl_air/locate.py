"""Which site or rule a loss or gradient that is not finite came from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import pyro
import torch
from pyro import poutine
from pyro.infer import ELBO
from torch import Tensor, nn


class NotFiniteError(RuntimeError):
    """Training met NaN or infinity and stopped before it touched the parameters.

    `what` is "loss" or "gradient" (or "parameters": a finite update that overflowed them, which no checkpoint keeps),
    `step` the step it happened in (from 1), `source` the site or rule it came from.
    """

    def __init__(self, what: str, step: int, source: str, checkpoint: str) -> None:
        self.what = what
        self.step = step
        self.source = source
        if what == "parameters":
            found = f"the parameters after step {step} are not finite: {source} overflowed. Training stopped"
        else:
            found = (
                f"the {what} of step {step} is not finite; it comes from {source}. Training stopped before that step"
            )
        super().__init__(f"{found}; {checkpoint}")


def _sites(model: nn.Module, guide: nn.Module, images: Tensor, size: int) -> Iterable[tuple[str, Any]]:
    """The sample sites of one run, of the guide and then of the model, in the order they are drawn in."""
    handlers: Any = poutine
    with pyro.validation_enabled(False):
        enumerated = handlers.enum(guide, first_available_dim=-2)
        guide_trace = handlers.trace(enumerated).get_trace(images, size)
        replayed = handlers.replay(handlers.enum(model), trace=guide_trace)
        model_trace = handlers.trace(replayed).get_trace(images, size)
        for owner, trace in (("guide", guide_trace), ("model", model_trace)):
            trace.compute_log_prob()
            # The guide draws n from what it drafted of the objects: a bad object makes n bad, not the reverse.
            names: list[str] = list(trace.nodes)
            for name in sorted(names, key=lambda name: name == "n"):
                node = trace.nodes[name]
                if node["type"] == "sample" and name != "data":
                    yield f"site `{name}` of the {owner}", node


def _bad_values(tensors: Iterable[Any]) -> bool:
    return any(isinstance(t, Tensor) and not bool(torch.isfinite(t).all()) for t in tensors)


def _bad_norm(gradients: Iterable[Tensor | None]) -> bool:
    # Of finite gradients too: the norm is what clipping divides by, and large squares overflow first.
    return any(g is not None and not bool(g.square().sum().isfinite()) for g in gradients)


def locate_nonfinite(
    what: str,
    model: nn.Module,
    guide: nn.Module,
    images: Tensor,
    size: int,
    terms: Mapping[str, Tensor],
    alone: Mapping[str, ELBO],
) -> str:
    """Name the first thing that is not finite: a site's value or log probability, a rule's term, a gradient.

    `terms` are the rules' shares of the loss by name, and `alone` the objective with each rule as the only one. Runs
    guide and model again on the same batch; the caller has put the random generator back.
    """
    parameters = [p for p in (*guide.parameters(), *model.parameters()) if p.requires_grad]
    for name, node in _sites(model, guide, images, size):
        if _bad_values((node["value"], node["log_prob"])):
            return name
    for rule, term in terms.items():
        if _bad_values((term,)):
            return f"rule `{rule}`"
    if what == "gradient":
        for name, node in _sites(model, guide, images, size):
            if _bad_norm(_gradients(node["log_prob"].sum(), parameters)):
                return f"{name} (its gradient; its value is finite)"
        for rule, elbo in alone.items():
            loss: Tensor = cast(Any, elbo).differentiable_loss(model, guide, images, size)
            if _bad_norm(_gradients(loss, parameters)):
                return f"rule `{rule}` (its gradient; its value is finite)"
    return "the sum of the terms: each site by itself is finite"


def _gradients(total: Tensor, parameters: Sequence[Tensor]) -> Sequence[Tensor | None]:
    if not total.requires_grad:
        return ()
    return torch.autograd.grad(total, parameters, retain_graph=True, allow_unused=True)
