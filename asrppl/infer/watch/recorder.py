"""Handlers that watch a run: what it drew, and which draws each value was computed from."""

import random
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from torch import Tensor
from torch.distributions import Distribution

from asrppl.infer.watch.dependence import Watch
from asrppl.infer.watch.pyro_internals import hidden, kept_generators, mark, marks_of, trace_of
from asrppl.infer.watch.recording import (
    Draw,
    Exposure,
    Frame,
    ParamStatement,
    Recording,
    Site,
    full_size,
    read_exposure,
    read_parameter,
    read_site,
    unwrap,
)
from asrppl.infer.watch.unsized import with_sizes
from asrppl.infer.watch.untouched import kept_params, untouched

PyroProgram = Callable[..., Any]
_pyro: Any = pyro


class Recorder(Messenger):
    """Keeps the messages of one run. They are read when it is over: plates inside it write to them last.

    Args:
        watch: has its attention drawn to the draws that gradients do not pass through.
    """

    def __init__(self, watch: Watch | None = None) -> None:
        super().__init__()
        self.watch = watch
        self.samples: list[Any] = []
        self.exposures: list[Any] = []
        self.parameters: list[Any] = []

    def _pyro_post_sample(self, msg: Any) -> None:
        self.samples.append(msg)
        if self.watch is not None:
            site = read_site(msg)
            if site is not None and site.stuck:
                self.watch.mark(site.value, frozenset({site.name}))

    def _pyro_post_param(self, msg: Any) -> None:
        self.parameters.append(msg)

    def _pyro_post_asrppl_expose(self, msg: Any) -> None:
        self.exposures.append(msg)

    def sites(self) -> dict[str, Site]:
        """Return the sample statements by name, in order; a draft that is not traced gives way to its site."""
        found: dict[str, Site] = {}
        for message in self.samples:
            site = read_site(message)
            if site is not None and (site.traced or site.name not in found):
                found.pop(site.name, None)  # its place is where it was drawn, not where it was drafted
                found[site.name] = site
        return found

    def exposed(self) -> dict[str, Exposure]:
        """Return what was exposed, by name; of a name exposed twice, the last."""
        return {message["name"]: read_exposure(message) for message in self.exposures}

    def subsamples(self) -> dict[str, Any]:
        """Return by plate which of its entries were run, as they were given."""
        return {
            message["name"]: message["value"]
            for message in self.samples
            if type(message["fn"]).__name__ == "_Subsample" and message["value"] is not None
        }

    def params(self) -> dict[str, ParamStatement]:
        """Return the params by name."""
        return {message["name"]: read_parameter(message) for message in self.parameters}


def recording_of(guide: Recorder, model: Recorder) -> Recording:
    """Return what a run of the guide and one of the model left behind.

    A latent is absent where either of them masks it: AutoGuides do not repeat the model's masks.
    """
    model_sites = model.sites()
    joined: dict[tuple[int, int], Tensor] = {}  # sites that shared a mask go on sharing one
    guide_sites = {name: _masked_by(site, model_sites.get(name), joined) for name, site in guide.sites().items()}
    recording = Recording(
        guide=guide_sites,
        model=model_sites,
        exposed={**model.exposed(), **guide.exposed()},
        params={**model.params(), **guide.params()},
        subsamples={
            plate: torch.as_tensor(index) for plate, index in {**guide.subsamples(), **model.subsamples()}.items()
        },
    )
    return with_sizes(recording)


def _masked_by(site: Site, other: Site | None, joined: dict[tuple[int, int], Tensor]) -> Site:
    """Return a guide's site with the mask of the model's, too."""
    if other is None or other.mask is None or other.mask is site.mask:
        return site
    if site.mask is None:
        mask = other.mask
    else:
        key = (id(site.mask), id(other.mask))
        mask = joined[key] if key in joined else joined.setdefault(key, site.mask & other.mask)
    return replace(site, mask=mask, partly_masked=site.partly_masked or other.partly_masked)


class Watcher(Messenger):
    """A handler around both programs of a run; ``in_model`` says which of them runs."""

    in_model: bool = False


class Tracker(Watcher):
    """Marks every draw, so that a tensor computed from it says so (`pyro.ops.provenance`).

    A reparameterised draw also carries what its parameters were computed from. A draw that gradients do not pass
    through does not: given its value, what led to it no longer matters to a pathwise gradient.

    Args:
        disturb: replace the value of every draw that gradients do not pass through by another one, marking nothing:
            what then changes depends on those draws, whether or not marks have survived on the way.
    """

    def __init__(self, *, disturb: bool = False) -> None:
        super().__init__()
        self.disturb = disturb
        self.guide_names: set[str] = set()

    def _pyro_post_sample(self, msg: Any) -> None:
        site = read_site(msg)
        if site is None or site.observed:
            return
        if self.in_model:
            if site.name in self.guide_names:
                return  # replayed: marked already
        else:
            self.guide_names.add(site.name)
        if self.disturb:
            if not site.pathwise:
                msg["value"] = _another(site)
            return
        origin = frozenset[Draw]()
        if site.pathwise:
            origin = marks_of(site.value) | draws_of(site.fn)
        if type(unwrap(site.fn)).__name__ != "Delta":
            origin |= {site.draw(model=self.in_model)}
        msg["value"] = mark(site.value, origin)


def draws_of(fn: Distribution) -> frozenset[Draw]:
    """Return what a distribution's parameters were computed from: some samplers lose the marks of their inputs."""
    found = frozenset[Draw]()
    for part in vars(fn).values():
        if isinstance(part, Distribution):
            found |= draws_of(part)
        elif isinstance(part, Tensor):
            found |= marks_of(part)
        elif isinstance(part, list | tuple):
            for element in cast("list[object]", part):
                found |= draws_of(element) if isinstance(element, Distribution) else marks_of(element)
    return found


def _another(site: Site) -> Tensor:
    """Return a value of the site other than the one drawn, without using up random numbers."""
    with kept_rng():
        fn: Any = site.fn
        if getattr(fn, "has_enumerate_support", False):
            support = cast(Tensor, fn.enumerate_support(expand=True))
            alike = support.shape[1:] == site.value.shape
            others = [value for value in support if not (alike and torch.equal(value, site.value))]
            return others[len(others) // 2] if others else support[0]
        return cast(Tensor, fn.sample())


@contextmanager
def kept_rng() -> Generator[None]:
    """Put all generators back afterwards."""
    numpy_state = np.random.get_state()
    python_state = random.getstate()
    try:
        with kept_generators():
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)


def further_draws(
    guide: PyroProgram, args: tuple[Any, ...], kwargs: dict[str, Any], recording: Recording, count: int
) -> Generator[Recording]:
    """Yield runs of the guide on the data of ``recording``, with its run of the model: draws without gradients.

    They are other draws in every call, and use up one random number.
    """
    seed = int(torch.randint(2**31 - count, (), dtype=torch.int64))
    with torch.no_grad(), kept_rng(), kept_params(), untouched(guide), hidden():
        for place in range(count):
            _pyro.set_rng_seed(seed + place)
            recorder = Recorder()
            with _SameData(recording.subsamples):
                trace_of(recorder(guide), args, kwargs)
            model = Recorder()
            found = recording_of(recorder, model)
            yield replace(
                found, model=recording.model, exposed={**recording.exposed, **found.exposed}, unsized=recording.unsized
            )


class _SameData(Watcher):
    """Runs plates on given entries; ``chosen`` are the plates that the programs themselves had given entries to."""

    def __init__(self, subsamples: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.subsamples = subsamples
        self.chosen: set[str] = set()
        self._met: set[str] = set()

    def _pyro_sample(self, msg: Any) -> None:
        name = msg["name"]
        if type(msg["fn"]).__name__ == "_Subsample" and name in self.subsamples:
            replayed = self.in_model and name in self._met
            if msg["value"] is not None and not replayed:
                self.chosen.add(name)
            self._met.add(name)
            msg["value"], msg["done"] = self.subsamples[name], True


def run_apart(
    model: PyroProgram,
    guide: PyroProgram,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    tracker: Watcher | None = None,
) -> Recording:
    """Run guide and model once, unseen by inference and without using up random numbers; return what they left."""
    guide_recorder, model_recorder = Recorder(), Recorder()
    with kept_rng(), kept_params(), untouched(model, guide), hidden():
        # The tracker is outside the trace: post-processing runs from the outside in, and the trace must see the marks.
        with tracker or nullcontext():
            trace = trace_of(guide_recorder(guide), args, kwargs)
        if tracker is not None:
            tracker.in_model = True
        with tracker or nullcontext():
            poutine.replay(model_recorder(model), trace=trace)(*args, **kwargs)
    return recording_of(guide_recorder, model_recorder)


def is_handed_over(
    model: PyroProgram, guide: PyroProgram, args: tuple[Any, ...], kwargs: dict[str, Any], run: Recording, plate: Frame
) -> bool:
    """Whether the data plate draws which entries it runs, and what the model observes does not depend on them.

    So it is where a batch is handed to ``pyro.plate("data", N, subsample_size=len(batch))``: the plate's entries scale
    the batch up, and say nothing of which data are in it.
    """
    observed = {name: site.value for name, site in run.model.items() if site.likelihood}
    if not observed or plate.name not in run.subsamples or plate.size == full_size(plate):
        return False
    others = _SameData({**run.subsamples, plate.name: (run.subsamples[plate.name] + 1) % full_size(plate)})
    with torch.no_grad():
        again = run_apart(model, guide, args, kwargs, others).model
    return plate.name not in others.chosen and all(
        name in again and torch.equal(again[name].value, value) for name, value in observed.items()
    )


def runs_apart(
    model: PyroProgram,
    guide: PyroProgram,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    subsamples: Mapping[str, Tensor],
    count: int,
) -> Generator[Recording]:
    """Yield runs of guide and model, each with draws of its own, unseen by inference.

    What they change is for the caller to put back, the generators too. Plates hold the entries ``subsamples``.
    """
    for _ in range(count):
        guide_recorder, model_recorder = Recorder(), Recorder()
        with hidden(), _SameData(subsamples):
            trace = trace_of(guide_recorder(guide), args, kwargs)
            poutine.replay(model_recorder(model), trace=trace)(*args, **kwargs)
        yield recording_of(guide_recorder, model_recorder)
