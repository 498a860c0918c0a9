"""`asrppl air train` under torchrun: parts of a batch, and runs that a kill does not change."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from asrppl import parse
from asrppl.cli.main import main
from asrppl_air.checkpoint import CheckpointError, load_checkpoint
from asrppl_air.options import OptionError, TrainOptions
from asrppl_air.ranks import Ranks
from asrppl_air.trainer import Trainer
from examples.air.tests.waiting import wait_for_step

ROOT = Path(__file__).parents[3]
RULES = "param L = {1, 3}\nrule balanced weight 100: kl(uniform(L) || aggregate(q(n))) <= 0\n"


def torchrun(*arguments: str) -> "subprocess.Popen[str]":
    """Start two processes of this machine."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "localhost", "--nproc-per-node", "2"]
    command = [sys.executable, *launcher, "-m", "asrppl", "air", "train", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'examples' / 'air'}"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the workers of torchrun are found in /proc")
def test_a_run_whose_worker_is_killed_goes_on_as_if_it_had_not_been(tmp_path, mnist) -> None:
    (tmp_path / "rules.asr").write_text(RULES)
    options = ["--rules", str(tmp_path / "rules.asr"), "--mnist", mnist, "--images", "40", "--test-images", "4"]
    options += ["--batch", "5", "--steps", "12", "--checkpoint-every", "0"]
    whole = torchrun(*options, "--out", str(tmp_path / "a"))
    printed, _ = whole.communicate(timeout=300)
    assert whole.returncode == 0, printed
    broken = torchrun(*options, "--out", str(tmp_path / "b"))
    wait_for_step(tmp_path / "b" / "checkpoint.pt", 3, broken)
    children = Path(f"/proc/{broken.pid}/task/{broken.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    printed, _ = broken.communicate(timeout=300)
    assert broken.returncode != 0, printed
    assert load_checkpoint(tmp_path / "b" / "checkpoint.pt")["step"] < 12
    resumed = torchrun("--resume", "--out", str(tmp_path / "b"))
    printed, _ = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, printed
    a, b = (load_checkpoint(tmp_path / name / "checkpoint.pt") for name in "ab")
    assert a["step"] == b["step"] == 12
    for name in ("model", "guide"):
        assert all(torch.equal(value, b[name][key]) for key, value in a[name].items())
    assert str(a["rules"]) == str(b["rules"])


def test_a_run_that_torchrun_starts_again_goes_on(tmp_path, mnist, monkeypatch) -> None:
    command = ["air", "train", "--mnist", mnist, "--images", "40", "--test-images", "4", "--batch", "8", "--steps", "1"]
    command += ["--out", str(tmp_path / "a")]
    assert main(command) == 0
    assert main(command) == 1
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert main(command) == 0


def test_parts_are_a_batch_and_weights_those_of_its_mean() -> None:
    batch = torch.arange(7)
    ranks = [Ranks(rank, 3) for rank in range(3)]
    parts = [rank.part(batch) for rank in ranks]
    assert torch.equal(torch.cat(parts).sort().values, batch)
    means = [rank.weight(len(part), 7) * part.double().mean() for rank, part in zip(ranks, parts, strict=True)]
    assert sum(means) / 3 == pytest.approx(float(batch.double().mean()))


def test_a_run_goes_on_with_as_many_processes_as_it_began_with(mnist) -> None:
    options = TrainOptions(mnist=mnist, images=40, test_images=20, batch=8, steps=2, rules=parse(RULES).to_dict())
    trainer = Trainer(options)
    state = trainer.state()
    with pytest.raises(CheckpointError, match="the run has 2 processes, and these are 1"):
        trainer.load({**state, "random_of_ranks": [state, state]})
    with pytest.raises(OptionError, match="a batch of 8 has no part for each of 9"):
        Trainer(options, ranks=Ranks(0, 9))
