"""How far from the optimum of the exact objective training ends."""

import math
from functools import cache
from typing import Any

import pyro
import torch
from pyro.infer import SVI
from torch import Tensor

from tests.matrix.cells import WEIGHT, Cell
from tests.matrix.programs import GUIDES, N, Params, Program
from tests.matrix.rules import Rule

STEEP = 50.0
"""Of hard rules the optimum is that of a hinge with this weight: more than any of them pulls with."""

STEPS = {"all": 1000, "indexed": 2000, "handed": 2000}
"""Steps by way."""
VISITS = 3
"""How many times as many where each datum has a multiplier, which comes to its price in some thousand visits."""


def exact_objective(rule: Rule, program: Program, p: Params) -> Tensor:
    """Return the exact objective for each datum."""
    return program.loss(p) / N + (STEEP if rule.hard else WEIGHT) * rule.violation(program, p)


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
            best = min(best, value.item())
            value.backward()
            adam.step()
    return best


def steps_of(cell: Cell) -> int:
    """Return how many steps a combination is trained for."""
    own = cell.rule.level == "datum" and "q(z)" not in cell.rule.text and cell.way != "handed"
    return STEPS[cell.way] * (VISITS if own else 1)


def trained(cell: Cell, steps: int) -> Params:
    """Return the params that training ends at, averaged over its last fifth."""
    program = cell.program()
    program.begin()
    pyro.set_rng_seed(0)
    elbo = cell.attach(program, steady=True)
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
        violation = float(cell.rule.violation(program, p))
        end = float(exact_objective(cell.rule, program, p))
        if cell.rule.hard:  # what is left of the violation is said beside it
            end -= STEEP * violation
    return end - optimum(cell.rule, cell.guide), violation
