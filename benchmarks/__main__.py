"""Run every benchmark and print one Markdown table of ratios."""

import argparse
import platform
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyro
import torch

from benchmarks import count_law, pair_rule
from benchmarks.timing import Row
from examples.air.benchmarks import air_step, pyro_air


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--repeats", type=int, default=40, help="interleaved rounds of timings (default: 40)")
    parser.add_argument(
        "--pyro-air", type=Path, metavar="DIR", help="examples/air of a checkout of Pyro, to compare with"
    )
    args = parser.parse_args()
    repeats: int = args.repeats
    example: Path | None = args.pyro_air
    if example is not None and not (example / "air.py").is_file():
        parser.error(f"--pyro-air {example}: there is no air.py in it")
    torch.set_num_threads(1)
    runs: list[Callable[[int], list[Row]]] = [air_step.run, pair_rule.run, count_law.run]
    if example is None:
        print(pyro_air.HOW + "\n", file=sys.stderr)
    else:
        runs.append(partial(pyro_air.run, folder=example))
    print(f"Python {platform.python_version()}, torch {torch.__version__}, pyro {pyro.__version__}, one thread,")
    print(f"{platform.machine()}; medians over {repeats} interleaved repeats.\n")
    print("| benchmark | ratio | target |\n| --- | --- | --- |", flush=True)
    for run in runs:
        for name, ratio, target in run(repeats):
            print(f"| {name} | {ratio:.2f} | {target} |", flush=True)


if __name__ == "__main__":
    main()
