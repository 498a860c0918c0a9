"""A run of the guide once more, at the values that it drew, held fixed.

The log-probabilities of draws by their laws are then functions of the parameters alone: no law depends on them by way
of a draw before it. The generators start where they did, and every draw is made and then exchanged for the one that
was recorded, so that what else is random (dropout, say) is what it was; and a guide that does something else the second
time is noticed.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pyro.poutine.messenger import Messenger
from torch import Tensor

from asrppl.infer.watch.pyro_internals import broadcast, hidden, trace_of
from asrppl.infer.watch.recorder import Recorder, Watcher, kept_rng
from asrppl.infer.watch.recording import Frame, Recording, Site, read_site, unwrap
from asrppl.infer.watch.untouched import untouched


@dataclass(frozen=True, slots=True)
class Generators:
    """The states of all random number generators."""

    cpu: Tensor
    cuda: tuple[Tensor, ...]
    numpy: Any
    python: Any

    @classmethod
    def now(cls) -> "Generators":
        """Return them as they are."""
        cuda = tuple(torch.cuda.get_rng_state_all()) if torch.cuda.is_initialized() else ()
        return cls(torch.get_rng_state(), cuda, np.random.get_state(), random.getstate())

    def put(self) -> None:
        """Let them be so again."""
        torch.set_rng_state(self.cpu)
        for place, state in enumerate(self.cuda):
            torch.cuda.set_rng_state(state, place)
        np.random.set_state(self.numpy)
        random.setstate(self.python)


class Fixed(Recorder, Watcher):
    """Exchanges every draw for its own value without a gradient: that of a recording where one is given."""

    def __init__(self, recording: Recording | None = None) -> None:
        super().__init__()
        self.recording = recording
        self.differing: set[str] = set()

    def _pyro_sample(self, msg: Any) -> None:
        known = self._known(msg)
        if known is not None and known.infer.get("_enumerate_dim") is not None:
            msg["value"], msg["done"] = known.value.detach(), True  # enumerated: no number was drawn

    def _pyro_post_sample(self, msg: Any) -> None:
        site = read_site(msg)
        if site is None:
            known = None if self.recording is None else self.recording.subsamples.get(str(msg["name"]))
            if known is not None and not _is_same(torch.as_tensor(msg["value"]), known):
                self.differing.add(str(msg["name"]))
        elif not site.observed and type(unwrap(site.fn)).__name__ != "Delta":
            drawn = self._known(msg)
            if drawn is not None:
                if not _is_same(site.value, drawn.value):
                    self.differing.add(site.name)
                msg["value"] = drawn.value.detach()
            else:
                msg["value"] = site.value.detach()
        super()._pyro_post_sample(msg)

    def _known(self, msg: Any) -> Site | None:
        found = None if self.recording is None else self.recording.guide.get(str(msg["name"]))
        infer: dict[str, Any] = msg["infer"] or {}
        drafted = bool(infer.get("_do_not_trace"))
        return found if found is not None and found.traced != drafted else None


def _is_same(value: Tensor, other: Tensor) -> bool:
    if value.shape != other.shape:
        return False
    if not value.is_floating_point():
        return bool(torch.equal(value, other))
    return bool(torch.allclose(value.detach(), other.detach(), rtol=1e-4, atol=1e-6, equal_nan=True))


def run_again(
    guide: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    recording: Recording,
    start: Generators,
    around: tuple[Frame, ...],
) -> tuple[dict[str, Site], frozenset[str]]:
    """Return the guide's sites at the draws of ``recording``, held fixed, and the names of those it drew otherwise.

    Args:
        guide: a Pyro program.
        args: of it.
        kwargs: likewise.
        recording: what it drew.
        start: the generators as they were before.
        around: the plates that are open around it.
    """
    with kept_rng(), untouched(guide), hidden(), _Within(around):
        start.put()
        fixed = Fixed(recording)
        trace_of(fixed(guide), args, kwargs)
    return fixed.sites(), frozenset(fixed.differing)


class _Within(Messenger):
    """Draws what is drawn within plates that are open already (Pyro opens no plate twice)."""

    def __init__(self, frames: tuple[Frame, ...]) -> None:
        super().__init__()
        self.frames = frames

    def _process_message(self, msg: Any) -> None:
        msg["cond_indep_stack"] = self.frames + msg["cond_indep_stack"]
        if msg["type"] == "sample":
            broadcast(msg)
