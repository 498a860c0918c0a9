"""A tiny AIR in float64 for tests that compare numbers."""

import torch
from torch import Tensor

from asrppl_air.model import Guide, Model
from asrppl_air.settings import AIRSettings, Prior

SIDE, OBJECTS, BATCH = 12, 3, 4


def small_settings(prior: Prior = "learned", fixed_count: bool = False) -> AIRSettings:
    return AIRSettings(
        side=SIDE,
        window=6,
        objects=OBJECTS,
        what=4,
        hidden=8,
        head=5,
        encoder=(7, 6),
        decoder=(6, 7),
        prior=prior,
        fixed_count=fixed_count,
    )


def small_air(prior: Prior = "learned", fixed_count: bool = False, seed: int = 0) -> tuple[Model, Guide, Tensor]:
    """Model, guide and a batch of images (BATCH, SIDE, SIDE), all float64, with parameters that are not at rest."""
    torch.manual_seed(seed)
    settings = small_settings(prior, fixed_count)
    model, guide = Model(settings).double(), Guide(settings).double()
    with torch.no_grad():
        for parameter in (*model.parameters(), *guide.parameters()):
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model, guide, torch.rand(BATCH, SIDE, SIDE, dtype=torch.float64)


def parameters(model: Model, guide: Guide) -> list[Tensor]:
    return [*model.parameters(), *guide.parameters()]
