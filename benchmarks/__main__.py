"""Run every benchmark and print one Markdown table of ratios."""

import argparse
import platform

import pyro
import torch

from benchmarks import air_step, pair_rule


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--repeats", type=int, default=40, help="interleaved pairs of timings a ratio (default: 40)")
    repeats: int = parser.parse_args().repeats
    torch.set_num_threads(1)
    print(f"Python {platform.python_version()}, torch {torch.__version__}, pyro {pyro.__version__}, one thread,")
    print(f"{platform.machine()}; medians over {repeats} interleaved repeats.\n")
    print("| benchmark | ratio | target |\n| --- | --- | --- |", flush=True)
    for module in (air_step, pair_rule):
        for name, ratio, target in module.run(repeats):
            print(f"| {name} | {ratio:.2f} | ≤ {target:g} |", flush=True)


if __name__ == "__main__":
    main()
