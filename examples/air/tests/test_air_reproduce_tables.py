"""Results and tables: what is merged, what is rendered, what is said of cells that are missing."""

import json

import pytest

from asrppl.cli.main import main
from asrppl_air.reproduce.paper import PAPER, TARGETS
from asrppl_air.reproduce.recipe import METHODS, SETTINGS
from asrppl_air.reproduce.render import latex, markdown, table_data
from asrppl_air.reproduce.results import ResultsError, merge_results, read_results
from asrppl_air.reproduce.tables import Value, spread, tables
from asrppl_air.reproduce.targets import verdict_table, verdicts
from asrppl_air.reproduce.write_tables import all_markdown, write_tables


def run(method: str, setting: str, seed: int, *metrics: float, **more: object) -> dict[str, object]:
    nelbo, acc, se, miou = metrics
    measured = {"nelbo": nelbo, "acc": acc, "se": se, "miou": miou, "miou_inclusive": miou + 0.02}
    key = {"method": method, "setting": setting, "protocol": "short", "seed": seed, "preset": "ours", "digits": "mnist"}
    return {**key, "metrics": measured, "commit": "c", "versions": {}, "seconds": 1.0, **more}


ASR13 = [run("air-asr", "13", seed, 330.0 + seed, 0.99, 38.0, 0.72 + 0.01 * seed) for seed in (0, 1, 2)]


def test_runs_of_a_key_replace_each_other_and_the_order_is_that_of_the_paper(tmp_path) -> None:
    merge_results(tmp_path, "table1", [run("air-asr", "24", 0, 1, 1, 1, 1), *reversed(ASR13)])
    first = read_results(tmp_path, "table1")
    merge_results(tmp_path, "table1", [run("air", "13", 1, 2, 0, 2, 0), run("air-asr", "13", 1, 5, 1, 5, 0.5)])
    found = read_results(tmp_path, "table1")
    assert [(entry["method"], entry["setting"], entry["seed"]) for entry in found] == [
        ("air", "13", 1),
        *(("air-asr", "13", seed) for seed in (0, 1, 2)),
        ("air-asr", "24", 0),
    ]
    assert found[2]["metrics"]["nelbo"] == 5
    merge_results(tmp_path, "table1", [ASR13[1]])
    kept = [entry for entry in read_results(tmp_path, "table1") if entry["method"] != "air"]
    assert kept == first
    # Other epochs, digits or settings are other runs.
    merge_results(tmp_path, "table1", [{**ASR13[0], "protocol": "custom", "epochs": 1.0}, {**ASR13[0], "digits": "x"}])
    assert len(read_results(tmp_path, "table1")) == len(found) + 2


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"method": "air"}]', '[{"protocol": 1, "metrics": {}}]'])
def test_damaged_results_are_named_with_what_to_do(tmp_path, text) -> None:
    (tmp_path / "table1.json").write_text(text)
    for new in ([], ASR13):
        with pytest.raises(ResultsError, match=r"table1\.json: not results.*delete the file"):
            merge_results(tmp_path, "table1", new)
    assert (tmp_path / "table1.json").read_text() == text


def test_a_result_that_was_changed_is_refused_and_one_without_a_digest_is_read(tmp_path) -> None:
    path = tmp_path / "table1.json"
    merge_results(tmp_path, "table1", ASR13)
    path.write_text(path.read_text().replace('"nelbo": 331.0', '"nelbo": 231.0'))
    with pytest.raises(ResultsError, match="does not match"):
        read_results(tmp_path, "table1")
    path.write_text(json.dumps(ASR13))
    assert read_results(tmp_path, "table1") == ASR13


def test_the_spread_is_the_samples() -> None:
    assert spread([1.0, 2.0, 3.0]) == Value(2.0, 1.0)
    assert spread([1.0]) == Value(1.0, None)


MARKDOWN = """\
**Table 1: rules on the number of objects** (short protocol, 20 epochs; all of MNIST; mean ± sample standard \
deviation over the seeds (3 where no number stands))

|  | nELBO | ACC | SE | mIoU | mIoU, inclusive |
| --- | ---: | ---: | ---: | ---: | ---: |
| AIR-13 (1 seed) | 400.2 | 0.500 | 60.0 | 0.400 | 0.420 |
| *paper* | *404.41 ± 4.58* | *0.81 ± 0.23* | *31.94 ± 4.68* | – | *0.61 ± 0.13* |
| AIR-pPrior-13 | – | – | – | – | – |
| *paper* | *405.21 ± 1.17* | *0.48 ± 0.00* | *49.42 ± 0.24* | – | *0.43 ± 0.01* |
| AIR-ASR-13 | 331.0 ± 1.0 | 0.990 ± 0.000 | 38.0 ± 0.0 | 0.730 ± 0.010 | 0.750 ± 0.010 |
| *paper* | *360.20 ± 19.67* | *0.96 ± 0.00* | *28.84 ± 1.11* | – | *0.61 ± 0.00* |
"""


def test_a_table_has_the_papers_rows_and_dashes_for_what_is_missing() -> None:
    (table,) = tables({"table1": [*ASR13, run("air", "13", 0, 400.2, 0.5, 60, 0.4)]})
    assert markdown(table).startswith(MARKDOWN)
    assert len(table.rows) == 2 * 9
    written = latex(table)
    assert r"AIR-ASR-13 & 331.0 $\pm$ 1.0 & 0.990 $\pm$ 0.000" in written
    assert r"AIR-pPrior-13 & -- & -- & -- & -- & -- \\" in written
    assert written.count(r"\midrule") == 3
    assert json.loads(json.dumps(table_data(table)))["rows"][4]["values"]["nelbo"] == {"mean": 331.0, "sd": 1.0}


def test_runs_that_were_trained_differently_do_not_share_a_table_or_go_unmarked() -> None:
    embedded = [{**entry, "digits": "embedded"} for entry in ASR13]
    one, other = tables({"table1": [*ASR13, *embedded]})
    assert "all of MNIST" in one.notes
    assert "the 5,000 embedded digits, not all of MNIST" in other.notes
    mixed = [{**entry, "options": {"lr": entry["seed"]}} for entry in ASR13]
    assert "seeds trained with different options" in markdown(tables({"table1": mixed})[0])


def test_ablations_begin_with_what_stands() -> None:
    changes = ["learning rate", "all weights × 10", "without the rule balanced", "as it stands"]
    runs = [run("air-asr", "13", 0, 1, 1, 1, 1, protocol="ablation", change=change) for change in changes]
    (table,) = tables({"ablations": runs})
    assert [row.label for row in table.rows] == changes[::-1]
    assert r"all weights $\times$ 10 & 1.0 & 1.000" in latex(table)


def test_targets_are_met_missed_by_how_much_or_wait_for_runs() -> None:
    baselines = [run(method, "13", 0, 400, 0.5, 60, 0.4) for method in ("air", "air-pprior")]
    worse = [run("air-asr", "14", seed, 430.0, 0.99, 40.0, 0.7 + 0.1 * seed) for seed in (0, 1)]
    found = verdicts({"table1": [*ASR13, *baselines, *worse]})
    said = {(verdict.setting, verdict.what): (verdict.reached, verdict.met) for verdict in found}
    assert said["13", "nELBO"] == ("331.0", True)
    assert said["13", "SD of mIoU"] == ("0.010", True)
    assert said["13", "ahead of AIR and AIR-pPrior"] == ("ahead in all", True)
    assert said["14", "nELBO"] == ("430.0 (by 10.0)", False)
    assert said["14", "SD of mIoU"] == ("0.071", False)
    assert said["14", "ahead of AIR and AIR-pPrior"] == (None, None)
    assert said["24", "ACC"] == (None, None)
    assert "| Multi-MNIST 1/4 | nELBO | ≤ 420 | 430.0 (by 10.0) | **missed** |" in verdict_table(found)
    # Other protocols are not what the targets are for.
    others = [{**entry, "protocol": "paper"} for entry in ASR13]
    assert all(verdict.met is None for verdict in verdicts({"table1": others}))


def test_the_papers_rows_and_the_targets_cover_all_settings() -> None:
    assert set(PAPER) == {(method, setting) for method in METHODS for setting in SETTINGS}
    assert set(TARGETS) == set(SETTINGS)


def test_the_command_prints_or_writes_all_tables_from_the_results_alone(tmp_path, capsys) -> None:
    assert main(["air", "tables", "--results", str(tmp_path)]) == 1
    assert "there are no results here" in capsys.readouterr().err
    merge_results(tmp_path, "table1", ASR13)
    merge_results(tmp_path, "table2", [run("air-asr", "mnist3", 0, 290, 1, 30, 0.75)])
    assert main(["air", "tables", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed == all_markdown(tmp_path)
    assert "| AIR-ASR, Multi-MNIST 3 (1 seed) | 290.0 | 30.0 | 0.750 | 0.770 |" in printed
    assert "| *paper* | *337.3 ± 55.1* | *36.5 ± 3.9* | – | *0.67 ± 0.05* |" in printed
    out = tmp_path / "out"
    assert main(["air", "tables", "--results", str(tmp_path), "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {path.name for path in write_tables(tmp_path, out)}
    names = {f"{table}.{kind}" for table in ("table1", "table2") for kind in ("md", "tex", "json")} | {"targets.md"}
    assert {path.name for path in out.iterdir()} == names
