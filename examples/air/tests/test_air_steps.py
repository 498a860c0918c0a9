"""Steps that take nothing from the host: the same as those made one by one, fit for a CUDA graph, and in turns."""

import gc
import signal
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from asrppl_air.checkpoint import load_checkpoint
from asrppl_air.data.scenes import Scenes
from asrppl_air.locate import NotFiniteError
from asrppl_air.options import TrainOptions
from asrppl_air.processes import InTurns, SideBySide
from asrppl_air.rules import load_rules
from asrppl_air.run import RunFolder
from asrppl_air.steps import DeviceSteps, SingleSteps, Sums, steps_of
from asrppl_air.train import Training, train, training
from asrppl_air.trainer import Trainer

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def never() -> bool:
    return False


@pytest.fixture
def options(mnist) -> TrainOptions:
    return TrainOptions(mnist=mnist, images=40, test_images=20, batch=8, steps=12, lr_warm=0.5, scale_begin=26.0)


class DoubleScenes:
    """Scenes whose batches are float64."""

    def __init__(self, scenes: Scenes) -> None:
        self.scenes = scenes

    def __len__(self) -> int:
        return len(self.scenes)

    def batch(self, indices: torch.Tensor) -> torch.Tensor:
        return self.scenes.batch(indices).double()


def double(options: TrainOptions, device: str) -> Trainer:
    # Adam divides a gradient by its own size: in float32 the rounding of a gradient near 0 would make a whole step.
    trainer = Trainer(options, device)
    trainer.model.double()
    trainer.guide.double()
    trainer.scenes = DoubleScenes(trainer.scenes)
    return trainer


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rules", [None, "number.asr", "air_number.asr"])
def test_they_are_the_steps_made_one_by_one(options, device, rules) -> None:
    if rules is not None:
        params = {"begin": 3, "end": 9} if rules.startswith("air") else {}
        options = replace(options, rules=load_rules(rules, params).to_dict())
    options = replace(options, images=16)
    ends: list[tuple[list[Sums], Trainer]] = []
    for kind in (SingleSteps, DeviceSteps):
        trainer = double(options, device)
        steps = kind(trainer)
        sums: list[Sums] = []
        for number in (2, 1):  # over the end of an epoch; few, for training magnifies any difference
            steps.launch(number, never)
            sums.append(steps.read())
        ends.append((sums, trainer))
    (wanted, single), (found, device_made) = ends
    assert [one.steps for one in found] == [2, 1]
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.loss == pytest.approx(theirs.loss, rel=1e-6)
        assert mine.violations == pytest.approx(theirs.violations, rel=1e-5, abs=1e-6)
    for mine, theirs in zip(device_made.parameters, single.parameters, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    assert device_made.step == single.step == 3
    state = device_made.state()["optimiser"]
    assert {entry["step"].item() for entry in state["state"].values()} == {3.0}
    assert isinstance(state["param_groups"][0]["lr"], float)
    assert state["param_groups"][0]["lr"] == pytest.approx(device_made.learning_rate(2), rel=1e-6)


class Waits(TorchDispatchMode):
    """Counts the operations for which a host would wait, or that bring it what a host holds."""

    OPS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "lift_fresh", "unique")

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func).split(".")[1]
        result = func(*args, **(kwargs or {}))
        # Pyro asks with an empty tensor what the default device is.
        if name in self.OPS and not (name == "lift_fresh" and result.numel() == 0):
            self.found[name] += 1
        return result


@pytest.mark.parametrize(("data", "rules"), [("13", "air_number.asr"), ("mnist3", "air_overlap.asr"), ("24", None)])
@pytest.mark.parametrize("prior", ["learned", "fixed"])
def test_no_operation_of_a_step_waits_for_the_device(options, data, rules, prior) -> None:
    program = None if rules is None else load_rules(rules).to_dict()
    run = replace(options, data=data, rules=program, prior=prior, precision="bfloat16", move=True)
    steps = DeviceSteps(Trainer(run))
    steps.launch(1, never)
    with Waits() as waits:
        steps._step()
    # What fused Adam on a CPU reads from its tensors (the rate) it leaves on the device on CUDA.
    assert set(waits.found) <= {"_local_scalar_dense"}, waits.found
    assert waits.found["_local_scalar_dense"] <= 1


@pytest.mark.parametrize("device", DEVICES)
def test_a_loss_that_is_not_finite_stops_the_updates_and_names_its_step_and_site(options, device) -> None:
    trainer = Trainer(options, device)
    steps = DeviceSteps(trainer)
    steps.launch(3, never)
    steps.read()
    with torch.no_grad():
        trainer.guide.encoder.net[0].weight[0, 0] = float("nan")
    before = [parameter.detach().clone() for parameter in trainer.parameters]
    steps.launch(4, never)
    with pytest.raises(NotFiniteError, match="step 4 is not finite; it comes from site `z_what_0` of the guide"):
        steps.read()
    for mine, kept in zip(trainer.parameters, before, strict=True):
        torch.testing.assert_close(mine, kept, rtol=0, atol=0, equal_nan=True)


def test_a_cpu_makes_single_steps_and_so_does_the_score_function(options) -> None:
    assert isinstance(steps_of(Trainer(options)), SingleSteps)
    assert isinstance(steps_of(Trainer(replace(options, estimator="score"))), SingleSteps)


def run(folder: Path, options: TrainOptions, device: str, stop: Callable[[], bool] | None) -> Training[float]:
    trainer = yield from training(RunFolder(folder), options, device=device, stop=stop)
    return float(trainer.parameters[0].sum())


@pytest.mark.parametrize("device", DEVICES)
def test_runs_in_turns_are_the_runs_alone_and_one_that_fails_stops_no_other(tmp_path, options, device) -> None:
    other = replace(options, seed=1, data="24")
    bad = replace(options, lr=1e30)
    ends: dict[str, Any] = {}
    with InTurns[str, float](device) as running:
        for name, one in (("a", options), ("bad", bad), ("b", other)):
            running.start(name, name, partial(run, tmp_path / name, one, device))
        assert len(running) == 3
        while running:
            for update in running.updates():
                if update.last:
                    ends[update.of] = update
    assert "not finite" in ends["bad"].error
    for name, one in (("a", options), ("b", other)):
        alone = train(RunFolder(tmp_path / f"{name} alone"), one, device=device)
        together = load_checkpoint(RunFolder(tmp_path / name).checkpoint, device)
        assert together["step"] == 12
        for mine, wanted in zip(together["guide"].values(), alone.guide.state_dict().values(), strict=True):
            # On CUDA gradients of indexing are added up in any order.
            torch.testing.assert_close(mine, wanted, **({} if device == "cpu" else {"rtol": 0.1, "atol": 2e-3}))


@pytest.mark.parametrize("kind", [partial(InTurns, "cpu"), SideBySide])
def test_a_stop_reaches_all_that_run_and_leaves_checkpoints(tmp_path, options, kind) -> None:
    long = replace(options, steps=100_000)
    stopped: dict[str, int | None] = {}
    asked = False
    with kind() as running:
        for name in ("a", "b"):
            running.start(name, name, partial(run, tmp_path / name, replace(long, seed=ord(name)), "cpu"))
        while running:
            for update in running.updates():
                if update.last:
                    stopped[update.of] = update.stopped
                elif not asked and all((tmp_path / name / "checkpoint.pt").exists() for name in ("a", "b")):
                    asked = True
                    signal.raise_signal(signal.SIGTERM)
        assert running.stopping
    for name, step in stopped.items():
        assert load_checkpoint(tmp_path / name / "checkpoint.pt")["step"] == step
    assert set(stopped) == {"a", "b"}


def test_a_step_leaves_no_graph_to_the_garbage_collector(options) -> None:
    # A graph that stays alive holds memory, and ties the parameters to a stream that no CUDA graph is captured in.
    trainer = Trainer(replace(options, rules=load_rules("air_number.asr").to_dict()))
    gc.collect()
    gc.disable()
    try:
        trainer.advance()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # looking at all objects touches some that are deprecated
            alive = [one for one in gc.get_objects() if type(one) is torch.Tensor and one.grad_fn is not None]
    finally:
        gc.enable()
    assert not alive
