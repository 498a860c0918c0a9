"""Examples whose guides draw parameters: rules on the laws that these guides give."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

import pyro
import pyro.distributions as dist
from examples.pyro.checkout import Programs
from examples.pyro.compare import Case, Example, Values, rule
from pyro.infer import JitTrace_ELBO, Trace_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import AutoNormal

DATA = 6


def gammas(module: Any) -> Example:
    """Return examples/sparse_gamma_def.py in small, with its own guide."""
    deep = module.SparseGammaDEF()
    deep.top_width, deep.mid_width, deep.bottom_width, deep.image_size = 5, 4, 3, 8
    images = torch.poisson(torch.full((DATA, 8), 4.0))
    return Example(deep.model, deep.guide, TraceMeanField_ELBO, (images,))


def easy(module: Any) -> Example:
    """Return the same with the example's EasyGuide, which draws all weights at once."""
    example = gammas(module)
    return replace(example, guide=module.MyEasyGuide(example.model))


def heavy(values: Values) -> Tensor:
    """How far the weights of each unit of the top layer are above 1 in all, summed over units."""
    return (values["w_top"].reshape(5, 4).sum(-1) - 1).clamp(min=0).sum()


def active(values: Values) -> Tensor:
    """How far the mean of the first unit of the top layer is above 0.2."""
    del values
    return (softplus(pyro.param("mean_z_q_top"))[:, 0].mean() - 0.2).clamp(min=0)


def schools(module: Any, base: Callable[[], Any] = Trace_ELBO) -> Example:
    """Return examples/eight_schools/svi.py with its data."""
    return Example(module.model, module.guide, base, (module.data,))


def spread(values: Values) -> Tensor:
    """How far the mean of tau, a lognormal, is above 0.1."""
    del values
    return ((pyro.param("loc_logtau") + pyro.param("scale_logtau").square() / 2).exp() - 0.1).clamp(min=0).squeeze()


def apart(values: Values) -> Tensor:
    """How far the first two schools' effects are apart beyond 0.1."""
    return ((values["eta"][0] - values["eta"][1]).abs() - 0.1).clamp(min=0)


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


def cases(checkout: Programs) -> Iterator[Case]:
    """Yield the cases of these examples."""
    module = checkout.module("examples/sparse_gamma_def.py")
    yield Case(
        "sparse_gamma_def.py", rule("sparse_gamma.asr", "active"), partial(gammas, module), DATA, violation=active
    )
    law = rule("sparse_gamma.asr", "active")
    yield Case("sparse_gamma_def.py, EasyGuide", law, partial(easy, module), DATA, violation=active, refused="ASR089")
    light = rule("sparse_gamma_weights.asr", "light")
    yield Case("sparse_gamma_def.py", light, partial(gammas, module), DATA, violation=heavy)
    yield Case("sparse_gamma_def.py, EasyGuide", light, partial(easy, module), DATA, violation=heavy)
    module = checkout.module("examples/eight_schools/svi.py")
    yield Case(
        "eight_schools/svi.py", rule("eight_schools.asr", "alike"), partial(schools, module), 8, violation=spread
    )
    yield Case("eight_schools/svi.py", rule("eight_schools.asr", "close"), partial(schools, module), 8, violation=apart)
    make = partial(schools, module, JitTrace_ELBO)
    jit = rule("eight_schools.asr", "alike")
    yield Case("eight_schools/svi.py --jit", jit, make, 8, violation=spread, refused="ASR090")
    if checkout.has("examples/svi_torch.py"):
        module = checkout.module("examples/svi_torch.py")
        yield Case("svi_torch.py", rule("svi_torch.asr", "rising"), partial(line, module), DATA, violation=falling)
