"""Proofs about small generated rules, by z3: for all reals and ints, a violation is 0 exactly where the formula holds.

    python -m tests.proofs --formulas 2000 --seed 0

The interpreter runs on unknowns (`tests.symbolic`), along every path. For each path z3 also gives numbers that lead
there, and at these the compiled graph has to cost what the interpreter does.
"""

import argparse
import math
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Literal

import torch
import z3

from asrppl.diagnostics import AsrError, AsrWarning
from asrppl.program import Program, parse
from asrppl.reference import Given, Reference
from asrppl.worlds.unknown import Unknown
from tests.programs import LENGTH, Writer, with_statements
from tests.symbolic import Explorer, TooManyPathsError

PATHS = 20
REALS, INTS, BOOLS = ("x", "y", "m", "r", "u", "w"), ("a", "c", "n", "g"), ("b", "h")
Came = Literal["proved", "refused", "too many paths"]


class Unknowns:
    """Values for the names of `tests.programs`, all of them unknown.

    Args:
        explorer: of the paths.
        names: that are wanted.
    """

    def __init__(self, explorer: Explorer, names: set[str]) -> None:
        self.explorer = explorer
        self.side: list[z3.BoolRef] = []
        self.of: dict[str, z3.ArithRef] = {}
        self.values: dict[str, Given] = {}
        for name in names:
            axes = 2 if name == "m" else 0 if name in ("r", "w", "n") else 1
            mask = self._nested(f"{name} mask", 1, "bool") if name in ("u", "c", "box") else None
            if name == "box":
                fields = {field: self._nested(f"box {field}", 1, "real") for field in "xywh"}
                self.values[name] = Given("real", fields=fields, mask=mask)
            else:
                kind = "real" if name in REALS else "int" if name in INTS else "bool"
                self.values[name] = Given(kind, self._nested(name, axes, kind), mask=mask)

    def _nested(self, name: str, axes: int, kind: str) -> object:
        if axes:
            return [self._nested(f"{name} {at}", axes - 1, kind) for at in range(LENGTH)]
        if kind == "real":
            term = z3.Real(name)
        else:
            whole = z3.Int(name)
            self.side += [whole >= 0, whole <= (1 if kind == "bool" else 3)]
            term = z3.ToReal(whole)
        self.of[name] = term
        return Unknown(self.explorer, term)

    def at(self, model: z3.ModelRef) -> dict[str, object]:
        """Return the values in a model as plain Python, reals as floats."""

        def number(name: str, kind: str) -> object:
            found = model.eval(self.of[name], model_completion=True).as_fraction()
            return float(found) if kind == "real" else bool(found) if kind == "bool" else int(found)

        def nested(name: str, axes: int, kind: str) -> object:
            return [nested(f"{name} {at}", axes - 1, kind) for at in range(LENGTH)] if axes else number(name, kind)

        values: dict[str, object] = {}
        for name, given in self.values.items():
            axes = 2 if name == "m" else 0 if name in ("r", "w", "n") else 1
            parts: dict[str, object] = {field: nested(f"box {field}", 1, "real") for field in given.fields}
            parts = parts or {"value": nested(name, axes, given.kind)}
            values[name] = {**parts, "mask": nested(f"{name} mask", 1, "bool")} if given.mask is not None else parts
        return values


def prove(seed: int, paths: int = PATHS) -> tuple[Came, str]:
    """Return what came of a rule, which is given up where it has more paths than ``paths``.

    Raises:
        AssertionError: its violation is 0 where it does not hold, or the other way round, or compiled it is another.
    """
    text = with_statements(f"rule r: {Writer(seed, plain=True).formula(1 + seed % 2, ())}")
    try:
        program = parse(text)
        program.violations({name: _tensor([datum]) for name, datum in _zeros(program).items()})
    except AsrError:
        return "refused", text
    explorer = Explorer(paths)
    unknowns = Unknowns(explorer, set(program.free))
    witnesses: list[dict[str, object]] = []

    def run() -> None:
        (outcome,) = Reference(text, unknowns.values).violations()
        cost = outcome.cost
        zero = cost.term == 0 if isinstance(cost, Unknown) else z3.BoolVal(cost == 0)
        assert explorer.certain(zero if outcome.holds else z3.Not(zero)), text
        negative = cost.term < 0 if isinstance(cost, Unknown) else z3.BoolVal(cost < 0)
        assert explorer.certain(z3.Not(negative)), text

    try:
        witnesses += [unknowns.at(model) for model in explorer.paths(run, unknowns.side)]
    except TooManyPathsError:
        return "too many paths", text
    _compare(program, text, witnesses)
    return "proved", text


def _zeros(program: Program) -> dict[str, object]:
    explorer = Explorer(1)
    unknowns = Unknowns(explorer, set(program.free))
    explorer.solver.add(*unknowns.side)
    explorer.solver.check()
    return unknowns.at(explorer.solver.model())


def _tensor(data: list[object]) -> object:
    """Return values of one name, for all data, as the compiler takes them."""
    parts = [datum for datum in data if isinstance(datum, Mapping)]
    found = {part: torch.tensor([datum[part] for datum in parts]) for part in parts[0]}
    return found if len(found) > 1 else found["value"]


def _compare(program: Program, text: str, witnesses: list[dict[str, object]]) -> None:
    # As floats the numbers may leave their path: the interpreter is asked again.
    costs = [Reference(text, datum).violations()[0].cost for datum in witnesses]
    compiled = program.violations({name: _tensor([datum[name] for datum in witnesses]) for name in program.free})["r"]
    for cost, found, datum in zip(costs, compiled.double().expand(len(costs)).tolist(), witnesses, strict=True):
        assert math.isclose(cost, found, rel_tol=1e-9, abs_tol=1e-9), f"{text}\n{datum}\n{found} for {cost}"


def main() -> None:
    """Prove many rules."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formulas", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--paths", type=int, default=200, help="more than which a rule is given up")
    options = parser.parse_args()
    warnings.simplefilter("ignore", AsrWarning)
    torch.set_default_dtype(torch.float64)
    print(dict(Counter(prove(seed, options.paths)[0] for seed in range(options.seed, options.seed + options.formulas))))


if __name__ == "__main__":
    main()
