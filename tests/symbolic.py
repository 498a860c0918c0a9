"""The reference interpreter run on unknowns (`asrppl.worlds.unknown`): each branch is taken both ways.

What holds on every path holds for all reals and ints, not only for those that were tried.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import z3


class TooManyPathsError(Exception):
    """A run has more paths than were asked for."""


@dataclass
class Explorer:
    """Follows all paths of a function of unknowns, one at a time.

    Args:
        limit: of paths.
    """

    limit: int
    solver: z3.Solver = field(default_factory=z3.Solver)
    _pending: list[list[bool]] = field(default_factory=list[list[bool]])
    _taken: list[bool] = field(default_factory=list[bool])
    _at: int = 0
    _known: dict[z3.BoolRef, bool] = field(default_factory=dict[z3.BoolRef, bool])
    _model: z3.ModelRef | None = None

    def __post_init__(self) -> None:
        self.solver.set("timeout", 2_000)

    def paths(self, run: Callable[[], None], side: list[z3.BoolRef]) -> Iterator[z3.ModelRef]:
        """Yield, after each run, numbers that lead there; ``side`` says what is known of the unknowns."""
        self._pending = [[]]
        count = 0
        while self._pending:
            count += 1
            if count > self.limit:
                raise TooManyPathsError
            self._taken, self._at, self._model = self._pending.pop(), 0, None
            self._known.clear()
            self.solver.push()
            self.solver.add(*side)
            run()
            yield self._somewhere()
            self.solver.pop()

    def decide(self, condition: z3.BoolRef) -> bool:
        """Return whether a condition is true on this path, and note the other one."""
        condition = z3.simplify(condition)
        if z3.is_not(condition):
            return not self.decide(condition.arg(0))
        if z3.is_true(condition) or z3.is_false(condition):
            return z3.is_true(condition)
        if condition not in self._known:  # the interpreter asks the same more than once
            self._known[condition] = self._decide(condition)
        return self._known[condition]

    def _decide(self, condition: z3.BoolRef) -> bool:
        if self._at < len(self._taken):
            value = self._taken[self._at]
        else:
            # The numbers that lead here take one of the branches; whether any take the other is to be asked.
            value = z3.is_true(self._somewhere().eval(condition, model_completion=True))
            if not self.certain(condition if value else z3.Not(condition)):
                self._pending.append([*self._taken, not value])
            self._taken.append(value)
        self._at += 1
        self.solver.add(condition if value else z3.Not(condition))
        return value

    def _somewhere(self) -> z3.ModelRef:
        """Return numbers that lead where the path is now."""
        if self._model is None:
            if self.solver.check() != z3.sat:  # none that is found in time
                raise TooManyPathsError
            self._model = self.solver.model()
        return self._model

    def certain(self, condition: z3.BoolRef) -> bool:
        """Whether a condition is true all along this path."""
        return self.solver.check(z3.Not(condition)) == z3.unsat
