"""The law of a site that an AutoGuide makes as a Delta around an auxiliary draw.

It follows from the run itself: AutoNormal draws ``x_unconstrained`` before ``x``, and the guides of one Normal over
all sites draw a vector (``_AutoDiagonalNormal_latent``), of which each site takes a part; the site is that draw, put
through ``biject_to`` of its support in the model. So no guide is looked into, and one within another, in a list, in a
plate that is subsampled or under vectorised particles is read alike. When rules are attached, the draws of that run
tell whether this holds (`Auxiliaries.verify`).
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


class Auxiliaries:
    """The auxiliary draws of one run, and the sites that are made from them."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._sources: dict[str, tuple[Site, _Part]] = {}
        self._laws: dict[str, LawTensors | None] = {}  # of whole draws: many sites share one
        vector: Site | None = None
        start = 0
        for name, site in recording.guide.items():
            own = recording.guide.get(f"{name}_unconstrained")
            if site.infer.get("is_auxiliary"):
                vector, start = (site, 0) if _VECTOR.fullmatch(name) else (None, 0)
            elif name not in recording.model or type(unwrap(site.fn)).__name__ != "Delta":
                continue
            elif own is not None and own.infer.get("is_auxiliary"):
                self._sources[name] = own, _Part()
            elif vector is not None:
                shape = _shape(site)
                try:
                    count = prod(self._bijection(site).inverse_shape(shape))
                except NotImplementedError:  # a support without a bijection: no AutoGuide made this
                    vector = None
                    continue
                self._sources[name] = vector, _Part(start, shape, site.event_dim)
                start += count

    def law(self, site: Site) -> LawTensors | None:
        """Return the law of a Delta site of the guide that is made from an auxiliary draw; None of one that is not.

        Raises:
            UnknownLawError: it is made from one, and its law has no parameters of its own.
        """
        found = self._sources.get(site.name)
        if found is None:
            return None
        source, part = found
        if source.name not in self._laws:
            self._laws[source.name] = law_of(source.fn)
        base = self._laws[source.name]
        if base is None or base.law.family == "Delta":
            raise UnknownLawError(*_no_law(source))
        parameters = tuple(part.of(parameter) for parameter in base.parameters)
        made = through(LawTensors(base.law, parameters), self._bijection(site))
        if made is None:
            kind = type(unwrap(self._recording.model[site.name].fn)).__name__
            raise UnknownLawError(
                f"its values ({kind} in the model) are made from several draws together, and one of them has no law "
                "that is known",
            )
        return made

    def verify(self, site: Site) -> None:
        """Check that the site's value is the auxiliary draw put through the bijection, in this run.

        Raises:
            UnknownLawError: it is something else, so that its law is, too.
        """
        found = self._sources.get(site.name)
        if found is None:
            return
        source, part = found
        value: Tensor = self._bijection(site)(part.of(source.value))
        if value.shape != site.value.shape or not torch.allclose(value, site.value, rtol=1e-4, atol=1e-6):
            message = f"its value is not the draw of {source.name!r} in the support that the model has for it"
            raise UnknownLawError(message)

    def _bijection(self, site: Site) -> Any:  # (torch's transforms declare no types of what they return)
        fn: Any = self._recording.model[site.name].fn
        return cast(Any, biject_to)(fn.support)


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


def _shape(site: Site) -> tuple[int, ...]:
    """Return the shape of a site's value in a run with neither particles nor enumeration."""
    plates = {int(frame.dim): frame.size for frame in site.frames if frame.dim is not None}
    batch = tuple(plates.get(dim, 1) for dim in range(min(plates, default=0), 0))
    return (*batch, *site.fn.event_shape)


def _no_law(source: Site) -> tuple[str, str | None]:
    guide = _VECTOR.fullmatch(source.name)
    name = guide.group(1) if guide is not None else "the guide"
    if type(unwrap(source.fn)).__name__ == "Delta":
        return f"{name} has no law of it yet", "train first, then attach the rules to `guide.laplace_approximation(…)`"
    kind = type(unwrap(source.fn)).__name__
    return f"{name} draws it from a {kind}, whose parts have no law of their own that is known", None
