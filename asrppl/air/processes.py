"""Trainings side by side, one process and one thread each, that may be stopped and killed at any moment."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

import torch

from asrppl.air.errors import RUN_ERRORS
from asrppl.air.train import Interrupted, Progress

K = TypeVar("K")
R = TypeVar("R")
Training = Callable[[Callable[[Progress], None]], R]
"""Trains, telling what it is given of its progress, and returns what came of it; it must be picklable."""


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


def _work(of: object, training: Training[R], updates: Connection) -> None:
    # One core a training: a second thread would only take time from the one beside it.
    torch.set_num_threads(1)

    def tell(progress: Progress) -> None:
        try:
            updates.send(Update(of, progress))
        except OSError:  # the parent is gone: stop as if it had asked, with a checkpoint
            os.kill(os.getpid(), signal.SIGTERM)

    last: Update[object, R]
    try:
        last = Update(of, result=training(tell))
    except Interrupted as stop:
        last = Update(of, stopped=stop.step)
    except RUN_ERRORS as error:
        last = Update(of, error=str(error))
    except Exception as error:  # the parent shows it: a child's traceback would tear the progress
        last = Update(of, error=f"{type(error).__name__}: {error}")
    with suppress(OSError):
        updates.send(last)


class SideBySide(Generic[K, R]):
    """The trainings that run now; inside `with`, Ctrl-C and SIGTERM are passed on to them, once they can act on it.

    `stopping` says that they were asked to stop: each writes its checkpoint, and ends.
    """

    def __init__(self) -> None:
        self.stopping = False
        self._of: dict[Connection, K] = {}
        self._children: dict[Connection, BaseProcess] = {}
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "SideBySide[K, R]":
        self._before = {number: signal.signal(number, self._asked) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # Only where the body raised is there anything left: it is stopped, with checkpoints.
        self.stop()
        for child in self._children.values():
            child.join()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __len__(self) -> int:
        return len(self._of)

    def _asked(self, number: int, frame: object) -> None:
        self.stopping = True
        self.stop()

    def stop(self) -> None:
        """Ask all that run to stop."""
        self.stopping = self.stopping or bool(self._children)
        for child in self._children.values():
            if child.is_alive():
                child.terminate()

    def start(self, of: K, name: str, training: Training[R]) -> None:
        """Start `training` in a process of its own."""
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=_work, args=(of, training, sender), name=f"asrppl-{name}", daemon=True)
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
        """Wait until one of them tells something, and give what was told; a last update is the last of its training."""
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
