"""Bayesian regression on a PyroModule, in the manner of the tutorial bayesian_regression.

The sites of its coefficients are called `linear.weight` and `linear.bias`.
"""

# Pyro's annotations are narrower than what it takes.
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false

from torch import Tensor, nn

import pyro
import pyro.distributions as dist
from pyro.nn import PyroModule, PyroSample


class BayesianRegression(PyroModule):
    """The model.

    Args:
        features: of a datum.
        outputs: 1.
    """

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.linear = PyroModule[nn.Linear](features, outputs)
        self.linear.weight = PyroSample(dist.Normal(0.0, 1.0).expand([outputs, features]).to_event(2))
        self.linear.bias = PyroSample(dist.Normal(0.0, 10.0).expand([outputs]).to_event(1))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Draw the noise and the coefficients, observe y, and return its mean."""
        sigma = pyro.sample("sigma", dist.Uniform(0.0, 10.0))
        mean = self.linear(x).squeeze(-1)
        with pyro.plate("data", len(x)):
            pyro.sample("obs", dist.Normal(mean, sigma), obs=y)
        return mean
