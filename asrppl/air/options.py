"""What a training run is made of, as data: kept in `settings.json` and in every checkpoint."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from asrppl.air.data.scenes import SETTINGS, SIDE, DataSet
from asrppl.air.settings import AIRSettings, Prior, scale_logit

Split = Literal["test", "validation"]
Estimator = Literal["exact", "score"]
Precision = Literal["float32", "bfloat16"]


class OptionError(ValueError):
    """An option of a run that is out of its range, or that would be without effect."""


@dataclass(frozen=True)
class TrainOptions:
    """One training run; a checkpoint holds it, so that a resumed run is the same run.

    `data`, `mnist` (a folder of IDX files, or None for the embedded digits), `images`, `test_images` and `seed` decide
    the data; `rules` is the text of a rule file (None: no rules), `rules_name` what messages call it, `params` its
    params. `objects` is K (None: the data set's largest count). `scale_pixels` and `scale_var` give the prior on
    scale: its median in pixels (None: the digits' own size) and the variance of its logit. `lr` falls along a cosine
    to `lr_end * lr` over `steps`; `clip` bounds the global norm of the gradient of the loss in nats per image.

    `split` says what the run is measured on: digits of the test set, or (for tuning) a sixth of the training digits, which
    are then not trained on. `estimator` is "exact" in n, or "score": the original's score function with learnt baselines.
    `precision` is that of the large matrix products' factors; sums, parameters and all else are float32 throughout.
    `antialias` draws sprites with soft edges.
    Raises `OptionError`.
    """

    data: DataSet = "13"
    mnist: str | None = None
    images: int = 20_000
    test_images: int = 2_000
    seed: int = 0
    rules: str | None = None
    rules_name: str | None = None
    params: dict[str, float] = field(default_factory=dict[str, float])
    prior: Prior = "learned"
    objects: int | None = None
    scale_pixels: float | None = None
    scale_var: float = 0.02
    steps: int = 3_500
    batch: int = 64
    lr: float = 2e-3
    lr_end: float = 0.02
    clip: float = 100.0
    split: Split = "test"
    estimator: Estimator = "exact"
    precision: Precision = "float32"
    antialias: bool = False

    def __post_init__(self) -> None:
        for name in ("images", "test_images", "steps", "batch", "objects"):
            number: int | None = getattr(self, name)
            if number is not None and number < 1:
                raise OptionError(f"{name} must be at least 1, not {number}")
        for name in ("lr", "clip", "scale_var"):
            value: float = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise OptionError(f"{name} must be a positive number, not {value:g}")
        if not 0 <= self.seed < 2**63 - 2**32:  # torch takes 63 bits; the test images' seed is a little larger
            raise OptionError(f"seed must be a whole number of at most 18 digits and not negative, not {self.seed}")
        if self.scale_pixels is not None and not 0 < self.scale_pixels < SIDE:
            raise OptionError(
                f"scale_pixels must lie between 0 and the canvas's side {SIDE}, not {self.scale_pixels:g}"
            )
        if self.params and self.rules is None:
            raise OptionError(f"there are no rules that could have the params {', '.join(self.params)}")

    def air(self) -> AIRSettings:
        """The model's settings."""
        setting = SETTINGS[self.data]
        return AIRSettings(
            side=SIDE,
            objects=max(setting.counts) if self.objects is None else self.objects,
            prior=self.prior,
            scale_mean=scale_logit(setting.pixels if self.scale_pixels is None else self.scale_pixels, SIDE),
            scale_var=self.scale_var,
            fixed_count=len(setting.counts) == 1,
        )

    @property
    def mnist_folder(self) -> Path | None:
        """The folder of IDX files, if any."""
        return None if self.mnist is None else Path(self.mnist)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainOptions":
        """What `to_dict` wrote."""
        return cls(**values)
