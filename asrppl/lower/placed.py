"""A graph where its inputs are: on their device, in their dtype."""

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, fx

from asrppl.bind.bound import InputKey

_CPU = torch.device("cpu")


class Placed:
    """A graph that takes its inputs by name.

    Args:
        arguments: of the graph, in order: the tensors that it reads by key, the functions that it calls by name.
        module: the graph; its constants are in torch's default dtype on the CPU.
    """

    def __init__(self, arguments: tuple[InputKey | str, ...], module: fx.GraphModule) -> None:
        self.arguments = arguments
        self.inputs: tuple[InputKey, ...] = tuple(key for key in arguments if not isinstance(key, str))
        self.functions: tuple[str, ...] = tuple(key for key in arguments if isinstance(key, str))
        self.module = module
        self._dtype = torch.get_default_dtype()
        self._placed: dict[tuple[torch.device, torch.dtype], fx.GraphModule] = {}

    def __call__(
        self, tensors: Mapping[InputKey, Tensor], functions: Mapping[str, Callable[..., Tensor]]
    ) -> tuple[Tensor, ...]:
        """Return the graph's outputs, in the dtype of the first floating input (torch's default where there is none).

        Other inputs are converted to it. Nothing waits for a device.
        """
        given = [tensors[key] for key in self.inputs]
        first = next((tensor for tensor in given if tensor.dtype.is_floating_point), given[0] if given else None)
        module = self.module
        if first is not None:
            dtype = first.dtype if first.dtype.is_floating_point else torch.get_default_dtype()
            given = [tensor if tensor.dtype is dtype else tensor.to(dtype) for tensor in given]
            if dtype is not self._dtype or first.device != _CPU:
                module = self._place(first.device, dtype)
        if not self.functions:
            return module.forward(*given)
        by_name = {key: tensor for key, tensor in zip(self.inputs, given, strict=True)}
        return module.forward(*[functions[k] if isinstance(k, str) else by_name[k] for k in self.arguments])

    def _place(self, device: torch.device, dtype: torch.dtype) -> fx.GraphModule:
        if (device, dtype) not in self._placed:
            self._placed[device, dtype] = copy.deepcopy(self.module).to(device, dtype)
        return self._placed[device, dtype]
