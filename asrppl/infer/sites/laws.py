"""The laws that a guide gives the entries of names: their cdf, and their parameters as tensors in the rules' layout.

A family is taken if its cdf has a gradient for all its parameters, which is tried (Gamma's has none for its shape).
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.distributions import Distribution

from asrppl.core.signature import Kind, Signature
from asrppl.infer.sites.layout import Reading
from asrppl.infer.sites.read import read_values
from asrppl.infer.sites.referent import Item, Referent, Resolution
from asrppl.infer.watch.recording import Recording, Site, unwrap

logger: logging.Logger = logging.getLogger(__name__)

_special: Any = torch.special
_JOINT = ("MultivariateNormal", "LowRankMultivariateNormal")
"""Gaussians whose entries depend on each other; each by itself is a Gaussian, too."""


@dataclass(frozen=True, slots=True)
class SiteLaw:
    """The law of a name's entries.

    Args:
        name: whose.
        members: the sites that are drawn from it.
        family: class of the distributions.
        attributes: of them, that are the parameters.
        independent: whether the entries are, given the parameters.
    """

    name: str
    members: tuple[str, ...]
    family: type
    attributes: tuple[str, ...]
    independent: bool = True

    @property
    def normal(self) -> bool:
        """Whether it is Gaussian."""
        return self.attributes == ("loc", "scale") and self.family.__name__ in ("Normal", *_JOINT)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names that the parameters are read under: none that a file could hold."""
        return tuple(f"{self.name}, {attribute} of its law" for attribute in self.attributes)

    def parameter(self, site: Site, attribute: str) -> Tensor:
        """Return a parameter of a site's distribution, in the shape of its value."""
        base: Any = unwrap(site.fn)
        if not self.independent and attribute == "scale":
            return cast(Tensor, base.variance).sqrt().expand(site.value.shape)
        return cast(Tensor, getattr(base, attribute)).expand(site.value.shape)


def site_laws(resolution: Resolution, recording: Recording, signature: Signature) -> dict[str, SiteLaw]:
    """Return the laws of the names that are draws with one, by name."""
    found: dict[str, SiteLaw] = {}
    for name, referent in resolution.referents.items():
        entry = signature.get(name)
        if referent.origin != "guide" or referent.columns or entry is None or entry.kind is not Kind.REAL:
            continue
        laws = [_law(name, referent.members, recording.guide[member]) for member in referent.members]
        if laws[0] is not None and all(law == laws[0] for law in laws):
            found[name] = laws[0]
    return found


def read_laws(laws: Mapping[str, SiteLaw], resolution: Resolution, recording: Recording, reading: Reading) -> None:
    """Put the parameters of laws into a reading, laid out as the values of their names are."""
    for name, law in laws.items():
        referent = resolution.referents[name]
        for parameter, attribute in zip(law.parameters, law.attributes, strict=True):
            tensors = _parameter(name, law, referent, attribute, recording)
            reading.tensors[parameter, None] = tensors


def _parameter(name: str, law: SiteLaw, referent: Referent, attribute: str, recording: Recording) -> Tensor:
    sites = [recording.guide[member] for member in referent.members]
    items: list[Item] = [replace(site, value=law.parameter(site, attribute)) for site in sites]
    apart = Reading()
    read_values(name, referent, items, apart)
    return apart.tensors[name, None]


def _law(name: str, members: tuple[str, ...], site: Site) -> SiteLaw | None:
    if site.observed or site.deterministic or not site.pathwise:
        return None
    base: Any = unwrap(site.fn)
    family = cast("type[Distribution]", type(base))
    if not family.__module__.startswith(("torch.distributions.", "pyro.distributions.")):
        return None  # a user's own class may draw from another law than that of its parent
    if family.__name__ in _JOINT:
        return SiteLaw(name, members, family, ("loc", "scale"), independent=False)
    attributes = tuple(str(key) for key in base.arg_constraints)
    if base.event_shape or not attributes:
        return None
    law = SiteLaw(name, members, family, attributes)
    return law if _has_gradient(law, site) else None


def _has_gradient(law: SiteLaw, site: Site) -> bool:
    """Whether the cdf is known, and all parameters have a finite gradient."""
    try:
        with torch.enable_grad():
            leaves = [law.parameter(site, key).detach().clone().requires_grad_() for key in law.attributes]
            half = torch.ones((), dtype=leaves[0].dtype, device=leaves[0].device)
            value = cumulative(law)(0 * half, half, -site.value.detach(), *leaves)
            gradients = torch.autograd.grad(value.sum(), leaves)
    except Exception as error:  # whatever a distribution does where it has no cdf
        logger.debug("asrppl: %s has no cdf to differentiate (%s)", law.family.__name__, error)
        return False
    return all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


# ---- probabilities


def cumulative(law: SiteLaw) -> Callable[..., Tensor]:
    """Return P[a x + b < 0] or P[a x + b <= 0] as a function of whether strict, a, b, and the parameters of x."""

    def function(strict: Tensor, a: Tensor, b: Tensor, *parameters: Tensor) -> Tensor:
        given: Any = dict(zip(law.attributes, parameters, strict=True))
        found = law.family(**given, validate_args=False)
        spread = a != 0
        below = _cdf(found, -b / torch.where(spread, a, 1.0))
        chance = torch.where(a > 0, below, 1 - below)
        return torch.where(spread, chance, _holds(strict, b).to(chance.dtype))

    return function


def normal_at_most(strict: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Return P[y < 0] or P[y <= 0] of a Gaussian, which may have no variance."""
    spread = variance > 0
    chance: Tensor = _special.ndtr(-mean / torch.where(spread, variance, 1.0).sqrt())
    return torch.where(spread, chance, _holds(strict, mean).to(chance.dtype))


def _holds(strict: Tensor, value: Tensor) -> Tensor:
    return torch.where(strict > 0, value < 0, value <= 0)


def _cdf(law: Distribution, at: Tensor) -> Tensor:
    """Return the cdf, also outside the support, where torch's give nan or other numbers."""
    support: Any = cast(Any, law).support
    low: Any = getattr(support, "lower_bound", None)
    high: Any = getattr(support, "upper_bound", None)
    if low is None and high is None:
        return cast(Any, law).cdf(at)
    inside = torch.ones_like(at, dtype=torch.bool)
    if low is not None:
        inside = inside & (at > low)
    if high is not None:
        inside = inside & (at < high)
    bounds = [bound for bound in (low, high) if bound is not None]
    within = sum(bounds) / 2 if len(bounds) == 2 else low + 1 if high is None else high - 1
    value = cast(Any, law).cdf(torch.where(inside, at, within))
    above = torch.zeros_like(inside) if high is None else at >= high
    return torch.where(inside, value, above.to(value.dtype))
