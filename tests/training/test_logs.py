"""Reports as JSON lines, as scalars, and in TensorBoard's own files."""

import json
import math
from pathlib import Path

import pandas
import pytest
import torch

import asrppl
from asrppl.training.logs import log_jsonl, log_scalars, scalars
from tests.training.runs import an_objective


def trained(steps: int) -> asrppl.RegularizedELBO:
    elbo, optimiser, x = an_objective()
    for _ in range(steps):
        optimiser.zero_grad()
        elbo.differentiable_loss(elbo.model, elbo.guide, x).backward()
        optimiser.step()
    return elbo


def test_scalars_have_the_loss_and_each_rule() -> None:
    report = trained(3).report
    found = scalars(report)
    assert float(found["loss"]) == pytest.approx(float(report.returned) - float(report.penalty))
    assert found["rules/low/violation"] is report.violations["low"]  # a tensor stays one: nothing waits for a device
    assert set(found) == {"loss", "penalty"} | {
        f"rules/{rule}/{word}" for rule in ("low", "even") for word in ("violation", "weight", "satisfied", "vacuous")
    }


def test_lines_of_json_are_what_pandas_reads(tmp_path: Path) -> None:
    elbo = trained(3)
    path = tmp_path / "log.jsonl"
    for report in elbo.history:
        log_jsonl(path, report, epoch=0)
    with path.open("a") as file:
        file.write('{"step": 3, "ret')  # killed in the midst
    log_jsonl(path, elbo.history[-1], epoch=1)
    lines = path.read_text().splitlines()
    known = [json.loads(line) for line in (*lines[:3], lines[4])]
    assert [line["step"] for line in known] == [0, 1, 2, 2]
    frame = pandas.json_normalize(known).drop_duplicates("step", keep="last")
    assert frame["rules.low.weight"].tolist() == pytest.approx([report.weights["low"] for report in elbo.history])
    assert frame["epoch"].tolist() == [0, 0, 1]


def test_what_json_has_no_number_for_is_null(tmp_path: Path) -> None:
    log_jsonl(tmp_path / "log.jsonl", asrppl.Report(returned=math.nan, penalty=torch.tensor(math.inf)))
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {
        "step": 0, "returned": None, "penalty": None, "rules": {},
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what TensorBoard imports
def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    elbo = trained(3)
    with SummaryWriter(str(tmp_path)) as writer:
        for report in elbo.history:
            log_scalars(writer, report)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    wanted = [(report.step, pytest.approx(float(report.violations["low"]))) for report in elbo.history]
    assert [(event.step, event.value) for event in events.Scalars("rules/low/violation")] == wanted
