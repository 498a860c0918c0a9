"""The law of a site that an AutoGuide makes as a Delta around an auxiliary draw.

It follows from the run itself: AutoNormal draws ``x_unconstrained`` before ``x``, and the guides of one Normal over
all sites draw a vector (``_AutoDiagonalNormal_latent``), of which each site takes a part; the site is that draw, put
through ``biject_to`` of its support in the model. So no guide is looked into, and one within another, in a list, in a
plate that is subsampled or under vectorised particles is read alike. When rules are attached, the draws of that run
tell whether this holds (`verify`).
"""

import re
from math import prod
from typing import Any, cast

import torch
from pyro.distributions.transforms import biject_to
from torch import Tensor

from asrppl.bind.laws import LawTensors, law_of, through
from asrppl.bind.shapes import broadcast_shape
from asrppl.infer.watch.recording import Recording, Site, unwrap

_VECTOR = re.compile(r"_(.+)_latent")
"""How AutoGuides call such a draw: after themselves, or after what they are an attribute of."""


class UnknownLawError(Exception):
    """A site's law cannot be told; says why, for whoever knows the place."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.help = help


def law_behind(site: Site, recording: Recording) -> LawTensors | None:
    """Return the law of a Delta site of the guide that is made from an auxiliary draw; None where none is known.

    Raises:
        UnknownLawError: it is made from one, and its law has no parameters of its own.
    """
    found = _source(site, recording)
    if found is None:
        return None
    source, part = found
    base = law_of(source.fn)
    if base is None or base.law.family == "Delta":
        raise UnknownLawError(*_no_law(source))
    transform = _bijection(site, recording)
    made = through(LawTensors(base.law, tuple(part.of(parameter) for parameter in base.parameters)), transform)
    if made is None:
        kind = type(unwrap(recording.model[site.name].fn)).__name__
        raise UnknownLawError(
            f"its values ({kind} in the model) are made from several draws together, and one of them has no law known",
        )
    return made


def verify(site: Site, recording: Recording) -> None:
    """Check that the site's value is the auxiliary draw put through the bijection, in this run.

    Raises:
        UnknownLawError: it is something else, so that its law is, too.
    """
    found = _source(site, recording)
    if found is None:
        return
    source, part = found
    value: Tensor = _bijection(site, recording)(part.of(source.value))
    if value.shape != site.value.shape or not torch.allclose(value, site.value, rtol=1e-4, atol=1e-6, equal_nan=True):
        raise UnknownLawError(f"its value is not the draw of {source.name!r} in the support that the model has for it")


class _Part:
    """The part of an auxiliary draw that a site is made from: all of it, or entries of its last axis.

    Args:
        start: of those entries; None for all of the draw.
        shape: of the site's value, in a run with neither particles nor enumeration.
        event: how many of those axes are no batch axes.
    """

    def __init__(self, start: int | None = None, shape: tuple[int, ...] = (), event: int = 0) -> None:
        self.start, self.shape, self.event = start, shape, event

    def of(self, vector: Tensor) -> Tensor:
        """Return it, of the draw or of a parameter of its law."""
        if self.start is None:
            return vector
        batch = (*vector.shape[:-1], *(1,) * self.event)
        return vector[..., self.start : self.start + prod(self.shape)].reshape(broadcast_shape((self.shape, batch)))


def _source(site: Site, recording: Recording) -> tuple[Site, _Part] | None:
    if site.name not in recording.model:
        return None
    own = recording.guide.get(f"{site.name}_unconstrained")
    if own is not None and own.infer.get("is_auxiliary"):
        return own, _Part()
    vector: Site | None = None
    start = 0
    for name, other in recording.guide.items():
        if other.infer.get("is_auxiliary"):
            vector, start = (other, 0) if _VECTOR.fullmatch(name) else (None, 0)
        elif name == site.name:
            return None if vector is None else (vector, _Part(start, _shape(other), other.event_dim))
        elif vector is not None and name in recording.model and type(unwrap(other.fn)).__name__ == "Delta":
            start += prod(_bijection(other, recording).inverse_shape(_shape(other)))
    return None


def _shape(site: Site) -> tuple[int, ...]:
    """Return the shape of a site's value in a run with neither particles nor enumeration."""
    plates = {int(frame.dim): frame.size for frame in site.frames if frame.dim is not None}
    batch = tuple(plates.get(dim, 1) for dim in range(min(plates, default=0), 0))
    return (*batch, *site.fn.event_shape)


def _bijection(site: Site, recording: Recording) -> Any:  # (torch's transforms declare no types of what they return)
    fn: Any = recording.model[site.name].fn
    return cast(Any, biject_to)(fn.support)


def _no_law(source: Site) -> tuple[str, str | None]:
    guide = _VECTOR.fullmatch(source.name)
    name = guide.group(1) if guide is not None else "the guide"
    if type(unwrap(source.fn)).__name__ == "Delta":
        return f"{name} has no law of it yet", "train first, then attach the rules to `guide.laplace_approximation(…)`"
    kind = type(unwrap(source.fn)).__name__
    return f"{name} draws it from a {kind}, whose parts have no law of their own that is known", None
