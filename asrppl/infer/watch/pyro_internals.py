"""The parts of Pyro and torch that have no types, behind signatures that do."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from pyro import poutine
from pyro.ops import provenance as _provenance
from pyro.poutine import runtime as _runtime
from pyro.poutine.broadcast_messenger import BroadcastMessenger
from torch import Tensor

from asrppl.infer.watch.recording import Draw

_pyro: Any = poutine
_broadcast: Any = BroadcastMessenger
_marks: Any = _provenance
_stack: Any = _runtime
_torch: Any = torch


def send(kind: str, name: str, value: object, **kwargs: object) -> dict[str, Any]:
    """Pass a message of our own through the handlers that are open; return it, as they have left it.

    Handlers that do not know its type (tracing, replay, enumeration) let it pass; plates and scales write to it.
    """
    message: dict[str, Any] = {
        "type": kind,
        "name": name,
        "fn": _identity,
        "is_observed": False,
        "args": (),
        "kwargs": kwargs,
        "value": value,
        "infer": {},
        "scale": 1.0,
        "mask": None,
        "cond_indep_stack": (),
        "done": True,
        "stop": False,
        "continuation": None,
    }
    _stack.apply_stack(message)
    return message


def _identity(value: object) -> object:
    return value


def marks_of(value: object) -> frozenset[Draw]:
    """Return the draws that a value was computed from, as a `Tracker` marked them."""
    return cast("frozenset[Draw]", _marks.get_provenance(value))


def mark(value: Tensor, draws: frozenset[Draw]) -> Tensor:
    """Return ``value`` marked with ``draws`` and nothing else."""
    return _marks.track_provenance(unmark(value), draws)


def marked_as(value: Tensor, others: Iterable[Tensor]) -> Tensor:
    """Return ``value`` with the marks of all ``others``: what was computed from them unmarked depends on them."""
    marks = frozenset[Any]().union(*(_marks.get_provenance(other) for other in others))
    return _marks.track_provenance(value, marks) if marks else value


def unmark(value: Tensor) -> Tensor:
    """Return ``value`` without marks."""
    return _marks.detach_provenance(value)


def hidden() -> AbstractContextManager[Any]:
    """Keep what is sampled within from all handlers outside."""
    return _pyro.block()


def trace_of(program: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a program; return Pyro's trace of it."""
    return _pyro.trace(program).get_trace(*args, **kwargs)


def broadcast(message: Any) -> None:
    """Let a sample message have the sizes of the plates that it is in, as a plate does."""
    _broadcast._pyro_sample(message)


def innermost(program: object) -> object:
    """Return what is inside all handlers that a program is wrapped in."""
    return _pyro.unwrap(program)


def kept_generators() -> AbstractContextManager[Any]:
    """Put torch's generators back afterwards: the CPU's, and the GPUs' where one was used."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    return _torch.random.fork_rng(devices=devices)
