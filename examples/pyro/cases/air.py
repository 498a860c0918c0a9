"""examples/air: boxes that are there do not overlap, in batches of the data plate.

Its guide says who is there by `Normal(..).mask(z_pres).to_event(1)`.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from examples.pyro.checkout import Own, Programs
from examples.pyro.compare import OPTIM, Case, Example, Values, rule
from pyro.infer import TraceGraph_ELBO

IMAGES, BATCH, SIDE, OBJECTS = 24, 8, 50, 3


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


def unlikely(values: Values) -> Tensor:
    """How far the number of objects is from 1 or 3."""
    number = torch.stack([values[f"z_pres_{i}"][:, 0] for i in range(OBJECTS)]).sum(0)
    return torch.minimum((number - 1).abs(), (number - 3).abs()).mean()


def example(module: Any, rate: float) -> Example:
    """Return the example with its defaults, and a rate of learning."""
    images = torch.rand(IMAGES, SIDE, SIDE)
    optim = partial(OPTIM.Adam, {"lr": rate})
    air = module.AIR(num_steps=OBJECTS, x_size=SIDE, window_size=28, z_what_size=50, rnn_hidden_size=256)
    args = images, BATCH
    return Example(air.model, air.guide, TraceGraph_ELBO, args, optim=optim, validate=False)  # it masks with floats


def cases(checkout: Programs) -> Iterator[Case]:
    """Yield the cases of this example. Its gradient has score functions with learnt baselines.

    Training is compared on our own program alone: among so few draws, a few steps of Pyro's decide nothing.
    """
    steps = 6 if isinstance(checkout, Own) else 0
    module = checkout.module("examples/air/air.py")
    slow, fast = (
        partial(example, module, 0.002),
        partial(example, module, 0.01),
    )  # fast: it soon says that none is there
    yield Case("air.py", rule("air.asr", "apart"), slow, IMAGES, violation=overlap, gradient=False, steps=steps)
    yield Case("air.py", rule("air.asr", "number"), fast, IMAGES, violation=unlikely, gradient=False, steps=steps)
