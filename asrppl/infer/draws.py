"""Draws of a guide as plain tensors, for sessions: what it draws, computes and exposes for a batch."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import pyro
import torch
from torch import Tensor

from asrppl.infer.watch.pyro_internals import hidden, trace_of
from asrppl.infer.watch.recorder import Recorder, kept_rng

_pyro: Any = pyro
_SEED = 0


def draws_of(
    guide: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], number: int
) -> tuple[dict[str, Tensor | dict[str, Tensor]], tuple[str, ...]]:
    """Return draws of a guide, by the names that rules have for them, and the names that are left out.

    The guide runs ``number`` times without gradients, with the same random numbers each time that it is asked, and
    those of the caller are not used up.

    Args:
        guide: the program.
        args, kwargs: what it is called with.
        number: of runs.

    Returns:
        By name a tensor ``(number, *plates, *event)``, or one for each field of a record that was exposed. Left out is
        what has a mask, what is exposed as a distribution, and what not all runs draw in one shape.
    """
    runs: list[dict[str, Tensor | dict[str, Tensor]]] = []
    left = dict[str, None]()
    with kept_rng(), torch.no_grad():
        _pyro.set_rng_seed(_SEED)
        for _ in range(number):
            recorder = Recorder()
            with hidden():
                trace_of(recorder(guide), args, kwargs)
            runs.append(_values(recorder, left))
    found: dict[str, Tensor | dict[str, Tensor]] = {}
    for name in dict.fromkeys(name for run in runs for name in run):
        try:
            if name not in left:
                found[name] = _stacked([run[name] for run in runs])
        except (KeyError, RuntimeError, TypeError):  # not in all runs, of other shapes, a record in some
            left[name] = None
    return {name: value for name, value in found.items() if name not in left}, tuple(left)


def _values(recorder: Recorder, left: dict[str, None]) -> dict[str, Tensor | dict[str, Tensor]]:
    found: dict[str, Tensor | dict[str, Tensor]] = {}
    for name, site in recorder.sites().items():
        if site.mask is not None:
            left[name] = None
        elif site.traced and not site.factor and not site.infer.get("is_auxiliary"):
            found[name] = site.value
    for name, exposure in recorder.exposed().items():
        value = exposure.value
        if exposure.presence is not None or exposure.mask is not None or not isinstance(value, Tensor | Mapping):
            left[name] = None
        else:
            found[name] = value if isinstance(value, Tensor) else dict(value)
    return found


def _stacked(values: list[Tensor | dict[str, Tensor]]) -> Tensor | dict[str, Tensor]:
    first = values[0]
    if isinstance(first, Tensor):
        return torch.stack([cast(Tensor, value) for value in values])
    records = [cast(dict[str, Tensor], value) for value in values]
    return {field: torch.stack([record[field] for record in records]) for field in first}


class CheckpointError(ValueError):
    """A checkpoint's parameters are none of this guide's; the message says why."""


def load_params(guide: Callable[..., Any], state: Mapping[str, Any]) -> None:
    """Give a guide the parameters of a checkpoint: a saved param store, or the `state_dict` of a module.

    Raises:
        CheckpointError: it is neither, or does not fit the guide.
    """
    if set(state) >= {"params", "constraints"}:
        _pyro.get_param_store().set_state(state)
        return
    if not isinstance(guide, torch.nn.Module):
        raise CheckpointError("it is no param store (`pyro.get_param_store().save(path)`), and the guide is no module")
    try:
        guide.load_state_dict(state)
    except (RuntimeError, TypeError) as error:
        raise CheckpointError(f"it does not fit the guide: {error}") from None
