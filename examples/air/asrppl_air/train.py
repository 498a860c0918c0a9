"""The training loop: deterministic, resumable to the bit, and stopped by the first number that is not finite."""

import signal
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from asrppl_air.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from asrppl_air.locate import NotFiniteError
from asrppl_air.options import TrainOptions
from asrppl_air.ranks import ALONE, Ranks, restarted
from asrppl_air.run import PATIENCE, RunFolder, new_folder
from asrppl_air.steps import Sums, steps_of
from asrppl_air.trainer import Trainer

R = TypeVar("R")


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
    """Ctrl-C, SIGTERM or SIGHUP: the run stopped after `step`, and its checkpoint is written."""

    def __init__(self, step: int) -> None:
        self.step = step
        super().__init__(f"stopped after step {step}")


Training = Generator[Progress | None, None, R]
"""A training in parts, which ends with a result; what it yields is its progress, or None where others may go on."""


def stop_signals() -> tuple[signal.Signals, ...]:
    """Ctrl-C, SIGTERM and, unless it is ignored as under nohup, SIGHUP of a terminal that is closed."""
    hangup: signal.Signals | None = getattr(signal, "SIGHUP", None)  # Windows has none
    heard = hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, hangup) if heard and hangup is not None else (signal.SIGINT, signal.SIGTERM)


@contextmanager
def asked_to_stop() -> Generator[Callable[[], bool]]:
    """Turn the signals that ask to stop into a question to ask between steps."""
    asked = False

    def note(number: int, frame: object) -> None:
        nonlocal asked
        asked = True

    before = {number: signal.signal(number, note) for number in stop_signals()}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def train(
    folder: RunFolder,
    options: TrainOptions | None,
    *,
    device: str = "cpu",
    checkpoint_seconds: float = 120.0,
    progress: Callable[[Progress], None] = lambda progress: None,
    ranks: Ranks = ALONE,
) -> Trainer:
    """Train in `folder`: from the start with `options`, or (None) from the checkpoint that is there.

    Writes `settings.json`, `log.jsonl`, `checkpoint.pt` (every `checkpoint_seconds`, at the end, and when stopped).
    Raises `FolderInUseError`, `CheckpointError`, `NotFiniteError`, and `Interrupted` after Ctrl-C.
    """
    with alone(folder, ranks):
        parts = training(folder, options, device=device, checkpoint_seconds=checkpoint_seconds, ranks=ranks)
        return drained(parts, progress)


def alone(folder: RunFolder, ranks: Ranks = ALONE) -> AbstractContextManager[None]:
    """Hold the folder, in the rank that writes there."""
    return folder.alone(PATIENCE if restarted() else 0.0) if ranks.writes else nullcontext()


def unless(stop: Callable[[], bool] | None, trainer: Trainer) -> Callable[[], None]:
    """What is called between the parts of an evaluation, whose run is trained: raises `Interrupted` where asked to."""

    def go_on() -> None:
        if stop is not None and stop():
            raise Interrupted(trainer.step)

    return go_on


def drained(parts: Training[R], tell: Callable[[Progress], None]) -> R:
    """Go through a training, telling its progress; returns what it returns."""
    while True:
        try:
            progress = next(parts)
        except StopIteration as end:
            return end.value
        if progress is not None:
            tell(progress)


def training(
    folder: RunFolder,
    options: TrainOptions | None,
    *,
    device: str = "cpu",
    checkpoint_seconds: float = 120.0,
    stop: Callable[[], bool] | None = None,
    ranks: Ranks = ALONE,
) -> Training[Trainer]:
    """`train` in parts: between two of them another run may have its turn.

    `stop` is asked between steps; without one, the signals of `stop_signals` stop the run while it trains. Of several
    `ranks` each goes through all of it, and the first writes: it has to hold the folder (`RunFolder.alone`).
    """
    if options is None:
        state = load_checkpoint(folder.checkpoint, device)
        trainer = Trainer(TrainOptions.from_dict(state["options"]), device, ranks)
        trainer.load(state)
        if ranks.writes:
            folder.rewind_log(trainer.step)
    else:
        if ranks.writes:
            folder.verify_free()
        with new_folder(folder.path) if ranks.writes else nullcontext():
            trainer = Trainer(options, device, ranks)
            # First the checkpoint: a folder with anything in it can always be resumed.
            _save(folder, trainer)
    if ranks.writes:
        folder.write_json(folder.settings, trainer.options.to_dict())
    with nullcontext(stop) if stop is not None else asked_to_stop() as stopping:
        yield from _run(folder, trainer, checkpoint_seconds, stopping)
    return trainer


def _run(
    folder: RunFolder, trainer: Trainer, checkpoint_seconds: float, stop: Callable[[], bool]
) -> Generator[Progress | None]:
    options = trainer.options
    saved, since = time.monotonic(), time.monotonic()
    steps = steps_of(trainer)
    sums = Sums(0, 0.0, {})
    stop = trainer.ranks.agreed(stop)
    late = trainer.ranks.agreed(lambda: time.monotonic() - saved >= checkpoint_seconds)

    def due() -> bool:
        return stop() or late()

    while trainer.step < options.steps:
        until = min(options.steps, trainer.step + steps.stride - trainer.step % steps.stride)
        try:
            while True:
                steps.launch(min(until - trainer.step, steps.turn), due)
                yield None
                if trainer.step == until or due():
                    break
            sums = sums.and_then(steps.read())
        except NotFiniteError as error:
            raise NotFiniteError(error.what, error.step, error.source, _last_good(folder)) from None
        done = trainer.step == options.steps
        if trainer.step % steps.stride == 0 or done:
            now = time.monotonic()
            trainer.seconds += now - since
            pace = sums.steps * trainer.batch_size / (now - since)
            means = {name: value / sums.steps for name, value in sums.violations.items()}
            entry = Progress(trainer.step, options.steps, sums.loss / sums.steps, means, pace, trainer.seconds)
            if trainer.ranks.writes:
                folder.append_log(entry.to_log())
            yield entry
            sums, since = Sums(0, 0.0, {}), now
        stopping = stop()
        if done or stopping or late():
            # A step whose loss and gradient were finite can still overflow a parameter.
            overflown = trainer.overflown()
            if overflown is not None:
                raise NotFiniteError("parameters", trainer.step, overflown, _last_good(folder))
            _save(folder, trainer)
            saved = time.monotonic()
        if stopping:  # after the last step too: what is asked to stop goes on to no evaluation
            raise Interrupted(trainer.step)


def _save(folder: RunFolder, trainer: Trainer) -> None:
    state = trainer.state()  # of all ranks
    if trainer.ranks.writes:
        save_checkpoint(folder.checkpoint, state)


def _last_good(folder: RunFolder) -> str:
    try:
        step = load_checkpoint(folder.checkpoint)["step"]
    except CheckpointError:
        return "there is no checkpoint before it."
    return f"the last good checkpoint is {folder.checkpoint} (step {step})."
