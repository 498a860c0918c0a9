"""The demo: two processes that stop, resume and fail together, and what they leave behind."""

import argparse
import json
import signal

import pytest

from asrppl.air.checkpoint import CheckpointError, load_checkpoint
from asrppl.air.demo import DemoError, DemoStopped, Update, run_demo
from asrppl.air.metrics import Metrics
from asrppl.air.options import TrainOptions
from asrppl.air.run import FolderInUseError, RunFolder
from asrppl.cli import air as air_command
from asrppl.cli import demo as command


@pytest.fixture
def options(mnist) -> TrainOptions:
    rules = command.rule_file("number.asr").read_text()
    return TrainOptions(mnist=mnist, images=40, test_images=20, batch=4, steps=40, rules=rules, rules_name="number.asr")


def test_the_demo_stops_resumes_and_leaves_metrics_picture_checkpoints_and_logs(tmp_path, options, capsys) -> None:
    out = tmp_path / "demo"
    asked = False

    def interrupt(update: Update) -> None:
        nonlocal asked
        if update.progress is not None and not asked:
            asked = True
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(DemoStopped):
        run_demo(out, options, progress=interrupt)
    kept = [out / name / "checkpoint.pt" for name in ("rules", "no_rules")]
    # the slower of the two may not have begun
    assert 20 <= max(load_checkpoint(path)["step"] for path in kept if path.exists()) < 40
    with pytest.raises(FolderInUseError, match="--resume"):
        run_demo(out, options)

    seen: list[Update] = []
    metrics = run_demo(out, options, resume=True, progress=seen.append)
    written = json.loads((out / "metrics.json").read_text())
    assert written == {name: metrics[name].to_dict() for name in ("rules", "no_rules")}
    assert set(written["rules"]) == {"nelbo", "acc", "se", "miou"}
    assert (out / "demo.png").read_bytes().startswith(b"\x89PNG")
    for name, rules in (("rules", {"admissible", "balanced"}), ("no_rules", set())):
        folder = RunFolder(out / name)
        assert load_checkpoint(folder.checkpoint)["step"] == 40
        assert [entry["step"] for entry in folder.read_log()] == [20, 40]
        assert set(folder.read_log()[-1]["violations"]) == rules
    assert {update.name for update in seen if update.progress is not None} == {"rules", "no_rules"}

    parser = argparse.ArgumentParser()
    air_command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["air", "eval", str(out / "rules"), "--json", "--picture", str(tmp_path / "boxes.png")])
    assert args.run(args) == 0
    assert json.loads(capsys.readouterr().out) == written["rules"]
    assert (tmp_path / "boxes.png").read_bytes().startswith(b"\x89PNG")


def test_a_child_that_fails_stops_the_other_and_says_why(tmp_path, options) -> None:
    broken = TrainOptions.from_dict(options.to_dict() | {"rules": "rule r: nosuch <= 1"})
    with pytest.raises(DemoError, match=r"training with rules failed: AsrError: (?s:.)*nosuch"):
        run_demo(tmp_path / "demo", broken)


def test_there_is_nothing_to_resume_in_an_empty_folder(tmp_path, options) -> None:
    with pytest.raises(CheckpointError, match="there is no run to resume"):
        run_demo(tmp_path, options, resume=True)


def test_the_table_has_the_papers_rows() -> None:
    metrics = Metrics(300.0, 1.0, 50.0, 0.7)
    lines = command.table({"no_rules": metrics, "rules": metrics}).splitlines()
    assert lines[2].split() == ["paper,", "AIR-pPrior-13", "405.2", "0.480", "49.4", "0.430"]
    assert lines[4].split() == ["paper,", "AIR-ASR-13", "360.2", "0.960", "28.8", "0.610"]
