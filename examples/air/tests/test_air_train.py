"""Training: resumed runs are the runs never stopped, folders are safe, and NaN stops with its source."""

import argparse
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyro
import pytest
import torch

from asrppl import AsrError, load, parse
from asrppl.cli.main import main
from asrppl_air.checkpoint import CheckpointError, load_checkpoint, save_checkpoint, write_atomically
from asrppl_air.cli import air as command
from asrppl_air.locate import NotFiniteError
from asrppl_air.options import OptionError, TrainOptions
from asrppl_air.rules import load_rules
from asrppl_air.run import FolderInUseError, RunFolder
from asrppl_air.sealed import read_json
from asrppl_air.train import Interrupted, Progress, drained, train, training
from asrppl_air.trainer import Trainer
from examples.air.tests.waiting import wait_for_step

NUMBER = """
param L = {1, 3}
rule admissible weight 10:  exists k in L: kl(delta(k) || q(n)) <= 0
rule balanced   weight 0 -> 100 over 20 steps: kl(uniform(L) || aggregate(q(n))) <= 0
"""


@pytest.fixture
def options(mnist) -> TrainOptions:
    return TrainOptions(mnist=mnist, images=40, test_images=20, batch=8, steps=12, rules=parse(NUMBER).to_dict())


def parameters(state: dict[str, Any]) -> list[torch.Tensor]:
    return [*state["model"].values(), *state["guide"].values()]


def assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    """Parameters, optimiser and generator agree to the bit."""
    assert all(torch.equal(x, y) for x, y in zip(parameters(a), parameters(b), strict=True))
    assert torch.equal(a["random"], b["random"])
    for key, moments in a["optimiser"]["state"].items():
        assert all(torch.equal(value, b["optimiser"]["state"][key][name]) for name, value in moments.items())


def test_a_run_stopped_anywhere_goes_on_as_if_it_had_not_been(tmp_path, options) -> None:
    never_stopped = train(RunFolder(tmp_path / "a"), options).state()
    folder = RunFolder(tmp_path / "b")
    seven_steps = Trainer(options)
    for _ in range(7):
        seven_steps.advance()
    folder.path.mkdir()
    save_checkpoint(folder.checkpoint, seven_steps.state())
    torch.manual_seed(99)
    resumed = train(folder, None)
    assert resumed.step == 12
    assert_same(resumed.state(), never_stopped)
    assert_same(load_checkpoint(folder.checkpoint), never_stopped)


def test_the_checkpoint_says_what_made_it(tmp_path, options) -> None:
    folder = RunFolder(tmp_path / "a")
    train(folder, replace(options, steps=1))
    state = load_checkpoint(folder.checkpoint)
    assert list(state["options"]["rules"]["files"].values()) == [NUMBER]
    assert state["step"] == 1
    assert {"torch", "pyro", "numpy", "python"} <= set(state["versions"])
    assert read_json(folder.settings.read_bytes())["seed"] == 0
    (line,) = folder.read_log()
    assert line["step"] == 1
    assert set(line["violations"]) == {"admissible", "balanced"}
    assert line["images_per_second"] > 0


def test_each_epoch_is_a_permutation_that_depends_on_seed_and_epoch_alone(options) -> None:
    trainer = Trainer(replace(options, rules=None))
    epochs = [[trainer.batch(step)[1] for step in range(5 * e, 5 * e + 5)] for e in (0, 1, 0)]
    flat = [torch.cat(epoch).tolist() for epoch in epochs]
    assert sorted(flat[0]) == sorted(flat[1]) == list(range(40))
    assert flat[0] == flat[2] != flat[1]


def test_a_folder_that_holds_a_run_is_refused(tmp_path, options) -> None:
    folder = RunFolder(tmp_path)
    folder.append_log({"step": 1})
    with pytest.raises(FolderInUseError, match=r"already holds a run: continue it with --resume"):
        train(folder, options)


def test_resuming_an_empty_folder_says_that_there_is_no_checkpoint(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        train(RunFolder(tmp_path), None)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half a zip"])
def test_a_damaged_checkpoint_is_refused(tmp_path, content) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)


def test_a_checkpoint_that_is_no_run_is_refused(tmp_path) -> None:
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="not a checkpoint of asrppl"):
        load_checkpoint(tmp_path / "other.pt")


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_log_is_rewound_to_the_checkpoint_and_a_torn_line_is_dropped(tmp_path) -> None:
    folder = RunFolder(tmp_path)
    for step in (20, 40, 60):
        folder.append_log({"step": step})
    with folder.log.open("a") as file:
        file.write('{"step": 80, "lo')
    folder.rewind_log(40)
    assert [entry["step"] for entry in folder.read_log()] == [20, 40]


def test_nan_in_the_loss_names_step_site_and_last_checkpoint_and_changes_nothing(
    tmp_path, options, monkeypatch
) -> None:
    def poisoned(self: Trainer) -> torch.Tensor:
        if self.step == 3:
            with torch.no_grad():
                self.guide.scale.net[2].bias.fill_(float("nan"))
        return advance(self)

    advance = Trainer.advance
    monkeypatch.setattr(Trainer, "advance", poisoned)
    folder = RunFolder(tmp_path)
    with pytest.raises(NotFiniteError) as error:
        train(folder, replace(options, rules=None))
    assert error.value.step == 4
    assert error.value.source == "site `z_scale_0` of the guide"
    assert f"the last good checkpoint is {folder.checkpoint} (step 0)" in str(error.value)


def test_nan_in_the_gradient_alone_names_the_site_whose_gradient_it_is(options) -> None:
    trainer = Trainer(replace(options, rules=None))
    before = [p.detach().clone() for p in trainer.parameters]
    trainer.model.decoder.net[0].weight.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(NotFiniteError, match="gradient of step 1 is not finite; it comes from site `x` of the model"):
        trainer.advance()
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.parameters, strict=True))


def test_infinity_from_a_rule_names_the_rule(options) -> None:
    rules = "rule fine: n <= 3\nrule bad: forall i: exp(exp(box[i].size)) <= 1"
    with pytest.raises(NotFiniteError, match="comes from rule `bad`"):
        Trainer(replace(options, rules=parse(rules).to_dict())).advance()


def test_a_step_that_overflows_parameters_leaves_the_checkpoint_alone(tmp_path, options, monkeypatch) -> None:
    def overflow(self: Trainer) -> torch.Tensor:
        loss = advance(self)
        if self.step == 12:  # the last: no further step would notice
            with torch.no_grad():
                self.guide.scale.net[2].bias.fill_(float("inf"))
        return loss

    advance = Trainer.advance
    monkeypatch.setattr(Trainer, "advance", overflow)
    folder = RunFolder(tmp_path)
    with pytest.raises(NotFiniteError, match=r"`scale\.net\.2\.bias` of the guide overflowed.*\(step 0\)"):
        train(folder, replace(options, rules=None))
    assert all(tensor.isfinite().all() for tensor in parameters(load_checkpoint(folder.checkpoint)))


@pytest.mark.parametrize("rules", ["rule broken: n == 1 or 3", "rule unbound: nosuch <= 1"])
def test_a_run_that_cannot_begin_leaves_nothing_behind(tmp_path, options, rules) -> None:
    name = rules.split()[1].rstrip(":")
    plain = {"main": "my.asr", "files": {"my.asr": rules}, "params": {}, "factors": {name: 1.0}}
    with pytest.raises(AsrError):
        train(RunFolder(tmp_path / "new" / "run"), replace(options, rules=plain))
    assert list(tmp_path.iterdir()) == []


def test_resuming_puts_back_lost_settings_and_sweeps_half_written_files(tmp_path, options) -> None:
    folder = RunFolder(tmp_path)
    train(folder, replace(options, steps=1))
    folder.settings.unlink()
    (tmp_path / ".checkpoint.pt.17.part").write_bytes(b"half")
    train(folder, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "log.jsonl", "settings.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": float("nan")}, "lr must be a positive number, not nan"),
        ({"lr": -1.0}, "lr must"),
        ({"scale_var": 0.0}, "scale_var must"),
        ({"scale_pixels": 50.0}, "scale_pixels must lie between 0 and the canvas's side 50"),
        ({"seed": -1}, "seed must"),
        ({"seed": 2**63}, "seed must"),
        ({"steps": 0}, "steps must be at least 1"),
    ],
)
def test_options_out_of_range_are_refused(options, change, message) -> None:
    with pytest.raises(OptionError, match=message):
        replace(options, **change)


def test_a_gradient_that_overflows_names_the_rule_it_comes_from(options) -> None:
    rules = "rule fine: n <= 3\nrule bad: exp(2.6 * box[0].size) <= 1"
    with pytest.raises(NotFiniteError, match=r"gradient of step 1 .* comes from rule `bad` \(its gradient"):
        Trainer(replace(options, rules=parse(rules).to_dict())).advance()


def test_interruption_saves_a_checkpoint(tmp_path, options) -> None:
    folder = RunFolder(tmp_path)
    before = signal.getsignal(signal.SIGINT)

    def interrupt(progress: Progress) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as stopped:
        train(folder, replace(options, steps=50), progress=interrupt)
    assert stopped.value.step == load_checkpoint(folder.checkpoint)["step"] == 20
    assert signal.getsignal(signal.SIGINT) is before


# ---- the command, killed and resumed

PROGRAM = """
import argparse, sys
from asrppl_air.cli import air
parser = argparse.ArgumentParser()
air.add_parser(parser.add_subparsers())
args = parser.parse_args()
sys.exit(args.run(args))
"""


def start(*arguments: str) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", PROGRAM, "air", "train", "--checkpoint-every", "0.3", *arguments]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_interrupted_then_killed_then_resumed_is_the_run_never_stopped(tmp_path, mnist) -> None:
    (tmp_path / "number.asr").write_text(NUMBER)
    options = TrainOptions(mnist=mnist, images=40, test_images=20, batch=8, steps=120, rules=parse(NUMBER).to_dict())
    folder = RunFolder(tmp_path / "run")
    out = ("--out", str(folder.path))
    data = ("--mnist", mnist, "--images", "40", "--test-images", "20", "--batch", "8", "--steps", "120")
    process = start(*out, *data, "--rules", str(tmp_path / "number.asr"))
    wait_for_step(folder.checkpoint, 3, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert f"to go on: asrppl air train --resume --out {folder.path}" in errors
    reached = load_checkpoint(folder.checkpoint)["step"]
    assert 3 <= reached < 120

    process = start(*out, "--resume")
    wait_for_step(folder.checkpoint, reached + 3, process)
    process.kill()
    process.communicate()
    assert load_checkpoint(folder.checkpoint)["step"] < 120

    process = start(*out, "--resume")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert output.startswith("nELBO")
    assert set(read_json(folder.metrics.read_bytes())) == {"nelbo", "acc", "se", "miou", "miou_inclusive"}
    assert_same(load_checkpoint(folder.checkpoint), train(RunFolder(tmp_path / "never"), options).state())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume", "--steps", "7"], "these differ: steps"),
        (["--rules", "nowhere.asr"], "nowhere.asr"),
        (["-p", "S"], "-p S: expected NAME=NUMBER"),
        (["--device", "nosuch"], "--device nosuch"),
        (["--device", "meta"], "AIR trains on cpu or cuda"),
        (["-p", "L=1,3"], "no rules that could have the params L"),
        (["--lr", "nan"], "lr must be a positive number"),
        ([], "already holds a run"),
    ],
)
def test_mistakes_on_the_command_line_give_status_1(tmp_path, options, capsys, arguments, message) -> None:
    folder = RunFolder(tmp_path)
    save_checkpoint(folder.checkpoint, {"options": options.to_dict()})
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["air", "train", "--out", str(tmp_path), *arguments])
    assert args.run(args) == 1
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors


def test_a_rule_file_that_is_no_text_is_named(tmp_path, capsys) -> None:
    (tmp_path / "bad.asr").write_bytes(b"rule \xff")
    assert main(["air", "train", "--rules", str(tmp_path / "bad.asr"), "--out", str(tmp_path / "run")]) == 1
    assert "bad.asr: not UTF-8 text: byte 5 cannot be read" in capsys.readouterr().err


def test_the_line_to_go_on_can_be_pasted_into_the_shell(monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["no such folder/asrppl", "demo"])
    line = command.to_go_on("demo", Path("my runs"))
    assert line == "to go on: 'no such folder/asrppl' demo --resume --out 'my runs'"


def test_the_device_and_the_rules_path_may_change_on_resuming(tmp_path, options, capsys) -> None:
    folder = RunFolder(tmp_path / "run")
    train(folder, replace(options, steps=1))
    (tmp_path / "number.asr").write_text(NUMBER)
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    words = ["--out", str(folder.path), "--resume", "--rules", str(tmp_path / "number.asr"), "--device", "cpu"]
    args = parser.parse_args(["air", "train", *words])
    assert args.run(args) == 0
    assert capsys.readouterr().out.startswith("nELBO")


def test_params_are_numbers_or_sets() -> None:
    pairs = ["S=64", "eps=2.5", "L=1,3", "M={2}"]
    assert command.parse_params(pairs) == {"S": 64, "eps": 2.5, "L": [1, 3], "M": [2]}


def test_the_scale_prior_moves_from_its_beginning_to_its_end_and_stays_there(options) -> None:
    moving = replace(options, scale_begin=30.0, scale_pixels=20.0, shrink=(0.25, 0.75), steps=8)
    medians = [50 / (1 + math.exp(-moving.scale_mean(step))) for step in range(9)]
    assert medians == pytest.approx([30, 30, 30, 25 + 5 * math.sqrt(0.5), 25, 25 - 5 * math.sqrt(0.5), 20, 20, 20])
    assert replace(options, scale_pixels=20.0).scale_mean(0) == moving.air().scale_mean == moving.scale_mean(8)
    trainer = Trainer(moving)
    trainer.advance()
    assert float(trainer.model._scale_mean) == pytest.approx(math.log(30 / 20))


def test_the_learning_rate_rises_linearly_and_falls_along_a_cosine(options) -> None:
    warm, cold = (Trainer(replace(options, steps=100, lr=1.0, lr_end=0.1, lr_warm=share)) for share in (0.1, 0.0))
    assert cold.learning_rate(0) == 1.0
    assert cold.learning_rate(50) == pytest.approx(0.55)
    assert cold.learning_rate(100) == pytest.approx(0.1)
    shares = [warm.learning_rate(step) / cold.learning_rate(step) for step in range(12)]
    assert shares == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1, 1])


def test_a_run_on_moved_images_resumes_to_the_bit(tmp_path, options) -> None:
    moving = replace(options, move=True, scale_begin=25.0, lr_warm=0.2, steps=6)
    never_stopped = train(RunFolder(tmp_path / "a"), moving)
    halfway = Trainer(moving)
    for _ in range(3):
        halfway.advance()
    folder = RunFolder(tmp_path / "b")
    folder.path.mkdir()
    save_checkpoint(folder.checkpoint, halfway.state())
    resumed = train(folder, None)
    assert_same(resumed.state(), never_stopped.state())
    assert resumed.evaluate() == never_stopped.evaluate()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scale_begin": 50.0}, "scale_begin must lie between 0 and the canvas's side 50, not 50"),
        ({"shrink": (0.5, 0.5)}, "shrink must be two rising shares"),
        ({"lr_warm": 1.0}, "lr_warm is a share of the steps"),
        ({"data": "mnist3", "estimator": "score"}, "always the same in images of mnist3"),
    ],
)
def test_options_out_of_their_range_are_refused(options, changes, words) -> None:
    with pytest.raises(OptionError, match=words):
        replace(options, **{"rules": None, **changes})


@pytest.mark.parametrize(("data", "rules"), [("13", "air_number.asr"), ("mnist3", "air_overlap.asr")])
def test_the_rules_of_the_tables_train(mnist, data, rules) -> None:
    trainer = Trainer(
        TrainOptions(data=data, mnist=mnist, images=16, batch=8, steps=2, rules=load_rules(rules).to_dict())
    )
    with pyro.validation_enabled(False):
        trainer.advance()
    found = trainer.violations()
    assert {"ordered", "centred", "filled", "sized", "apart"} <= set(found)
    assert all(bool(torch.isfinite(torch.as_tensor(value))) for value in found.values())
    assert float(found["centred"]) > 0


@pytest.mark.parametrize("change", ["edited", "deleted", "elsewhere"])
def test_a_run_goes_on_with_the_rules_that_it_was_begun_with(tmp_path, options, monkeypatch, change) -> None:
    """Whatever became of the rule file and of what it imports, and from whichever folder it is resumed."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "main.asr").write_text('import "lib.asr"\nrule few weight 10: n <= most\n')
    (rules / "lib.asr").write_text("param most = 1\n")
    monkeypatch.chdir(rules)
    begun = replace(options, rules=load("main.asr").to_dict())
    never = train(RunFolder(tmp_path / "never"), begun)
    folder = RunFolder(tmp_path / "run")
    stop = iter([False] * 5 + [True] * 1000)
    with pytest.raises(Interrupted):
        drained(training(folder, begun, stop=lambda: next(stop)), lambda progress: None)
    if change == "edited":
        (rules / "lib.asr").write_text("param most = 3\n")
    elif change == "deleted":
        shutil.rmtree(rules)
    monkeypatch.chdir(tmp_path)
    resumed = train(folder, None)
    assert 0 < never.step == resumed.step
    assert_same(resumed.state(), never.state())
    assert resumed.elbo.program.violations({"n": 3}) == never.elbo.program.violations({"n": 3})


def test_what_help_says_of_defaults_is_so(capsys) -> None:
    """The command's parser does not import the options, which need torch."""
    with pytest.raises(SystemExit):
        main(["air", "train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    plain = TrainOptions()
    for option, default in {
        "steps": plain.steps, "seed": plain.seed, "batch": plain.batch, "lr": plain.lr, "lr-warm": plain.lr_warm,
        "precision": plain.precision, "data": plain.data, "split": plain.split, "images": plain.images,
        "test-images": plain.test_images, "estimator": plain.estimator, "prior": plain.prior,
        "scale-var": plain.scale_var,
    }.items():  # fmt: skip
        said = re.search(rf" --{option} .*?\(default: ([^);]+)", text)
        assert said is not None
        assert said[1] == (f"{default:g}" if isinstance(default, float) else str(default)), option
