"""Our training step of AIR against that of Pyro's own example, which no wheel holds: a checkout's `examples/air`.

Both on the same images, 64 a step and 3 objects, each with its own objective and optimiser. The example as it comes has
smaller networks than ours, so it is measured with networks of our sizes too.
"""

import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pyro
import torch
from pyro.infer import SVI, TraceGraph_ELBO
from torch import Tensor

from benchmarks.timing import Row, medians
from examples.air.benchmarks.air_step import one_batch, stepper, without_rules

HOW = (
    "Pyro's AIR example is left out: --pyro-air DIR takes the folder examples/air of a checkout, such as that of\n"
    "git clone --depth 1 --branch 1.9.1 https://github.com/pyro-ppl/pyro"
)
WARM_UP = 5

# Options of the example's main.py: its defaults, and the sizes that asrppl_air has.
_DEFAULTS: dict[str, Any] = {"encoder_net": [200], "decoder_net": [200]}
OUR_SIZES: dict[str, Any] = {
    "encoder_net": [512, 256],
    "decoder_net": [256, 512],
    "predict_net": [64],
    "bl_predict_net": [64],
    "decoder_output_bias": -2.0,
    "decoder_output_use_sigmoid": True,
}


def example_stepper(example: Any, images: Tensor, options: dict[str, Any]) -> Callable[[], float]:
    """A function that does one step of the example and returns the seconds of CPU time that it took."""
    torch.manual_seed(0)
    air = example.AIR(
        num_steps=3, x_size=images.shape[-1], window_size=28, z_what_size=50, rnn_hidden_size=256, **options
    )

    def rate(name: str) -> dict[str, float]:
        return {"lr": 1e-3 if "bl_" in name else 1e-4}

    svi = SVI(air.model, air.guide, pyro.optim.Adam(rate), loss=TraceGraph_ELBO())
    store: Any = pyro.get_param_store()
    with store.scope() as parameters:
        pass

    def step() -> float:
        # The example's parameters are global, by name.
        with store.scope(parameters):
            began = time.process_time()
            svi.step(images, batch_size=len(images))
            return time.process_time() - began

    return step


def run(repeats: int, folder: Path) -> list[Row]:
    """The rows of the comparisons, with the example in `folder`."""
    torch.set_flush_denormal(True)
    sys.path.insert(0, str(folder))
    example = import_module("air")
    images = one_batch()
    with pyro.validation_enabled(False), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Default grid_sample")
        steps = {
            "example": example_stepper(example, images, OUR_SIZES),
            "example as it comes": example_stepper(example, images, _DEFAULTS),
            "ours": stepper(without_rules, images),
            "ours, bfloat16": stepper(without_rules, images, precision="bfloat16"),
            "ours, fixed prior": stepper(without_rules, images, prior="fixed"),
        }
        seconds = medians(steps, repeats, WARM_UP)
    rows = [
        ("Pyro's AIR example, our sizes / AIR step", "example", "ours", "≥ 3.5"),
        ("the same / AIR step with bfloat16 products", "example", "ours, bfloat16", ""),
        ("the same / AIR step with its fixed prior", "example", "ours, fixed prior", ""),
        ("Pyro's AIR example as it comes / AIR step", "example as it comes", "ours", ""),
    ]
    return [Row(name, seconds[above] / seconds[below], target) for name, above, below, target in rows]
