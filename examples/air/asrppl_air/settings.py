"""What an AIR is made of, as data."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

Prior = Literal["learned", "fixed"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class AIRSettings:
    """Sizes and fixed priors of an AIR; the defaults are the paper's for Multi-MNIST, but for `scale_mean`.

    `objects` is K, the most objects an image can hold. `scale_mean` and `scale_var` are the mean and variance of the
    logit of the scale's prior, `scale_mean = logit(side of an object / side of the canvas)` for objects of one size
    (the authors keep -1, 13 of 50 pixels). With `fixed_count` every image holds K objects and there is no `n`.
    `more` is, for the fixed prior, the probability of one more object (a geometric prior cut off at K). `precision` is
    that of the large matrix products (`networks.linear`); it changes no parameter's type.
    """

    side: int = 50
    window: int = 28
    objects: int = 3
    what: int = 50
    hidden: int = 256
    head: int = 64
    encoder: tuple[int, int] = (512, 256)
    decoder: tuple[int, int] = (256, 512)
    prior: Prior = "learned"
    scale_mean: float = -1.0
    scale_var: float = 0.05
    more: float = 0.5
    fixed_count: bool = False
    precision: Precision = "float32"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "AIRSettings":
        """What `to_dict` wrote."""
        pairs: dict[str, Any] = {key: tuple(values[key]) for key in ("encoder", "decoder")}
        return cls(**{**values, **pairs})


def scale_logit(pixels: float, side: int) -> float:
    """The logit of `pixels / side`: the centre of a scale prior for objects of `pixels` pixels."""
    return math.log(pixels / (side - pixels))
