"""The violation that a combination reports, and the gradient of its rule, against the closed form."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyro
import torch
from torch import Tensor

from tests.matrix.cells import WEIGHT, Cell
from tests.matrix.programs import N, Program


@dataclass(frozen=True)
class Calls:
    """How many calls means and multipliers settle in, and how many the gradient is the mean of."""

    warm: int
    counted: int


CALLS = {"all": Calls(50, 30), "particles": Calls(30, 20), "indexed": Calls(100, 100), "handed": Calls(60, 40)}
"""Calls by way: where a call is part of the data, more."""
SCORE_CALLS = 3
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
    exact = cell.rule.violation(program, program.read())
    leaves = program.leaves()
    slopes = [
        torch.zeros_like(leaf) if slope is None else slope
        for leaf, slope in zip(leaves, torch.autograd.grad(exact, leaves, allow_unused=True), strict=True)
    ]
    wanted = N * WEIGHT * torch.cat([slope.reshape(-1) for slope in slopes])
    rule = with_rule - without
    off = ((rule.mean(0) - wanted).abs() - 0.05 * wanted.abs().max()).clamp_min(0)
    # What no call has shown may still have a chance of one in their number.
    error = (rule.var(0) / calls.counted + (wanted.abs().max() / calls.counted).square() + 1e-18).sqrt()
    z = off / error
    return abs(float(torch.stack(values).mean().detach()) - float(exact.detach())), float(z.max())


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
