"""Trainings side by side that may be stopped, and killed, at any moment.

On processors each has a process and a thread of its own (`SideBySide`). On a GPU they take turns in one process
(`InTurns`): what one has asked of the GPU, and the GPU is still at, does not keep the others waiting.
"""

import multiprocessing
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

import torch

from asrppl_air.errors import RUN_ERRORS
from asrppl_air.train import Interrupted, Progress, Training, asked_to_stop, drained, stop_signals
from asrppl_air.untyped import put_random, random_states

K = TypeVar("K")
R = TypeVar("R")
Begin = Callable[[Callable[[], bool] | None], Training[R]]
"""Begins a training that asks what it is given whether to stop (None: it listens to signals); it must be picklable."""


@dataclass(frozen=True)
class Update(Generic[K, R]):
    """What the training `of` something tells: progress, or its end with a result, an error, or where it stopped."""

    of: K
    progress: Progress | None = None
    result: R | None = None
    stopped: int | None = None
    error: str | None = None

    @property
    def last(self) -> bool:
        """Whether nothing follows."""
        return self.progress is None


def _end(of: K, error: Exception) -> Update[K, Any]:
    """The last update of a training that raised `error`."""
    if isinstance(error, Interrupted):
        return Update(of, stopped=error.step)
    # Shown as a line: a traceback would tear the progress of the others.
    return Update(of, error=str(error) if isinstance(error, RUN_ERRORS) else f"{type(error).__name__}: {error}")


def _work(of: object, begin: Begin[R], updates: Connection) -> None:
    # One core a training: a second thread would only take time from the one beside it.
    torch.set_num_threads(1)

    def tell(progress: Progress) -> None:
        try:
            updates.send(Update(of, progress))
        except OSError:  # the parent is gone: stop as if it had asked, with a checkpoint
            os.kill(os.getpid(), signal.SIGTERM)

    last: Update[object, Any]
    try:
        with asked_to_stop() as stop:  # from here to the end of the evaluation, which stops for it too
            last = Update(of, result=drained(begin(stop), tell))
    except Exception as error:
        last = _end(of, error)
    with suppress(OSError):
        updates.send(last)


class Together(ABC, Generic[K, R]):
    """The trainings that run now; inside `with`, `stop_signals` are passed on to them, once they can act on it.

    `stopping` says that they were asked to stop: each writes its checkpoint, and ends.
    """

    def __init__(self) -> None:
        self.stopping = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._asked) for number in stop_signals()}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # Only where the body raised is there anything left: it is stopped, with checkpoints.
        self.stop()
        self._finish()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _asked(self, number: int, frame: object) -> None:
        self.stopping = True
        self.stop()

    @abstractmethod
    def __len__(self) -> int:
        """How many run."""

    @abstractmethod
    def stop(self) -> None:
        """Ask all that run to stop."""

    @abstractmethod
    def start(self, of: K, name: str, begin: Begin[R]) -> None:
        """Start a training."""

    @abstractmethod
    def updates(self) -> Iterator[Update[K, R]]:
        """Wait until one of them tells something, and give what was told; a last update is the last of its training."""

    @abstractmethod
    def _finish(self) -> None:
        """Wait for all of them, which were asked to stop."""


@dataclass(eq=False, slots=True)
class _Turn(Generic[K, R]):
    of: K
    training: Training[R]
    random: dict[str, torch.Tensor]


class InTurns(Together[K, R]):
    """Trainings in this process, one part of each after the other; each has the random generators to itself."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = torch.device(device)
        self._running: list[_Turn[K, R]] = []

    def __len__(self) -> int:
        return len(self._running)

    def stop(self) -> None:
        """See `Together`."""
        self.stopping = self.stopping or bool(self._running)

    def start(self, of: K, name: str, begin: Begin[R]) -> None:
        """See `Together`."""
        self._running.append(_Turn(of, begin(lambda: self.stopping), random_states(self.device)))

    def updates(self) -> Iterator[Update[K, R]]:
        """See `Together`."""
        ours = random_states(self.device)
        told: list[Update[K, R]] = []
        for turn in list(self._running):
            put_random(turn.random, self.device)
            try:
                progress = next(turn.training)
            except StopIteration as end:
                told.append(Update(turn.of, result=end.value))
            except Exception as error:
                told.append(_end(turn.of, error))
            else:
                turn.random = random_states(self.device)
                if progress is not None:
                    told.append(Update(turn.of, progress))
                continue
            self._running.remove(turn)
        put_random(ours, self.device)
        yield from told

    def _finish(self) -> None:
        while self._running:
            for _ in self.updates():
                pass


class SideBySide(Together[K, R]):
    """Trainings with a process each."""

    def __init__(self) -> None:
        super().__init__()
        self._of: dict[Connection, K] = {}
        self._children: dict[Connection, BaseProcess] = {}

    def _finish(self) -> None:
        for child in self._children.values():
            child.join()

    def __len__(self) -> int:
        return len(self._of)

    def stop(self) -> None:
        """See `Together`."""
        self.stopping = self.stopping or bool(self._children)
        for child in self._children.values():
            if child.is_alive():
                child.terminate()

    def start(self, of: K, name: str, begin: Begin[R]) -> None:
        """See `Together`."""
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=_work, args=(of, begin, sender), name=f"asrppl-{name}", daemon=True)
        # Children are born deaf to a terminal's Ctrl-C: it reaches them through the parent.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            child.start()
        finally:
            signal.signal(signal.SIGINT, before)
        sender.close()
        self._of[receiver], self._children[receiver] = of, child
        if self.stopping:  # the signal came before this child was known
            self.stop()

    def updates(self) -> Iterator[Update[K, R]]:
        """See `Together`."""
        for pipe in cast("list[Connection]", wait(list(self._of))):
            update = self._receive(pipe)
            if update.last:
                self._children.pop(pipe).join()
                del self._of[pipe]
                pipe.close()
            yield update

    def _receive(self, pipe: Connection) -> Update[K, R]:
        try:
            update: Update[K, R] = pipe.recv()
        except EOFError:
            child = self._children[pipe]
            child.join()
            if self.stopping:  # before it had a checkpoint to write
                return Update(self._of[pipe], stopped=0)
            return Update(self._of[pipe], error=f"its process ended without a word (status {child.exitcode})")
        return update
