"""The training loop: deterministic, resumable to the bit, and stopped by the first number that is not finite."""

import math
import signal
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyro
import torch
from pyro.infer import ELBO, TraceEnum_ELBO, TraceGraph_ELBO
from torch import Tensor

from asrppl.air.blame import NotFiniteError, blame
from asrppl.air.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from asrppl.air.data.draws import Draws
from asrppl.air.data.scenes import Scenes, moved
from asrppl.air.evaluate import evaluate
from asrppl.air.load import held_out, training_scenes
from asrppl.air.metrics import Metrics
from asrppl.air.model import Guide, Model
from asrppl.air.options import TrainOptions
from asrppl.air.rules import without_rule
from asrppl.air.run import RunFolder, new_folder
from asrppl.air.score import BASELINE_LR, Baseline, ScoreELBO, ScoreGuide, ScoreModel
from asrppl.air.untyped import kept_random, seed, tensor_of
from asrppl.infer import RegularizedELBO, regularize
from asrppl.program import Program
from asrppl.source import Source

LOG_EVERY = 20


@dataclass(frozen=True)
class Progress:
    """Where a run stands after `step` of `steps`: the means since the last one of these.

    `loss` is −ELBO in nats per image, without the rules; `violations` their violations by name; `seconds` the training
    time so far, over all the times that the run was resumed.
    """

    step: int
    steps: int
    loss: float
    violations: Mapping[str, float]
    images_per_second: float
    seconds: float

    @property
    def seconds_left(self) -> float:
        """At the mean pace so far."""
        return self.seconds / self.step * (self.steps - self.step)

    def to_log(self) -> dict[str, Any]:
        """A line of `log.jsonl`."""
        return {
            "step": self.step,
            "loss": round(self.loss, 4),
            "violations": {name: round(value, 6) for name, value in self.violations.items()},
            "images_per_second": round(self.images_per_second, 1),
            "seconds": round(self.seconds, 2),
        }


class Interrupted(Exception):  # noqa: N818 - no error: the user asked for it
    """Ctrl-C or SIGTERM: the run stopped after `step`, and its checkpoint is written."""

    def __init__(self, step: int) -> None:
        self.step = step
        super().__init__(f"stopped after step {step}")


@contextmanager
def _stop_signals() -> Generator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into a question to ask between steps."""
    asked = False

    def note(number: int, frame: object) -> None:
        nonlocal asked
        asked = True

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Trainer:
    """One run: model, guide, optimiser, data, and where it stands.

    `Trainer(options, device)` starts afresh; `load` puts a checkpoint's state in. `programs` are what is trained:
    model and guide themselves, or for the score function two programs over their networks, with a baseline.
    """

    def __init__(self, options: TrainOptions, device: str = "cpu") -> None:
        self.options = options
        self.device = torch.device(device)
        self.step = 0
        self.seconds = 0.0
        # Denormal numbers, plentiful in Adam's second moments, cost a CPU a hundred times what others do.
        torch.set_flush_denormal(True)
        seed(options.seed)
        settings = options.air()
        self.model = Model(settings).to(self.device)
        self.guide = Guide(settings).to(self.device)
        self.scenes: Scenes = training_scenes(options).to(self.device)
        self._order: tuple[int, Tensor] | None = None
        self.parameters = [*self.model.parameters(), *self.guide.parameters()]
        groups: list[dict[str, Any]] = [{"params": self.parameters}]
        self.baseline: Baseline | None = None
        self.programs: tuple[torch.nn.Module, torch.nn.Module] = self.model, self.guide
        if options.estimator == "score":
            self.baseline = Baseline(settings).to(self.device)
            self.programs = ScoreModel(self.model), ScoreGuide(self.guide, self.baseline)
            groups.append({"params": list(self.baseline.parameters()), "lr": BASELINE_LR})
        self.elbo = self._elbo()
        self.loss = self.elbo(*self.programs)
        self.optimiser = torch.optim.Adam(groups, lr=options.lr, fused=True)
        self._update: Callable[[], Any] = cast(Any, self.optimiser).step

    def _base(self) -> ELBO:
        if self.options.estimator == "score":
            return TraceGraph_ELBO(max_plate_nesting=1)
        return TraceEnum_ELBO(max_plate_nesting=1, strict_enumeration_warning=not self.options.air().fixed_count)

    def _rules_folder(self) -> Path | None:
        return None if self.options.rules_name is None else Path(self.options.rules_name).parent

    def _elbo(self) -> ELBO:
        if self.options.rules is None:
            return ScoreELBO(max_plate_nesting=1) if self.options.estimator == "score" else self._base()
        source = Source(self.options.rules_name or "<rules>", self.options.rules)
        program = Program(source, self.options.params, self._rules_folder())
        elbo = regularize(*self.programs, program, elbo=self._base())
        # The first call binds the rules to the programs' sites, by runs of its own: here, where a run that is resumed
        # does it too, and without touching the random numbers of training.
        with kept_random(self.device), pyro.validation_enabled(False):
            images, indices = self.batch(0)
            elbo.loss(*self.programs, images, len(self.scenes), indices)
        return elbo

    def learning_rate(self, step: int) -> float:
        """The learning rate of the step after `step`: a cosine from `lr` to `lr_end * lr`, after a linear rise."""
        options = self.options
        cosine = 0.5 * (1 + math.cos(math.pi * step / options.steps))
        warm = min(1.0, (step + 1) / max(1.0, options.lr_warm * options.steps))
        return options.lr * (options.lr_end + (1 - options.lr_end) * cosine) * warm

    @property
    def batch_size(self) -> int:
        """Images a step: never more than there are."""
        return min(self.options.batch, len(self.scenes))

    def overflown(self) -> str | None:
        """A parameter that is not finite, if there is one."""
        for owner, module in (("model", self.model), ("guide", self.guide), ("baseline", self.baseline)):
            for name, parameter in () if module is None else module.named_parameters():
                if not bool(parameter.isfinite().all()):
                    return f"the update of `{name}` of the {owner}"
        return None

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Images and indices of the step after `step`: each epoch is a permutation from (seed, epoch) alone."""
        size = self.batch_size
        per_epoch = len(self.scenes) // size
        epoch, position = divmod(step, per_epoch)
        if self._order is None or self._order[0] != epoch:
            order = Draws(self.options.seed, epoch).permutation(len(self.scenes))
            self._order = epoch, tensor_of(order).to(self.device)
        indices = self._order[1][position * size : (position + 1) * size]
        return self.scenes.batch(indices), indices

    def violations(self) -> dict[str, Any]:
        """Each rule's violation in the last step."""
        return dict(self.elbo.report.violations) if isinstance(self.elbo, RegularizedELBO) else {}

    def advance(self) -> Tensor:
        """One step; returns −ELBO per image, rules apart. Raises `NotFiniteError` before it changes a parameter."""
        images, indices = self.batch(self.step)
        size = len(self.scenes)
        if self.options.move:
            images = moved(images)
        random = torch.get_rng_state()
        self.optimiser.param_groups[0]["lr"] = self.learning_rate(self.step)
        self.model.move_scale_prior(self.options.scale_mean(self.step))
        loss = self.loss(images, size, indices) / size
        if not math.isfinite(float(loss.detach())):
            raise self._blame("loss", images, random)
        self.optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.options.clip)
        if not math.isfinite(float(norm)):
            raise self._blame("gradient", images, random)
        self._update()
        self.step += 1
        return self.elbo.report.loss / size if isinstance(self.elbo, RegularizedELBO) else loss.detach()

    def _blame(self, what: str, images: Tensor, random: Tensor) -> NotFiniteError:
        torch.set_rng_state(random)
        size = len(self.scenes)
        terms: dict[str, Tensor] = {}
        if isinstance(self.elbo, RegularizedELBO):
            report = self.elbo.report
            terms = {name: size * report.weights[name] * value for name, value in report.violations.items()}
        source = blame(what, *self.programs, images, size, terms, self._rules_alone())
        return NotFiniteError(what, self.step + 1, source, "the parameters are those of the step before.")

    def _rules_alone(self) -> dict[str, ELBO]:
        """The objective with each rule as the only one, by name."""
        if not isinstance(self.elbo, RegularizedELBO):
            return {}
        program = self.elbo.program
        found: dict[str, ELBO] = {}
        for rule in program.rules:
            text = program.source.text
            for other in program.rules:
                if other.name != rule.name:
                    text = without_rule(text, other.name)
            only = Program(Source(program.source.name, text), self.options.params, self._rules_folder())
            found[rule.name] = regularize(*self.programs, only, elbo=self._base(), step=self.step)
        return found

    def state(self) -> dict[str, Any]:
        """Everything that a run needs to go on."""
        state = {
            "options": self.options.to_dict(),
            "settings": self.options.air().to_dict(),
            "step": self.step,
            "epoch": self.step // (len(self.scenes) // self.batch_size),
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "guide": self.guide.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
        }
        if self.baseline is not None:
            state["baseline"] = self.baseline.state_dict()
        if self.device.type == "cuda":
            state["random_cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def load(self, state: dict[str, Any]) -> None:
        """Put in what `state` gave."""
        self.model.load_state_dict(state["model"])
        self.guide.load_state_dict(state["guide"])
        if self.baseline is not None:
            self.baseline.load_state_dict(state["baseline"])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"].cpu())
        if self.device.type == "cuda" and "random_cuda" in state:
            torch.cuda.set_rng_state(state["random_cuda"].cpu(), self.device)
        self.step = state["step"]
        if isinstance(self.elbo, RegularizedELBO):
            self.elbo.step = self.step
        self.seconds = state["seconds"]

    def evaluate(self) -> Metrics:
        """The four measures on held-out digits, under the priors that the run ends with."""
        self.model.move_scale_prior(self.options.scale_mean(self.options.steps))
        return evaluate(self.model, self.guide, held_out(self.options), self.options.seed)


def train(
    folder: RunFolder,
    options: TrainOptions | None,
    *,
    device: str = "cpu",
    checkpoint_seconds: float = 120.0,
    progress: Callable[[Progress], None] = lambda progress: None,
) -> Trainer:
    """Train in `folder`: from the start with `options`, or (None) from the checkpoint that is there.

    Writes `settings.json`, `log.jsonl`, `checkpoint.pt` (every `checkpoint_seconds`, at the end, and when stopped).
    Raises `FolderInUseError`, `CheckpointError`, `NotFiniteError`, and `Interrupted` after Ctrl-C.
    """
    if options is None:
        state = load_checkpoint(folder.checkpoint, device)
        trainer = Trainer(TrainOptions.from_dict(state["options"]), device)
        trainer.load(state)
        folder.sweep()
        folder.rewind_log(trainer.step)
    else:
        folder.verify_free()
        with new_folder(folder.path):
            trainer = Trainer(options, device)
            # First the checkpoint: a folder with anything in it can always be resumed.
            save_checkpoint(folder.checkpoint, trainer.state())
    folder.write_json(folder.settings, trainer.options.to_dict())
    with pyro.validation_enabled(False), _stop_signals() as stop:
        _run(folder, trainer, checkpoint_seconds, progress, stop)
    return trainer


def _run(
    folder: RunFolder,
    trainer: Trainer,
    checkpoint_seconds: float,
    progress: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> None:
    options = trainer.options
    saved, since = time.monotonic(), time.monotonic()
    losses: list[Tensor] = []
    violations: dict[str, list[Any]] = {}
    while trainer.step < options.steps:
        try:
            losses.append(trainer.advance())
        except NotFiniteError as error:
            raise NotFiniteError(error.what, error.step, error.source, _last_good(folder)) from None
        for name, value in trainer.violations().items():
            violations.setdefault(name, []).append(value)
        done = trainer.step == options.steps
        if trainer.step % LOG_EVERY == 0 or done:
            now = time.monotonic()
            trainer.seconds += now - since
            pace = len(losses) * trainer.batch_size / (now - since)
            means = {name: float(sum(values)) / len(values) for name, values in violations.items()}
            loss = float(sum(losses)) / len(losses)
            entry = Progress(trainer.step, options.steps, loss, means, pace, trainer.seconds)
            folder.append_log(entry.to_log())
            progress(entry)
            losses, violations, since = [], {}, now
        stopping = stop()
        if done or stopping or time.monotonic() - saved >= checkpoint_seconds:
            # A step whose loss and gradient were finite can still overflow a parameter.
            overflown = trainer.overflown()
            if overflown is not None:
                raise NotFiniteError("parameters", trainer.step, overflown, _last_good(folder))
            save_checkpoint(folder.checkpoint, trainer.state())
            saved = time.monotonic()
        if stopping and not done:
            raise Interrupted(trainer.step)


def _last_good(folder: RunFolder) -> str:
    try:
        step = load_checkpoint(folder.checkpoint)["step"]
    except CheckpointError:
        return "there is no checkpoint before it."
    return f"the last good checkpoint is {folder.checkpoint} (step {step})."
