"""The grid: which runs, in which order, from which folders, how far, and how long."""

import io
import json
import re
from dataclasses import replace

import pytest

from asrppl import Program, parse
from asrppl.cli.main import main
from asrppl_air.cli import reproduce as command
from asrppl_air.cli.grid_progress import GridBoard, duration, summary
from asrppl_air.locks import InUseError, locked
from asrppl_air.options import TrainOptions
from asrppl_air.processes import Update
from asrppl_air.reproduce import recipe
from asrppl_air.reproduce.ablations import AS_IT_STANDS, SCORE, ablation_cells
from asrppl_air.reproduce.grid import Cell, Regime, table_cells
from asrppl_air.reproduce.pace import Pace
from asrppl_air.reproduce.state import record_path, state_of
from asrppl_air.train import Progress

REGIME = Regime("short", "/mnist")
METRICS = {"nelbo": 1.0, "acc": 1.0, "se": 1.0, "miou": 1.0}


def cell(seed: int = 0, method: recipe.Method = "air", setting: recipe.Setting = "13", steps: int = 1000) -> Cell:
    return Cell("table1", method, setting, seed, REGIME, TrainOptions(seed=seed, steps=steps))


def test_rules_come_first_and_one_seed_of_every_setting_before_the_next() -> None:
    cells = table_cells(("table1", "table2"), REGIME, seeds=(0, 1, 2))
    assert len(cells) == len({one.name for one in cells}) == 45
    assert [one.name for one in cells[:6]] == [
        *(f"air-asr-{setting}-0" for setting in ("13", "14", "24", "mnist3", "dsprites3")),
        "air-asr-13-1",
    ]
    assert all(one.method == "air-asr" for one in cells[:15])
    assert [one.name for one in cells[15:18]] == ["air-13-0", "air-pprior-13-0", "air-14-0"]
    assert all(one.options.rules is None for one in cells[15:])
    assert {one.options.prior for one in cells if one.method == "air"} == {"fixed"}


def test_a_run_has_the_papers_images_and_the_protocols_epochs() -> None:
    for protocol, epochs in (("short", 20), ("paper", 300)):
        for one in table_cells(("table1", "table2"), Regime(protocol, "/mnist"), seeds=(0,)):
            run = one.options
            assert (run.images, run.test_images) == ((40_000, 2_000) if one.table == "table1" else (20_000, 1_000))
            assert run.steps == epochs * (run.images // run.batch)


def test_the_papers_preset_undoes_what_the_paper_does_not_do() -> None:
    ours = recipe.recipe("air-asr", "13", epochs=1, seed=0, mnist=None)
    papers = recipe.recipe("air-asr", "13", epochs=1, seed=0, mnist=None, preset="paper")
    assert (papers.scale_pixels, papers.scale_var, papers.lr, papers.lr_end) == (13.0, 0.05, 1e-3, 1.0)
    assert (papers.rules["main"], papers.batch, papers.scale_begin) == ("number.asr", 64, None)
    assert ours.rules["main"] != papers.rules["main"]
    assert recipe.recipe("air", "13", epochs=1, seed=0, mnist=None, preset="paper").rules is None


def test_each_way_of_training_has_folders_of_its_own() -> None:
    regimes = [REGIME, Regime("paper", "/mnist"), Regime("short"), replace(REGIME, preset="paper")]
    regimes += [Regime("custom", "/mnist", epochs=0.5), Regime("custom", "/mnist", epochs=1)]
    assert len({regime.folder for regime in regimes}) == len(regimes)
    assert REGIME.folder == "short"


def test_an_ablation_changes_one_thing_each_and_none_twice() -> None:
    cells = ablation_cells(replace(REGIME, protocol="ablation"), (0,))
    assert len({one.name for one in cells}) == len(cells)
    assert not {one.name for one in cells} & {one.name for one in table_cells(("table1",), REGIME, seeds=(0,))}
    for setting in recipe.ABLATED:
        here = [one for one in cells if one.setting == setting]
        assert here[0].change == AS_IT_STANDS
        for one in here:
            assert re.fullmatch(r"[a-z0-9-]+", one.name)
            assert here.count(one) == 1
            assert one.options.rules is None or Program.from_dict(one.options.rules).rules
        assert len({str(one.options) for one in here}) == len(here)
    scored = [one for one in cells if one.options.estimator == "score"]
    assert [(one.change, one.setting) for one in scored] == [(SCORE, "13")]


def test_the_command_names_the_recipes_methods_and_settings() -> None:
    assert command.METHODS == recipe.METHODS
    assert command.SETTINGS == recipe.SETTINGS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["table3"], "did you mean `table1` or `table2`?"),
        (["all", "--methods", "air,asr"], "'asr' is none of air, air-pprior, air-asr"),
        (["all", "--settings", "15"], "'15' is none of"),
        (["all", "--seeds", "0,-1"], "seeds are not negative"),
        (["all", "--epochs", "0"], "0 is not a number of epochs"),
        (["all", "--jobs", "0"], "0 is not a positive number"),
    ],
)
def test_words_that_name_no_run_are_refused(capsys, words, said) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["air", "reproduce", *words])
    assert said in capsys.readouterr().err


def test_settings_of_another_table_leave_nothing_to_do(tmp_path, capsys) -> None:
    assert main(["air", "reproduce", "table1", "--settings", "mnist3", "--out", str(tmp_path)]) == 1
    assert "there is no such run" in capsys.readouterr().err


# ---- where a run stands


def test_a_run_is_new_begun_finished_or_refused_by_what_its_folder_holds(tmp_path) -> None:
    one = cell()
    folder = one.folder(tmp_path)
    assert state_of(one, tmp_path).stage == "new"
    folder.mkdir(parents=True)
    assert state_of(one, tmp_path).stage == "new"
    (folder / "settings.json").write_text(json.dumps(one.options.to_dict()))
    assert "holds a run without a checkpoint: delete the folder" in (state_of(one, tmp_path).why or "")
    (folder / "checkpoint.pt").write_bytes(b"")
    (folder / "log.jsonl").write_text('{"step": 20, "seconds": 1.5}\n{"step": 40, "seco')
    begun = state_of(one, tmp_path)
    assert (begun.stage, begun.step, begun.seconds) == ("begun", 20, 1.5)
    record_path(folder).write_text(json.dumps({"metrics": METRICS, "seconds": 9.0}))
    finished = state_of(one, tmp_path)
    assert (finished.stage, finished.step, finished.seconds) == ("finished", 1000, 9.0)
    for damage in ("", "[]", '{"metrics": {"nelbo": 1}}'):
        record_path(folder).write_text(damage)
        refused = state_of(one, tmp_path)
        assert refused.stage == "refused"
        assert "is measured again from its checkpoint" in (refused.why or "")
    (folder / "settings.json").write_text("{")
    assert re.search(r"is damaged \(.*delete the folder", state_of(one, tmp_path).why or "")


def test_digits_may_be_moved_when_a_run_is_finished(tmp_path) -> None:
    one = cell()
    one = replace(one, options=replace(one.options, mnist="here"))
    folder = one.folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text(json.dumps({**one.options.to_dict(), "mnist": "there"}))
    (folder / "checkpoint.pt").write_bytes(b"")
    assert "mnist: there, now here" in (state_of(one, tmp_path).why or "")
    record_path(folder).write_text(json.dumps({"metrics": METRICS, "seconds": 9.0}))
    assert state_of(one, tmp_path).stage == "finished"


def test_a_run_begun_with_other_options_is_refused_by_their_names(tmp_path) -> None:
    one = cell()
    folder = one.folder(tmp_path)
    folder.mkdir(parents=True)
    begun = replace(one.options, lr=0.5, rules=parse("rule r: n <= 2").to_dict(), steps=7)
    (folder / "settings.json").write_text(json.dumps(begun.to_dict()))
    (folder / "checkpoint.pt").write_bytes(b"")
    why = state_of(one, tmp_path).why or ""
    assert "begun with other options (rules: the text differs; steps: 7, now 1000; lr: 0.5, now 0.002)" in why
    assert f"delete the folder {folder}" in why


def test_what_is_locked_is_not_locked_again(tmp_path) -> None:
    for path in (tmp_path, tmp_path / "file"):
        with (
            locked(path),
            pytest.raises(InUseError, match=f"{path.name}: in use by another command"),
            locked(path),
        ):
            pytest.fail("it was locked twice")
        with locked(path):
            assert path.exists()


# ---- how far, and how long


def test_time_left_is_by_the_cost_of_a_step_in_each_setting(tmp_path) -> None:
    cells = [cell(0), cell(1), cell(0, setting="24"), cell(1, setting="24")]
    pace = Pace(cells, tmp_path, jobs=2)
    assert pace.seconds_left() is None
    assert summary(pace) == "runs 0/4  steps 0/4,000  0.0 steps/s  time left not known yet"
    for one, seconds in ((cells[0], 50.0), (cells[2], 100.0)):
        pace.start(one)
        pace.note(Update(one, Progress(500, 1000, 1.0, {}, 640.0, seconds)))
    # 0.1 s a step in 13, 0.2 in 24: one process has 50 + 100 left, the other 100 + 200.
    assert pace.steps_per_second == pytest.approx(20.0)
    assert pace.seconds_left() == pytest.approx(300.0)
    pace.note(Update(cells[2], result={"seconds": 200.0}))
    pace.note(Update(cells[0], error="no"))
    assert pace.runs == (1, 4)
    assert pace.steps == (1500, 4000)
    assert pace.seconds_left() == pytest.approx(200.0)
    assert summary(pace) == "runs 1/4  steps 1,500/4,000  0.0 steps/s  3:20 left  1 failed"


@pytest.mark.parametrize(("seconds", "text"), [(5, "0:05"), (3599, "59:59"), (3600, "1:00:00"), (90061, "25:01:01")])
def test_durations_have_hours_where_there_are_any(seconds, text) -> None:
    assert duration(seconds) == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_bars_that_fit_and_a_log_a_line_now_and_then(monkeypatch, tmp_path) -> None:
    pace = Pace([cell(0), cell(1)], tmp_path, jobs=2)
    pace.start(pace.cells[0])
    pace.note(Update(pace.cells[0], Progress(500, 1000, 1368.1, {"admissible": 0.01}, 640.0, 50.0)))
    pace.start(pace.cells[1])
    for columns in (40, 200):
        screen = Terminal()
        monkeypatch.setattr("sys.stderr", screen)
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = GridBoard(pace)
        lines.draw()
        lines.draw()
        lines.say("air-13-9: done")
        frames = screen.getvalue().split("\x1b[3F\x1b[J")  # each frame wipes the three lines of the one before
        assert len(frames) == 3
        assert frames[0] == frames[1]
        assert frames[2] == "air-13-9: done\n"
        assert max(map(len, frames[0].splitlines())) < columns
        assert frames[0].startswith("|######                  | runs 0/2"[: columns - 1])
        assert "air-13-1  preparing" in frames[0]
    times = iter((0.0, 1.0, 29.0, 31.0))
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    lines = GridBoard(pace, clock=lambda: next(times))
    for _ in range(4):
        lines.show()
    assert log.getvalue().count("runs 0/2") == 2
    assert "\x1b" not in log.getvalue()
