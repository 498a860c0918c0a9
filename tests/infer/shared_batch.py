"""A batch that processes share, with draws that depend on step and datum alone: what torchrun starts for the tests.

torchrun --nproc-per-node 2 tests/infer/shared_batch.py train|other|enumerated FOLDER
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO, TraceEnum_ELBO
from pyro.nn import PyroModule
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

import asrppl

N, STEPS = 8, 3
GENERATOR = torch.Generator().manual_seed(0)
A = torch.linspace(-1.0, 2.0, N, dtype=torch.float64)
PRIOR = torch.tensor([0.1, 0.3, 0.6], dtype=torch.float64)
GROUP = torch.arange(N) % 2
NOISE = torch.randn(STEPS, N, generator=GENERATOR, dtype=torch.float64)
UNIFORM = torch.rand(STEPS, N, generator=GENERATOR, dtype=torch.float64)
ORDER = torch.stack([torch.randperm(N, generator=GENERATOR) for _ in range(STEPS)])

RULES = {
    "draws": "rule r weight 2: z <= 0\nrule s weight 1: k <= 1",
    "mean": "rule r weight 5: aggregate(E[z]) <= 0",
    "variance": "rule r weight 5: aggregate(E[z * z]) - aggregate(E[z]) * aggregate(E[z]) <= 0",
    "groups": "rule r hard: aggregate(P[k == 2] where g == 1) - aggregate(P[k == 2] where g == 0) <= -1",
    "divergence": "rule r weight 5: kl(uniform({0, 1, 2}) || aggregate(q(k))) <= 0",
    "datum": "rule r hard: E[z] <= 0",
    "deviation": "rule r weight 5: E[z] - 0.5 * aggregate(E[z]) <= 0",
    "deviation of draws": "rule r weight 5: z - 0.5 * aggregate(E[z]) <= 0",
    "score function": "rule r weight 5: abs(aggregate(E[z * k])) <= 0.1",
    "no draw": "rule r weight 5: w - aggregate(w) <= -0.1\nrule s hard: aggregate(w * w) - aggregate(w) <= 0",
    "one in another": "rule r weight 5: aggregate(w * aggregate(w)) <= 0",
    "one in another, of draws": "rule r weight 5: aggregate(E[z * aggregate(E[k])]) <= 0",
    "a draw for all data": "rule r hard: aggregate(E[z]) + E[mu] <= 0",
    "branches": "rule r hard: aggregate(E[z]) <= 0 or (k <= 1 and E[z] <= 0)",
}
PARTS: dict[str, tuple[int, list[int]]] = {  # how many data a step has, and where they are cut
    "a batch": (4, [2, 2]),
    "an uneven batch": (4, [1, 3]),
    "all data": (N, [4, 4]),
    "all data, uneven": (N, [3, 5]),
    "plates of their own": (N, [3, 5]),
}


class Normal(dist.Normal):
    """A Normal that has been drawn already."""

    def __init__(self, loc: Tensor, noise: Tensor) -> None:
        super().__init__(loc, 1.0)
        self.noise = noise

    def expand(self, batch_shape: Any, _instance: Any = None) -> "Normal":
        return Normal(self.loc.expand(batch_shape), self.noise.expand(batch_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.loc + self.noise.expand(torch.Size(sample_shape) + self.noise.shape)


class Categorical(dist.Categorical):
    """A Categorical likewise."""

    def __init__(self, logits: Tensor, uniform: Tensor) -> None:
        super().__init__(logits=logits)
        self.uniform = uniform

    def expand(self, batch_shape: Any, _instance: Any = None) -> "Categorical":
        shape = torch.Size(batch_shape)
        return Categorical(self.logits.expand(shape + self.logits.shape[-1:]), self.uniform.expand(shape))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        drawn = (self.probs.cumsum(-1)[..., :-1] < self.uniform.unsqueeze(-1)).sum(-1)
        return drawn.expand(torch.Size(sample_shape) + drawn.shape)


class Programs:
    """z ~ Normal(m_i, 1), k ~ Categorical and w = m_i² for the data at ``index``; with ``mu`` a global draw for k.

    (Pyro multiplies the score of k by the cost of mu, which does not grow with the data: another noise of mean 0.)
    """

    def __init__(self, *, own_plate: bool = False, mu: bool = False) -> None:
        self.own_plate = own_plate
        self.mu = mu
        self.step = 0
        self.index = torch.arange(N)

    def plate(self) -> Any:
        if self.own_plate:
            return pyro.plate("data", len(self.index))
        return pyro.plate("data", N, subsample=self.index)

    def model(self) -> None:
        mu = pyro.sample("mu", dist.Normal(PRIOR.new_tensor(0.0), 1.0)) if self.mu else 0.0
        i = self.index
        with self.plate():
            z = pyro.sample("z", dist.Normal(A[i] + mu, 1.0))
            if not self.mu:
                pyro.sample("k", dist.Categorical(PRIOR))
            pyro.sample("g", dist.Bernoulli(0.5), obs=GROUP[i].double())
            pyro.sample("x", dist.Normal(z, 1.0), obs=A[i])

    def guide(self) -> None:
        m = pyro.param("m", A.clone())
        logits = pyro.param("logits", PRIOR.log().repeat(N, 1) + 0.1 * A.unsqueeze(-1) * torch.arange(3))
        t, i = self.step, self.index
        loc = pyro.param("loc", PRIOR.new_tensor(0.3))
        if self.mu:
            pyro.sample("mu", Normal(loc, NOISE[t, 0]))
        with self.plate():
            asrppl.expose("w", m[i] * m[i])
            pyro.sample("z", Normal(m[i], NOISE[t, i]))
            if not self.mu:
                pyro.sample("k", Categorical(logits[i], UNIFORM[t, i]))


def descend(params: Sequence[Tensor], share: float | None) -> list[Tensor]:
    """Make a step of gradient descent and return its gradients: with a ``share``, the sum over ranks of theirs."""
    found: list[Tensor] = []
    for param in params:
        gradient = torch.zeros_like(param) if param.grad is None else param.grad
        if share is not None:
            gradient = gradient * share
            distributed.all_reduce(gradient)
        found.append(gradient.clone())
        with torch.no_grad():
            param -= 0.05 * gradient
        param.grad = None
    return found


def train(rules: str, parts: str, rank: int | None) -> tuple[list[Tensor], dict[str, Any]]:
    """Return the gradient of each step, and what the rules remember, of one process (None) or of a rank."""
    batch, sizes = PARTS[parts]
    own_plate = parts == "plates of their own"
    programs = Programs(own_plate=own_plate, mu="mu" in RULES[rules])
    pyro.clear_param_store()
    elbo = asrppl.regularize(programs.model, programs.guide, RULES[rules], elbo=Trace_ELBO(max_plate_nesting=1))
    found: list[Tensor] = []
    for step in range(STEPS):
        whole = torch.arange(N) if batch == N else ORDER[step, :batch]
        programs.step = step
        programs.index = whole if rank is None else whole.split(sizes)[rank]
        programs.guide()
        params = [pyro.get_param_store()[name].unconstrained() for name in ("m", "logits", "loc")]
        elbo.loss_and_grads(programs.model, programs.guide)
        # Means over ranks of what each has made of its own part; of a plate of its own the sum.
        share = None if rank is None else 1.0 if own_plate else len(programs.index) / batch
        found += descend(params, share)
    return found, elbo.state_dict()


def refused() -> str:
    """Return what each process says where rank 1 lacks a rule."""
    programs = Programs()
    pyro.clear_param_store()
    rules = [RULES["draws"], RULES["mean"]][distributed.get_rank()]
    try:
        asrppl.regularize(programs.model, programs.guide, rules).loss_and_grads(programs.model, programs.guide)
    except asrppl.AsrError as error:
        return str(error)
    return ""


def alone() -> tuple[float, float]:
    """Return the loss that rank 0 measures without the others, and the one of a group of its own."""
    programs = Programs()
    pyro.clear_param_store()
    group = distributed.new_group([0])
    if distributed.get_rank():
        return 0.0, 0.0
    elbo = asrppl.regularize(programs.model, programs.guide, RULES["mean"], elbo=Trace_ELBO(max_plate_nesting=1))
    own = asrppl.regularize(programs.model, programs.guide, RULES["mean"], elbo=Trace_ELBO(), group=group)
    return elbo.loss(programs.model, programs.guide), own.loss_and_grads(programs.model, programs.guide)


class Guide(PyroModule):
    """z ~ Normal(m_i, 1), in a module."""

    def __init__(self) -> None:
        super().__init__()
        self.m = torch.nn.Parameter(A.clone())

    def forward(self, index: Tensor) -> None:
        with pyro.plate("data", N, subsample=index):
            pyro.sample("z", Normal(self.m[index], NOISE[0, index]))


class Model(PyroModule):
    """Likewise."""

    def forward(self, index: Tensor) -> None:
        with pyro.plate("data", N, subsample=index):
            z = pyro.sample("z", dist.Normal(A[index], 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=A[index])


def by_module(rank: int | None) -> Tensor:
    """Return the gradient of m after three steps of torch's own modules: the objective's, and around it DDP."""
    model, guide = Model(), Guide()
    module: Any = asrppl.regularize(model, guide, RULES["deviation"], elbo=Trace_ELBO(max_plate_nesting=1))(
        model, guide
    )
    index, share = torch.arange(N), 1.0
    if rank is not None:
        module = DistributedDataParallel(module)
        index = index.split([3, 5])[rank]
        share = distributed.get_world_size() * len(index) / N
    for _ in range(3):
        guide.m.grad = None
        (share * module(index)).backward()
    assert guide.m.grad is not None
    return guide.m.grad


def enumerated(batch: int, sizes: Sequence[int], rank: int | None) -> tuple[list[Tensor], dict[str, Any]]:
    """Return the gradients of a mixture, whose components only the model knows, and what its rules remember."""
    pyro.clear_param_store()
    index = torch.arange(N)
    most = PRIOR.new_tensor([0.5, 0.4])

    def model() -> None:
        logits = pyro.param("logits", most.log())
        loc = pyro.param("loc", PRIOR.new_tensor([-0.5, 1.0]))
        with pyro.plate("data", N, subsample=index):
            k = pyro.sample("k", dist.Categorical(logits=logits), infer={"enumerate": "parallel"})
            pyro.sample("x", dist.Normal(loc[k], 1.0), obs=A[index])

    def guide() -> None:
        pass

    rules = "rule r hard: aggregate(P[k == 1]) <= 0.3\nrule s weight 9: P[k == 0] <= 0.2\nrule t weight 1: k <= 0"
    elbo = asrppl.regularize(model, guide, rules, elbo=TraceEnum_ELBO(max_plate_nesting=1))
    found: list[Tensor] = []
    for step in range(STEPS):
        whole = torch.arange(N) if batch == N else ORDER[step, :batch]
        index = whole if rank is None else whole.split(list(sizes))[rank]
        elbo.loss_and_grads(model, guide)
        params = [pyro.get_param_store()[name].unconstrained() for name in ("logits", "loc")]
        found += descend(params, None if rank is None else len(index) / batch)
    return found, elbo.state_dict()


ENUMERATED = [(4, (2, 2)), (4, (1, 3)), (N, (3, 5))]


def cases() -> Sequence[tuple[str, str]]:
    even = [(rules, parts) for parts in ("a batch", "all data") for rules in ("mean", "datum")]
    uneven = [(rules, parts) for parts in ("an uneven batch", "all data, uneven") for rules in RULES]
    own = [(rules, "plates of their own") for rules in ("mean", "groups", "datum", "no draw")]
    return [*even, *uneven, *own]


def main(what: str, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    if what == "train":
        found: dict[Any, Any] = {case: train(*case, rank) for case in cases()}
    elif what == "enumerated":
        torch.set_default_dtype(torch.float64)
        found = {place: enumerated(*parts, rank) for place, parts in enumerate(ENUMERATED)}
    else:
        found = {"refused": refused(), "alone": alone(), "module": by_module(rank)}
    torch.save(found, folder / f"{rank}.pt")
    distributed.barrier()
    distributed.destroy_process_group()
    # What was found is saved. gloo's threads now and then abort a process that ends by itself ("terminate called
    # without an active exception"), which says nothing of it.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
