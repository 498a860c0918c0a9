"""Random models, guides, rules and objectives: each gradient right, or refused.

    python -m tests.random_programs --programs 5000 --seed 0 --log programs.jsonl

adds a line to the log for each seed that is not in it yet. What a rule costs, and its gradient, are held against sums
over all that the guide may draw (tests/random_sites.py), of formulas that are written beside their meaning
(tests/random_rules.py). The rule's gradient is that of the objective with it less that of Pyro's own, of the same
draws; where the two are apart by more than four standard errors, ten times as many calls decide.
"""

import argparse
import json
import random
import re
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyro
import torch
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO
from torch import Tensor

import asrppl
from asrppl.codes import CODES
from asrppl.diagnostics import AsrError, AsrWarning
from asrppl.infer.estimate.evaluation import Evaluation
from asrppl.infer.estimate.multipliers import Multipliers, Place
from tests.random_rules import Rule, Writer
from tests.random_sites import States, World

WEIGHT = 2.0
BASES: tuple[Any, ...] = (Trace_ELBO, TraceGraph_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO)
ALLOWED = 0.05
"""Of the largest entry of a gradient that reads tracked means: their past is finite."""
MANY = 128
"""Particles of most programs."""
CELL = 0.77
"""Of the cells of a second grid: by how much it differs from the first says how far that may be off."""
SETTLING = 1024
"""Particles that means are settled with."""


@dataclass(frozen=True)
class Verdict:
    """What came of one program. A program that Pyro itself refuses is none."""

    seed: int
    came: Literal["agrees", "refused", "differs", "crashed", "no program", "near"]
    text: str
    about: str
    why: str = ""
    z: float = 0.0
    error: float = 0.0
    seconds: float = 0.0


class Case:
    """A world, a rule on it, and an objective."""

    def __init__(self, seed: int) -> None:
        choices = random.Random(seed)
        self.seed = seed
        self.world = World(seed)
        self.world.begin()
        states = self.world.states()
        self.rule: Rule = Writer(self.world, states, seed).rule()
        base = choices.choice(BASES)
        if self.world.enumerated:
            base = TraceEnum_ELBO
        elif base is TraceMeanField_ELBO and any(site.finite or site.family == "score" for site in self.world.sites):
            base = Trace_ELBO  # Pyro's own takes only reparameterised guides
        self.kind: Any = base
        self.particles: int = choices.choice([1, 4, MANY, MANY, MANY])
        self.vectorised: bool = self.particles == MANY or (self.particles > 1 and choices.random() < 0.5)
        self.guessed: bool = choices.random() < 0.2  # the plates' depth is left for Pyro to find out
        self.default: bool = base is Trace_ELBO and self.particles == 1 and choices.random() < 0.5

    @property
    def about(self) -> str:
        """Return what the program is, in words."""
        world = self.world
        sites = "; ".join(
            f"{s.name} {s.family} {s.shape}{'' if s.local else ' outside'}{' amortised' if s.amortised else ''}"
            f"{' of ' + ','.join(p for p, _ in s.parents) if s.parents else ''}{' chained' if s.chain else ''}"
            f"{' masked by ' + s.masked if s.masked else ''}{f' scale {s.scale}' if s.scale != 1 else ''}"
            for s in world.sites
        )
        plate = ("sequential " if world.sequential else "turned " if world.turned and world.nested else "") + (
            f"plate {world.size} {world.batches}" if world.plated else "no plate"
        )
        how = f"{self.kind.__name__} {self.particles}{' vectorised' if self.vectorised else ''}"
        how += " guessed" if self.guessed else ""
        guide = f"Auto {world.auto}" if world.auto else "enumerated" if world.enumerated else "guide"
        return f"{plate} | {sites} | {guide} | {how}" + (" default" if self.default else "")

    def objective(self, particles: int = 0) -> Any:
        """Return Pyro's own objective."""
        if self.default and not particles:
            return Trace_ELBO()
        depth: Any = float("inf") if self.guessed else self.world.nesting
        vectorised = self.vectorised if not particles else True
        return self.kind(
            num_particles=particles or self.particles, vectorize_particles=vectorised, max_plate_nesting=depth
        )

    def attach(self, particles: int = 0) -> Any:
        """Return the objective with the rule."""
        base = None if self.default and not particles else self.objective(particles)
        return asrppl.regularize(self.world.model, self.world.guide, self.rule.text, elbo=base, data=self.data)

    @property
    def data(self) -> str | None:
        return "data" if self.world.plated else None


def examine(seed: int, *, quick: bool = False) -> Verdict:
    """Return what comes of one program; ``quick`` where the least number of calls is enough if nothing is wrong."""
    started = time.perf_counter()
    torch.set_default_dtype(torch.float64)
    pyro.enable_validation(True)
    case = Case(seed)
    pyro.set_rng_seed(seed)

    def verdict(came: Any, why: str = "", z: float = 0.0, error: float = 0.0) -> Verdict:
        seconds = round(time.perf_counter() - started, 3)
        return Verdict(seed, came, case.rule.text, case.about, why, round(z, 3), round(error, 5), seconds)

    with warnings.catch_warnings(record=True) as own:
        warnings.simplefilter("always")
        try:
            _call(case, case.objective())
        except Exception as error:
            return verdict("no program", f"{type(error).__name__}: {error}"[:200])
    case.world.begin()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            elbo = case.attach()
            _call(case, elbo)
            found = _compare(case, elbo, (3, 6, 40, 90) if quick else (3, 16, 90))
        except AsrError as error:
            first = error.diagnostics[0]
            return verdict("refused", f"{first.code}: {first.message}")
        except Exception as error:
            return verdict("crashed", f"{type(error).__name__}: {error}"[:500])
    known = {re.sub(r"\d", "", str(each.message)) for each in own}  # a subsample has other entries each time
    strange = [str(each.message) for each in caught if not issubclass(each.category, AsrWarning)]
    strange = [each for each in strange if re.sub(r"\d", "", each) not in known]
    if strange:
        return verdict("crashed", f"warning: {strange[0]}"[:500])
    return verdict(*found)


def _call(case: Case, elbo: Any) -> None:
    for index in case.world.rows():
        case.world.index = index
        elbo.loss_and_grads(case.world.model, case.world.guide)


def _compare(case: Case, elbo: Any, turns: tuple[int, ...]) -> tuple[str, str, float, float]:
    states = case.world.states()
    points = "".join(site.name for site in case.world.sites if site.family == "delta")
    if case.rule.margins(states) < 0.05 or (points and re.search(rf"P\[[^P]*\b[{points}]\b", case.rule.text)):
        return "near", "", 0.0, 0.0  # (no sum over a grid follows an event whose edge is a param)
    right = _right(case, states)
    pyro.enable_validation(False)
    coarse = 2 * (_right(case, case.world.states(CELL)) - right).abs()
    measure = Measure(case, elbo, right, coarse, SETTLING)
    for rows in turns:
        measure.go_on(rows)
        if measure.z <= 4 and (measure.quiet or rows > 3):
            break
    if measure.z > 4 and not measure.settled:  # are its means not there yet?
        measure = Measure(case, elbo, right, coarse, 16 * SETTLING)
        measure.go_on(turns[-1])
    return ("differs" if measure.z > 4 else "agrees"), measure.why, measure.z, measure.error


def _right(case: Case, states: States) -> Tensor:
    """Return what the rule costs, and its gradient in the objective, by sums over states."""
    exact, leaves = case.rule.exact(states), case.world.leaves()
    slopes = torch.autograd.grad(exact, leaves, allow_unused=True) if exact.requires_grad else [None] * len(leaves)
    flat = [torch.zeros_like(leaf) if slope is None else slope for leaf, slope in zip(leaves, slopes, strict=True)]
    return torch.cat([exact.detach().reshape(1), *(case.world.size * WEIGHT * slope.reshape(-1) for slope in flat)])


class Measure:
    """What calls say a rule costs, and of its gradient, against what they are.

    Args:
        case: the program.
        elbo: with the rule, after a call.
        right: what the rule costs, and its gradient.
        coarse: how far the oracle's grid may be off.
        settling: particles that means are settled with.
    """

    def __init__(self, case: Case, elbo: Any, right: Tensor, coarse: Tensor, settling: int) -> None:
        self.case, self.elbo = case, elbo
        self.right, self.coarse = right, coarse
        self.moments: dict[str, str] = elbo.report.moments.get("r", {})
        self.settled = all(how.startswith("exact") for how in self.moments.values())
        self.plain = case.objective()
        self.found: list[Tensor] = []
        self.z = self.error = 0.0
        self.why = ""
        self.quiet = False
        self.settled = self.settled and not case.rule.hard
        samples = 0 if self.settled else _settle(case, elbo, settling)
        self.spread = 0.0 if self.settled else 1.5 / samples**0.5
        self.memory = elbo.state_dict()

    def go_on(self, rows: int) -> None:
        """Take so many more rows, each a mean over the batches."""
        world = self.case.world
        factor = 1 if self.case.particles > 1 and world.batches != "drawn" else 2
        values: list[Tensor] = []

        def step() -> None:
            self.elbo.load_state_dict(self.memory)
            self.elbo.loss_and_grads(world.model, world.guide)
            values.append(self.elbo.report.violations["r"].mean().detach())

        for row in range(len(self.found), len(self.found) + factor * rows):
            values.clear()
            with_rule = _gradient(self.case, row, step)
            plain = _gradient(self.case, row, lambda: self.plain.loss_and_grads(world.model, world.guide))
            self.found.append(torch.cat([torch.stack(values).mean().reshape(1), with_rule - plain]))
        self._judge(torch.stack(self.found))

    def _judge(self, found: Tensor) -> None:
        grid = any(not site.finite and site.family != "delta" for site in self.case.world.sites)
        noise = found.std(0)
        largest = torch.cat([self.right[:1].abs(), self.right[1:].abs().max().expand(len(self.right) - 1)])
        allowed = 3e-3 * (1 + largest) if grid else torch.full_like(largest, 1e-8)
        allowed = allowed + self.coarse
        # What happens in one draw of many may not have happened: then there is neither a gradient nor noise.
        draws = len(found) * self.case.particles
        allowed = allowed + torch.where(noise < 1e-12, 8 * WEIGHT * self.case.world.size / draws, 0.0) * bool(grid)
        if not self.settled:
            allowed = allowed + (ALLOWED + self.spread) * largest + self.spread
        self.quiet = float(noise.max()) < 1e-9
        error = noise / len(found) ** 0.5
        off = ((found.mean(0) - self.right).abs() - allowed).clamp_min(0)
        z = off / (error + 1e-9)
        at = int(z.argmax())
        self.z = float(z[at])
        self.error = float(error[1:].max() / (largest[1:].max() + 1e-3))
        name = "cost" if not at else f"gradient {at - 1}"
        self.why = f"{name}: {float(found.mean(0)[at]):.5g} ± {float(error[at]):.2g}, exact {float(self.right[at]):.5g}"
        self.why += f" ({len(found)} rows); {self.moments}"


def _settle(case: Case, elbo: Any, settling: int) -> int:
    """Let means and multipliers settle, where it can be with many particles; return how many draws they have seen."""
    many = elbo
    if case.vectorised or not case.world.sequential:
        many = case.attach(settling)
        try:
            _call(case, many)
        except Exception:  # what Pyro cannot run with vectorised particles is settled one by one
            many = elbo
    drawn = case.world.batches == "drawn"
    calls = 240 if drawn else 32 if many is not elbo else 80 * (settling // SETTLING)
    for call in range(calls):
        if call == calls // 2:  # the first cotangents were those of other multipliers
            for kept in many.memory.rules.values():
                kept.visits = None
                kept.cotangents.clear()
        pyro.set_rng_seed(10_000 + call)
        for index in case.world.rows():
            case.world.index = index
            many.loss_and_grads(case.world.model, case.world.guide)
            _hold(many)
    if many is not elbo:
        elbo.load_state_dict(many.state_dict())
    particles = settling if many is not elbo else case.particles
    return calls * (1 if drawn else particles)  # where data are drawn, these are the noise


def _hold(elbo: Any) -> None:
    """Put each multiplier to the weight where its comparison is violated, else to 0."""
    for kept in elbo.memory.rules.values():
        held: dict[str, Tensor] = vars(kept).setdefault("held", {})
        for name, multiplier in kept.multipliers.items():
            if name in kept.recent:
                multiplier.copy_(WEIGHT * (kept.recent[name] > 0))
            elif name in held:
                multiplier.copy_(held[name])
        for multiplier in kept.together.values():
            multiplier.fill_(WEIGHT)
        if "add" not in vars(kept):
            kept.add = partial(_add, kept)


def _add(kept: Multipliers, evaluation: Evaluation, place: Place | None) -> None:
    """Keep what a run has found; of comparisons of each datum, also the multipliers that it speaks for."""
    Multipliers.add(kept, evaluation, place)
    held: dict[str, Tensor] = vars(kept)["held"]
    for name, (excess, _, _) in evaluation.excess.items():
        if place is not None and name in kept.multipliers and name not in kept.recent:
            table = held.setdefault(name, torch.zeros_like(kept.multipliers[name]))
            rows = WEIGHT * (excess > 0).to(excess.dtype)
            place.put(table, rows.expand_as(place.take(table)).contiguous())


def _gradient(case: Case, seed: int, step: Callable[[], object]) -> Tensor:
    pyro.set_rng_seed(seed)
    leaves = case.world.leaves()
    for leaf in leaves:
        leaf.grad = None
    batches = case.world.rows()
    for index in batches:
        case.world.index = index
        step()
    parts = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
    return torch.cat([part.reshape(-1) for part in parts]) / len(batches)


def main() -> None:
    """Go on with the log, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0, help="of the first program")
    parser.add_argument("--log", type=Path, required=True, help="a line for each program; what is there is kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    done: dict[int, dict[str, Any]] = {}
    if options.log.exists():
        done = {entry["seed"]: entry for entry in map(json.loads, options.log.read_text().splitlines())}
    for seed in range(options.seed, options.seed + options.programs):
        if seed not in done:
            done[seed] = vars(examine(seed))
            with options.log.open("a") as file:
                file.write(json.dumps(done[seed]) + "\n")
            if done[seed]["came"] in ("differs", "crashed"):
                print(json.dumps(done[seed], indent=1), flush=True)
    among = [done[seed] for seed in range(options.seed, options.seed + options.programs)]
    print(dict(Counter(entry["came"] for entry in among)))
    codes = Counter(entry["why"][:6] for entry in among if entry["came"] == "refused")
    for code, count in codes.most_common():
        print(code, count, CODES[code].title)


if __name__ == "__main__":
    main()
