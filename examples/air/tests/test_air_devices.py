"""Rules and AIR on every device that is there: the CPU everywhere, a GPU where torch finds one."""

import math
from dataclasses import replace

import pytest
import torch

from asrppl_air.checkpoint import load_checkpoint, save_checkpoint
from asrppl_air.evaluate import evaluate
from asrppl_air.load import held_out, restore
from asrppl_air.options import TrainOptions
from asrppl_air.rules import load_rules
from asrppl_air.run import RunFolder
from asrppl_air.train import train

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
def test_compiled_rules_follow_their_values_to_the_device(device: str) -> None:
    program = load_rules("overlap.asr")
    boxes = torch.rand(5, 3, 3, dtype=torch.float64) * 30 + 5
    wanted = program.violations({"box": boxes})
    there = boxes.to(device).requires_grad_()
    found = program.violations({"box": there})
    for name, value in wanted.items():
        assert found[name].device == there.device
        torch.testing.assert_close(found[name].cpu(), value)
    program.penalty({"box": there}).backward()
    assert there.grad is not None
    assert bool(there.grad.isfinite().all())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("data", "rules"), [("13", "number.asr"), ("mnist3", "overlap.asr")])
def test_air_trains_stops_resumes_and_is_measured_on_the_device(tmp_path, mnist, device, data, rules) -> None:
    program = load_rules(rules)
    options = TrainOptions(data=data, mnist=mnist, images=24, test_images=8, batch=8, steps=4, rules=program.to_dict())
    folder = RunFolder(tmp_path / "run")
    stopped = train(folder, replace(options, steps=2), device=device)
    assert next(stopped.model.parameters()).device.type == device
    state = stopped.state()
    state["options"]["steps"] = 4
    save_checkpoint(folder.checkpoint, {**load_checkpoint(folder.checkpoint), **state})
    resumed = train(folder, None, device=device)
    assert resumed.step == 4
    assert set(resumed.violations()) == {rule.name for rule in program.rules}
    model, guide = restore(resumed.state(), device)
    metrics = evaluate(model, guide, held_out(resumed.options), 0)
    assert math.isfinite(metrics.nelbo)
    assert 0 <= metrics.miou <= 1
