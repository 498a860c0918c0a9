"""A mixture's components in order: without a rule, with one, with one that comes late, and by Pyro's ordered transform.

    python -m benchmarks.orders

Prints how many of five seeds end with each component within 0.6 of its centre, once sorted where nothing orders them.
docs/troubleshooting.md has the table.
"""

import time

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.infer.autoguide import AutoNormal, init_to_sample
from pyro.optim import Adam  # pyright: ignore

import asrppl

CENTRES = torch.tensor([-3.0, 0.0, 3.0])
STEPS = (300, 1000)
RULE = "rule ordered weight 10: forall k: loc[k] <= loc[k + 1]"
LATE = "rule ordered weight 0 -> 10 over 200..500 steps: forall k: loc[k] <= loc[k + 1]"


def mixture(x: torch.Tensor, loc: torch.Tensor) -> None:
    with pyro.plate("data", len(x)):
        law = dist.MixtureSameFamily(dist.Categorical(torch.ones(3)), dist.Normal(loc, 1.0))
        pyro.sample("x", law, obs=x)


def free(x: torch.Tensor) -> None:
    with pyro.plate("component", 3):
        loc = pyro.sample("loc", dist.Normal(0.0, 5.0))
    mixture(x, loc)


def transformed(x: torch.Tensor) -> None:
    base = dist.Normal(torch.zeros(3), 5.0).to_event(1)
    mixture(x, pyro.sample("loc", dist.TransformedDistribution(base, dist.transforms.OrderedTransform())))


def right(model: object, rules: str | None, seed: int) -> list[bool]:
    """Whether a run is right, after each number of steps."""
    generator = torch.Generator().manual_seed(seed)
    x = (CENTRES[:, None] + torch.randn(3, 50, generator=generator)).flatten()
    pyro.clear_param_store()
    pyro.set_rng_seed(seed)
    guide = AutoNormal(model, init_loc_fn=init_to_sample)
    loss = asrppl.regularize(model, guide, rules) if rules else Trace_ELBO()  # type: ignore[arg-type]
    svi = SVI(model, guide, Adam({"lr": 0.1}), loss=loss)
    found = []
    for step in range(1, max(STEPS) + 1):
        svi.step(x)
        if step in STEPS:
            loc = guide.median(x)["loc"]
            loc = loc if rules else loc.sort().values
            found.append(bool(((loc - CENTRES).abs() < 0.6).all()))
    return found


def main() -> None:
    torch.set_num_threads(1)
    started = time.process_time()
    runs_of = (("sorted", free, None), ("rule", free, RULE), ("late", free, LATE), ("transform", transformed, None))
    for name, model, rules in runs_of:
        counts = [sum(runs) for runs in zip(*(right(model, rules, seed) for seed in range(5)), strict=True)]
        print(name, dict(zip(STEPS, counts, strict=True)), flush=True)
    print(f"{time.process_time() - started:.0f} s of CPU, torch {torch.__version__}, pyro {pyro.__version__}")


if __name__ == "__main__":
    main()
