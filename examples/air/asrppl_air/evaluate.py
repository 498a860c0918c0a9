"""A trained AIR on images: what it infers, and how well."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from pyro.infer import TraceEnum_ELBO
from torch import Tensor

from asrppl_air.data.scenes import Scenes
from asrppl_air.distributions import Canvas
from asrppl_air.metrics import Metrics, accuracy, mean_iou, squared_error
from asrppl_air.model import Guide, Model
from asrppl_air.untyped import kept_random
from asrppl_air.untyped import seed as set_seed
from asrppl_air.window import draw


@dataclass(frozen=True)
class Inference:
    """What one draw of the guide says of a batch.

    `counts` (B,): the most probable number of objects; `probs` (B, K + 1); `boxes` (B, K, 3): x, y, side in pixels, the
    first `counts` of which are there; `reconstruction` (B, S, S): the mean of the image given those.
    """

    counts: Tensor
    probs: Tensor
    boxes: Tensor
    reconstruction: Tensor


@torch.no_grad()
def infer(model: Model, guide: Guide, images: Tensor) -> Inference:
    """One draw of the guide for `images` (B, S, S), reconstructed with the most probable number of objects."""
    draft = guide.draft(images)
    settings = guide.settings
    if settings.fixed_count:
        probs = torch.nn.functional.one_hot(
            torch.full((len(images),), settings.objects, device=images.device), settings.objects + 1
        ).to(images.dtype)
    else:
        probs = draft.count_log_probs.exp()
    counts = probs.argmax(-1)
    windows = model.decoder(torch.stack(list(draft.whats), -2))
    locs, scales = torch.stack(list(draft.locs), -2), torch.stack(list(draft.scales), -2)
    frames = draw(windows, locs, scales, settings.side).cumsum(-3)
    return Inference(counts, probs, draft.boxes, Canvas(frames, counts).mean)


def _parts(scenes: Scenes, batch: int) -> Iterator[Tensor]:
    for start in range(0, len(scenes), batch):
        yield torch.arange(start, min(start + batch, len(scenes)))


@torch.no_grad()
def evaluate(
    model: Model,
    guide: Guide,
    scenes: Scenes,
    seed: int = 0,
    batch: int = 250,
    between: Callable[[], None] = lambda: None,
) -> Metrics:
    """The four measures on `scenes`, one draw of z an image; the generator's state is left as it was.

    `between` is called before each batch, and may raise.
    """
    device = next(model.parameters()).device
    elbo: Any = TraceEnum_ELBO(max_plate_nesting=1, strict_enumeration_warning=False)
    loss, error = 0.0, 0.0
    counts: list[Tensor] = []
    boxes: list[Tensor] = []
    with kept_random(device):
        set_seed(seed)
        for indices in _parts(scenes, batch):
            between()
            images = scenes.batch(indices).to(device)
            loss += float(elbo.loss(model, guide, images))
            found = infer(model, guide, images)
            error += squared_error(found.reconstruction, images) * len(indices)
            counts.append(found.counts.cpu())
            boxes.append(found.boxes.cpu())
    number, inferred, placed = len(scenes), torch.cat(counts), torch.cat(boxes)
    return Metrics(
        nelbo=loss / number,
        acc=accuracy(inferred, scenes.counts),
        se=error / number,
        miou=mean_iou(placed, inferred, scenes.boxes, scenes.counts),
        miou_inclusive=mean_iou(placed, inferred, scenes.boxes, scenes.counts, inclusive=True),
    )
