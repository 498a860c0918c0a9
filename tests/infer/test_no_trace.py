"""`bindings()` and the runs that rules are attached by leave the programs as they were."""

import random
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any, cast

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO
from pyro.infer.autoguide import (
    AutoDelta,
    AutoDiagonalNormal,
    AutoIAFNormal,
    AutoLowRankMultivariateNormal,
    AutoMultivariateNormal,
    AutoNormal,
)
from torch import Tensor

import asrppl

Adam: Any = cast(Any, pyro).optim.Adam
X = torch.linspace(-1.0, 1.0, 8)


def model(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    s = pyro.sample("s", dist.LogNormal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mu, s), obs=x)


class Busy(torch.nn.Module):
    """A guide that changes all that it holds in each run."""

    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.5))
        self.out = torch.nn.Linear(4, 2)
        self.register_buffer("ran", torch.zeros(()))
        self.seen = torch.zeros(())
        self.calls = 0
        self.log: list[float] = []
        self.cache: dict[str, int] = {"runs": 0}
        self.lazy: torch.nn.Linear | None = None

    def forward(self, x: Tensor) -> None:
        pyro.module("guide", self)
        self.calls += 1
        self.log.append(float(x.sum()))
        self.cache["runs"] += 1
        self.get_buffer("ran").add_(1)
        self.seen += 1
        if self.lazy is None:
            self.lazy = torch.nn.Linear(4, 4)
        self.out.train(not self.out.training)
        h = self.out(self.lazy.forward(self.net(x[:, None]))).mean(0)
        random.random()
        np.random.rand()
        pyro.sample("mu", dist.Normal(h[0], 0.5))
        pyro.sample("s", dist.LogNormal(h[1], 0.1))


def state_of(guide: Busy) -> dict[str, Any]:
    """All that can be seen of a guide and of the world around it."""
    store: Any = pyro.get_param_store()
    return {
        "tensors": {name: tensor.clone() for name, tensor in guide.state_dict().items()},
        "same": {name: id(tensor) for name, tensor in guide.state_dict(keep_vars=True).items()},
        "versions": {name: tensor._version for name, tensor in guide.state_dict(keep_vars=True).items()},
        "grads": [parameter.grad is None for parameter in guide.parameters()],
        "training": [module.training for module in guide.modules()],
        "attributes": sorted(vars(guide)),
        "own": deepcopy((guide.calls, guide.log, guide.cache, guide.lazy, float(guide.seen), guide.seen._version)),
        "params": sorted(store.keys()),
        "random": (torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())),
    }


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    torch.testing.assert_close(before.pop("tensors"), after.pop("tensors"), rtol=0, atol=0)
    for name, value in before.items():
        assert after[name] == value, name


@pytest.mark.parametrize("wrap", [lambda guide: guide, partial, poutine.scale], ids=["plain", "partial", "scaled"])
def test_bindings_leave_all_as_it_was(wrap: Callable[[Any], Any]) -> None:
    pyro.clear_param_store()
    guide = Busy()
    before = state_of(guide)
    wrapped = poutine.scale(guide, scale=2.0) if wrap is poutine.scale else wrap(guide)
    elbo = asrppl.regularize(model, wrapped, "mu <= 0")
    elbo.bindings(X)
    assert_same(before, state_of(guide))


def test_the_first_step_changes_what_one_run_changes() -> None:
    found: list[dict[str, Any]] = []
    for rules in ("", "rule free weight 0: mu <= 0", "rule free weight 1e-30: mu <= 0"):
        pyro.clear_param_store()
        pyro.set_rng_seed(0)
        guide = Busy()
        loss: Any = asrppl.regularize(model, guide, rules) if rules else Trace_ELBO()
        SVI(model, guide, Adam({"lr": 0.01}), loss).step(X)
        state = state_of(guide)
        state.pop("same")
        state["own"] = (guide.calls, guide.log, guide.cache, float(guide.seen))
        found.append(state)
    assert found[0]["own"][0] == 1
    for other in found[1:]:
        assert_same(deepcopy(found[0]), other)


GUIDES = [
    AutoNormal,
    AutoDelta,
    AutoDiagonalNormal,
    AutoMultivariateNormal,
    AutoLowRankMultivariateNormal,
    partial(AutoIAFNormal, hidden_dim=[8]),
]


@pytest.mark.parametrize("kind", GUIDES, ids=["normal", "delta", "diagonal", "full", "low rank", "flow"])
def test_training_after_bindings_is_the_training_without(kind: Callable[..., Any]) -> None:
    """A guide that is set up on its first call is set up then."""
    found: list[list[float]] = []
    for asked in (False, True):
        pyro.clear_param_store()
        pyro.set_rng_seed(0)
        guide = kind(model)
        elbo = asrppl.regularize(model, guide, "mu <= 0")
        if asked:
            elbo.bindings(X)
            assert not list(pyro.get_param_store().keys())
        svi = SVI(model, guide, Adam({"lr": 0.01}), elbo)
        losses: list[Any] = [svi.step(X) for _ in range(3)]
        found.append(losses)
    assert found[0] == found[1]


def test_methods_closures_and_lists_of_modules_too() -> None:
    class Holder:
        def __init__(self) -> None:
            self.runs = 0
            self.norms = [torch.nn.BatchNorm1d(1)]

        def guide(self, x: Tensor) -> None:
            self.runs += 1
            pyro.sample("mu", dist.Normal(self.norms[0](x[:, None]).mean(), 1.0))
            pyro.sample("s", dist.LogNormal(0.0, 0.1))

    holder = Holder()
    count, names = 0, ["first"]

    def counted(x: Tensor) -> None:
        nonlocal count
        count += 1
        names.append("again")
        holder.guide(x)

    for guide in (holder.guide, counted):
        asrppl.regularize(model, guide, "mu <= 0").bindings(X)
        assert (holder.runs, count, names) == (0, 0, ["first"])
        assert int(holder.norms[0].num_batches_tracked or 0) == 0
