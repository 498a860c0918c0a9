"""What a training run is made of, as data: kept in `settings.json` and in every checkpoint."""

import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from asrppl_air.data.scenes import DATA_SETS, DataSet
from asrppl_air.settings import AIRSettings, Precision, Prior, scale_logit

Split = Literal["test", "validation"]
Estimator = Literal["exact", "score"]


class OptionError(ValueError):
    """An option of a run that is out of its range, or that would be without effect."""


@dataclass(frozen=True)
class TrainOptions:
    """One training run; a checkpoint holds it, so that a resumed run is the same run.

    `data`, `mnist` (a folder of IDX files, or None for the embedded digits), `images`, `test_images` and `seed` decide
    the data; `antialias` draws the shapes of Multi-dSprites with soft edges (digits have them anyhow), and with `move`
    each training image is moved as a whole to another random place each time that it is seen. `split` says what the run
    is measured on: digits of the test set, or (for tuning) a sixth of the training digits, then not trained on.

    `rules` is what `Program.to_dict` gives: the texts of all rule files, params and weights (None: no rules).
    `estimator` is "exact" in n, or "score": the original's score function with learnt baselines. `precision` is that of
    the factors of the large matrix products: with "bfloat16" they are added up in float32 and each result is rounded
    once; parameters, gradients and all else stay float32.

    `objects` is K (None: the data set's largest count). `scale_pixels` and `scale_var` give the prior on scale: its
    median in pixels (None: the objects' own size) and the variance of its logit; with `scale_begin` the median starts
    there instead, and moves to its end between the shares `shrink` of the steps, along half a cosine: large windows
    find objects from afar, small ones fit them.

    `lr` falls along a cosine to `lr_end * lr` over `steps`, after it has risen linearly from 0 over the share `lr_warm`
    of them; `clip` bounds the global norm of the gradient of the loss in nats per image.
    Raises `OptionError`.
    """

    data: DataSet = "13"
    mnist: str | None = None
    images: int = 20_000
    test_images: int = 2_000
    seed: int = 0
    rules: dict[str, Any] | None = None
    prior: Prior = "learned"
    objects: int | None = None
    scale_pixels: float | None = None
    scale_var: float = 0.02
    scale_begin: float | None = None
    shrink: tuple[float, float] = (0.1, 0.4)
    steps: int = 3_500
    batch: int = 64
    lr: float = 2e-3
    lr_end: float = 0.02
    lr_warm: float = 0.0
    clip: float = 100.0
    split: Split = "test"
    estimator: Estimator = "exact"
    precision: Precision = "float32"
    antialias: bool = False
    move: bool = False

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
        side = DATA_SETS[self.data].side
        if self.scale_pixels is not None and not 0 < self.scale_pixels < side:
            raise OptionError(
                f"scale_pixels must lie between 0 and the canvas's side {side}, not {self.scale_pixels:g}"
            )
        if not 0 <= self.lr_warm < 1:
            raise OptionError(f"lr_warm is a share of the steps, from 0 to less than 1, not {self.lr_warm:g}")
        if self.scale_begin is not None and not 0 < self.scale_begin < side:
            raise OptionError(f"scale_begin must lie between 0 and the canvas's side {side}, not {self.scale_begin:g}")
        if not 0 <= self.shrink[0] < self.shrink[1] <= 1:
            raise OptionError(f"shrink must be two rising shares of the steps, from 0 to 1, not {self.shrink}")
        if self.antialias and DATA_SETS[self.data].source != "shapes":
            raise OptionError("antialias is for data sets of shapes (dsprites...): digits have soft edges already")
        if self.estimator == "score" and len(DATA_SETS[self.data].counts) == 1:
            raise OptionError(
                f"estimator score infers the number of objects, which is always the same in images of {self.data}"
            )

    def air(self) -> AIRSettings:
        """The model's settings."""
        setting = DATA_SETS[self.data]
        return AIRSettings(
            side=setting.side,
            objects=max(setting.counts) if self.objects is None else self.objects,
            prior=self.prior,
            scale_mean=scale_logit(self._scale_end, setting.side),
            scale_var=self.scale_var,
            fixed_count=len(setting.counts) == 1,
            precision=self.precision,
        )

    @property
    def _scale_end(self) -> float:
        return DATA_SETS[self.data].pixels if self.scale_pixels is None else self.scale_pixels

    def scale_mean(self, step: int) -> float:
        """The mean of the scale prior's logit in the step after `step`."""
        end, side = self._scale_end, DATA_SETS[self.data].side
        if self.scale_begin is None:
            return scale_logit(end, side)
        begin, finish = self.shrink
        share = min(1.0, max(0.0, (step / self.steps - begin) / (finish - begin)))
        return scale_logit(end + (self.scale_begin - end) * 0.5 * (1 + math.cos(math.pi * share)), side)

    @property
    def mnist_folder(self) -> Path | None:
        """The folder of IDX files, if any."""
        return None if self.mnist is None else Path(self.mnist)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainOptions":
        """What `to_dict` wrote. Raises `OptionError` where options are missing, unknown, or of another type."""
        missing = [field.name for field in fields(cls) if field.name not in values]
        unknown = [name for name in values if name not in cls.__dataclass_fields__]
        if missing or unknown:
            what = f"lack `{missing[0]}`" if missing else f"have `{unknown[0]}`, which this asrppl does not know"
            raise OptionError(f"the run's options {what}")
        try:
            known: dict[str, Any] = {**values, "shrink": tuple(values["shrink"])}  # JSON knows no tuples
            return cls(**known)
        except (TypeError, KeyError, AttributeError) as error:
            raise OptionError(f"the run's options are not those of a run ({error})") from error
