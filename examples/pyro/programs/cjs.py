"""Animals that are caught, marked and caught again, in the manner of model 1 of examples/capture_recapture/cjs.py.

Whether an animal is alive is enumerated. Before it is first caught it is alive for certain; it may die after that.
"""

from collections.abc import Callable

import torch
from torch import Tensor

import pyro
import pyro.distributions as dist


def constant(capture_history: Tensor, sex: Tensor) -> None:
    """One chance to survive a year, and one to be caught."""
    del sex
    phi, rho = (pyro.sample(name, dist.Uniform(0.0, 1.0)) for name in ("phi", "rho"))
    animals, years = capture_history.shape
    with pyro.plate("animals", animals, dim=-1):
        alive, known = torch.ones(animals), torch.zeros(animals)
        for t in pyro.markov(range(years)):
            odds = torch.where(known > 0, phi * alive, 1.0)
            alive = pyro.sample(f"z_{t}", dist.Bernoulli(odds), infer={"enumerate": "parallel"})
            pyro.sample(f"y_{t}", dist.Bernoulli(rho * alive), obs=capture_history[:, t])
            known = torch.maximum(known, capture_history[:, t])


models: dict[str, Callable[..., None]] = {"1": constant}
