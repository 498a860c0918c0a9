"""Functions of torch and Pyro whose annotations leave types open, with the types they have here."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import pyro
import torch
from pyro import poutine
from pyro.distributions import TorchDistribution
from pyro.ops import provenance
from torch import Size, Tensor

_torch: Any = torch
_pyro: Any = pyro
_poutine: Any = poutine
_provenance: Any = provenance


def sample(
    name: str, fn: TorchDistribution, *, obs: Tensor | None = None, infer: dict[str, Any] | None = None
) -> Tensor:
    """`pyro.sample`."""
    return _pyro.sample(name, fn, obs=obs, infer=infer)


def plate(name: str, size: int, subsample: Sequence[int] | Tensor | None = None) -> AbstractContextManager[Any]:
    """`pyro.plate` on the rightmost axis."""
    return _pyro.plate(name, size, subsample=subsample, dim=-1)


def masked(mask: Tensor) -> AbstractContextManager[Any]:
    """`pyro.poutine.mask`."""
    return _poutine.mask(mask=mask)


def seed(number: int) -> None:
    """`torch.manual_seed`."""
    _torch.manual_seed(number)


def kept_random(device: torch.device) -> AbstractContextManager[Any]:
    """Leave the random generators, the CPU's and the device's, as they were."""
    return _torch.random.fork_rng([device] if device.type == "cuda" else [])


def random_states(device: torch.device) -> dict[str, Tensor]:
    """The states of the random generators, the CPU's and the device's, as a checkpoint names them."""
    states = {"random": torch.get_rng_state()}
    if device.type == "cuda":
        states["random_cuda"] = torch.cuda.get_rng_state(device)
    return states


def put_random(states: Mapping[str, Any], device: torch.device) -> None:
    """Put `random_states` back; states of a device that is not there are left out."""
    torch.set_rng_state(states["random"].cpu())
    if device.type == "cuda" and "random_cuda" in states:
        torch.cuda.set_rng_state(states["random_cuda"].cpu(), device)


def broadcast_shapes(*shapes: Size) -> Size:
    """`torch.broadcast_shapes`, without its fifth of a millisecond where the shapes are equal already."""
    first = shapes[0]
    return first if all(shape == first for shape in shapes) else _torch.broadcast_shapes(*shapes)


def stack_last(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors, broadcast against each other, along a new last axis."""
    return _torch.stack(_torch.broadcast_tensors(*tensors), -1)


def pieces(tensor: Tensor, size: int) -> tuple[Tensor, ...]:
    """The last axis cut into pieces of `size`."""
    return cast(Any, tensor).split(size, -1)


def tensor_of(array: Any) -> Tensor:
    """`torch.from_numpy`."""
    return _torch.from_numpy(array)


def integers(tensor: Tensor) -> list[int]:
    """The entries of a vector of integers."""
    return cast(Any, tensor).tolist()


def numbers(tensor: Tensor) -> list[list[float]]:
    """The rows of a matrix."""
    return cast(Any, tensor).tolist()


def unmark(value: Tensor) -> Tensor:
    """The value itself, without the marks that say which draws it was computed from (`pyro.ops.provenance`)."""
    return _provenance.detach_provenance(value)
