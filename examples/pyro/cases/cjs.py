"""examples/capture_recapture/cjs.py: how many animals are alive, and what the guide makes of survival."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

import pyro
import pyro.distributions as dist
from examples.pyro.chains import Chain
from examples.pyro.checkout import Programs
from examples.pyro.compare import OPTIM, Case, Example, Tilted, Values, begins, rule
from pyro.infer import TraceEnum_ELBO
from pyro.infer.autoguide import AutoDiagonalNormal

CAUGHT = torch.tensor(
    [[1, 0, 1, 0, 0], [1, 1, 0, 0, 0], [0, 1, 0, 0, 1], [0, 0, 1, 1, 0], [1, 0, 0, 0, 0], [0, 0, 1, 0, 1]],
    dtype=torch.float64,
)
SEX = torch.tensor([0, 1, 1, 0, 0, 1], dtype=torch.float64)
ANIMALS, TIMES = CAUGHT.shape


def chain(phi: Sequence[Tensor], rho: Tensor) -> Chain:
    """Return the chain of dead (0) and alive (1) of every animal.

    Before it is first caught an animal is alive for certain. The mask that the example puts on these steps is written
    to in place until all animals have been caught, and Pyro reads it at the end: no step is masked. A chance of 0 is
    one of 1e-7 here as in torch.distributions.

    Args:
        phi: the chance to survive to step t, of each animal or of all, by t.
        rho: the chance to be caught.
    """
    seen = (CAUGHT.cumsum(1) - CAUGHT) > 0  # before the step
    states = torch.tensor([0.0, 1.0])
    moves: list[Tensor] = []
    for t in range(TIMES):
        alive = torch.where(seen[:, t, None], phi[t].expand(ANIMALS).unsqueeze(-1) * states, 1.0)
        moves.append(dist.Bernoulli(alive.unsqueeze(-1)).log_prob(states))
    emit = dist.Bernoulli(rho * states).log_prob(CAUGHT.unsqueeze(-1))
    count = torch.zeros(ANIMALS, TIMES, 2)
    count[:, -1, 1] = 1
    return Chain(moves[0][:, 1], torch.stack(moves[1:], 1), emit, count)


def survival(number: int, values: Values) -> list[Tensor]:
    """Return the chance to survive to each step, by the model's number."""
    times = range(TIMES)
    if number == 1:
        return [values["phi"]] * TIMES
    if number == 2:
        return [values[f"phi_{t}"] if t else torch.ones(()) for t in times]
    if number == 3:
        return [torch.sigmoid(values[f"phi_logit_{t}"]) if t else torch.ones(()) for t in times]
    if number == 4:
        return [SEX * values["phi_male"] + (1 - SEX) * values["phi_female"]] * TIMES
    return [torch.sigmoid(SEX * values["phi_beta"] + (values[f"phi_gamma_{t}"] if t else 0.0)) for t in times]


def tilted(number: int, values: Values) -> Tilted:
    """Return the tilted sum over who is alive."""
    return chain(survival(number, values), values["rho"]).tilted


def early(values: Values) -> Tensor:
    """How far the guide's P(phi <= 0.5) is above 0.1: phi is the sigmoid of a Normal."""
    del values
    loc, scale = pyro.param("AutoDiagonalNormal.loc")[0], pyro.param("AutoDiagonalNormal.scale")[0]
    return (dist.Normal(loc, scale).cdf(torch.tensor(0.0)) - 0.1).clamp(min=0)


def example(module: Any, number: int) -> Example:
    """Return a model of the example and the guide that its `main` makes."""
    model = module.models[str(number)]
    guide = AutoDiagonalNormal(pyro.poutine.block(model, expose_fn=begins("phi", "rho")))
    base: Callable[[], Any] = partial(TraceEnum_ELBO, max_plate_nesting=1, num_particles=1, vectorize_particles=True)
    return Example(model, guide, base, (CAUGHT, SEX), optim=partial(OPTIM.Adam, {"lr": 0.002}))


def cases(checkout: Programs) -> Iterator[Case]:
    """Yield the cases of this example."""
    module = checkout.module("examples/capture_recapture/cjs.py")
    for number in map(int, module.models):
        yield Case(
            f"cjs.py, model {number}",
            rule("capture.asr", "gone"),
            partial(example, module, number),
            ANIMALS,
            0.1,
            tilted=partial(tilted, number),
        )
    hardy = rule("capture.asr", "hardy")
    yield Case("cjs.py, model 1", hardy, partial(example, module, 1), ANIMALS, violation=early)
