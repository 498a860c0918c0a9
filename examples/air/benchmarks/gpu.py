"""Training steps of AIR on a GPU: one operation after the other, and in CUDA graphs, several runs in one process.

    python -m examples.air.benchmarks.gpu [--mnist DIR] [--pyro-air DIR]

prints images a second of all runs together (AIR-ASR in the setting 1/3, 64 images a step, the tables' recipe), that of
Pyro's example where its folder is given, and how long one run takes to the accuracy of the paper's 300 epochs.
"""

import argparse
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pyro
import torch

from asrppl_air.evaluate import evaluate
from asrppl_air.load import held_out
from asrppl_air.options import TrainOptions
from asrppl_air.reproduce.paper import PAPER
from asrppl_air.reproduce.recipe import recipe
from asrppl_air.steps import DeviceSteps, SingleSteps, Steps
from asrppl_air.trainer import Trainer
from examples.air.benchmarks import pyro_air
from examples.air.benchmarks.air_step import BATCH, one_batch

TOGETHER = (1, 2, 4, 8, 16)
TURN = DeviceSteps.turn
EVERY = 250  # steps between two measurements on the way to the paper's accuracy


def never() -> bool:
    """No pause."""
    return False


def pace(runs: Sequence[Steps], steps: int) -> float:
    """Images a second of `runs` together, over `steps` steps of each."""

    def make(number: int) -> None:
        for _ in range(number // TURN):  # in turns, as the grid does: a launch waits while the GPU's queue is full
            for run in runs:
                run.launch(TURN, never)
        for run in runs:
            run.read()

    make(steps // 10)
    torch.cuda.synchronize()
    began = time.perf_counter()
    make(steps)
    torch.cuda.synchronize()
    return len(runs) * steps * BATCH / (time.perf_counter() - began)


def paces(options: TrainOptions, device: str) -> Iterator[tuple[str, float]]:
    """What is measured, and its images a second."""
    for precision in ("bfloat16", "float32"):
        run = replace(options, precision=precision)
        yield f"{precision}, one operation after the other", pace([SingleSteps(Trainer(run, device))], 20)
        graphs: list[Steps] = []
        for number in TOGETHER:
            graphs += [DeviceSteps(Trainer(run, device)) for _ in range(number - len(graphs))]
            yield f"{precision}, CUDA graphs, {number} together", pace(graphs, 200)


def example_pace(folder: Path, device: str) -> float:
    """Images a second of Pyro's example, with networks of our sizes."""
    sys.path.insert(0, str(folder))
    example: Any = import_module("air")
    options = {**pyro_air.OUR_SIZES, "use_cuda": True}
    step = pyro_air.example_stepper(example, one_batch().to(device), options)
    for _ in range(5):
        step()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(20):
        step()
    torch.cuda.synchronize()
    return 20 * BATCH / (time.perf_counter() - began)


def to_the_papers_accuracy(options: TrainOptions, device: str) -> tuple[int, float]:
    """Steps, and seconds of training, until ACC and mIoU are those of the paper's AIR-ASR; (0, 0) if they never are."""
    wanted = PAPER["air-asr", "13"]
    trainer = Trainer(options, device)
    test = held_out(options)
    began = time.perf_counter()
    seconds = 0.0
    steps = DeviceSteps(trainer)
    while trainer.step < options.steps:
        steps.launch(EVERY, never)
        steps.read()
        seconds += time.perf_counter() - began
        found = evaluate(trainer.model, trainer.guide, test, 0)
        if found.acc >= wanted["acc"][0] and found.miou >= wanted["miou"][0]:
            return trainer.step, seconds
        began = time.perf_counter()
    return 0, 0.0


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m examples.air.benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--mnist", metavar="DIR", help="folder of MNIST's IDX files (default: the embedded digits)")
    parser.add_argument("--pyro-air", type=Path, metavar="DIR", help="examples/air of a checkout of Pyro")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("torch finds no CUDA device here")
    torch.set_num_threads(1)
    options = recipe("air-asr", "13", epochs=20, seed=0, mnist=args.mnist)
    print(f"Python {platform.python_version()}, torch {torch.__version__}, pyro {pyro.__version__},")
    print(f"{torch.cuda.get_device_name(args.device)}; images a second of all runs together.\n")
    print("| AIR-ASR, 1/3 | images/s |\n| --- | --- |", flush=True)
    with pyro.validation_enabled(False):
        for name, found in paces(options, args.device):
            print(f"| {name} | {found:,.0f} |", flush=True)
        if args.pyro_air is not None:
            print(f"| Pyro's AIR example | {example_pace(args.pyro_air, args.device):,.0f} |", flush=True)
        step, seconds = to_the_papers_accuracy(options, args.device)
    print(f"\nThe paper's ACC and mIoU after {step:,} of {options.steps:,} steps, {seconds:.0f} s of training.")


if __name__ == "__main__":
    main()
