"""Every combination of objective, guide, rule and way that data come in."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO
from torch import Tensor

import asrppl
from asrppl.diagnostics import AsrError
from tests.matrix.programs import BATCH, GUIDES, Program, X
from tests.matrix.rules import RULES, Rule

WEIGHT = 2.0
BASES: dict[str, Any] = {
    "Trace": Trace_ELBO,
    "TraceGraph": TraceGraph_ELBO,
    "TraceEnum": TraceEnum_ELBO,
    "TraceMeanField": TraceMeanField_ELBO,
}


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

    @property
    def trains(self) -> bool:
        """Whether it is trained to its optimum: with one particle, by one objective."""
        return self.way != "particles" and self.base == ("TraceEnum" if self.rule.binary else "Trace")

    def program(self) -> Program:
        way = "all" if self.way == "particles" else self.way
        return GUIDES[self.guide](way, enumerated=self.base == "TraceEnum" and self.rule.binary)

    def objective(self, *, steady: bool = False) -> Any:
        """Return Pyro's own objective; a ``steady`` one has enough particles to train by score functions."""
        score = steady and self.guide == "normal, not reparameterised"
        count = 32 if score else 8 if self.way == "particles" else 1
        particles = {"num_particles": count, "vectorize_particles": True} if count > 1 else {}
        return BASES[self.base](max_plate_nesting=1, **particles)

    def attach(self, program: Program, *, steady: bool = False) -> Any:
        """Return the objective with the rule."""
        attribute = "hard" if self.rule.hard else f"weight {WEIGHT}"
        rule = f"rule r {attribute}: {self.rule.text}"
        return asrppl.regularize(program.model, program.guide, rule, elbo=self.objective(steady=steady))

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
    """Return the code of the error that the combination is refused with, or "Pyro" where Pyro itself refuses it."""
    program = cell.program()
    program.begin()
    try:
        cell.attach(program).loss_and_grads(program.model, program.guide, cell.handed()[0])
    except AsrError as error:
        return error.diagnostics[0].code
    except NotImplementedError:  # TraceMeanField_ELBO of draws that are not reparameterised
        return "Pyro"
    return None
