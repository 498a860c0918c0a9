"""The one example of docs/choosing.md, trained under a rule's options.

Two treatments, 30 patients each, on average 1.4 and 2.2; and one thing known: one of them has no effect above 1. The
guide is a point, so that curves have no noise in them.
"""

from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI
from pyro.infer.autoguide import AutoDelta, init_to_value
from pyro.optim import ClippedAdam  # pyright: ignore[reportPrivateImportUsage]

import asrppl

AVERAGES = (1.4, 2.2)
FAR = (3.0, 2.5)  # where the second effect is nearer to the bound, and dearer to bring below it
GROUP = torch.arange(2).repeat_interleave(30)
ANSWER = torch.tensor(AVERAGES)[GROUP] + torch.linspace(-1.5, 1.5, 30).repeat(2)


@dataclass(frozen=True, slots=True)
class Run:
    """What a training came to.

    Args:
        effects: both effects after each step.
        violations: of the rule, at each step.
        weights: of the rule at each step, in nats per datum; the multiplier of a hard one.
    """

    effects: list[tuple[float, float]]
    violations: list[float]
    weights: list[float]


def model(group: torch.Tensor, answer: torch.Tensor) -> None:
    """Two effects, and the patients' answers around them."""
    with pyro.plate("groups", 2):
        effect = pyro.sample("effect", dist.Normal(0.0, 100.0))
    with pyro.plate("patients", len(answer)):
        pyro.sample("answer", dist.Normal(effect[..., group], 1.0), obs=answer)


def train(options: str, start: tuple[float, float] = AVERAGES, *, steps: int = 400, momentum: float = 0.9) -> Run:
    """Return a run of Adam under `rule low OPTIONS: effect[0] <= 1 or effect[1] <= 1`.

    >>> train("weight 1", steps=2).weights
    [1.0, 1.0]
    """
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    guide = AutoDelta(model, init_loc_fn=init_to_value(values={"effect": torch.tensor(start)}))
    elbo = asrppl.regularize(model, guide, f"rule low {options}: effect[0] <= 1 or effect[1] <= 1")
    adam = ClippedAdam({"lr": 0.03, "lrd": 0.99, "betas": (momentum, 0.999), "clip_norm": 1e6})
    svi = SVI(model, guide, adam, loss=elbo)
    run = Run([start], [], [])
    for _ in range(steps):
        svi.step(GROUP, ANSWER)
        first, second = guide.median()["effect"].tolist()
        run.effects.append((first, second))
        run.violations.append(float(elbo.report.violations["low"]))
        run.weights.append(float(elbo.report.weights["low"]))
    return run
