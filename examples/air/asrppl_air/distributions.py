"""The few distributions of AIR, each one Pyro site's worth of work and no more.

Pyro's own would do (`TransformedDistribution`, `Independent`, `Bernoulli`), at two to three times the number of small
tensor operations a step, which is most of what a training step on one thread costs beyond its matrix products.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from pyro.distributions import TorchDistribution
from torch import Size, Tensor
from torch.autograd.function import once_differentiable
from torch.distributions import constraints
from torch.nn.functional import softplus

from asrppl_air.untyped import broadcast_shapes

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
_DRAWN = "_asrppl_drawn"


@dataclass(slots=True)
class _Drawn:
    """What a value was drawn from, kept with it: guide and model ask for its density, and need not find this again.

    `kind` is the distribution's class, `key` tells the distribution; `before` is the unsquashed value, None where it is
    the value itself: nothing here leads back to that, for it would keep its graph alive until garbage is collected.
    Of a value that was not drawn, `key` and `noise` are None.
    """

    kind: type
    key: object
    before: Tensor | None
    noise: Tensor | None
    log_slope: Tensor | float | None = None


class _NormalLogDensity(torch.autograd.Function):
    """log N(value; mean, exp(log_sd)²), summed over the last axis; its gradients in closed form."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, mean: Tensor, log_sd: Tensor) -> Tensor:
        precision = (-log_sd).exp()
        score = (value - mean) * precision
        ctx.save_for_backward(score, precision)
        ctx.shapes = value.shape, mean.shape, log_sd.shape
        total = torch.addcmul(log_sd, score, score, value=0.5).sum(-1)
        return torch.rsub(total, -_LOG_SQRT_2PI * score.shape[-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        score, precision = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        weighed = grad.unsqueeze(-1) * score
        slope = weighed * precision if wanted[0] or wanted[1] else None
        found: list[Tensor | None] = [None, None, None]
        if slope is not None:
            found[0] = -slope if wanted[0] else None
            found[1] = slope if wanted[1] else None
        if wanted[2]:
            found[2] = torch.addcmul(-grad.unsqueeze(-1), weighed, score)
        return tuple(
            None if gradient is None else gradient.sum_to_size(shape)
            for gradient, shape in zip(found, ctx.shapes, strict=True)
        )


def normal_log_density(value: Tensor, mean: Tensor, log_sd: Tensor) -> Tensor:
    """Log density (...) of independent normals at `value` (..., D); `mean` and `log_sd` broadcast against it."""
    function: Any = _NormalLogDensity
    return function.apply(value, mean, log_sd)


class _DiagonalNormal(TorchDistribution):
    """Independent normals over the last axis, seen through a squashing function that subclasses choose.

    Shapes: `mean` and `log_sd` broadcast to (*batch, D); the event is (D,). `log_prob` is a density of the squashed
    value: the normal's log density at the unsquashed value minus the log slope of the squashing function there.
    """

    has_rsample = True

    def __init__(self, mean: Tensor, log_sd: Tensor) -> None:
        self.mean_before = mean
        self.log_sd = log_sd
        shape = broadcast_shapes(mean.shape, log_sd.shape)
        self._last: tuple[Tensor, Tensor] | None = None
        self._key = object()
        super().__init__(shape[:-1], shape[-1:], validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "_DiagonalNormal":
        """The same distribution over `batch_shape`; itself where it has that shape already."""
        if tuple(batch_shape) == tuple(self.batch_shape):
            return self
        shape = Size(batch_shape) + self.event_shape
        return type(self)(self.mean_before.expand(shape), self.log_sd.expand(shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """A reparameterised draw of shape `sample_shape + batch + (D,)`."""
        shape = Size(sample_shape) + self.batch_shape + self.event_shape
        noise = torch.randn(shape, dtype=self.mean_before.dtype, device=self.mean_before.device)
        before = torch.addcmul(self.mean_before, self.log_sd.exp(), noise)
        value = self.squash(before)
        if value.requires_grad:
            setattr(value, _DRAWN, _Drawn(type(self), self._key, None if before is value else before, noise))
        return value

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of `value` (..., D), summed over D."""
        # The model needs each object's log density twice, in its site and in the factor that takes it out again.
        if self._last is not None and self._last[0] is value:
            return self._last[1]
        drawn: _Drawn | None = getattr(value, _DRAWN, None)
        if drawn is None or drawn.kind is not type(self):
            drawn = _Drawn(type(self), None, self.unsquash(value), None)
        before = value if drawn.before is None else drawn.before
        log_slope = self.log_slope(before) if drawn.log_slope is None else drawn.log_slope
        if drawn.key is self._key and drawn.noise is not None:
            # The score of a value drawn here is its noise, whatever the parameters.
            half_squares = torch.addcmul(self.log_sd, drawn.noise, drawn.noise, value=0.5).sum(-1)
            result = -half_squares - _LOG_SQRT_2PI * self.event_shape[0]
        else:
            result = normal_log_density(before, self.mean_before, self.log_sd)
        if not isinstance(log_slope, float):
            result = result - log_slope
        if torch.is_grad_enabled():  # what is kept must have the graph that a later call may need
            drawn.log_slope = log_slope
            self._last = (value, result)
        return result

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """None: nothing is validated."""
        return {}

    @property
    def centre(self) -> Tensor:
        """The squashed mean: the median of the distribution."""
        return self.squash(self.mean_before.expand(self.batch_shape + self.event_shape))

    @staticmethod
    def squash(before: Tensor) -> Tensor:
        """Unsquashed to squashed value."""
        return before

    @staticmethod
    def unsquash(value: Tensor) -> Tensor:
        """Squashed to unsquashed value."""
        return value

    @staticmethod
    def log_slope(before: Tensor) -> Tensor | float:
        """Log slope of `squash` at an unsquashed value, summed over D."""
        return 0.0


class DiagonalNormal(_DiagonalNormal):
    """Independent normals: `z_what`."""

    @property
    def support(self) -> constraints.Constraint:
        """All of R^D."""
        return constraints.real_vector


class TanhNormal(_DiagonalNormal):
    """tanh of independent normals: `z_loc`, in [-1, 1]."""

    @property
    def support(self) -> constraints.Constraint:
        """[-1, 1]^D."""
        return constraints.independent(constraints.interval(-1.0, 1.0), 1)

    @staticmethod
    def squash(before: Tensor) -> Tensor:
        """tanh."""
        return before.tanh()

    @staticmethod
    def unsquash(value: Tensor) -> Tensor:
        """atanh, kept finite where tanh has rounded to ±1."""
        bound = 1 - torch.finfo(value.dtype).eps
        return value.clamp(-bound, bound).atanh()

    @staticmethod
    def log_slope(before: Tensor) -> Tensor:
        """log(1 − tanh²) = 2 (log 2 − b − softplus(−2 b))."""
        return torch.rsub((before + softplus(-2 * before)).sum(-1), before.shape[-1] * math.log(2)) * 2


class SigmoidNormal(_DiagonalNormal):
    """The logistic function of independent normals: `z_scale`, in [0, 1]."""

    @property
    def support(self) -> constraints.Constraint:
        """[0, 1]^D."""
        return constraints.independent(constraints.unit_interval, 1)

    @staticmethod
    def squash(before: Tensor) -> Tensor:
        """The logistic function."""
        return before.sigmoid()

    @staticmethod
    def unsquash(value: Tensor) -> Tensor:
        """logit, kept finite where the logistic function has rounded to 0 or 1."""
        return value.logit(torch.finfo(value.dtype).eps)

    @staticmethod
    def log_slope(before: Tensor) -> Tensor:
        """log σ (1 − σ) = −b − 2 softplus(−b)."""
        return torch.add(before, softplus(-before), alpha=2).sum(-1).neg()


class _CanvasLogLikelihood(torch.autograd.Function):
    """Σ over pixels of x log p + (1 − x) log(1 − p), p the clamped canvas; its gradient in one pass."""

    @staticmethod
    def forward(ctx: Any, canvas: Tensor, image: Tensor, eps: float) -> Tensor:
        p = canvas.clamp(eps, 1 - eps)
        ctx.save_for_backward(canvas, p, image)
        log_rest = torch.log1p(-p)
        return (log_rest + image * (p.log() - log_rest)).sum(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        canvas, p, image = ctx.saved_tensors
        slope = (image - p).div_(p - p * p)
        slope.mul_(canvas == p)
        return slope.mul_(grad.unsqueeze(-1)), None, None


def canvas_log_likelihood(canvas: Tensor, image: Tensor, eps: float = 1e-4) -> Tensor:
    """Bernoulli log likelihood (...) of `image` (..., pixels), real values in [0, 1], given `canvas` (..., pixels).

    `canvas` is a sum of windows; it is clamped to [eps, 1 − eps], and what lies outside gets no gradient.
    """
    function: Any = _CanvasLogLikelihood
    return function.apply(canvas, image, eps)


def take(table: Tensor, n: Tensor) -> Tensor:
    """`table` (*batch, K + 1) read at `n`, which broadcasts against batch, enumeration axes on the left included."""
    shape = broadcast_shapes(n.shape, table.shape[:-1])
    return table.expand(*shape, -1).gather(-1, n.expand(shape).unsqueeze(-1)).squeeze(-1)


class Canvas(TorchDistribution):
    """An image given how many of the objects are there.

    `frames` (*batch, K, S, S) holds the running sums of the windows: frame k is the canvas of the first k + 1 objects.
    The image (S, S) is Bernoulli in each pixel, with the frame of `n` objects clamped to (0, 1); with no object the
    canvas is black. `n` may be enumerated: then every count's likelihood is computed once and picked.
    """

    def __init__(self, frames: Tensor, n: Tensor, eps: float = 1e-4) -> None:
        self.frames = frames
        self.n = n
        self.eps = eps
        super().__init__(broadcast_shapes(n.shape, frames.shape[:-3]), frames.shape[-2:], validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "Canvas":
        """The same distribution over `batch_shape`; itself where it has that shape already."""
        if tuple(batch_shape) == tuple(self.batch_shape):
            return self
        return Canvas(self.frames, self.n.expand(batch_shape), self.eps)

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """None: nothing is validated."""
        return {}

    @property
    def support(self) -> constraints.Constraint:
        """Images with pixels in [0, 1]."""
        return constraints.independent(constraints.unit_interval, 2)

    @property
    def mean(self) -> Tensor:
        """The canvas of the `n` objects, clamped: (*batch, S, S)."""
        frames = self.frames.expand(*self.batch_shape, *self.frames.shape[-3:])
        index = (self.n.expand(self.batch_shape) - 1).clamp_min(0)[..., None, None, None]
        frame = frames.gather(-3, index.expand(*self.batch_shape, 1, *frames.shape[-2:])).squeeze(-3)
        return frame.clamp(0, 1) * (self.n > 0)[..., None, None]

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """A binary image."""
        mean = self.mean
        return torch.bernoulli(mean.expand(Size(sample_shape) + mean.shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(value given n), of shape `batch_shape`."""
        image = value.flatten(-2)
        table = canvas_log_likelihood(self.frames.flatten(-2), image.unsqueeze(-2), self.eps)
        ink = image.sum(-1, keepdim=True)
        empty = ink * math.log(self.eps) + (image.shape[-1] - ink) * math.log1p(-self.eps)
        return take(torch.cat([empty.expand(*table.shape[:-1], 1), table], -1), self.n)


def count_log_probs(logits: Tensor) -> Tensor:
    """log q(n = k), k = 0..K, (..., K + 1), from the logits (..., K) of "one more object" after 0..K − 1 objects.

    q(n = k) = Π_{t < k} σ(l_t) · (1 − σ(l_k)), without the last factor for k = K (Eqs. 5 and 6).
    """
    more = torch.nn.functional.logsigmoid(logits)
    nothing = torch.zeros_like(more[..., :1])
    return torch.cat([nothing, more.cumsum(-1)], -1) + torch.cat([more - logits, nothing], -1)
