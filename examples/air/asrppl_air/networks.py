"""The networks of AIR: recurrent cell, heads, appearance encoder and decoder."""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from asrppl_air.settings import AIRSettings, Precision
from asrppl_air.untyped import pieces

WHERE = 3  # x, y, scale: what the recurrent networks are told of the objects before
_LARGE = 100_000  # weights of a layer; below it the conversions cost more than the faster product saves


class _BFloat16Linear(nn.Linear):
    """A linear layer whose products, backward ones too, take factors rounded to bfloat16.

    The kernels add up in float32 and round each product once; parameters, their gradients, bias and result keep the
    type of the parameters.
    """

    def forward(self, input: Tensor) -> Tensor:
        product = nn.functional.linear(input.bfloat16(), self.weight.bfloat16()).to(input.dtype)
        bias = cast("Tensor | None", self.bias)  # torch's annotation forgets bias=False
        return product if bias is None else product + bias


def linear(inward: int, outward: int, precision: Precision, *, bias: bool = True) -> nn.Linear:
    """A linear layer; with `precision` "bfloat16" and 100,000 weights or more, its products take bfloat16 factors."""
    layer = _BFloat16Linear if precision == "bfloat16" and inward * outward >= _LARGE else nn.Linear
    return layer(inward, outward, bias=bias)


class RecurrentCell(nn.Module):
    """An LSTM cell whose input is split: a part that never changes (the image) and the object just placed.

    The part of the gates that reads the image is computed once for all steps; the first step has neither a state nor an
    object before it, so its gates are that part alone.
    """

    def __init__(self, settings: AIRSettings, constant: int = 0) -> None:
        super().__init__()
        self.hidden = hidden = settings.hidden
        self.image = linear(constant, 4 * hidden, settings.precision) if constant else None
        self.bias = nn.Parameter(torch.zeros(4 * hidden)) if constant == 0 else None
        self.recurrent = linear(WHERE + hidden, 4 * hidden, settings.precision, bias=False)
        with torch.no_grad():
            bias = self.image.bias if self.image is not None else self.bias
            assert bias is not None
            bias[hidden : 2 * hidden] = 1.0  # remember by default

    def constant(self, image: Tensor | None = None) -> Tensor:
        """The part of the gates that all steps share, (..., 4 * hidden)."""
        if self.image is not None and image is not None:
            gates: Tensor = self.image(image)
            return gates
        assert self.bias is not None
        return self.bias

    def forward(self, constant: Tensor, before: tuple[Tensor, Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Output and cell state, from the constant part and (object before (..., 3), output, cell state) before."""
        gates = constant
        if before is not None:
            gates = gates + self.recurrent(torch.cat(before[:2], -1))
        size = self.hidden
        inward, keep, outward = pieces(gates[..., : 3 * size].sigmoid(), size)
        state = inward * gates[..., 3 * size :].tanh()
        if before is not None:
            state = torch.addcmul(state, keep, before[2])
        return outward * state.tanh(), state


def mlp(*sizes: int, precision: Precision) -> nn.Sequential:
    """Layers of `linear` of these sizes with ReLU between them."""
    layers: list[nn.Module] = []
    for inward, outward in pairwise(sizes):
        layers += [linear(inward, outward, precision), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def last_bias(network: nn.Sequential) -> Tensor:
    """The bias of the last layer, to be set by hand before training."""
    layer = network[-1]
    assert isinstance(layer, nn.Linear)
    return layer.bias


class LocationHead(nn.Module):
    """Mean and log standard deviation of the location before the tanh, from the recurrent output."""

    def __init__(self, settings: AIRSettings, log_sd: float) -> None:
        super().__init__()
        self.net = mlp(settings.hidden, settings.head, 4, precision=settings.precision)
        with torch.no_grad():
            last_bias(self.net)[2:] = log_sd

    def forward(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, (..., 2) each."""
        mean, log_sd = pieces(self.net(output), 2)
        return mean, log_sd


class ScaleHead(nn.Module):
    """Mean and log standard deviation of the scale's logit, given the location."""

    def __init__(self, settings: AIRSettings, log_sd: float) -> None:
        super().__init__()
        self.net = mlp(settings.hidden + 2, settings.head, 2, precision=settings.precision)
        with torch.no_grad():
            last_bias(self.net)[0] = settings.scale_mean
            last_bias(self.net)[1] = log_sd

    def forward(self, output: Tensor, loc: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, (..., 1) each."""
        output = output.expand(*loc.shape[:-1], -1)
        mean, log_sd = pieces(self.net(torch.cat([output, loc], -1)), 1)
        return mean, log_sd


class PresenceHead(nn.Module):
    """Logit (...) of "one more object"."""

    def __init__(self, settings: AIRSettings, bias: float) -> None:
        super().__init__()
        self.net = mlp(settings.hidden, settings.head, 1, precision=settings.precision)
        with torch.no_grad():
            last_bias(self.net)[0] = bias

    def forward(self, output: Tensor) -> Tensor:
        """The logit."""
        return self.net(output).squeeze(-1)


class Encoder(nn.Module):
    """Mean and log standard deviation of the appearance, from windows (..., w, w)."""

    def __init__(self, settings: AIRSettings) -> None:
        super().__init__()
        self.what = settings.what
        self.net = mlp(settings.window**2, *settings.encoder, 2 * settings.what, precision=settings.precision)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, (..., what) each."""
        mean, log_var = pieces(self.net(windows.flatten(-2)), self.what)
        return mean, log_var * 0.5


class Decoder(nn.Module):
    """Windows (..., w, w) in [0, 1] from appearances."""

    def __init__(self, settings: AIRSettings) -> None:
        super().__init__()
        self.window = settings.window
        self.net = mlp(settings.what, *settings.decoder, settings.window**2, precision=settings.precision)
        with torch.no_grad():
            last_bias(self.net).fill_(-2.0)  # start dark: most of a window is background

    def forward(self, what: Tensor) -> Tensor:
        """The windows of appearances (..., what)."""
        return self.net(what).sigmoid().unflatten(-1, (self.window, self.window))
