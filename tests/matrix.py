"""Rules about distributions in every combination of objective, guide, level and batch, against closed forms.

    python -m tests.matrix --log matrix.jsonl --write docs/matrix.md

adds a line to the log for each combination that is not in it yet: the violation's error at the start, the worst
z-score of the rule's gradient, and how far from the optimum training ends. ``--write`` makes the table of the docs.
"""

import argparse
import json
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import (
    SVI,
    Trace_ELBO,
    TraceEnum_ELBO,
    TraceGraph_ELBO,
    TraceMeanField_ELBO,
    config_enumerate,
)
from pyro.infer.autoguide import AutoNormal
from torch import Tensor
from torch.distributions import kl_divergence

import asrppl
from asrppl.diagnostics import AsrError, AsrWarning

N = 6
BATCH = 3
X = torch.linspace(-1.0, 1.0, N, dtype=torch.float64)
START_MEAN = torch.tensor([-0.6, -0.3, -0.2, 0.1, 0.2, 0.05], dtype=torch.float64)
START_SD = torch.tensor([0.5, 0.6, 0.7, 0.45, 0.55, 0.65], dtype=torch.float64)
START_CHANCE = torch.tensor([0.15, 0.3, 0.2, 0.4, 0.25, 0.35], dtype=torch.float64)
WEIGHT = 2.0
STEEP = 50.0
"""Of hard rules the optimum is that of a hinge with this weight: more than any of them pulls with."""

Closed = Callable[[Any], Tensor]
Params = dict[str, Tensor]
BASES: dict[str, Any] = {
    "Trace": Trace_ELBO,
    "TraceGraph": TraceGraph_ELBO,
    "TraceEnum": TraceEnum_ELBO,
    "TraceMeanField": TraceMeanField_ELBO,
}


# ---- programs


class Program:
    """z for each datum: N of them at once, by random subsamples that have indices, or as batches handed over."""

    start: ClassVar[Params]
    binary = False
    batches = ("all", "indexed")

    def __init__(self, batch: str, *, enumerated: bool) -> None:
        self.batch = batch
        self.guide: Any = config_enumerate(self.draw) if enumerated else self.draw

    def plate(self, x: Tensor) -> Any:
        size = len(x) if self.batch == "handed" else N
        return pyro.plate("data", size, subsample_size=BATCH if self.batch == "indexed" else None)

    def model(self, x: Tensor) -> None:
        with self.plate(x) as i:
            zero = torch.zeros((), dtype=torch.float64)
            z = pyro.sample("z", dist.Bernoulli(zero + 0.5) if self.binary else dist.Normal(zero, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x[i])

    def draw(self, x: Tensor) -> None:
        """Be the guide."""
        p = {name: pyro.param(name, start.clone()) for name, start in self.start.items()}
        with self.plate(x) as i:
            pyro.sample("z", self.law(p, x, i))

    def law(self, p: Params, x: Tensor, i: Tensor) -> Any:
        """Return q(z) of some data."""
        raise NotImplementedError

    def marginal(self, p: Params) -> Any:
        """Return q(z) of all data."""
        return self.law(p, X, torch.arange(N))

    def loss(self, p: Params) -> Tensor:
        """Return the negative ELBO of all data."""
        q = self.marginal(p)
        prior = dist.Bernoulli(X.new_tensor(0.5)) if self.binary else dist.Normal(X.new_tensor(0.0), 1.0)
        square = (X - q.mean).square() + q.variance
        return (kl_divergence(q, prior) + square / 2).sum()

    def names(self) -> list[str]:
        """Return the params' names in Pyro's store."""
        return list(self.start)

    def leaves(self) -> list[Tensor]:
        """Return what gradients are taken by."""
        return [pyro.param(name).unconstrained() for name in self.names()]

    def read(self) -> Params:
        """Return the params as they are, with their graph."""
        return {name: pyro.param(name) for name in self.start}

    def begin(self) -> None:
        """Put the params to where they start."""
        pyro.clear_param_store()
        for name, start in self.start.items():
            pyro.param(name, start.clone())


class MeanField(Program):
    """A normal law for each datum."""

    start: ClassVar[Params] = {"m": START_MEAN, "r": START_SD.log()}

    def law(self, p: Params, x: Tensor, i: Tensor) -> Any:
        return dist.Normal(p["m"][i], p["r"][i].exp())


class Score(MeanField):
    """The same, not reparameterised."""

    def draw(self, x: Tensor) -> None:
        p = {name: pyro.param(name, start.clone()) for name, start in self.start.items()}
        with self.plate(x) as i:
            pyro.sample("z", self.law(p, x, i).has_rsample_(False))


class Amortised(Program):
    """A normal law whose mean is a line in the datum."""

    start: ClassVar[Params] = {"w": X.new_tensor([0.3]), "b": X.new_tensor([-0.2]), "r": X.new_tensor([-0.5])}
    batches = ("all", "indexed", "handed")

    def law(self, p: Params, x: Tensor, i: Tensor) -> Any:
        return dist.Normal(p["w"] * x[i] + p["b"], p["r"].exp().expand(len(i)))


class Chain(Program):
    """z comes from another latent u of the guide."""

    start: ClassVar[Params] = {"a": 0.5 * START_MEAN, "m": START_MEAN, "r": START_SD.log()}

    def model(self, x: Tensor) -> None:
        with self.plate(x) as i:
            zero = torch.zeros((), dtype=torch.float64)
            pyro.sample("u", dist.Normal(zero, 1.0))
            z = pyro.sample("z", dist.Normal(zero, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x[i])

    def draw(self, x: Tensor) -> None:
        p = {name: pyro.param(name, start.clone()) for name, start in self.start.items()}
        with self.plate(x) as i:
            u = pyro.sample("u", dist.Normal(p["a"][i], 0.5))
            pyro.sample("z", dist.Normal(p["m"][i] + 0.5 * u, p["r"][i].exp()))

    def marginal(self, p: Params) -> Any:
        return dist.Normal(p["m"] + 0.5 * p["a"], ((2 * p["r"]).exp() + 0.25 * 0.25).sqrt())

    def loss(self, p: Params) -> Tensor:
        z, u = dist.Normal(p["m"], p["r"].exp()), dist.Normal(p["a"], X.new_tensor(0.5))
        q, prior = self.marginal(p), dist.Normal(X.new_tensor(0.0), 1.0)
        of_z = -z.scale.log() - 0.5 + (q.mean.square() + q.variance) / 2
        return (of_z + kl_divergence(u, prior) + ((X - q.mean).square() + q.variance) / 2).sum()


class Auto(Program):
    """Pyro's AutoNormal."""

    start: ClassVar[Params] = {"m": START_MEAN, "r": START_SD.log()}
    batches = ("all",)

    def __init__(self, batch: str, *, enumerated: bool) -> None:
        super().__init__(batch, enumerated=enumerated)
        self.guide = AutoNormal(self.model)

    def names(self) -> list[str]:
        return ["AutoNormal.locs.z", "AutoNormal.scales.z"]

    def read(self) -> Params:
        locs, scales = (pyro.param(name) for name in self.names())
        return {"m": locs, "r": scales.log()}

    def begin(self) -> None:
        pyro.clear_param_store()
        self.guide(X)
        with torch.no_grad():
            for leaf, value in zip(self.leaves(), (START_MEAN, START_SD.expm1().log()), strict=True):
                leaf.copy_(value)

    def law(self, p: Params, x: Tensor, i: Tensor) -> Any:
        return dist.Normal(p["m"][i], p["r"][i].exp())


class Binary(Program):
    """A Bernoulli for each datum."""

    start: ClassVar[Params] = {"logits": (START_CHANCE / (1 - START_CHANCE)).log()}
    binary = True

    def law(self, p: Params, x: Tensor, i: Tensor) -> Any:
        return dist.Bernoulli(logits=p["logits"][i])


GUIDES: dict[str, type[Program]] = {
    "mean-field normal": MeanField,
    "normal, not reparameterised": Score,
    "amortised normal": Amortised,
    "chain of two normals": Chain,
    "AutoNormal": Auto,
    "Bernoulli": Binary,
}


# ---- rules


@dataclass(frozen=True)
class Rule:
    """A formula, and its violation as a function of q(z) of all data."""

    text: str
    level: str
    closed: Closed
    binary: bool = False
    hard: bool = False


def _short(low: float, value: Tensor) -> Tensor:
    return (low - value).clamp_min(0)


def _chance(q: Any, low: float, high: float = math.inf) -> Tensor:
    top = torch.ones(N, dtype=torch.float64) if high == math.inf else q.cdf(X.new_tensor(high))
    return top - q.cdf(X.new_tensor(low))


def _mean_short(low: float, q: Any) -> Tensor:
    """E max(low − z, 0) of normal draws."""
    ratio = (low - q.mean) / q.stddev
    density = torch.exp(-ratio.square() / 2) / math.sqrt(2 * math.pi)
    return (low - q.mean) * torch.special.ndtr(ratio) + q.stddev * density


def _prior(q: Any) -> Tensor:
    return kl_divergence(q, dist.Normal(X.new_tensor(0.0), 1.0))


def _second(q: Any) -> Tensor:
    return (q.variance + q.mean.square()).mean()


def _balance(q: Any) -> Tensor:
    p = q.probs.mean()
    return -math.log(2) - (p.log() + (1 - p).log()) / 2


NORMAL = (
    Rule("z >= 0.8", "draws", lambda q: _mean_short(0.8, q).mean()),
    Rule("E[z] >= 0.8", "datum", lambda q: _short(0.8, q.mean).mean()),
    Rule("mean(q(z)) >= 0.8", "datum", lambda q: _short(0.8, q.mean).mean()),
    Rule("sd(q(z)) <= 0.3", "datum", lambda q: (q.stddev - 0.3).clamp_min(0).mean()),
    Rule("P[z >= 0] >= 0.95", "datum", lambda q: _short(0.95, _chance(q, 0.0)).mean()),
    Rule("P[z * z <= 0.25] >= 0.95", "datum", lambda q: _short(0.95, _chance(q, -0.5, 0.5)).mean()),
    Rule("aggregate(E[z]) >= 0.5", "population", lambda q: _short(0.5, q.mean.mean())),
    Rule("aggregate(mean(q(z))) >= 0.5", "population", lambda q: _short(0.5, q.mean.mean())),
    Rule("aggregate(P[z >= 0]) >= 0.9", "population", lambda q: _short(0.9, _chance(q, 0.0).mean())),
    Rule(
        "aggregate(E[z * z]) - aggregate(E[z]) * aggregate(E[z]) <= 0.2",
        "population",
        lambda q: (_second(q) - q.mean.mean().square() - 0.2).clamp_min(0),
    ),
    Rule(
        "aggregate(E[z]) >= 0.5 or aggregate(E[z * z]) <= 0.1",
        "population",
        lambda q: torch.minimum(_short(0.5, q.mean.mean()), (_second(q) - 0.1).clamp_min(0)),
    ),
    Rule("abs(aggregate(E[z]) - 0.5) <= 0.1", "population", lambda q: ((q.mean.mean() - 0.5).abs() - 0.1).clamp_min(0)),
    Rule("aggregate(kl(q(z) || normal(0, 1))) >= 1", "population", lambda q: _short(1.0, _prior(q).mean())),
    Rule("E[z] >= 0.3", "datum", lambda q: _short(0.3, q.mean).mean(), hard=True),
    Rule("aggregate(E[z]) >= 0.5", "population", lambda q: _short(0.5, q.mean.mean()), hard=True),
)
BINARY = (
    Rule("z >= 1", "draws", lambda q: (1 - q.probs).mean(), True),
    Rule("E[z] >= 0.8", "datum", lambda q: _short(0.8, q.probs).mean(), True),
    Rule("P[z == 1] >= 0.8", "datum", lambda q: _short(0.8, q.probs).mean(), True),
    Rule("kl(delta(1) || q(z)) <= 0.2", "datum", lambda q: (-q.probs.log() - 0.2).clamp_min(0).mean(), True),
    Rule("aggregate(P[z == 1]) >= 0.7", "population", lambda q: _short(0.7, q.probs.mean()), True),
    Rule("kl(uniform({0, 1}) || aggregate(q(z))) <= 0", "population", _balance, True),
    Rule(
        "aggregate(E[z] * E[z]) >= 0.5",
        "population",
        lambda q: _short(0.5, q.probs.square().mean()),
        True,
    ),
    Rule("aggregate(P[z == 1]) >= 0.7", "population", lambda q: _short(0.7, q.probs.mean()), True, hard=True),
)
RULES = (*NORMAL, *BINARY)


# ---- combinations


@dataclass(frozen=True)
class Cell:
    """One combination."""

    base: str
    guide: str
    rule: Rule
    way: str
    """``all``, ``indexed``, ``handed``, or ``particles``: all data, eight vectorised draws."""

    @property
    def key(self) -> str:
        hard = "hard " if self.rule.hard else ""
        return " | ".join((hard + self.rule.text, self.guide, self.way, self.base))

    def program(self) -> Program:
        way = "all" if self.way == "particles" else self.way
        return GUIDES[self.guide](way, enumerated=self.base == "TraceEnum" and self.rule.binary)

    def objective(self) -> Any:
        """Return Pyro's own objective."""
        particles = {"num_particles": 8, "vectorize_particles": True} if self.way == "particles" else {}
        return BASES[self.base](max_plate_nesting=1, **particles)

    def attach(self, program: Program) -> Any:
        """Return the objective with the rule."""
        attribute = "hard" if self.rule.hard else f"weight {WEIGHT}"
        rule = f"rule r {attribute}: {self.rule.text}"
        return asrppl.regularize(program.model, program.guide, rule, elbo=self.objective())

    def handed(self) -> tuple[Tensor, ...]:
        return (X[:BATCH], X[BATCH:]) if self.way == "handed" else (X,)


def cells() -> Iterator[Cell]:
    """Yield every combination."""
    for rule in RULES:
        for guide, program in GUIDES.items():
            if program.binary == rule.binary:
                for way in (*program.batches, "particles"):
                    for base in BASES:
                        yield Cell(base, guide, rule, way)


def refused(cell: Cell) -> str | None:
    """Return the code of the error that the combination is refused with."""
    program = cell.program()
    program.begin()
    try:
        cell.attach(program).loss_and_grads(program.model, program.guide, cell.handed()[0])
    except AsrError as error:
        return error.diagnostics[0].code
    return None


@dataclass(frozen=True)
class Calls:
    """How many calls means and multipliers settle in, and how many the gradient is the mean of."""

    warm: int
    counted: int


CALLS = {"all": Calls(60, 40), "particles": Calls(30, 20), "indexed": Calls(150, 150), "handed": Calls(100, 60)}
"""Calls by way: where a call is part of the data, more."""
SCORE_CALLS = 5
"""How many times as many where draws are not reparameterised: the terms of a score function have long tails."""


def value_and_gradient(cell: Cell, calls: Calls) -> tuple[float, float]:
    """Return the violation's error, and the worst z-score of the rule's gradient by the params as they start.

    The rule's gradient is that of the objective with it less that of Pyro's own, of the same draws. Means and
    multipliers are those after some calls, the multipliers put to the weight where the comparison is violated. (A
    twentieth of the gradient is allowed for: cotangents are at means of a finite past.)
    """
    program = cell.program()
    program.begin()
    pyro.set_rng_seed(0)
    elbo = cell.attach(program)
    for _ in range(calls.warm):
        for x in cell.handed():
            elbo.loss_and_grads(program.model, program.guide, x)
    _hold(elbo)
    memory = elbo.state_dict()
    values: list[Tensor] = []

    def step(x: Tensor) -> None:
        elbo.load_state_dict(memory)
        elbo.loss_and_grads(program.model, program.guide, x)
        values.append(elbo.report.violations["r"].mean())

    with_rule = _gradients(program, cell.handed(), step, calls.counted)
    plain = cell.objective()
    without = _gradients(
        program, cell.handed(), lambda x: plain.loss_and_grads(program.model, program.guide, x), calls.counted
    )
    exact = cell.rule.closed(program.marginal(program.read()))
    leaves = program.leaves()
    slopes = [
        torch.zeros_like(leaf) if slope is None else slope
        for leaf, slope in zip(leaves, torch.autograd.grad(exact, leaves, allow_unused=True), strict=True)
    ]
    wanted = N * WEIGHT * torch.cat([slope.reshape(-1) for slope in slopes])
    rule = with_rule - without
    off = ((rule.mean(0) - wanted).abs() - 0.05 * wanted.abs().max()).clamp_min(0)
    z = off / (rule.std(0) / calls.counted**0.5 + 1e-9)
    return abs(float(torch.stack(values).mean()) - float(exact)), float(z.max())


def _gradients(program: Program, batches: tuple[Tensor, ...], step: Callable[[Tensor], object], calls: int) -> Tensor:
    rows: list[Tensor] = []
    for call in range(calls):
        pyro.set_rng_seed(call)
        for leaf in program.leaves():
            leaf.grad = None
        for x in batches:
            step(x)
        rows.append(torch.cat([_grad(leaf).reshape(-1) for leaf in program.leaves()]))
    return torch.stack(rows)


def _hold(elbo: Any) -> None:
    for kept in elbo.memory.rules.values():
        for name, multiplier in kept.multipliers.items():
            violated = kept.recent[name] > 0 if name in kept.recent else torch.ones_like(multiplier, dtype=torch.bool)
            multiplier.copy_(WEIGHT * violated)
        for multiplier in kept.together.values():
            multiplier.fill_(WEIGHT)


def _grad(leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad.clone()


def exact_objective(rule: Rule, program: Program, p: Params) -> Tensor:
    """Return the exact objective for each datum."""
    return program.loss(p) / N + (STEEP if rule.hard else WEIGHT) * rule.closed(program.marginal(p))


@cache
def optimum(rule: Rule, guide: str) -> float:
    """Return the least objective for each datum, up to 1e-3."""
    program = GUIDES[guide]("all", enumerated=False)
    best = math.inf
    p = {name: start.clone().requires_grad_() for name, start in program.start.items()}
    for rate in (0.1, 0.01, 0.001, 0.0001):
        adam = torch.optim.Adam(p.values(), rate)
        for _ in range(600):
            adam.zero_grad()
            value = exact_objective(rule, program, p)
            best = min(best, float(value))
            value.backward()
            adam.step()
    return best


def trained(cell: Cell, steps: int) -> Params:
    """Return the params that training ends at, averaged over its last fifth."""
    program = cell.program()
    program.begin()
    pyro.set_rng_seed(0)
    elbo = cell.attach(program)
    optim: Any = pyro.optim.ClippedAdam({"lr": 0.05, "lrd": 0.01 ** (1 / steps)})
    svi = SVI(program.model, program.guide, optim, elbo)
    tail: list[Params] = []
    batches = cell.handed()
    for step in range(steps):
        svi.step(batches[step % len(batches)])
        if step >= 0.8 * steps:
            tail.append({name: value.detach().clone() for name, value in program.read().items()})
    return {name: torch.stack([each[name] for each in tail]).mean(0) for name in tail[0]}


def gap(cell: Cell, steps: int) -> tuple[float, float]:
    """Return the nats a datum that training ends above the optimum, and the violation that it ends with."""
    program = cell.program()
    p = trained(cell, steps)
    with torch.no_grad():
        violation = float(cell.rule.closed(program.marginal(p)))
        end = float(exact_objective(cell.rule, program, p))
        if cell.rule.hard:  # what is left of the violation is said beside it
            end -= STEEP * violation
    return end - optimum(cell.rule, cell.guide), violation


STEPS = {"all": 1000, "indexed": 2000, "handed": 2000}


def examine(cell: Cell) -> dict[str, Any]:
    """Return all that the table says of a combination."""
    code = refused(cell)
    if code is not None:
        return {"refused": code}
    calls = CALLS[cell.way]
    if cell.guide == "normal, not reparameterised":
        calls = Calls(calls.warm, SCORE_CALLS * calls.counted)
    value, z = value_and_gradient(cell, calls)
    found: dict[str, Any] = {"value": value, "z": z}
    if cell.way in STEPS and cell.base == ("TraceEnum" if cell.rule.binary else "Trace"):
        found["gap"], found["violation"] = gap(cell, STEPS[cell.way])
    return found


# ---- the table

INTRODUCTION = f"""# What trains, and how exactly

Every rule below, attached to every guide under `Trace_ELBO`, `TraceGraph_ELBO`, `TraceEnum_ELBO` and
`TraceMeanField_ELBO`, against closed forms. The model is z ~ Normal(0, 1) or Bernoulli(0.5) and x ~ Normal(z, 1), for
each of {N} data: all at once, with 1 and with 8 particles; in subsamples of {BATCH} that have indices; and, where the
guide is a function of the datum, in batches of {BATCH} that are handed over. Weights are {WEIGHT:g}.

- **z**: the worst z-score of the rule's gradient, over its params, objectives and ways. (A twentieth of the largest
  entry is allowed for, since cotangents are taken at means of a finite past. Of 40 or more entries, 3 is usual.)
- **gap**: how many nats a datum above the optimum training ends, with all data, with subsamples, and with batches
  handed over where there are; `TraceEnum_ELBO` for Bernoullis and `Trace_ELBO` else. For hard rules the violation that
  it ends with is said too.

`python -m tests.matrix --log matrix.jsonl --write docs/matrix.md` made this page.
"""


def table(log: dict[str, dict[str, Any]]) -> str:
    """Return the page, of what is in the log."""
    parts = [INTRODUCTION]
    for binary in (False, True):
        guides = [name for name, program in GUIDES.items() if program.binary == binary]
        parts.append("| rule | of | " + " | ".join(guides) + " |\n" + "| --- " * (len(guides) + 2) + "|")
        for rule in RULES:
            if rule.binary == binary:
                text = rule.text.replace("|", "\\|")
                row = [f"`{'hard: ' if rule.hard else ''}{text}`", rule.level]
                row += [_entry([c for c in cells() if c.rule is rule and c.guide == guide], log) for guide in guides]
                parts[-1] += "\n| " + " | ".join(row) + " |"
    refusals = [
        f"- `{cell.key.replace('|', ',')}`: {log[cell.key]['refused']}"
        for cell in cells()
        if "refused" in log.get(cell.key, {})
    ]
    if refusals:
        parts.append("Refused:\n\n" + "\n".join(refusals))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _entry(of: list[Cell], log: dict[str, dict[str, Any]]) -> str:
    found = [log[cell.key] for cell in of if cell.key in log]
    scores = [each["z"] for each in found if "z" in each]
    if not scores:
        return "refused" if found else ""
    text = f"z {max(scores):.1f}"
    gaps = [f"{max(0.0, each['gap']):.3f}" for each in found if "gap" in each]
    if gaps:
        text += ", gap " + " ".join(gaps)
    if of[0].rule.hard:
        text += ", violation " + " ".join(f"{each['violation']:.3f}" for each in found if "violation" in each)
    return text


def main() -> None:
    """Go on with the log, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, required=True, help="a line for each combination; what is there is kept")
    parser.add_argument("--write", type=Path, help="the page to write")
    parser.add_argument("--only", default="", help="combinations whose name has this in it")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    log: dict[str, dict[str, Any]] = {}
    if arguments.log.exists():
        for line in arguments.log.read_text().splitlines():
            entry = json.loads(line)
            log[entry.pop("cell")] = entry
    for cell in cells():
        if cell.key not in log and arguments.only in cell.key:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AsrWarning)
                log[cell.key] = examine(cell)
            line = json.dumps({"cell": cell.key, **log[cell.key]})
            with arguments.log.open("a") as file:
                file.write(line + "\n")
            print(line, flush=True)
    if arguments.write:
        arguments.write.write_text(table(log))


if __name__ == "__main__":
    main()
