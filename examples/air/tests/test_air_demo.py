"""The demo: two processes that stop, resume and fail together, and what they leave behind."""

import argparse
import io
import json
import re
import signal
from dataclasses import replace

import pytest

from asrppl import parse
from asrppl_air.checkpoint import CheckpointError, load_checkpoint
from asrppl_air.cli import air as air_command
from asrppl_air.cli import demo as command
from asrppl_air.cli.progress import board
from asrppl_air.demo import DemoError, DemoStopped, DemoUpdate, run_demo
from asrppl_air.metrics import Metrics
from asrppl_air.options import TrainOptions
from asrppl_air.rules import load_rules
from asrppl_air.run import FolderInUseError, RunFolder
from asrppl_air.sealed import read_json
from asrppl_air.train import Progress


@pytest.fixture
def options(mnist) -> TrainOptions:
    rules = load_rules("number.asr").to_dict()
    return TrainOptions(mnist=mnist, images=40, test_images=20, batch=4, steps=40, rules=rules)


def test_the_demo_stops_resumes_and_leaves_metrics_picture_checkpoints_and_logs(tmp_path, options, capsys) -> None:
    out = tmp_path / "demo"
    asked = False

    def interrupt(update: DemoUpdate) -> None:
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

    seen: list[DemoUpdate] = []
    metrics = run_demo(out, None, progress=seen.append)
    written = read_json((out / "metrics.json").read_bytes())
    assert written == {name: metrics[name].to_dict() for name in ("rules", "no_rules")}
    assert set(written["rules"]) == {"nelbo", "acc", "se", "miou", "miou_inclusive"}
    assert (out / "demo.png").read_bytes().startswith(b"\x89PNG")
    for name, rules in (("rules", {"admissible", "balanced"}), ("no_rules", set())):
        folder = RunFolder(out / name)
        assert load_checkpoint(folder.checkpoint)["step"] == 40
        assert [entry["step"] for entry in folder.read_log()] == [20, 40]
        assert set(folder.read_log()[-1]["violations"]) == rules
    assert {update.of for update in seen if update.progress is not None} == {"rules", "no_rules"}

    parser = argparse.ArgumentParser()
    air_command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["air", "eval", str(out / "rules"), "--json", "--picture", str(tmp_path / "boxes.png")])
    assert args.run(args) == 0
    assert json.loads(capsys.readouterr().out) == written["rules"]
    assert (tmp_path / "boxes.png").read_bytes().startswith(b"\x89PNG")


def test_a_child_that_fails_stops_the_other_and_says_why(tmp_path, options) -> None:
    broken = TrainOptions.from_dict(options.to_dict() | {"rules": parse("rule r: nosuch <= 1").to_dict()})
    with pytest.raises(DemoError, match=r"training with rules failed: error(?s:.)*nosuch"):
        run_demo(tmp_path / "demo", broken)


def test_a_demo_that_cannot_begin_leaves_nothing_behind(tmp_path, options) -> None:
    with pytest.raises(DemoError, match=r"failed: .*nowhere: no such folder"):
        run_demo(tmp_path / "new" / "demo", replace(options, mnist=str(tmp_path / "nowhere")))
    assert list(tmp_path.iterdir()) == []


def test_there_is_nothing_to_resume_in_an_empty_folder(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="there is no run to resume"):
        run_demo(tmp_path, None)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"colour": 1}', '{"lr": -1}', "\ufeff"])
def test_damaged_settings_are_named(tmp_path, content) -> None:
    (tmp_path / "settings.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"settings\.json: not the settings of a demo"):
        run_demo(tmp_path, None)


def test_resuming_with_other_options_is_refused(tmp_path, options, capsys) -> None:
    (tmp_path / "settings.json").write_text(json.dumps(options.to_dict()))
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["demo", "--out", str(tmp_path), "--resume", "--seed", "5", "--steps", "40"])
    assert args.run(args) == 1
    assert "these differ: seed" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 200])
def test_bars_stay_on_one_line_at_any_width(monkeypatch, columns) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda file: (columns, 24))
    violations = {"admissible": 0.0123, "balanced": 0.00029}
    with board("without rules", "with rules") as lines:
        for step in (20, 3500):
            lines.show("without rules", Progress(step, 3500, 1368.1, {}, 826.0, 2.0))
            lines.show("with rules", Progress(step, 3500, 1368.1, violations, 826.0, 2.0))
    written = [line for line in re.split(r"[\r\n]|\x1b\[A", screen.getvalue()) if line.strip()]
    assert max(map(len, written)) <= columns
    last = [line for line in written if line.startswith("with rules")][-1]
    assert ("|##" in last) == (columns >= 120)
    if columns < 120:
        whole = "with rules    3500/3500  0:00 left  loss 1368  826 img/s  adm 0.012 bal 0.00029"
        assert last.strip() == whole[:columns]
    else:
        assert last.endswith("0:00 left  loss 1368.1  826 images/s  admissible 0.0123  balanced 0.00029")


def test_the_table_has_the_papers_rows() -> None:
    metrics = Metrics(300.0, 1.0, 50.0, 0.7)
    lines = command.table({"no_rules": metrics, "rules": metrics}).splitlines()
    assert lines[2].split() == ["paper,", "AIR-pPrior-13", "405.2", "0.480", "49.4", "0.430"]
    assert lines[4].split() == ["paper,", "AIR-ASR-13", "360.2", "0.960", "28.8", "0.610"]
