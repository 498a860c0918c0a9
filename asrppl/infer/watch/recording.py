"""What one run of a guide and a model left behind, as plain typed data.

Pyro's messages are dictionaries that handlers write to until the outermost call returns; a `Recording` is taken when
the run is over, so its values are final (enumerated, replayed, subsampled).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import torch
from pyro.poutine.indep_messenger import CondIndepStackFrame
from torch import Tensor
from torch.distributions import Distribution

from asrppl.bind.finite import is_one_hot
from asrppl.bind.laws import unwrapped as unwrap


class Draw(NamedTuple):
    """A draw that a tensor was computed from.

    Args:
        site: its name.
        pathwise: whether gradients pass through its value (a reparameterised one that is not enumerated).
        continuous: whether it has a density.
        model: whether the guide lacks it.
    """

    site: str
    pathwise: bool
    continuous: bool
    model: bool


Frame = CondIndepStackFrame
Message = Mapping[str, Any]


PARTICLES = "num_particles_vectorized"
"""The plate that Pyro vectorises particles in: an axis like an enumerated one, no plate of the programs."""


def full_size(frame: Frame) -> int:
    """Return the size of the frame's plate before subsampling."""
    return int(frame.size if frame.full_size is None else frame.full_size)


@dataclass(frozen=True, slots=True)
class Site:
    """One sample statement.

    Args:
        name: of the site.
        value: drawn, enumerated, replayed or observed.
        fn: its distribution.
        event_dim: how many axes on the right of ``value`` are the distribution's.
        frames: the plates around it, outermost first.
        scale: of its log-probability: of the plates' subsampling, and of every `poutine.scale`.
        mask: of the handlers around it and of the distribution itself, None where neither has a tensor.
        partly_masked: whether a mask tells the entries of its event apart, so that it is no presence of the site.
        infer: Pyro's options.
        observed: whether its value was given.
        deterministic: a `pyro.deterministic`.
        factor: a `pyro.factor`.
        traced: whether inference sees it (False for ``infer={"_do_not_trace": True}``).
    """

    name: str
    value: Tensor
    fn: Distribution
    event_dim: int
    frames: tuple[Frame, ...]
    scale: float | Tensor
    mask: Tensor | None
    partly_masked: bool
    infer: Mapping[str, Any]
    observed: bool
    deterministic: bool
    factor: bool
    traced: bool

    @property
    def plates(self) -> tuple[Frame, ...]:
        """The vectorised plates, outermost first."""
        return tuple(frame for frame in self.frames if frame.dim is not None)

    @property
    def pathwise(self) -> bool:
        """Whether the gradient reaches the value's parameters through the value."""
        return bool(getattr(self.fn, "has_rsample", False)) and not self.infer.get("enumerate")

    @property
    def stuck(self) -> bool:
        """Whether it was drawn, and gradients do not pass through its value."""
        return not self.observed and not self.pathwise

    def draw(self, *, model: bool = False) -> Draw:
        """Return its draw, which only the model makes or the guide too."""
        continuous = not getattr(getattr(unwrap(self.fn), "support", None), "is_discrete", False)
        return Draw(self.name, self.pathwise, continuous, model)

    @property
    def likelihood(self) -> bool:
        """Whether it is an observation proper: not a value that was computed, as that of a reparameterised latent."""
        computed = self.deterministic or type(unwrap(self.fn)).__name__ == "Delta"
        return self.observed and not computed and not self.factor


@dataclass(frozen=True, slots=True)
class Exposure:
    """What `expose` was given: ``value`` may be a tensor, a mapping of fields or a distribution."""

    name: str
    value: Tensor | Mapping[str, Tensor] | Distribution
    event_dim: int
    presence: Tensor | None
    frames: tuple[Frame, ...]
    mask: Tensor | None

    @property
    def plates(self) -> tuple[Frame, ...]:
        """The vectorised plates, outermost first."""
        return tuple(frame for frame in self.frames if frame.dim is not None)


@dataclass(frozen=True, slots=True)
class ParamStatement:
    """A `pyro.param`: with an ``event_dim`` its other axes are those of the plates, else all its axes are its own."""

    name: str
    value: Tensor
    event_dim: int
    frames: tuple[Frame, ...]

    @property
    def plates(self) -> tuple[Frame, ...]:
        """The vectorised plates that it has an axis for, outermost first."""
        return tuple(frame for frame in self.frames if frame.dim is not None)


@dataclass(slots=True)
class Recording:
    """All that a rule may read of one run."""

    guide: dict[str, Site] = field(default_factory=dict[str, Site])
    model: dict[str, Site] = field(default_factory=dict[str, Site])
    exposed: dict[str, Exposure] = field(default_factory=dict[str, Exposure])
    params: dict[str, ParamStatement] = field(default_factory=dict[str, ParamStatement])
    unsized: dict[str, Frame] = field(default_factory=dict[str, Frame])  # plates that were given no size, as Pyro's
    subsamples: dict[str, Tensor] = field(default_factory=dict[str, Tensor])  # by plate which of its entries were run
    told: Tensor | None = None  # which data are in the batch, where the caller says so
    handed: bool = False  # whether the data plate drew its entries, and the batch was handed to it all the same

    def entries(self, data: Frame | None) -> Tensor | None:
        """Return which of all data were run; None without a plate of them, or where nothing says so."""
        if data is None:
            return None
        if self.told is not None:
            return self.told
        return None if self.handed else self.subsamples.get(data.name)

    @property
    def structure(self) -> tuple[object, ...]:
        """What the binding of names depends on, sizes of the data aside: cheap, hashable."""
        return (
            tuple(_site_structure(site) for site in self.guide.values()),
            tuple(_site_structure(site) for site in self.model.values()),
            tuple(_exposure_structure(exposure) for exposure in self.exposed.values()),
            tuple(
                (
                    parameter.name,
                    parameter.event_dim,
                    parameter.value.shape[parameter.value.dim() - parameter.event_dim :],
                )
                for parameter in self.params.values()
            ),
        )


def _frames_structure(frames: tuple[Frame, ...]) -> tuple[object, ...]:
    # A plate's size is part of it only through the axes that index it, and those are checked as they are bound.
    return tuple((frame.name, frame.dim) for frame in frames)


def _site_structure(site: Site) -> tuple[object, ...]:
    return (
        site.name,
        type(site.fn),
        site.fn.event_shape,
        site.event_dim,
        _frames_structure(site.frames),
        site.mask is None,
        site.observed,
        site.traced,
    )


def _exposure_structure(exposure: Exposure) -> tuple[object, ...]:
    value = exposure.value
    shape: object
    if isinstance(value, Tensor):
        shape = value.shape[value.dim() - exposure.event_dim :]
    elif isinstance(value, Distribution):
        shape = type(value)
    else:
        shape = tuple((key, part.shape[part.dim() - exposure.event_dim :]) for key, part in value.items())
    return (
        exposure.name,
        shape,
        exposure.event_dim,
        exposure.presence is None,
        exposure.mask is None,
        _frames_structure(exposure.frames),
    )


def _frames(message: Message) -> tuple[Frame, ...]:
    frames = cast("tuple[Frame, ...]", message["cond_indep_stack"])
    return tuple(frame for frame in frames if frame.name != PARTICLES)


def read_site(message: Message) -> Site | None:
    """Return the sample statement of a message; None for a plate's subsample and for values that are no tensors."""
    fn, value = message["fn"], message["value"]
    if type(fn).__name__ == "_Subsample" or not isinstance(fn, Distribution) or not isinstance(value, Tensor):
        return None
    infer = cast(Mapping[str, Any], message["infer"] or {})
    mask, partly = distribution_mask(fn)
    return Site(
        name=str(message["name"]),
        value=value,
        fn=fn,
        event_dim=len(fn.event_shape),
        frames=_frames(message),
        scale=message["scale"],
        mask=_both(_tensor_mask(message["mask"]), mask),
        partly_masked=partly,
        infer=infer,
        observed=bool(message["is_observed"]),
        deterministic=bool(infer.get("_deterministic", False)),
        factor=type(fn).__name__ == "Unit",
        traced=not infer.get("_do_not_trace", False),
    )


def read_exposure(message: Message) -> Exposure:
    """Return what an `expose` message carries; the event axes of a distribution need not be counted by the caller."""
    value, event_dim = message["value"], int(message["kwargs"]["event_dim"])
    if isinstance(value, Distribution):
        event_dim = max(event_dim, len(value.event_shape) - is_one_hot(value))
    return Exposure(
        name=str(message["name"]),
        value=value,
        event_dim=event_dim,
        presence=message["kwargs"]["presence"],
        frames=_frames(message),
        mask=_tensor_mask(message["mask"]),
    )


def read_parameter(message: Message) -> ParamStatement:
    """Return what a `pyro.param` message carries."""
    value = cast(Tensor, message["value"])
    event_dim = cast("int | None", message["kwargs"].get("event_dim"))
    if event_dim is None:
        return ParamStatement(str(message["name"]), value, value.dim(), ())
    return ParamStatement(str(message["name"]), value, event_dim, _frames(message))


def distribution_mask(fn: Distribution) -> tuple[Tensor | None, bool]:
    """Return the tensor that ``fn.mask(...)`` was given, None without one; and whether it varies along the event.

    ``.mask(m).to_event(k)`` (Pyro's AIR) is presence where m is constant along the event's axes. A plain False
    switches a cost off (`pyro.deterministic` does so); it says nothing about presence.
    """
    base = cast("Distribution | None", getattr(fn, "base_dist", None))
    if base is None:
        return None, False
    inner, partly = distribution_mask(base)
    match type(fn).__name__:
        case "MaskedDistribution":
            return _both(_tensor_mask(getattr(fn, "_mask")), inner), partly  # noqa: B009 (private to Pyro)
        case "Independent" if inner is not None:
            axes = int(cast(Any, fn).reinterpreted_batch_ndims)
            first = inner
            for dim in range(1, min(axes, inner.dim()) + 1):
                first = first.narrow(-dim, 0, 1)
            varies = not bool((inner == first).all())
            return first.reshape(first.shape[: max(0, first.dim() - axes)]), partly or varies
        case _:
            return inner, partly


def _tensor_mask(mask: object) -> Tensor | None:
    return mask.bool() if isinstance(mask, Tensor) else None


def _both(left: Tensor | None, right: Tensor | None) -> Tensor | None:
    if left is None or right is None:
        return right if left is None else left
    return torch.logical_and(left, right)
