"""A graph where its inputs are: on their device, in their dtype."""

from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace

import torch
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.lower.code import Compiled


class Placed:
    """A graph that takes its inputs by name.

    Args:
        arguments: of the graph, in order: the tensors that it reads by key, the functions that it calls by name.
        module: the graph; its constants are on the CPU, in double precision.
    """

    def __init__(self, arguments: tuple[InputKey | str, ...], module: Compiled) -> None:
        self.arguments = arguments
        self.inputs: tuple[InputKey, ...] = tuple(key for key in arguments if not isinstance(key, str))
        self.functions: tuple[str, ...] = tuple(key for key in arguments if isinstance(key, str))
        self.module = module
        self._dtype = torch.get_default_dtype()
        self._placed: dict[tuple[torch.device, torch.dtype], Callable[..., tuple[Tensor, ...]]] = {}
        self._forward = self._place(torch.device("cpu"), self._dtype)

    def run(
        self, tensors: Mapping[InputKey, Tensor], functions: Mapping[str, Callable[..., Tensor]]
    ) -> tuple[Tensor, ...]:
        """Return the graph's outputs, in the dtype of the first floating input (torch's default where there is none).

        Other inputs are converted to it. Nothing waits for a device.
        """
        # For a few objects this work is a tenth of the step: what is usual (all of one dtype, on the CPU) goes first.
        given = [tensors[key] for key in self.inputs]
        dtype, forward = self._dtype, self._forward
        if given:
            first = given[0]
            if not first.dtype.is_floating_point:
                first = next((tensor for tensor in given if tensor.dtype.is_floating_point), first)
            dtype = first.dtype if first.dtype.is_floating_point else torch.get_default_dtype()
            for place, tensor in enumerate(given):
                if tensor.dtype is not dtype:
                    given[place] = tensor.to(dtype)
            if dtype is not self._dtype or not first.is_cpu:
                forward = self._place(first.device, dtype)
        if not self.functions:
            return forward(*given)
        by_name = {key: tensor for key, tensor in zip(self.inputs, given, strict=True)}
        return forward(*[functions[k] if isinstance(k, str) else by_name[k] for k in self.arguments])

    def _place(self, device: torch.device, dtype: torch.dtype) -> Callable[..., tuple[Tensor, ...]]:
        """Return the function of the graph, with its constants where the inputs are."""
        if (device, dtype) not in self._placed:
            # Plain attributes: a module has to search for each of its own, a step after the other. Bodies of loops
            # have no constants, and so the loops are shared.
            constants = {
                name: constant.to(device, dtype if constant.is_floating_point() else constant.dtype)
                for name, constant in self.module.named_buffers(recurse=False)
            }
            read = SimpleNamespace(**constants, **dict(self.module.named_children()))
            self._placed[device, dtype] = partial(self.module.function, read)
        return self._placed[device, dtype]
