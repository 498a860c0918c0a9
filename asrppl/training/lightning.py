"""Lightning: the rules' state in its checkpoints, and their reports in its logs."""

from typing import Any

from asrppl.infer.elbo import RegularizedELBO
from asrppl.training.logs import scalars

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError:
    raise ImportError("asrppl.training.lightning needs Lightning: pip install 'asrppl[lightning]'") from None


class RulesCallback(Callback):
    """A Lightning callback that keeps an objective's state in checkpoints, and logs its reports.

    Without it a resumed run starts warm-ups, tracked means and multipliers anew, while the trainer's own step goes on.

        trainer = Trainer(callbacks=[RulesCallback(elbo)])
        trainer.fit(module, loader, ckpt_path="last.ckpt")  # the rules go on, too

    Args:
        elbo: what ``training_step`` calls: ``elbo.differentiable_loss(model, guide, *batch)``.
        name: tells the callbacks of several objectives apart, in checkpoints and logs.
        log: whether to log the `asrppl.training.logs.scalars` of each report, in the trainer's logger. Lightning
            decides which steps it writes (``log_every_n_steps``).
    """

    def __init__(self, elbo: RegularizedELBO, *, name: str = "", log: bool = True) -> None:
        self.elbo = elbo
        self.name = name
        self.log_reports = log

    @property
    def state_key(self) -> str:
        """The name of its state in a checkpoint."""
        return f"asrppl.RulesCallback{self.name and '.' + self.name}"

    def state_dict(self) -> dict[str, Any]:
        """Return the objective's state, for a checkpoint."""
        return self.elbo.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self.elbo.load_state_dict(state_dict)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the report of the step; nothing waits for a device."""
        if self.log_reports:
            before = f"{self.name}/" if self.name else ""
            found = {f"{before}{name}": value for name, value in scalars(self.elbo.report).items()}
            pl_module.log_dict(found, on_step=True, on_epoch=False)
