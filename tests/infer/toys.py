"""A toy whose ELBO and rule terms have closed forms, and gradients of objectives over many draws."""

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import config_enumerate
from torch import Tensor

N = 6
X = torch.linspace(-1.0, 2.0, N, dtype=torch.float64)
GLOBAL_SD, LOCAL_SD, PRIOR_B = 0.7, 0.8, 0.3
START = {
    "m": torch.tensor(0.3, dtype=torch.float64),
    "l": torch.linspace(-0.5, 1.0, N, dtype=torch.float64),
    "w": torch.linspace(-1.0, 1.0, N, dtype=torch.float64),
}

RULES = """
rule mixed  weight 2:   z - mu <= b
rule globe  weight 1.5: mu <= 0
rule post   weight 0.5: kl(delta(1) || q(b)) <= 0
rule people weight 0.7: kl(uniform({0, 1}) || aggregate(q(b))) <= 0
"""
PATHWISE_RULES = """
rule mixed  weight 2:   z - mu <= 0
rule globe  weight 1.5: mu <= 0
"""


class Toy:
    """A Normal global, and in a plate a Bernoulli (left out unless ``discrete``), a Normal and an observation."""

    def __init__(self, *, discrete: bool = True, subsample: int | None = None, enumerate: bool = False) -> None:
        self.discrete = discrete
        self.subsample = subsample
        self.guide: Callable[[], None] = config_enumerate(self._guide) if enumerate else self._guide

    def model(self) -> None:
        mu = pyro.sample("mu", dist.Normal(X.new_tensor(0.0), 1.0))
        with pyro.plate("data", N, subsample_size=self.subsample) as index:
            b: Any = pyro.sample("b", dist.Bernoulli(X.new_tensor(PRIOR_B))) if self.discrete else 0.0
            z = pyro.sample("z", dist.Normal(mu, 1.0))
            pyro.sample("x", dist.Normal(z + b, 1.0), obs=X[index])

    def _guide(self) -> None:
        values = {name: pyro.param(name, start.clone()) for name, start in START.items()}
        mu_sd = X.new_tensor(GLOBAL_SD)
        pyro.sample("mu", dist.Normal(values["m"], mu_sd))
        with pyro.plate("data", N, subsample_size=self.subsample) as index:
            b: Any = 0.0
            if self.discrete:
                b = pyro.sample("b", dist.Bernoulli(torch.sigmoid(values["w"][index])))
            pyro.sample("z", dist.Normal(values["l"][index] + 0.5 * b, LOCAL_SD))

    def exact(self, rules: bool = True) -> tuple[Tensor, dict[str, Tensor]]:
        """The negative ELBO plus N times the rules' weighted violations, and its gradients."""
        params = {name: start.clone().requires_grad_() for name, start in START.items()}
        m, l, w = params["m"], params["l"], params["w"]  # noqa: E741 (the params' names)
        one = torch.sigmoid(w)
        local, spread = X.new_tensor(LOCAL_SD), X.new_tensor(GLOBAL_SD)
        loss = _kl_normal(m, spread)
        mixed = X.new_tensor(0.0)
        for value, q, p in ((0.0, 1 - one, 1 - PRIOR_B), (1.0, one, PRIOR_B)):
            if not self.discrete:
                if value:
                    continue
                q, p = torch.ones_like(one), 1.0
            mean = l + 0.5 * value
            kl = -local.log() - 0.5 + (local**2 + (mean - m) ** 2 + spread**2) / 2
            log_likelihood = -0.5 * (2 * X.new_tensor(torch.pi)).log() - 0.5 * ((X - mean - value) ** 2 + local**2)
            loss = loss + (q * (torch.log(q / p) + kl - log_likelihood)).sum()
            mixed = mixed + (q * _mean_excess(mean - m - value, (local**2 + spread**2).sqrt())).mean()
        penalty = 2 * mixed + 1.5 * _mean_excess(m, spread)
        if self.discrete:
            average = one.mean()
            divergence = -X.new_tensor(2.0).log() - 0.5 * (average.log() + (1 - average).log())
            penalty = penalty + 0.5 * (-one.log()).mean() + 0.7 * divergence
        total = loss + N * penalty if rules else loss
        total.backward()
        return total.detach(), {name: _grad(param) for name, param in params.items()}


def _kl_normal(mean: Tensor, sd: Tensor) -> Tensor:
    return -sd.log() - 0.5 + (sd**2 + mean**2) / 2


def _mean_excess(mean: Tensor, sd: Tensor) -> Tensor:
    """E max(z, 0) of a normal z."""
    ratio = mean / sd
    return mean * torch.special.ndtr(ratio) + sd * torch.exp(-(ratio**2) / 2) / (2 * X.new_tensor(torch.pi)).sqrt()


def _grad(param: Tensor) -> Tensor:
    return torch.zeros_like(param) if param.grad is None else param.grad


def unconstrained(names: list[str]) -> list[Tensor]:
    return [pyro.param(name).unconstrained() for name in names]


def draws_of_gradient(
    step: Callable[[], Any], calls: int, names: tuple[str, ...] = ("m", "l", "w")
) -> tuple[Tensor, Tensor]:
    """Loss (calls,) and gradients (calls, coordinates) of repeated calls of ``step``, which ends in a backward."""
    step()  # the first makes the params, and is validated
    pyro.enable_validation(False)
    params = unconstrained(list(names))
    losses: list[Tensor] = []
    gradients: list[Tensor] = []
    for _ in range(calls):
        for param in params:
            param.grad = None
        losses.append(torch.as_tensor(step(), dtype=X.dtype).detach())
        gradients.append(torch.cat([_grad(param).reshape(-1) for param in params]))
    return torch.stack(losses), torch.stack(gradients)


def worst_z(draws: Tensor, exact: Tensor) -> float:
    """The largest |z| of the draws' means against ``exact``; a coordinate without noise has to agree."""
    deviation = (draws.mean(0) - exact).abs()
    error = draws.std(0) / len(draws) ** 0.5
    quiet = error < 1e-12
    assert not (deviation > 1e-9 * (1 + exact.abs()))[quiet].any()
    return float((deviation[~quiet] / error[~quiet]).max()) if (~quiet).any() else 0.0


def flat(gradients: dict[str, Tensor], names: tuple[str, ...] = ("m", "l", "w")) -> Tensor:
    return torch.cat([gradients[name].reshape(-1) for name in names])
