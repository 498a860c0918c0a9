"""Batting averages, Bayesian regression on a PyroModule, Gaussian processes.

Pyro's baseball.py samples by NUTS, which has no objective that rules could be put into. Its models are taken with
automatic guides here.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import pyro
import pyro.contrib.gp as gp
import pyro.distributions as dist
from examples.pyro.checkout import Programs
from examples.pyro.compare import OPTIM, Case, Example, Values, rule
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import AutoDiagonalNormal, AutoNormal, AutoNormalMessenger
from pyro.nn import PyroModule, PyroSample

# ---- examples/baseball.py

BATS, HITS = torch.full((6,), 45.0), torch.tensor([18.0, 17.0, 16.0, 15.0, 14.0, 9.0])


def players(model: Any, auto: Callable[[Any], Any] = AutoNormal) -> Example:
    """Return a model of the example with an automatic guide."""
    args = (BATS.double(), HITS.double())
    return Example(model, auto(model), Trace_ELBO, args, optim=partial(OPTIM.Adam, {"lr": 0.05}))


def inhuman(values: Values) -> Tensor:
    """How far the guide's P(phi <= 0.4) is below 0.95, on average over players: phi is the sigmoid of a Normal."""
    del values
    loc, scale = pyro.param("AutoNormal.locs.phi"), pyro.param("AutoNormal.scales.phi")
    chance = dist.Normal(loc, scale).cdf(torch.tensor(0.4).logit())
    return (0.95 - chance).clamp(min=0).mean()


def unpooled(values: Values) -> Tensor:
    """How far players are outside of 0.01 around the mean, on average over them."""
    return ((values["phi"] - values["m"]).abs() - 0.01).clamp(min=0).mean()


def above(values: Values) -> Tensor:
    """How far players are above 0.3, on average over them."""
    return (values["alpha"].sigmoid() - 0.3).clamp(min=0).mean()


# ---- the tutorial bayesian_regression


def regression(names: dict[str, Any]) -> Example:
    """Return the tutorial's regression on made-up data."""
    x = torch.rand(8, 3)
    y = x @ torch.tensor([1.0, -1.0, 0.3])
    model = names["BayesianRegression"](3, 1)
    return Example(model, AutoDiagonalNormal(model), Trace_ELBO, (x, y), optim=partial(OPTIM.Adam, {"lr": 0.05}))


def positive(values: Values) -> Tensor:
    """How far the guide's P(second coefficient <= 0) is below 0.95; the noise comes before the coefficients."""
    del values
    loc, scale = pyro.param("AutoDiagonalNormal.loc"), pyro.param("AutoDiagonalNormal.scale")
    return (0.95 - dist.Normal(loc[2], scale[2]).cdf(torch.tensor(0.0))).clamp(min=0)


def small(values: Values) -> Tensor:
    """How far the third coefficient is from being 1 above the others."""
    first, second, third = values["linear.weight"][0]
    return (torch.maximum(first, second) + 1 - third).clamp(min=0)


# ---- the tutorial gp: pyro.contrib.gp itself


def sparse(nets: dict[str, Any]) -> Example:
    """Return a sparse variational process on a sine."""
    x = torch.linspace(0, 5, 12)
    likelihood = gp.likelihoods.Gaussian()
    process: Any = gp.models.VariationalSparseGP(
        x, x.sin(), gp.kernels.RBF(1), Xu=torch.arange(4.0), likelihood=likelihood
    )
    nets["gp"] = process
    return Example(process.model, process.guide, Trace_ELBO, (), optim=partial(OPTIM.Adam, {"lr": 0.05}))


def falls(values: Values) -> Tensor:
    """How far the process falls from one inducing point to the next, summed."""
    u = values["u"]
    return (u[:-1] - u[1:]).clamp(min=0).sum()


def low(nets: dict[str, Any], values: Values) -> Tensor:
    """How far the mean at the second inducing point is below a half."""
    del values
    return (0.5 - nets["gp"].u_loc[1]).clamp(min=0)


def kernel(normal: bool) -> Example:
    """Return Gaussian process regression with a prior over its length scale, and a point or a law for it."""
    x = torch.linspace(0, 5, 12)
    process: Any = gp.models.GPRegression(x, x.sin(), gp.kernels.RBF(1), noise=torch.tensor(1.0))
    process.kernel.lengthscale = PyroSample(dist.LogNormal(0.0, 1.0))
    if normal:
        process.kernel.autoguide("lengthscale", dist.Normal)
    return Example(process.model, process.guide, Trace_ELBO, (), optim=partial(OPTIM.Adam, {"lr": 0.05}))


def short(values: Values) -> Tensor:
    """How far the length scale is below 5."""
    return (5 - values["kernel.lengthscale"]).clamp(min=0)


def cases(checkout: Programs) -> Iterator[Case]:
    """Yield the cases of these examples."""
    module = checkout.module("examples/baseball.py")
    make = partial(players, module.partially_pooled)
    yield Case("baseball.py", rule("baseball.asr", "human"), make, len(BATS), violation=inhuman)
    yield Case("baseball.py", rule("baseball.asr", "pooled"), make, len(BATS), violation=unpooled)
    make = partial(players, module.partially_pooled, AutoNormalMessenger)
    pooled = rule("baseball.asr", "pooled")
    yield Case("baseball.py, AutoNormalMessenger", pooled, make, len(BATS), violation=unpooled, refused="ASR091")
    make = partial(players, module.partially_pooled_with_logit)
    yield Case("baseball.py, logits", rule("baseball_logits.asr", "human"), make, len(BATS), violation=above)
    names = {"PyroModule": PyroModule, "nn": nn, "dist": dist, "pyro": pyro}
    names = checkout.cells("tutorial/source/bayesian_regression.ipynb", ("from pyro.nn import PyroSample",), names)
    make = partial(regression, names)
    yield Case("bayesian_regression.ipynb", rule("regression.asr", "negative"), make, 8, violation=positive)
    yield Case("bayesian_regression.ipynb", rule("regression.asr", "largest"), make, 8, violation=small)
    nets = dict[str, Any]()
    make = partial(sparse, nets)
    yield Case("gp.ipynb, sparse", rule("gp.asr", "rising"), make, violation=falls)
    yield Case("gp.ipynb, sparse", rule("gp.asr", "high"), make, violation=partial(low, nets))
    yield Case("gp.ipynb, kernel", rule("gp_kernel.asr", "long"), partial(kernel, False), violation=short)
    law = rule("gp_kernel_law.asr", "short")
    yield Case("gp.ipynb, kernel", law, partial(kernel, True), violation=short, refused="ASR089")
