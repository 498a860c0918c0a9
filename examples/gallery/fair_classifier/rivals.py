"""The same problem for the solvers of cooper and of humancompatible-train, as their own pages say to use them.

Both minimise −ELBO / N subject to gap − ε ≤ 0 and −gap − ε ≤ 0, on the batches and the draws that all methods have.
"""

# cooper's names are public by its pages, and its type information does not export them.
# pyright: reportPrivateImportUsage=false

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

Draw = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Of a batch the loss per datum and the two constraints, ``(2,)``, at most 0 where they hold."""

Step = Callable[[Tensor], None]
"""One training step on a batch."""

GRID: dict[str, dict[str, list[dict[str, Any]]]] = {
    "cooper": {
        "Lagrangian": [{"lr": lr} for lr in (0.01, 0.03, 0.1, 0.3)],
        "nuPI": [{"lr": lr, "kp": 1.0} for lr in (0.03, 0.1)],
        "AugmentedLagrangian": [{"lr": 0.03, "penalty": penalty} for penalty in (1.0, 3.0, 10.0)],
    },
    "humancompatible-train": {
        "ALM": [
            *({"lr": lr, "penalty": 0.0} for lr in (0.01, 0.03, 0.1)),
            *({"lr": 0.03, "penalty": penalty} for penalty in (1.0, 3.0, 10.0)),
        ],
        "nuPI": [{"ki": ki, "kp": 0.1, "nu": 0.9} for ki in (0.03, 0.1)],
        "PBM": [{"penalty_mult": factor} for factor in (0.1, 0.9)],
    },
}
"""By package and solver the settings that are tried."""


def settings(package: str) -> list[dict[str, Any]]:
    """Return what is tried of a package."""
    return [{"solver": solver, **each} for solver, grid in GRID[package].items() for each in grid]


def stepper(package: str, chosen: dict[str, Any], draw: Draw, optimizer: Optimizer, epoch: int) -> Step:
    """Return what makes a training step with a solver of ``package``.

    Args:
        package: ``"cooper"`` or ``"humancompatible-train"``.
        chosen: one of `settings`.
        draw: the problem.
        optimizer: of the classifier's parameters.
        epoch: how many batches see as many people as there are.
    """
    if package == "cooper":
        return _cooper(draw, optimizer, **chosen)
    return _humancompatible(draw, optimizer, epoch, **chosen)


def _cooper(draw: Draw, optimizer: Optimizer, solver: str, lr: float, kp: float = 0.0, penalty: float = 0.0) -> Step:
    import cooper

    augmented = solver == "AugmentedLagrangian"
    formulation = cooper.formulations.AugmentedLagrangian if augmented else cooper.formulations.Lagrangian
    coefficient = cooper.penalty_coefficients.DensePenaltyCoefficient(torch.tensor(penalty)) if augmented else None

    class Parity(cooper.ConstrainedMinimizationProblem):
        def __init__(self) -> None:
            super().__init__()
            self.parity = cooper.Constraint(
                constraint_type=cooper.ConstraintType.INEQUALITY,
                formulation_type=formulation,
                multiplier=cooper.multipliers.DenseMultiplier(num_constraints=2),
                penalty_coefficient=coefficient,
            )

        def compute_cmp_state(self, rows: Tensor) -> cooper.CMPState:
            loss, violation = draw(rows)
            state = cooper.ConstraintState(violation=violation)
            return cooper.CMPState(loss=loss, observed_constraints={self.parity: state})

    problem = Parity()
    duals = list(problem.dual_parameters())
    if solver == "nuPI":
        dual: Optimizer = cooper.optim.nuPI(duals, lr=lr, Kp=torch.tensor(kp), ema_nu=0.9, maximize=True)
    else:
        dual = torch.optim.SGD(duals, lr=lr, maximize=True)
    both = cooper.optim.SimultaneousOptimizer(problem, primal_optimizers=optimizer, dual_optimizers=dual)

    def step(rows: Tensor) -> None:
        both.roll({"rows": rows})

    return step


def _humancompatible(draw: Draw, optimizer: Optimizer, epoch: int, solver: str, **chosen: Any) -> Step:
    from humancompatible.train import dual_optim

    if solver == "PBM":
        dual: Any = dual_optim.PBM(m=2, epoch_length=epoch, **chosen)
    else:
        dual = getattr(dual_optim, solver)(m=2, is_ineq=True, **chosen)

    def step(rows: Tensor) -> None:
        loss, violation = draw(rows)
        optimizer.zero_grad()
        dual.forward_update(loss, violation).backward()
        optimizer.step()

    return step
