"""Posterior draws, with what each rule says of each of them, as xarray has them: what ArviZ reads."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from asrppl.core.signature import Level
from asrppl.infer.elbo import RegularizedELBO
from asrppl.infer.evaluate import sampled, tables_of
from asrppl.infer.sample import Sample
from asrppl.infer.watch.recording import Recording, Site

try:
    import xarray
except ImportError:
    raise ImportError("asrppl.training.posterior needs xarray: pip install 'asrppl[xarray]'") from None

Variable = tuple[tuple[str, ...], np.ndarray[Any, Any]]
_OWN = ("chain", "draw")


def posterior(elbo: RegularizedELBO, *args: Any, draws: int = 1000, **kwargs: Any) -> xarray.DataTree:
    """Return draws of the guide as a tree of two groups: ``posterior`` and ``rules``.

    ``posterior`` has a variable for each latent of the guide and each `pyro.deterministic`; ``rules`` one for each
    rule: the violation of each draw, and of each datum where it is said of them. Both are along ``chain`` (of length
    1) and ``draw``, and along plates by their names; axes of an event are ``z_dim_0`` and so on. A rule that reads
    means over draws alone, or point masses, has no axis of draws. The attributes of ``posterior`` have ``left_out``:
    the sites that not every run draws in one shape.

    >>> def model():
    ...     mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    >>> tree = posterior(asrppl.regularize(model, AutoNormal(model), "rule low: mu <= 1"), draws=4)
    >>> mu, low = tree["posterior"]["mu"], tree["rules"]["low"]
    >>> low.dims, bool(abs(low - (mu - 1).clip(min=0)).max() < 1e-6)
    (('chain', 'draw'), True)

    Nothing is disturbed, as by `asrppl.evaluate`. What a mask leaves out is nan in ``posterior``, and 0 in ``rules``.

    Args:
        elbo: whose model and guide are run.
        args: of model and guide.
        draws: how many.
        kwargs: of model and guide.

    Raises:
        AsrError: what `asrppl.evaluate` raises.
        ValueError: ``draws`` is below 1.
    """
    if draws < 1:
        raise ValueError(f"draws={draws!r} is out of its range: it is at least 1")
    seen = _Seen()
    sample = sampled(elbo, elbo.model, elbo.guide, args, kwargs, draws, seen)
    variables, left_out = seen.variables(draws)
    about = {"inference_library": "asrppl", "step": elbo.step}
    index = {} if sample.data is None or sample.index is None else {sample.data.name: _array(sample.index)}
    latents = _dataset(variables, index, {**about, "left_out": left_out})
    trees: Any = xarray.DataTree
    return trees.from_dict({"posterior": latents, "rules": _dataset(_rules(sample), index, about)})


class _Seen:
    """What runs draw: by site the values of each, with the names of their axes."""

    def __init__(self) -> None:
        self.values: dict[str, list[np.ndarray[Any, Any]]] = {}
        self.axes: dict[str, set[tuple[str, ...]]] = {}

    def __call__(self, run: Recording) -> None:
        computed = {name: site for name, site in run.model.items() if site.deterministic}
        for name, site in {**computed, **run.guide}.items():
            latent = (not site.observed or site.deterministic) and site.traced and not site.factor
            if latent and not site.infer.get("is_auxiliary"):
                axes, value = _named(site)
                self.axes.setdefault(name, set()).add(axes)
                self.values.setdefault(name, []).append(value)

    def variables(self, draws: int) -> tuple[dict[str, Variable], list[str]]:
        """Return what all runs have in one shape, and the names of what they do not."""
        found: dict[str, Variable] = {}
        for name, values in self.values.items():
            alike = len({value.shape for value in values}) == len(self.axes[name]) == 1
            if alike and len(values) == draws and name not in _OWN:
                found[name] = (*_OWN, *next(iter(self.axes[name]))), np.stack(values)[None]
        return found, [name for name in self.values if name not in found]


def _named(site: Site) -> tuple[tuple[str, ...], np.ndarray[Any, Any]]:
    """Return a site's value with the names of its axes: those of its plates and of its event."""
    batch = site.value.dim() - site.event_dim
    plates = {batch + frame.dim: frame for frame in site.plates if frame.dim is not None}
    value = _array(site.value)
    if site.mask is not None and not site.partly_masked:
        there = _array(site.mask.reshape(*site.mask.shape, *(1,) * site.event_dim)).astype(bool)
        value = np.where(there, value, np.nan)
        batch = value.ndim - site.event_dim
    for axis, frame in plates.items():
        if value.shape[axis] == 1:  # the same for all
            value = np.repeat(value, frame.size, axis)
    idle = tuple(axis for axis in range(batch) if axis not in plates)  # of length 1: nothing is enumerated here
    names = [plates[axis].name for axis in range(batch) if axis in plates]
    names += [f"{site.name}_dim_{place}" for place in range(site.event_dim)]
    return tuple(names), value.squeeze(idle)


def _rules(sample: Sample) -> dict[str, Variable]:
    found: dict[str, Variable] = {}
    tables = tables_of(sample)
    for attached in sample.attachment.rules:
        name, functional = attached.rule.name, attached.functional
        levels = attached.rule.levels if functional is None else functional.decomposed.rule.levels
        drawn, table = Level.DRAW in levels, tables[name]
        about_data = Level.DATUM in levels or attached.rule.datum is not None
        axes: tuple[str, ...] = _OWN if drawn else ()
        value = _array(table)
        value = value[None] if drawn else value[0]
        if sample.data is not None and about_data and table.shape[1] == sample.data.size:
            axes = (*axes, sample.data.name)
        else:
            value = value[..., 0]
        found[f"rule_{name}" if name in _OWN else name] = axes, value
    return found


def _dataset(
    variables: Mapping[str, Variable], index: Mapping[str, np.ndarray[Any, Any]], about: Mapping[str, Any]
) -> xarray.Dataset:
    """Return variables with their axes; a plate that has a variable's name gets `_plate` behind it."""
    other = {name: f"{name}_plate" for axes, _ in variables.values() for name in axes[2:] if name in variables}
    named = {name: (tuple(other.get(axis, axis) for axis in axes), value) for name, (axes, value) in variables.items()}
    there = {axis for axes, _ in named.values() for axis in axes}
    places = {other.get(axis, axis): numbers for axis, numbers in index.items()}
    coordinates: dict[str, Any] = {axis: numbers for axis, numbers in places.items() if axis in there}
    return xarray.Dataset(named, coordinates, dict(about))


def _array(tensor: Tensor) -> np.ndarray[Any, Any]:
    return tensor.detach().cpu().numpy()
