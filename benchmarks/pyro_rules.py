"""A rule on Pyro's own AIR example, which no wheel holds: the folder `examples/air` of a checkout, unchanged.

    python -m benchmarks.pyro_rules pyro/examples/air

Its guide says who is there by `Normal(..).mask(z_pres).to_event(1)`, in batches of the data plate. On the same draws
the rule's violation is compared with one written by hand; then a few steps are trained with it.
"""

import argparse
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import pyro
import torch
from pyro.infer import SVI, TraceGraph_ELBO
from torch import Tensor

import asrppl

# The example's window is where the image is, seen from the object: its centre and side in the image are these.
RULES = """
site at[i] = "z_where_{i}": (scale, x, y)
let box[i] = square(x: -at[i].x / at[i].scale, y: -at[i].y / at[i].scale, size: 2 / at[i].scale)
rule apart weight 10: forall i != j: nonoverlap(box[i], box[j])
"""
IMAGES, BATCH, SIDE, CALLS, STEPS = 64, 16, 50, 10, 5


def by_hand(where: list[Tensor], present: list[Tensor]) -> float:
    """The mean over the batch of the sum over pairs that are there, of how far they would have to move apart."""
    total = torch.zeros(len(where[0]))
    for i in range(len(where)):
        for j in range(len(where)):
            if i != j:
                (s, x, y), (t, u, v) = where[i].T, where[j].T
                near = 1 / s + 1 / t
                excess = torch.minimum(near - (x / s - u / t).abs(), near - (y / s - v / t).abs()).clamp(min=0)
                total += excess * present[i][:, 0] * present[j][:, 0]
    return float(total.mean())


def compare(folder: Path) -> list[tuple[float, float]]:
    """The violations that asrppl reports and those by hand, on the same draws."""
    sys.path.insert(0, str(folder))
    example: Any = import_module("air")
    torch.manual_seed(0)
    images = torch.rand(IMAGES, SIDE, SIDE)
    air = example.AIR(num_steps=3, x_size=SIDE, window_size=28, z_what_size=50, rnn_hidden_size=256)
    elbo = asrppl.regularize(air.model, air.guide, RULES, elbo=TraceGraph_ELBO())
    found: list[tuple[float, float]] = []
    with warnings.catch_warnings(), pyro.validation_enabled(False):
        warnings.filterwarnings("ignore", message="Default grid_sample")
        warnings.filterwarnings("ignore", message="Default affine_grid")
        elbo.loss(air.model, air.guide, images, BATCH)
        for seed in range(CALLS):
            pyro.set_rng_seed(seed)
            with torch.no_grad():
                where, present = pyro.poutine.block(air.guide)(images, BATCH)
            pyro.set_rng_seed(seed)
            elbo.loss(air.model, air.guide, images, BATCH)
            found.append((float(elbo.report.violations["apart"]), by_hand(where, present)))
        svi = SVI(air.model, air.guide, pyro.optim.Adam({"lr": 1e-4}), loss=elbo)
        for _ in range(STEPS):
            svi.step(images, BATCH)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="A rule on Pyro's AIR example against one written by hand.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="examples/air of a checkout of Pyro")
    folder: Path = parser.parse_args().folder
    if not (folder / "air.py").is_file():
        parser.error(f"{folder}: there is no air.py in it")
    pairs = compare(folder)
    worst = max(abs(ours - hand) for ours, hand in pairs)
    mean = sum(hand for _, hand in pairs) / len(pairs)
    print(f"mean violation over {CALLS} batches {mean:.4f}; largest difference from the one by hand {worst:.1e}")
    if worst > 1e-4:
        raise SystemExit("they differ")


if __name__ == "__main__":
    main()
