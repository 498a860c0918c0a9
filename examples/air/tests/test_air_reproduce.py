"""`asrppl air reproduce`: runs that are killed, that fail, that go on; what they leave."""

import json
import multiprocessing
import os
import signal
from dataclasses import replace

import pytest

from asrppl.cli.main import main
from asrppl_air.locks import locked
from asrppl_air.reproduce import jobs, recipe
from asrppl_air.reproduce.grid import Regime, table_cells
from asrppl_air.reproduce.jobs import CellUpdate, run_cells, train_cell
from asrppl_air.reproduce.results import read_results
from asrppl_air.reproduce.state import state_of
from asrppl_air.run import FolderInUseError, RunFolder
from asrppl_air.train import drained

TINY = {"images": 40, "test_images": 20, "batch": 4, "precision": "float32"}
RULES = {"rules": "number.asr", "params": {"L": [1, 3]}, "shares": {}}  # whatever the recipe's are


@pytest.fixture
def tiny(monkeypatch) -> None:
    settings = recipe.settings

    def smaller(*args: object, **given: object) -> dict[str, object]:
        values = settings(*args, **given)
        return values | TINY | (RULES if "rules" in values else {})

    monkeypatch.setattr(recipe, "settings", smaller)


def without_seconds(runs: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: value for name, value in run.items() if name != "seconds"} for run in runs]


def test_runs_that_were_killed_go_on_and_the_results_are_those_of_runs_that_were_not(
    tmp_path, tiny, mnist, monkeypatch, capsys
) -> None:
    out, results = tmp_path / "runs", tmp_path / "results"
    regime = Regime("custom", mnist, epochs=4)
    asr, air = table_cells(("table1",), regime, seeds=(0,), methods=("air-asr", "air"), settings=("13",))
    bad = replace(asr, options=replace(asr.options, lr=1e30, rules=None), slug="bad")
    ends: dict[str, CellUpdate] = {}
    killed = False

    def kill(update: CellUpdate) -> None:
        nonlocal killed
        if update.last:
            ends[update.of.name] = update
        elif update.of.name == asr.name and not killed:
            killed = True
            (child,) = (one for one in multiprocessing.active_children() if one.name == f"asrppl-{asr.name}")
            os.kill(child.pid or 0, signal.SIGKILL)

    # One is killed in its middle, one cannot be trained: the third ends all the same.
    assert run_cells([asr, bad, air], out, jobs=2, checkpoint_seconds=0, tell=kill)
    assert "its process ended without a word (status -9)" in (ends[asr.name].error or "")
    assert "not finite" in (ends[bad.name].error or "")
    assert ends[air.name].result is not None
    assert state_of(asr, out).stage == "begun"
    assert state_of(air, out).stage == "finished"

    words = ["air", "reproduce", "table1", "--settings", "13", "--methods", "air-asr,air", "--seeds", "0"]
    words += ["--epochs", "4", "--mnist", mnist, "--out", str(out), "--results", str(results), "--jobs", "2"]
    log = RunFolder(air.folder(out)).log.stat().st_mtime_ns
    assert main(words) == 0
    said = capsys.readouterr()
    assert "2 runs, 1 to train, 2 at a time" in said.err
    assert str(results / "tables" / "table1.md") in said.out
    assert RunFolder(air.folder(out)).log.stat().st_mtime_ns == log
    found = read_results(results, "table1")
    whole = [drained(train_cell(one, tmp_path / "whole"), print) for one in (air, asr)]
    assert without_seconds(found) == json.loads(json.dumps(without_seconds(whole)))
    assert [entry["step"] for entry in RunFolder(asr.folder(out)).read_log()] == [20, 40]
    assert mnist not in (results / "table1.json").read_text()

    # All is finished: nothing is trained, and results that were lost come back the same.
    text = (results / "table1.json").read_text()
    (results / "table1.json").unlink()
    monkeypatch.setattr("asrppl_air.reproduce.jobs.training", None)
    assert main(words) == 0
    assert (results / "table1.json").read_text() == text
    assert main([*words, "--dry-run"]) == 0
    assert "2 of 2 runs, 80 of 80 steps; time left: 0:00" in capsys.readouterr().out

    # The figures are drawn from what there is, and what there is not is said.
    words[2] = "figures"
    assert main([*words, "--methods", "air,air-pprior,air-asr"]) == 1
    said = capsys.readouterr()
    for name in ("reconstructions-13", "samples-13", "curves"):
        assert (results / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "Multi-MNIST 1/3: AIR-pPrior, seed 0" in said.err

    # Another recipe does not go on with these runs.
    words[2] = "table1"
    monkeypatch.setitem(TINY, "lr", 0.5)
    assert main(words) == 1
    assert "was begun with other options (lr: 0.001, now 0.5): delete the folder" in capsys.readouterr().err


def test_a_stop_leaves_checkpoints_and_starts_nothing_more(tmp_path, tiny, mnist) -> None:
    regime = Regime("custom", mnist, epochs=400)
    cells = table_cells(("table1",), regime, seeds=(0, 1), methods=("air",), settings=("13",))
    seen: list[CellUpdate] = []

    def stop(update: CellUpdate) -> None:
        seen.append(update)
        if update.progress is not None and len(seen) == 1:
            signal.raise_signal(signal.SIGTERM)

    assert not run_cells(cells, tmp_path, tell=stop)
    assert seen[-1].stopped is not None
    assert {update.of.name for update in seen} == {"air-13-0"}
    assert [state_of(one, tmp_path).stage for one in cells] == ["begun", "new"]


def test_a_run_in_use_by_another_command_is_left_to_it(tmp_path, tiny, mnist, monkeypatch) -> None:
    regime = Regime("custom", mnist, epochs=4)
    (cell,) = table_cells(("table1",), regime, seeds=(0,), methods=("air",), settings=("13",))
    cell.folder(tmp_path).mkdir(parents=True)
    monkeypatch.setattr(jobs, "PATIENCE", 0.0)
    with (
        locked(cell.folder(tmp_path)),
        pytest.raises(FolderInUseError, match="air-13-0: in use by another command, which trains it"),
    ):
        next(jobs.work(cell, tmp_path, "cpu", 120.0))
    assert not list(cell.folder(tmp_path).iterdir())
