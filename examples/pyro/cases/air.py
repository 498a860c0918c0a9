"""examples/air: boxes that are there do not overlap, in batches of the data plate.

Its guide says who is there by `Normal(..).mask(z_pres).to_event(1)`.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from examples.pyro.checkout import Checkout
from examples.pyro.compare import Case, Example, Values
from pyro.infer import TraceGraph_ELBO

# The example's window is where the image is, seen from the object: its centre and side in the image are these.
RULE = """
site at[i] = "z_where_{i}": (scale, x, y)
let box[i] = square(x: -at[i].x / at[i].scale, y: -at[i].y / at[i].scale, size: 2 / at[i].scale)
forall i != j: nonoverlap(box[i], box[j])
"""
IMAGES, BATCH, SIDE, OBJECTS = 64, 16, 50, 3


def overlap(values: Values) -> Tensor:
    """The mean over the batch of the sum over pairs that are there, of how far they would have to move apart."""
    where, present = ([values[f"{name}_{i}"] for i in range(OBJECTS)] for name in ("z_where", "z_pres"))
    total = torch.zeros(len(where[0]))
    for i in range(OBJECTS):
        for j in range(OBJECTS):
            if i != j:
                (s, x, y), (t, u, v) = where[i].T, where[j].T
                near = 1 / s + 1 / t
                excess = torch.minimum(near - (x / s - u / t).abs(), near - (y / s - v / t).abs()).clamp(min=0)
                total = total + excess * present[i][:, 0] * present[j][:, 0]
    return total.mean()


def example(module: Any) -> Example:
    """Return the example with its defaults."""
    images = torch.rand(IMAGES, SIDE, SIDE)
    air = module.AIR(num_steps=OBJECTS, x_size=SIDE, window_size=28, z_what_size=50, rnn_hidden_size=256)
    return Example(air.model, air.guide, TraceGraph_ELBO, (images, BATCH), validate=False)  # it masks with floats


def cases(checkout: Checkout) -> Iterator[Case]:
    """Yield the case of this example. Its gradient has score functions with learnt baselines."""
    module = checkout.module("examples/air/air.py")
    yield Case("air.py", RULE, partial(example, module), IMAGES, violation=overlap, gradient=False)
