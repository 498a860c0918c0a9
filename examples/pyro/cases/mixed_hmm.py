"""examples/mixed_hmm: chains of individuals in groups, with effects of individuals and groups on their moves.

All of it is enumerated in the model: what a group's effect is, what those of its individuals are, and their states.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

import pyro
import pyro.distributions as dist
from examples.pyro.chains import Chain
from examples.pyro.checkout import Programs
from examples.pyro.compare import Case, Example, Tilted, Values, rule
from pyro.infer import TraceEnum_ELBO

GROUPS, INDIVIDUALS, STEPS, STATES, EFFECTS, MISSING = 2, 3, 4, 2, 2, -10.0
SHAPE = (INDIVIDUALS, GROUPS, STEPS)


def configuration() -> dict[str, Any]:
    """Return what the example is told, with made-up observations."""
    places = torch.arange(INDIVIDUALS * GROUPS * STEPS).reshape(SHAPE).double()
    observations = {"step": 0.5 + places % 3, "angle": (places % 5) / 2 - 1, "omega": 0.1 + 0.2 * (places % 4)}
    return {
        "MISSING": MISSING,
        "sizes": {"state": STATES, "random": EFFECTS, "group": GROUPS, "individual": INDIVIDUALS, "timesteps": STEPS},
        "group": {"random": "discrete"},
        "individual": {"random": "discrete", "mask": torch.ones(SHAPE[:2], dtype=torch.bool)},
        "timestep": {"mask": torch.ones(SHAPE, dtype=torch.bool)},
        "observations": observations,
    }


def emissions(observed: dict[str, Tensor]) -> Tensor:
    """Return log p of what is observed in each step and state, ``(individuals, groups, T, states)``."""
    value = {name: each.unsqueeze(-1) for name, each in observed.items()}
    step = dist.Gamma(pyro.param("step_param_concentration"), pyro.param("step_param_rate"))
    angle = dist.VonMises(pyro.param("angle_param_loc"), pyro.param("angle_param_concentration"))
    omega = dist.Beta(pyro.param("omega_param_concentration1"), pyro.param("omega_param_concentration0"))
    there = [pyro.param(f"{name}_zi_param").log_softmax(-1)[:, 0] for name in ("step", "omega")]
    own = step.log_prob(value["step"]) + angle.log_prob(value["angle"]) + omega.log_prob(value["omega"])
    return own + there[0] + there[1]


def tilted(values: Values) -> Tilted:
    """Return the tilted sum: over states, then the individual's effect, then over individuals, then the group's."""
    del values
    group = pyro.param("theta_group")  # (effects, K²)
    individual = pyro.param("theta_individual")  # (groups, effects, K²)
    moves = (group[:, None, None] + individual).reshape(EFFECTS, GROUPS, EFFECTS, STATES, STATES).log_softmax(-1)
    emit = emissions(configuration()["observations"])
    shape = (EFFECTS, INDIVIDUALS, GROUPS, EFFECTS)  # the group's effect first, the individual's last
    move = moves.unsqueeze(1).expand(*shape, STATES, STATES).reshape(-1, 1, STATES, STATES)
    local = emit.unsqueeze(2).expand(EFFECTS, INDIVIDUALS, GROUPS, EFFECTS, STEPS, STATES).reshape(-1, STEPS, STATES)
    count = torch.eye(STATES)[1].expand(local.shape)
    chain = Chain(move[:, 0, 0], move, local, count)
    first, second = pyro.param("probs_e_group").log(), pyro.param("probs_e_individual").log()

    def total(mu: float) -> tuple[Tensor, Tensor]:
        logs, means = (each.reshape(shape) for each in chain.each(mu / GROUPS))
        own = logs + second
        inner = own.logsumexp(-1)
        mean = (own.softmax(-1) * means).sum(-1)  # given the group's effect
        outer = first.unsqueeze(-1) + inner.sum(1)
        return outer.logsumexp(0).sum(), (outer.softmax(0).unsqueeze(1) * mean).sum(0).mean()

    return total


def example(module: Any) -> Example:
    """Return the example with effects that are discrete."""
    told = configuration()
    return Example(
        partial(module.model_generic, told),
        partial(module.guide_generic, told),
        lambda: TraceEnum_ELBO(max_plate_nesting=2),
        (),
        options={"data": "individual"},
    )


def cases(checkout: Programs) -> Iterator[Case]:
    """Yield the case of this example."""
    if not checkout.has("examples/mixed_hmm/model.py"):
        return
    module = checkout.module("examples/mixed_hmm/model.py")
    seldom = rule("mixed_hmm.asr", "seldom")
    yield Case("mixed_hmm", seldom, partial(example, module), bound=0.3, tilted=tilted)
