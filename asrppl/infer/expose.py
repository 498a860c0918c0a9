"""``expose``: hand a value, or a distribution, of a guide to the rules."""

from collections.abc import Mapping
from typing import TypeVar

from pyro.poutine.runtime import am_i_wrapped
from torch import Tensor
from torch.distributions import Distribution

from asrppl.infer.watch.pyro_internals import send

Exposed = TypeVar("Exposed", bound=Tensor | Mapping[str, Tensor] | Distribution)

EXPOSE = "asrppl_expose"
"""The type of the message."""


def expose(name: str, value: Exposed, *, event_dim: int = 0, mask: Tensor | None = None) -> Exposed:
    """Hand ``value`` to the rules under ``name``; to Pyro it is no site, and it costs nothing.

    Call it in the guide (a value that the model computes is a ``pyro.deterministic`` site there), within
    the plates that the value varies over; as with a sample site, an entry of a plate may depend on draws within that
    plate only through those of the same entry::

        with pyro.plate("data", len(images)):
            ...
            asrppl.expose("box", boxes, event_dim=2, mask=present)  # boxes (..., B, 3, 4), present (..., B, 3)
            asrppl.expose("n", dist.Categorical(logits=logits))  # what q(n) is to mean
            asrppl.expose("score", dist.Normal(loc, scale))  # q(score): any law that rules can read

    A rule can then read what the guide computed on its way::

        >>> def guide():
        ...     loc = pyro.sample("loc", dist.Delta(pyro.param("at", torch.tensor(2.0))))
        ...     asrppl.expose("distance", (loc - 5).abs())
        >>> def model():
        ...     pyro.sample("loc", dist.Normal(0.0, 1.0))
        >>> elbo = asrppl.regularize(model, guide, "rule near: distance <= 1")
        >>> returned = elbo.loss(model, guide)
        >>> elbo.report.violations["near"]
        tensor(2.)

    Args:
        name: what the rules call it.
        value: a tensor of shape ``(*batch, *event)``, a mapping from field names to such tensors (a record:
            each field has ``event_dim`` event axes), or a distribution, which gives ``q(name)`` its meaning.
        event_dim: how many axes on the right are indices or columns of a record; the others are batch axes,
            right-aligned with the plates around the call as those of a sample site. A distribution's own event
            axes are counted without it.
        mask: presence of each entry, Boolean or 0/1, broadcastable to the value's batch and index axes (for an array
            of boxes: without its columns). Quantifiers skip what is absent.

    Returns:
        ``value``, unchanged.

    Raises:
        ValueError: ``event_dim`` is negative or exceeds the axes of a tensor.
    """
    tensors = list(value.values()) if isinstance(value, Mapping) else [value]
    for tensor in tensors:
        if isinstance(tensor, Tensor) and not 0 <= event_dim <= tensor.dim():
            raise ValueError(
                f"expose({name!r}): event_dim={event_dim} does not fit a tensor of shape {tuple(tensor.shape)}"
            )
    if am_i_wrapped():
        send(EXPOSE, name, value, event_dim=event_dim, presence=mask)
    return value
