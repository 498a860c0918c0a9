"""Training runs killed at random moments: each goes on, and ends with what a run that was never killed ends with.

    python -m tests.kills --kills 100 --seed 0     # make kills

Moments are drawn over the whole of a run, its start and its writes included (it writes a checkpoint every step). Most
kills are SIGKILL, which nothing can hear; the others are those that a run hears and saves for. After each one what is
there has to be whole: no checkpoint, or one whose digest is right.
"""

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, cast

import torch

from asrppl import parse
from asrppl_air.checkpoint import load_checkpoint
from asrppl_air.options import TrainOptions
from asrppl_air.run import RunFolder
from asrppl_air.train import Interrupted, train
from examples.air.tests.digits import write_digits

RULES = "param L = {1, 3}\nrule balanced weight 100: kl(uniform(L) || aggregate(q(n))) <= 0\n"
STEPS = 4
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_STOPPED = 130
# A server that has torch imported makes each child in some milliseconds.
_PROCESSES = multiprocessing.get_context("forkserver")


@dataclass
class Tally:
    """What came of the kills: by signal, runs that came to their end, and folders in which a kill left litter."""

    signals: Counter[str]
    ended: int = 0
    litter: int = 0
    begun_anew: int = 0


def _child(folder: str, options: TrainOptions | None) -> None:
    torch.set_num_threads(1)
    try:
        train(RunFolder(Path(folder)), options, checkpoint_seconds=0.0)
    except Interrupted:
        sys.exit(_STOPPED)


def _start(folder: Path, options: TrainOptions) -> BaseProcess:
    """Begin a run, or go on with it where it has a checkpoint."""
    begin = None if RunFolder(folder).checkpoint.exists() else options
    child = _PROCESSES.Process(target=_child, args=(str(folder), begin), daemon=True)
    child.start()
    return child


def _same(one: object, other: object) -> bool:
    """Whether two states are the same to the bit, but for the seconds that a run took."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        first, second = cast(dict[Any, Any], one), cast(dict[Any, Any], other)
        return first.keys() == second.keys() and all(_same(first[k], second[k]) for k in first if k != "seconds")
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        firsts, seconds = cast("list[Any]", one), cast("list[Any]", other)
        return len(firsts) == len(seconds) and all(map(_same, firsts, seconds))
    return one == other


def _length(folder: Path, options: TrainOptions) -> float:
    """Return how long a run takes."""
    started = time.monotonic()
    child = _start(folder, options)
    child.join()
    assert child.exitcode == 0, child.exitcode
    return time.monotonic() - started


def kill(kills: int, seed: int, folder: Path) -> Tally:
    """Kill runs so many times, then let the last one end.

    Raises:
        AssertionError: a checkpoint is damaged, a run does not go on, or ends with other numbers or with litter.
    """
    _PROCESSES.set_forkserver_preload(["asrppl_air.train"])
    (folder / "mnist").mkdir()
    mnist = write_digits(folder / "mnist")
    rules = parse(RULES).to_dict()
    options = TrainOptions(mnist=mnist, images=40, test_images=20, batch=8, steps=STEPS, rules=rules)
    draw, tally = random.Random(seed), Tally(Counter())
    whole = _start(folder / "whole", options)
    whole.join()
    assert whole.exitcode == 0, whole.exitcode
    expected = load_checkpoint(RunFolder(folder / "whole").checkpoint)
    length = _length(folder / "again", options)  # the first one waited for the server

    done, runs = 0, 0
    run = RunFolder(folder / "run0")
    while True:
        begun = time.monotonic()
        fresh = not run.checkpoint.exists()
        child = _start(run.path, options)
        if done < kills:
            child.join(draw.uniform(0.0, 1.1 * length))
        else:
            child.join()
        if child.exitcode is None:
            number = draw.choice(SIGNALS)
            os.kill(child.pid or 0, number)
            child.join()
            tally.signals[number.name] += 1
            done += 1
            assert child.exitcode in (-number, _STOPPED, 0), (number, child.exitcode)
        if child.exitcode != 0:
            tally.litter += bool(list(run.path.glob(".*")))
            tally.begun_anew += not run.checkpoint.exists()
            if run.checkpoint.exists():
                assert load_checkpoint(run.checkpoint)["step"] <= STEPS
            continue
        assert _same(load_checkpoint(run.checkpoint), expected), f"another end, after {done} kills"
        assert len(run.read_log()) == len(RunFolder(folder / "whole").read_log())
        assert not list(run.path.glob(".*")), "what a kill left is there still"
        tally.ended += 1
        if fresh:  # machines have other things to do, and then others
            length = time.monotonic() - begun
        if done >= kills:
            return tally
        runs += 1
        run = RunFolder(folder / f"run{runs}")


def main() -> None:
    """Kill, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        tally = kill(args.kills, args.seed, Path(name))
    said = ", ".join(f"{number} {name}" for name, number in sorted(tally.signals.items()))
    print(f"{tally.signals.total()} kills ({said}): {tally.ended} runs came to their end, each the same to the bit;")
    print(f"{tally.litter} left a file half written, which was swept; {tally.begun_anew} came before any checkpoint")


if __name__ == "__main__":
    main()
