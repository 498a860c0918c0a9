"""Compiled violations and gradients against the interpreter's values and finite differences, on generated rule files.

    python -m tests.agreement --programs 50000 --seed 0 --resume

writes what it finds to `runs/agreement.jsonl`, a line each 100 programs and one each disagreement, and goes on from
there with `--resume`.
"""

import argparse
import json
import math
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from asrppl.bind.bound import Bound
from asrppl.bind.values import bind_values
from asrppl.diagnostics import AsrError, AsrWarning
from asrppl.lower import Plan, lower
from asrppl.program import Program, parse
from asrppl.reference import Outcome, Reference
from tests.programs import Writer, values

BATCH = 3
TOLERANCE = 1e-9
STEP = 1e-6
SLOPE = 1e-4
DENSE = 2**22
"""Elements that a grid may hold at once, beyond what any of these rules needs."""


@dataclass(frozen=True)
class Verdict:
    """What came of one program: ``text`` and ``why`` say more where it differs."""

    came: Literal["agrees", "refused", "differs"]
    text: str
    why: str = ""


def compiled(text: str, tensors: dict[str, object], bound: int = DENSE) -> tuple[Program, Plan, Bound] | None:
    """Return a text's program, its plan and what it is bound to; None where the checker refuses it."""
    try:
        program = parse(text)
        found = bind_values(program.free, {name: tensors[name] for name in program.free})
        typed = program.typed(found.signature)
    except AsrError:
        return None
    return program, lower(typed, signature=found.signature, elements=BATCH, bound=bound), found


def compare(seed: int, *, bound: int = DENSE, gradient: bool = False) -> Verdict:
    """Return whether one generated rule's compiled violation is the interpreter's, and its gradient a slope."""
    text = Writer(seed).file()
    # Few sets of values, so that whatever is kept by signature is kept.
    tensors, data = values(seed % 97, BATCH)
    try:
        made = compiled(text, tensors, bound)
        if made is None:
            return Verdict("refused", text)
        program, plan, found = made
        costs = plan(found.tensors)["r"].double().expand(BATCH).tolist()
        why = gradient_differs(plan, bind_values(program.free, _free(program, seed))) if gradient else ""
    except Exception as error:
        return Verdict("differs", text, f"{type(error).__name__}: {error}")
    for cost, datum in zip(costs, data, strict=True):
        (outcome,) = Reference(text, datum).violations()
        why = why or value_differs(text, cost, outcome)
        if why:
            read = {name: value for name, value in datum.items() if name in program.free}
            return Verdict("differs", text, f"{why}; values {json.dumps(read)}")
    return Verdict("agrees", text)


def _free(program: Program, seed: int) -> dict[str, object]:
    tensors, _ = values(seed % 97, BATCH, coarse=False)
    return {name: tensors[name] for name in program.free}


def value_differs(text: str, cost: float, outcome: Outcome) -> str:
    """Return in words how a compiled violation differs from the interpreter's; "" where it does not."""
    if not math.isfinite(cost):
        return f"the compiled violation is {cost}"
    if not math.isclose(cost, outcome.cost, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
        return f"compiled {cost!r}, reference {outcome.triple}"
    # Rounding takes a divergence of equals a hair from 0, and a margin is charged where the formula holds.
    if "margin" not in text and "(q(k[" not in text and (outcome.cost == 0) != outcome.holds:
        return f"the violation is {outcome.triple}, and the formula {'holds' if outcome.holds else 'does not hold'}"
    return ""


def gradient_differs(plan: Plan, found: Bound) -> str:
    """Return in words where a gradient is not the slope that finite differences see; "" where it is.

    Entries next to a kink are passed over: there the slopes to both sides differ. So are large slopes and large
    violations, next to a pole: finite differences of those are rounding.
    """
    reals = {key: tensor for key, tensor in found.tensors.items() if _moves(key[0], key[1], tensor)}
    if not reals or "detach" in plan.code:
        return ""
    leaves = {key: tensor.clone().requires_grad_() for key, tensor in reals.items()}
    total = plan({**found.tensors, **leaves})["r"].double().expand(BATCH)
    if not total.requires_grad:
        return ""
    slopes = torch.autograd.grad(total.sum(), list(leaves.values()), allow_unused=True)
    for (key, tensor), slope in zip(reals.items(), slopes, strict=True):
        slope = torch.zeros_like(tensor) if slope is None else slope
        if not bool(torch.isfinite(slope).all()):
            return f"the gradient of {key} is not finite"
        for at in range(tensor[0].numel()):
            sides = [_moved(plan, found, key, at, step) for step in (-STEP, 0.0, STEP)]
            before, after = (sides[1] - sides[0]) / STEP, (sides[2] - sides[1]) / STEP
            smooth = (before - after).abs() <= SLOPE * (1 + after.abs())
            got, want = slope.reshape(BATCH, -1)[:, at], (sides[2] - sides[0]) / (2 * STEP)
            near = (want.abs() < 1e4) & (sides[1].abs() < 1e4)
            off = smooth & near & ((got - want).abs() > SLOPE * (1 + want.abs()))
            if bool(off.any()):
                return f"the gradient of {key} at {at} is {got[off].tolist()}, the slope {want[off].tolist()}"
    return ""


def _moves(name: str, component: str | None, tensor: Tensor) -> bool:
    # The given names are data, and of probabilities only those that sum to 1 have a meaning.
    return tensor.is_floating_point() and name not in ("g", "h", "w", "k") and component != "mask"


def _moved(plan: Plan, found: Bound, key: tuple[str, str | None], at: int, step: float) -> Tensor:
    tensor = found.tensors[key].clone()
    tensor.reshape(BATCH, -1)[:, at] += step
    return plan({**found.tensors, key: tensor})["r"].detach().double().expand(BATCH)


def main() -> None:
    """Compare many programs, and keep a log."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first program")
    parser.add_argument("--log", type=Path, default=Path("runs/agreement.jsonl"))
    parser.add_argument("--resume", action="store_true", help="go on after the last seed in the log")
    parser.add_argument("--gradients", type=int, default=10, help="of how many programs one has its gradient looked at")
    options = parser.parse_args()
    warnings.simplefilter("ignore", AsrWarning)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    options.log.parent.mkdir(parents=True, exist_ok=True)
    first, counts = options.seed, Counter[str]()
    if options.resume and options.log.exists():
        for line in map(json.loads, options.log.read_text(encoding="utf-8").splitlines()):
            if "next" in line:
                first, counts = line["next"], Counter(line["counts"])
    started = time.perf_counter()
    with options.log.open("a" if options.resume else "w", encoding="utf-8") as log:
        for seed in range(first, options.seed + options.programs):
            verdict = compare(seed, gradient=seed % options.gradients == 0)
            counts[verdict.came] += 1
            if verdict.came == "differs":
                print(f"seed {seed}\n{verdict.text}\n{verdict.why}\n", file=sys.stderr)
                log.write(json.dumps({"seed": seed, "text": verdict.text, "why": verdict.why}) + "\n")
            if (seed + 1) % 100 == 0:
                log.write(json.dumps({"next": seed + 1, "counts": counts}) + "\n")
                log.flush()
    print(f"{dict(counts)} in {time.perf_counter() - started:.0f} s; log: {options.log}")


if __name__ == "__main__":
    main()
