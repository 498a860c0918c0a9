"""A step with 10,000 per-datum multipliers against the same step with the same rule of draws, which has none."""

import time
from collections.abc import Callable

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, Trace_ELBO

import asrppl
from benchmarks.timing import medians

DATA = 10_000
RULES = {"multipliers": "rule low hard: E[z] <= 0", "draws": "rule low weight 1: z <= 0", "no rule": ""}


def step_of(rules: str) -> Callable[[], float]:
    """A step of a mean field over all data; returns its CPU time."""
    x = torch.linspace(-1.0, 2.0, DATA)

    def model() -> None:
        with pyro.plate("data", DATA):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def guide() -> None:
        loc = pyro.param(f"loc {rules}", x.clone())
        with pyro.plate("data", DATA):
            pyro.sample("z", dist.Normal(loc, 0.5))

    elbo = asrppl.regularize(model, guide, rules, elbo=Trace_ELBO(max_plate_nesting=1))
    svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.01}), elbo)

    def step() -> float:
        started = time.process_time()
        svi.step()
        return time.process_time() - started

    return step


def main() -> None:
    torch.set_num_threads(1)
    pyro.clear_param_store()
    times = medians({name: step_of(rules) for name, rules in RULES.items()}, 200, 20)
    extra = 1000 * (times["multipliers"] - times["draws"])
    print(f"{DATA:,} per-datum multipliers add {extra:.2f} ms to a step (target: at most 1 ms)")


if __name__ == "__main__":
    main()
