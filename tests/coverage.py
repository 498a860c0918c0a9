"""How often the intervals of `asrppl.evaluate` have the truth in them, over conjugate replications.

    python -m tests.coverage --replications 2000 --data 1000

z ~ Normal(0, 1) and x ~ Normal(z, 1), and the guide is the posterior, Normal(x / 2, 1/2): what each rule costs on all
data that there could be is known. An interval of 95 % should have it in 93 to 97 of 100 replications.
"""

import argparse
import math
import sys
import time
from collections import Counter
from statistics import NormalDist

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

import asrppl

NORMAL = NormalDist()


def model(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("g", dist.Bernoulli(0.5), obs=(x > 0).float())
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def guide(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(x / 2, math.sqrt(0.5)))


def hinge(scale: float, at: float) -> float:
    """The mean of max(y − at, 0) with y ~ Normal(0, scale²)."""
    return scale * NORMAL.pdf(at / scale) - at * (1 - NORMAL.cdf(at / scale))


SCALE = math.sqrt(0.5)  # of the posterior means
RULES: dict[str, tuple[str, float]] = {
    "draws": ("z <= 0.3", hinge(1.0, 0.3)),
    "each_datum": ("mean(q(z)) <= 0.3", hinge(SCALE, 0.3)),
    "each_mean": ("E[z] <= 0.3", hinge(SCALE, 0.3)),
    "mean": ("aggregate(E[z]) <= -0.5", 0.5),
    "variance": ("aggregate(E[z * z]) - aggregate(E[z]) * aggregate(E[z]) <= 0.5", 0.5),
    "groups": (
        "aggregate(E[z] where g == 1) - aggregate(E[z] where g == 0) <= 0.5",
        2 * SCALE * math.sqrt(2 / math.pi) - 0.5,
    ),
    "share": ("aggregate(P[z >= 1]) <= 0.1", 1 - NORMAL.cdf(1.0) - 0.1),
    "nested": ("aggregate(mean(q(z)) * mean(q(z))) <= 0.2", 0.3),
    "edge": ("aggregate(E[z]) <= 0", 0.0),  # where it just holds, the lower end is 0 half of the time
}


def coverage(replications: int, data: int, draws: int, seed: int = 0, *, told: bool = False) -> dict[str, float]:
    """The share of replications whose interval has the truth in it, by rule; ``told`` how far it is now and then."""
    elbo = asrppl.regularize(model, guide, "\n".join(f"rule {name}: {text}" for name, (text, _) in RULES.items()))
    inside = Counter[str]()
    generator = torch.Generator().manual_seed(seed)  # of the data: `evaluate` puts the other one back
    for replication in range(replications):
        x = math.sqrt(2.0) * torch.randn(data, generator=generator)
        pyro.set_rng_seed(1_000_000 * (seed + 1) + replication)
        report = asrppl.evaluate(model, guide, elbo, x, num_samples=draws)
        for name, (_, truth) in RULES.items():
            low, high = report.intervals[name]
            inside[name] += bool(low <= truth <= high)
        if told and (replication + 1) % 100 == 0:
            print(replication + 1, dict(inside), file=sys.stderr, flush=True)
    return {name: inside[name] / replications for name in RULES}


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=2000)
    parser.add_argument("--data", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    found = coverage(options.replications, options.data, options.draws, options.seed, told=True)
    for name, share in found.items():
        print(f"{name:12} {share:.4f}   {RULES[name][0]}")
    print(f"in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
