"""Lightning: a resumed run goes on where its rules were, as one that was never stopped."""

from pathlib import Path
from typing import Any

import pandas
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader

import asrppl
from asrppl.training.lightning import RulesCallback
from tests.training.runs import an_objective


class Fit(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.elbo, _, self.x = an_objective()
        self.guide = self.elbo.guide

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        torch.manual_seed(self.global_step)  # the same draws, whichever run makes this step
        return self.elbo.differentiable_loss(self.elbo.model, self.guide, self.x)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.guide.parameters(), lr=0.05)


def run(folder: Path, steps: int, *, rules: bool = True, **options: Any) -> tuple[Fit, Trainer]:
    module = Fit()
    callbacks = [RulesCallback(module.elbo)] if rules else []
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        callbacks=callbacks,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        logger=options.pop("logger", False),
        log_every_n_steps=1,
    )
    trainer.fit(module, DataLoader(torch.zeros(4, 1)), **options)
    return module, trainer


def test_a_resumed_run_goes_on_as_if_it_had_not_been_stopped(tmp_path: Path) -> None:
    whole, _ = run(tmp_path, 12)
    first, trainer = run(tmp_path, 8)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    saved = torch.load(tmp_path / "half.ckpt", weights_only=True)  # plain data
    assert saved["callbacks"]["asrppl.RulesCallback"]["step"] == first.elbo.step == 8
    second, trainer = run(tmp_path, 12, ckpt_path=str(tmp_path / "half.ckpt"))
    assert trainer.global_step == second.elbo.step == 12
    assert second.elbo.report.weights["low"] == whole.elbo.report.weights["low"] == pytest.approx(11 / 20 * 10)
    torch.testing.assert_close(second.elbo.report.weights["even"], whole.elbo.report.weights["even"])
    torch.testing.assert_close(second.guide.state_dict(), whole.guide.state_dict())


def test_without_the_callback_warm_ups_start_anew(tmp_path: Path) -> None:
    _, trainer = run(tmp_path, 8, rules=False)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    module, trainer = run(tmp_path, 12, rules=False, ckpt_path=str(tmp_path / "half.ckpt"))
    assert (trainer.global_step, module.elbo.step) == (12, 4)


def test_reports_are_in_the_trainers_log(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path)
    module, _ = run(tmp_path, 4, logger=logger)
    logged = pandas.read_csv(tmp_path / "lightning_logs" / "version_0" / "metrics.csv")
    assert logged["rules/low/weight"].tolist() == pytest.approx([0.0, 0.5, 1.0, 1.5])
    assert logged["loss"].iloc[-1] == pytest.approx(float(module.elbo.report.loss))


def test_two_objectives_have_names(tmp_path: Path) -> None:
    module = Fit()
    keys = {RulesCallback(module.elbo, name=name).state_key for name in ("", "coarse", "fine")}
    assert keys == {"asrppl.RulesCallback", "asrppl.RulesCallback.coarse", "asrppl.RulesCallback.fine"}
    assert isinstance(module.elbo, asrppl.RegularizedELBO)
