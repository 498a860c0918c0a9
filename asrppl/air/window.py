"""The spatial transformer of AIR as two small matrix products.

A window is an axis-aligned square: centre `(x, y)` in canvas coordinates (`[-1, 1]`, `x` to the right, `y` downwards)
and `scale`, its side as a share of the canvas's. Bilinear interpolation on it is separable, so cutting a window out is
`A_y · image · A_xᵀ` and drawing one is `B_y · window · B_xᵀ`, where each matrix holds the hat function of the distance
between pixel centres. This is what `grid_sample(..., padding_mode="zeros", align_corners=False)` computes, without
gathers: differentiable in image, window, location and scale.
"""

import torch
from torch import Tensor


def _centres(size: int, like: Tensor) -> Tensor:
    """Pixel centres of `size` pixels over [-1, 1]."""
    return (torch.arange(size, dtype=like.dtype, device=like.device) * 2 + 1) / size - 1


def _hat(position: Tensor, size: int) -> Tensor:
    """Linear-interpolation weights (..., n, size) of `position` (..., n), given in [-1, 1], on `size` pixels."""
    pixel = torch.arange(size, dtype=position.dtype, device=position.device)
    index = (position + 1) * (size / 2) - 0.5
    return (1 - (index.unsqueeze(-1) - pixel).abs()).clamp_min(0)


def cutting_matrices(loc: Tensor, scale: Tensor, canvas: int, window: int) -> tuple[Tensor, Tensor]:
    """The matrices `A_x`, `A_y` (..., window, canvas) that read windows at `loc` (..., 2), `scale` (..., 1)."""
    position = loc.unsqueeze(-1) + scale.unsqueeze(-1) * _centres(window, loc)
    weights = _hat(position, canvas)
    return weights[..., 0, :, :], weights[..., 1, :, :]


def drawing_matrices(loc: Tensor, scale: Tensor, canvas: int, window: int) -> tuple[Tensor, Tensor]:
    """The matrices `B_x`, `B_y` (..., canvas, window) that draw windows at `loc` (..., 2), `scale` (..., 1)."""
    position = (_centres(canvas, loc) - loc.unsqueeze(-1)) / scale.unsqueeze(-1)
    weights = _hat(position, window)
    return weights[..., 0, :, :], weights[..., 1, :, :]


def cut(image: Tensor, loc: Tensor, scale: Tensor, window: int) -> Tensor:
    """Windows (..., K, window, window) of `image` (..., S, S) at `loc` (..., K, 2), `scale` (..., K, 1)."""
    side = image.shape[-1]
    a_x, a_y = cutting_matrices(loc, scale, side, window)
    # All K windows read the same image: stacking their rows makes one product per image instead of K copies of it.
    rows = a_y.flatten(-3, -2) @ image
    return rows.reshape(*rows.shape[:-2], *a_y.shape[-3:-1], side) @ a_x.transpose(-1, -2)


def draw(windows: Tensor, loc: Tensor, scale: Tensor, canvas: int) -> Tensor:
    """Canvases (..., K, S, S) with each of `windows` (..., K, w, w) drawn at `loc` (..., K, 2), `scale` (..., K, 1)."""
    b_x, b_y = drawing_matrices(loc, scale, canvas, windows.shape[-1])
    return b_y @ windows @ b_x.transpose(-1, -2)
