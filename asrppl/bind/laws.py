"""Distributions of torch as the laws of `asrppl.core.laws`: a family, monotone transforms, and their parameters."""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.distributions import Distribution, transforms

from asrppl.core.laws import FAMILIES, Law

WRAPPERS = ("Independent", "MaskedDistribution", "ExpandedDistribution")
"""What stands around a distribution and changes none of its numbers; Pyro's by name, so that Pyro need not be there."""


class LawTensors(NamedTuple):
    """A law, and its parameters (`Law.parts`): each of the shape of what is drawn."""

    law: Law
    parameters: tuple[Tensor, ...]

    def spread(self, shape: tuple[int, ...]) -> "LawTensors":
        """Return it with parameters of one shape."""
        return LawTensors(self.law, tuple(parameter.expand(shape) for parameter in self.parameters))


def unwrapped(distribution: Distribution) -> Distribution:
    """Return the distribution inside `WRAPPERS`."""
    while type(distribution).__name__ in WRAPPERS:
        distribution = cast(Distribution, getattr(distribution, "base_dist"))  # noqa: B009 (no common class has it)
    return distribution


def law_of(distribution: Distribution) -> LawTensors | None:
    """Return the law of each number of a distribution by itself, and its parameters.

    Of a Normal of several dimensions and of a Dirichlet that is the marginal law of each. `Independent`,
    `MaskedDistribution` and `ExpandedDistribution` are looked through.

    Returns:
        Parameters of shape ``(*batch shape, *event shape)``; None for a distribution whose law is not known.
    """
    found = _law(unwrapped(distribution))
    return None if found is None else found.spread((*distribution.batch_shape, *distribution.event_shape))


def _law(fn: Any) -> LawTensors | None:
    name = type(fn).__name__
    if type(fn).__module__.partition(".")[0] not in ("torch", "pyro"):
        return None  # a class of a user's own may mean something else by the same parameters
    if name == "Delta":
        return LawTensors(Law("Delta"), (fn.v,))
    if name in FAMILIES:
        parameters = (torch.as_tensor(getattr(fn, part)) for part in FAMILIES[name].parameters)
        return LawTensors(Law(name), tuple(parameters))
    if name in ("MultivariateNormal", "LowRankMultivariateNormal"):
        return LawTensors(Law("Normal"), (fn.mean, fn.stddev))
    if name == "Dirichlet":
        concentration = fn.concentration
        return LawTensors(Law("Beta"), (concentration, concentration.sum(-1, keepdim=True) - concentration))
    if name != "TransformedDistribution":
        return None
    found = law_of(fn.base_dist)
    for transform in fn.transforms:
        found = None if found is None else through(found, transform)
    return found


def through(base: LawTensors, transform: transforms.Transform) -> LawTensors | None:
    """Return the law of ``transform`` of a draw, None where it is not known, one number at a time."""
    while isinstance(transform, transforms.IndependentTransform):
        transform = cast(Any, transform).base_transform
    if isinstance(transform, transforms.ComposeTransform):
        found: LawTensors | None = base
        for part in transform.parts:
            found = None if found is None else through(found, part)
        return found
    step = None if transform.domain.event_dim or transform.codomain.event_dim else _step(transform)
    if step is None or base.law.family == "Delta":
        return None
    name, numbers = step
    plain = not any(isinstance(number, Tensor) for number in numbers)  # (tensors are not looked into)
    if name == "affine" and plain and numbers == (0, 1):  # as in the bijection to the positive numbers
        return base
    law, like = base.law, base.parameters[0]
    more = tuple(torch.as_tensor(number, dtype=like.dtype, device=like.device) for number in numbers)
    if law == Law("Normal") and name == "exp":
        return LawTensors(Law("LogNormal"), base.parameters)
    if law == Law("Normal") and name == "affine":
        (loc, scale), (shift, factor) = base.parameters, more
        return LawTensors(law, (loc * factor + shift, scale * factor.abs()))
    return LawTensors(Law(law.family, (*law.transforms, name)), (*base.parameters, *more))


_PLAIN: dict[type, tuple[str, str | None]] = {
    transforms.ExpTransform: ("exp", "log"),
    transforms.SigmoidTransform: ("sigmoid", "logit"),
    transforms.SoftplusTransform: ("softplus", None),
    transforms.TanhTransform: ("tanh", None),
}
"""The names of transforms without parameters, and of their inverses."""


def _step(transform: Any) -> tuple[str, tuple[Any, ...]] | None:
    """Return the name of a monotone transform and its parameters."""
    kind = _type_of(transform)
    if kind is transforms.AffineTransform:
        return "affine", (transform.loc, transform.scale)
    if kind is transforms.PowerTransform:
        return "power", (transform.exponent,)
    if kind in _PLAIN:
        return _PLAIN[kind][0], ()
    if kind.__name__ == "_InverseTransform":  # torch has no other name for what `.inv` is
        inverse = _PLAIN.get(_type_of(transform.inv), ("", None))[1]
        return None if inverse is None else (inverse, ())
    return None


def _type_of(value: object) -> type:
    return type(value)


def point_mass(value: Tensor) -> LawTensors:
    """Return the law of what was observed."""
    return LawTensors(Law("Delta"), (value,))
