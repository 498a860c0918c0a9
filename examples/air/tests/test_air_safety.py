"""What is damaged is refused with its name, and two commands never work in one folder."""

import argparse
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from asrppl.cli.main import main
from asrppl_air.checkpoint import FORMAT, CheckpointError, load_checkpoint, save_checkpoint
from asrppl_air.cli.arguments import directory, threads
from asrppl_air.demo import _train as train_for_demo
from asrppl_air.locks import locked
from asrppl_air.metrics import Metrics
from asrppl_air.options import OptionError, TrainOptions
from asrppl_air.reproduce.grid import Cell, Regime
from asrppl_air.reproduce.jobs import train_cell
from asrppl_air.reproduce.state import state_of
from asrppl_air.run import FolderInUseError, RunFolder
from asrppl_air.sealed import DamagedError, read_json
from asrppl_air.train import Interrupted, Progress, drained, stop_signals, train
from asrppl_air.trainer import Trainer


@pytest.fixture
def options(mnist: str) -> TrainOptions:
    return TrainOptions(mnist=mnist, images=40, test_images=20, batch=8, steps=2)


def flipped(content: bytes, bit: int) -> bytes:
    """`content` with one bit the other way."""
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def test_a_checkpoint_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"options": {}, "model": {"weights": torch.arange(300.0)}})
    whole, draw = path.read_bytes(), random.Random(0)
    bits = [draw.randrange(8 * len(whole)) for _ in range(200)] + list(range(8 * (len(whole) - 73), 8 * len(whole), 5))
    for bit in bits:
        path.write_bytes(flipped(whole, bit))
        with pytest.raises(CheckpointError):
            load_checkpoint(path)


def test_torch_alone_reads_a_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoint.pt", {"options": {}, "step": 7})
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 7


def test_a_checkpoint_of_before_there_were_digests_is_read(tmp_path: Path) -> None:
    torch.save({"format": 2, "options": {}, "step": 7}, tmp_path / "checkpoint.pt")
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 7


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"format": FORMAT + 1, "options": {}}, f"written by a newer asrppl .format {FORMAT + 1}; "),
        ({"format": FORMAT, "options": {}}, "the digest at its end is gone"),
        ({"format": 1, "options": {}}, "of another version"),
        ({"format": 2}, "without the options"),
    ],
)
def test_checkpoints_of_other_versions_say_so(tmp_path: Path, state: dict[str, Any], message: str) -> None:
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path / "checkpoint.pt")


def test_a_checkpoint_that_lacks_what_a_run_needs_says_so(options: TrainOptions) -> None:
    trainer = Trainer(options)
    state = trainer.state()
    for lost in ("model", "optimiser", "random", "seconds"):
        with pytest.raises(CheckpointError, match=f"does not hold what this run needs .*{lost}"):
            trainer.load({name: value for name, value in state.items() if name != lost})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.pop("steps"), "options lack `steps`"),
        (lambda values: values.update(colour=3), "`colour`, which this asrppl does not know"),
        (lambda values: values.update(steps="many"), "are not those of a run"),
        (lambda values: values.update(data="15"), "are not those of a run"),
    ],
)
def test_options_that_are_none_are_refused(
    options: TrainOptions, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    values = options.to_dict()
    change(values)
    with pytest.raises(OptionError, match=message):
        TrainOptions.from_dict(values)


def test_settings_and_logs_with_a_flipped_bit_are_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_json(folder.settings, {"seed": 0, "rules": None, "lr": 0.002})
    assert read_json(folder.settings.read_bytes()) == {"seed": 0, "rules": None, "lr": 0.002}
    folder.settings.write_text(folder.settings.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(DamagedError, match="does not match"):
        read_json(folder.settings.read_bytes())
    for step in (20, 40):
        folder.append_log({"step": step})
    folder.log.write_text(folder.log.read_text().replace("20", "30"))
    with pytest.raises(CheckpointError, match="line 1 is no line of a log, or damaged: delete the file"):
        folder.read_log()


@pytest.mark.parametrize("content", [b'[1]\n{"step": 2}\n', b'{"loss": 1}\n{"step": 2}\n', b"\xff\n\xff\n", b"7\n8\n"])
def test_a_log_of_other_content_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = RunFolder(tmp_path)
    folder.log.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"log\.jsonl: line 1 is no line of a log"):
        folder.rewind_log(2)


def test_a_folder_that_another_command_has_is_refused_and_left_as_it_is(tmp_path: Path, options: TrainOptions) -> None:
    live = tmp_path / ".checkpoint.pt.17.part"  # what the other command is writing
    live.write_bytes(b"half")
    save_checkpoint(tmp_path / "checkpoint.pt", {"options": options.to_dict()})
    with locked(tmp_path):
        for begin in (options, None):
            with pytest.raises(FolderInUseError, match="in use by another command"):
                train(RunFolder(tmp_path), begin)
        assert main(["air", "train", "--out", str(tmp_path), "--resume"]) == 1
        assert main(["demo", "--out", str(tmp_path)]) == 1
    assert live.read_bytes() == b"half"


def test_a_fresh_start_sweeps_what_a_kill_left(tmp_path: Path, options: TrainOptions) -> None:
    (tmp_path / ".checkpoint.pt.17.part").write_bytes(b"half")
    train(RunFolder(tmp_path), options)
    assert not list(tmp_path.glob(".*"))


def test_a_terminal_that_is_closed_saves_a_checkpoint(tmp_path: Path, options: TrainOptions) -> None:
    folder = RunFolder(tmp_path)

    def close(progress: Progress) -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    with pytest.raises(Interrupted):  # the last step is done: what follows would be the evaluation
        train(folder, options, progress=close)
    assert load_checkpoint(folder.checkpoint)["step"] == 2


def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert signal.SIGHUP not in stop_signals()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.SIGHUP in stop_signals()


def test_arguments_that_would_crash_or_surprise_are_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="100000 threads are more than this machine could use"):
        threads("100000")
    with pytest.raises(argparse.ArgumentTypeError, match="the name of the folder is empty"):
        directory("")
    assert (threads("2"), directory("runs")) == (2, Path("runs"))


@pytest.mark.parametrize("of", ["demo", "reproduce"])
def test_what_is_asked_to_stop_while_it_is_measured_stops(
    of: str, tmp_path: Path, options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    measure = Trainer.evaluate

    def stopped_then(self: Trainer, between: Callable[[], None]) -> Metrics:
        asked.append(True)
        return measure(self, between)

    monkeypatch.setattr(Trainer, "evaluate", stopped_then)
    cell = Cell("table1", "air", "13", 0, Regime("custom", options.mnist, epochs=1.0), options)
    if of == "demo":
        parts = train_for_demo(tmp_path, options, 120.0, lambda: bool(asked))
    else:
        parts = train_cell(cell, tmp_path, stop=lambda: bool(asked))
    with pytest.raises(Interrupted, match="stopped after step 2"):
        drained(parts, lambda progress: None)
    if of == "demo":
        assert not RunFolder(tmp_path).metrics.exists()
    else:
        assert state_of(cell, tmp_path).stage == "begun"
