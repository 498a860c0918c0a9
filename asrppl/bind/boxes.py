"""Boxes as detectors give them, in the layout that rules read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from torch import Tensor

Layout = Literal["xyxy", "xywh", "cxcywh"]
"""Corners; the left upper corner and sides; the centre and sides."""


def boxes(tensor: Tensor, layout: Layout) -> Tensor:
    """Return boxes with the columns that rules read: x, y (centre), w, h.

    Of corners x1, y1, x2, y2 that is ((x1 + x2) / 2, (y1 + y2) / 2, x2 − x1, y2 − y1), in the units of the tensor,
    which may be any (pixels, shares of the image)::

        >>> corners = torch.tensor([[0.0, 0.0, 4.0, 2.0], [3.0, 1.0, 5.0, 3.0]])
        >>> asrppl.boxes(corners, "xyxy")
        tensor([[2., 1., 4., 2.],
                [4., 2., 2., 2.]])
        >>> asrppl.parse("nonoverlap(box[0], box[1])").violations({"box": asrppl.boxes(corners, "xyxy")})
        {'line 1': tensor(1.)}

    Args:
        tensor: of shape ``(..., 4)``; gradients pass through.
        layout: "xyxy" (corners), "xywh" (the corner of smaller x and y, then sides) or "cxcywh" (what rules read:
            returned as it is).

    Raises:
        ValueError: another layout, or a last axis that is not of length 4.
    """
    if layout not in get_args(Layout):
        raise ValueError(f"there is no layout {layout!r} of boxes; there are {', '.join(map(repr, get_args(Layout)))}")
    if tensor.dim() == 0 or tensor.shape[-1] != 4:
        raise ValueError(f"boxes have 4 columns along the last axis; this tensor has shape {tuple(tensor.shape)}")
    if layout == "cxcywh":
        return tensor
    corner, other = tensor[..., :2], tensor[..., 2:]
    sides = other - corner if layout == "xyxy" else other
    import torch  # the package does not wait for it

    return torch.cat((corner + sides / 2, sides), -1)
