"""Reading many rules: seconds of CPU time for each stage, from text to a plan that runs.

The whole is also given in units of a calibration, since machines differ: Python's own `compile` of as many functions
that say the same (`def rule_7(box): return all(nonoverlap(box[i], box[j]) for i in box for j in box if i != j)`).
"""

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import torch

import asrppl
from asrppl.bind.values import bind_values
from asrppl.check import check_file
from asrppl.source import Source
from asrppl.syntax import parse_file

_Made = TypeVar("_Made")


def rules(count: int) -> str:
    """Return a file of pair rules."""
    return "\n".join(f"rule r{k}: forall i != j: nonoverlap(box[i], box[j])" for k in range(count))


def functions(count: int) -> str:
    """Return as many Python functions that say the same."""
    body = "return all(nonoverlap(box[i], box[j]) for i in box for j in box if i != j)"
    return "\n".join(f"def rule_{k}(box): {body}" for k in range(count))


def timed(times: dict[str, list[float]], stage: str, make: Callable[[], _Made]) -> _Made:
    """Return what ``make`` does; note the CPU time that it took."""
    started = time.process_time()
    made = make()
    times.setdefault(stage, []).append(time.process_time() - started)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--rules", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds, of which the fastest counts (default: 3)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    text, python = rules(args.rules), functions(args.rules)
    values = {"box": torch.rand(64, 3, 3)}
    asrppl.parse(rules(1)).violations(values)  # imports, the grammar's table, the standard library
    times: dict[str, list[float]] = {}
    for _ in range(args.repeats):
        timed(times, "calibration", lambda: compile(python, "<functions>", "exec"))
        # `asrppl.parse` does the first two; they are timed by themselves once more.
        parsed = timed(times, "parse", lambda: parse_file(Source("<rules>", text)))
        timed(times, "check", lambda parsed=parsed: check_file(parsed.file, {}, library=None))
        program = asrppl.parse(text)
        bound = timed(times, "bind", lambda program=program: bind_values(program.free, values))
        timed(times, "typed", lambda program=program, bound=bound: program.typed(bound.signature))
        timed(times, "lower", lambda program=program, bound=bound: program.plan(bound.signature))
    least = {stage: min(found) for stage, found in times.items()}
    unit = least.pop("calibration")
    whole = sum(least.values())
    for stage, seconds in (*least.items(), ("whole", whole)):
        print(f"{stage:8}{seconds:7.2f} s{seconds / unit:7.1f} × compile")
    print(f"compile of {args.rules:,} Python functions: {unit:.2f} s")


if __name__ == "__main__":
    main()
