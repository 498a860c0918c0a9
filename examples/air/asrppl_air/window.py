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
    """Linear-interpolation weights (..., n, size) of `position` (..., n), given in [-1, 1], on `size` pixels.

    A row is max(1 − |index − pixel|, 0): at most two entries, side by side, are not zero. They alone are computed, and
    gradients read no more than them.
    """
    index = (position + 1) * (size / 2) - 0.5
    left = index.detach().floor()
    pixels = torch.stack([left, left + 1], -1)
    share = index - left
    weights = torch.stack([1 - share, share], -1).masked_fill((pixels < 0) | (pixels > size - 1), 0)
    # Added, not written: a pixel outside, whose weight is 0, is counted at the border, beside one that is inside.
    return index.new_zeros(*index.shape, size).scatter_add_(-1, pixels.long().clamp(0, size - 1), weights)


def cutting_matrices(loc: Tensor, scale: Tensor, canvas: int, window: int) -> tuple[Tensor, Tensor]:
    """The matrices `A_x`, `A_y` (..., window, canvas) that read windows at `loc` (..., 2), `scale` (..., 1)."""
    offsets = scale * _centres(window, loc)
    return _hat(loc[..., :1] + offsets, canvas), _hat(loc[..., 1:] + offsets, canvas)


def drawing_matrices(loc: Tensor, scale: Tensor, canvas: int, window: int) -> tuple[Tensor, Tensor]:
    """The matrices `B_x`, `B_y` (..., canvas, window) that draw windows at `loc` (..., 2), `scale` (..., 1)."""
    centres = _centres(canvas, loc)
    return _hat((centres - loc[..., :1]) / scale, window), _hat((centres - loc[..., 1:]) / scale, window)


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


def extent_of_ink(windows: Tensor) -> Tensor:
    """Where the ink of `windows` (..., w, w), in [0, 1], lies, and how far it reaches: x, y, width, height, (..., 4).

    x and y, in [-1, 1], are its centre of mass; without any ink, the window's own middle. Width and height, in [0, 1],
    are the shares of the columns and of the rows that hold ink, where c of ink counts as 1 - exp(-c): those of a
    bounding box that is differentiable, if the ink is in one piece.
    """
    columns_and_rows = torch.stack([windows.sum(-2), windows.sum(-1)], -2)
    faint = 1e-3 * windows.shape[-1] ** 2  # of the size of a window's ink where there is next to none
    middle = (columns_and_rows * _centres(windows.shape[-1], windows)).sum(-1) / (columns_and_rows.sum(-1) + faint)
    return torch.cat([middle, 1 - torch.exp(-columns_and_rows).mean(-1)], -1)
