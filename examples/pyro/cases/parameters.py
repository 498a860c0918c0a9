"""Examples whose guides draw parameters: rules on the laws that these guides give."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

import pyro
import pyro.distributions as dist
from examples.pyro.checkout import Checkout
from examples.pyro.compare import Case, Example, Values
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import AutoNormal

DATA = 6


def gammas(module: Any) -> Example:
    """Return examples/sparse_gamma_def.py in small, with its own guide."""
    deep = module.SparseGammaDEF()
    deep.top_width, deep.mid_width, deep.bottom_width, deep.image_size = 5, 4, 3, 8
    images = torch.poisson(torch.full((DATA, 8), 4.0))
    return Example(deep.model, deep.guide, TraceMeanField_ELBO, (images,))


def active(values: Values) -> Tensor:
    """How far the mean of the first unit of the top layer is above 0.2."""
    del values
    return (softplus(pyro.param("mean_z_q_top"))[:, 0].mean() - 0.2).clamp(min=0)


def schools(module: Any) -> Example:
    """Return examples/eight_schools/svi.py with its data."""
    return Example(module.model, module.guide, Trace_ELBO, (module.data,))


def spread(values: Values) -> Tensor:
    """How far the mean of tau, a lognormal, is above 0.1."""
    del values
    return ((pyro.param("loc_logtau") + pyro.param("scale_logtau").square() / 2).exp() - 0.1).clamp(min=0).squeeze()


def line(module: Any) -> Example:
    """Return examples/svi_torch.py, a linear regression."""
    covariates = torch.randn(DATA)
    model = module.Model(DATA)
    return Example(model, AutoNormal(model), Trace_ELBO, (covariates, 1 - covariates))


def falling(values: Values) -> Tensor:
    """How far the guide's P(coeff <= 0) is above 0.05."""
    del values
    loc, scale = pyro.param("AutoNormal.locs.coeff"), pyro.param("AutoNormal.scales.coeff")
    return (dist.Normal(loc, scale).cdf(torch.zeros(())) - 0.05).clamp(min=0)


def cases(checkout: Checkout) -> Iterator[Case]:
    """Yield the cases of these examples."""
    module = checkout.module("examples/sparse_gamma_def.py")
    rule = "aggregate(mean(q(z_top[0]))) <= 0.2"
    yield Case("sparse_gamma_def.py", rule, partial(gammas, module), DATA, violation=active)
    module = checkout.module("examples/eight_schools/svi.py")
    yield Case("eight_schools/svi.py", "mean(q(tau)) <= 0.1", partial(schools, module), 8, violation=spread)
    module = checkout.module("examples/svi_torch.py")
    yield Case("svi_torch.py", "cdf(q(coeff), 0) <= 0.05", partial(line, module), DATA, violation=falling)
