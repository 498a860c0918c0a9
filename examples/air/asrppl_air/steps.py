"""How a run's steps are made: one by one, or many in a row on a device that nobody waits for."""

import gc
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from asrppl_air.locate import NotFiniteError
from asrppl_air.trainer import Trainer


class Sums(NamedTuple):
    """Of the steps since the last ones of these: how many, and the sums of −ELBO per image and of each violation."""

    steps: int
    loss: float
    violations: dict[str, float]

    def and_then(self, others: "Sums") -> "Sums":
        """Those of both."""
        names = {**self.violations, **others.violations}
        violations = {name: self.violations.get(name, 0.0) + others.violations.get(name, 0.0) for name in names}
        return Sums(self.steps + others.steps, self.loss + others.loss, violations)


class Steps(Protocol):
    """Makes the steps of a run; `turn` is how many to launch before others have theirs, `stride` how many to read."""

    turn: int
    stride: int

    def launch(self, steps: int, pause: Callable[[], bool]) -> None:
        """Make so many steps, or fewer where `pause` says so; they need not be done when it returns."""
        ...

    def read(self) -> Sums:
        """Wait for them, and say what came of them; raises `NotFiniteError`."""
        ...


def steps_of(trainer: Trainer) -> Steps:
    """The fastest way for a run: in a CUDA graph where there is CUDA, but for the score function and several ranks."""
    if trainer.device.type == "cuda" and trainer.options.estimator == "exact" and trainer.ranks.count == 1:
        return DeviceSteps(trainer)
    return SingleSteps(trainer)


class SingleSteps:
    """One step after the other, as the processor goes through the programs."""

    turn = 1  # on a GPU in company each of these takes as long as twenty of the others'
    stride = 20

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.losses: list[Tensor] = []
        self.violations: dict[str, list[Any]] = {}

    def launch(self, steps: int, pause: Callable[[], bool]) -> None:
        """See `Steps`."""
        for _ in range(steps):
            self.losses.append(self.trainer.advance())
            for name, value in self.trainer.violations().items():
                self.violations.setdefault(name, []).append(value)
            if pause():
                return

    def read(self) -> Sums:
        """See `Steps`."""
        violations = {name: float(sum(values)) for name, values in self.violations.items()}
        loss, *means = self.trainer.ranks.mean([float(sum(self.losses)), *violations.values()])
        found = Sums(len(self.losses), loss, dict(zip(violations, means, strict=True)))
        self.losses, self.violations = [], {}
        return found


class DeviceSteps:
    """Steps that take nothing from the host, and give nothing back until they are asked: on CUDA a captured graph.

    A step of AIR is more than a thousand small operations: started one by one they keep a GPU waiting for the
    processor. Here schedules, order of the images and the step's number lie on the device, so that a whole step is
    captured once (`torch.cuda.CUDAGraph`) and then replayed, in a stream and with a random generator of the run's own:
    several runs share a GPU, and each draws what it would have drawn alone.

    A loss or gradient that is not finite stops all later updates on the device (`found_inf` of fused Adam); `read`
    then makes that step once more, one operation after the other, to say what it came from. On a CPU the same
    operations run without a graph.
    """

    turn = 2  # a launch waits while the queue to the GPU is full: one run alone must not fill it
    stride = 100  # a second or two of a shared GPU, for which it needs no attention

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        device, options = trainer.device, trainer.options
        rules = trainer.elbo.program.rules
        self.rules: tuple[str, ...] = tuple(rule.name for rule in rules)
        columns = [[trainer.learning_rate(step) for step in range(options.steps)]]
        columns.append([options.scale_mean(step) for step in range(options.steps)])
        columns += [[rule.weight.at(step) for step in range(options.steps)] for rule in rules]
        self.schedules = torch.tensor(columns, device=device).T.contiguous()
        self.order = torch.zeros((trainer.epoch_steps, trainer.batch_size), dtype=torch.long, device=device)
        self.epoch = -1
        self.step = torch.full((1,), trainer.step, device=device)
        self.rate = torch.zeros((), device=device)
        self.failed = torch.zeros((), device=device)
        self.sums = torch.zeros(1 + len(self.rules), device=device)
        self.begun = trainer.step
        self.unread = False
        trainer.optimiser.param_groups[0] |= {"lr": self.rate, "capturable": device.type == "cuda"}
        vars(trainer.optimiser)["found_inf"] = self.failed
        self.graph = _Graph(trainer) if device.type == "cuda" else None
        if self.graph is not None:
            state = [self.step, self.rate, self.failed, self.sums]
            with self.graph.stream_and_random():
                self._order(trainer.step)
            self.graph.capture(self._step, state)

    def launch(self, steps: int, pause: Callable[[], bool]) -> None:
        """See `Steps`; `pause` is not asked: a GPU makes these steps in a fraction of a second."""
        if not self.unread:
            self.begun = self.trainer.step
            self.unread = True
            if self.graph is not None:
                self.graph.begin()
        with self._stream():
            for _ in range(steps):
                self._order(self.trainer.step)
                self._step() if self.graph is None else self.graph.replay()
                self.trainer.step += 1

    def read(self) -> Sums:
        """See `Steps`."""
        with self._stream():
            found = torch.cat([self.failed[None].double(), self.step.double(), self.sums.double()]).cpu()
            self.sums.zero_()
        self.unread = False
        failed, step, loss, *violations = (float(value) for value in found)
        if failed:
            raise self._error(int(step))
        names = zip(self.rules, violations, strict=True)
        return Sums(self.trainer.step - self.begun, loss, dict(names))

    @contextmanager
    def _stream(self) -> Generator[None]:
        if self.graph is None:
            yield
        else:
            with torch.cuda.stream(self.graph.stream):
                yield

    def _order(self, step: int) -> None:
        epoch = step // self.trainer.epoch_steps
        if epoch != self.epoch:
            order = self.trainer.order(epoch)
            if self.graph is not None:  # from pinned memory nobody waits for the copy
                order = order.pin_memory()
            self.order.copy_(order, non_blocking=True)
            self.epoch = epoch

    def _step(self) -> None:
        trainer = self.trainer
        # The steps that a graph is warmed up with may lie beyond the last.
        row = self.schedules.index_select(0, self.step.clamp(max=len(self.schedules) - 1))[0]
        self.rate.copy_(row[0])
        trainer.model.move_scale_prior(row[1])
        trainer.elbo.weights = {name: row[2 + i] for i, name in enumerate(self.rules)}
        indices = self.order.index_select(0, self.step % trainer.epoch_steps)[0]
        loss, evidence = trainer.objective(trainer.images(indices), indices)
        norm = trainer.gradient(loss)
        finite = loss.detach().isfinite() & norm.isfinite()
        torch.maximum(self.failed, (~finite).float(), out=self.failed)
        trainer.update()
        violations = trainer.violations()
        values = torch.stack([evidence, *(violations[name].float() for name in self.rules)])
        going = self.failed == 0
        self.sums += torch.where(going, values, 0)
        self.step += going

    def _error(self, step: int) -> NotFiniteError:
        """What step number `step`, made again outside of the graph, says of itself."""
        trainer = self.trainer
        if self.graph is not None:
            self.graph.rewind(step - self.begun)
            trainer.generator = None  # that step draws, and is looked into, with the default one
        del vars(trainer.optimiser)["found_inf"]
        trainer.step = step
        trainer.elbo.weights, trainer.elbo.step = None, step
        try:
            trainer.advance()
        except NotFiniteError as error:
            return error
        why = "a sum whose terms come out finite in another order: made once more, the step is finite"
        return NotFiniteError("loss", step + 1, why, "the parameters are those of the step before.")


class _Graph:
    """A captured function, with the stream it runs in and the random generator that it draws from."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        device = trainer.device
        self.default = torch.cuda.default_generators[trainer.parameters[0].device.index]
        trainer.generator = self.generator = torch.Generator(device)
        self.generator.set_state(self.default.get_state())
        self.stream = torch.cuda.Stream(device)
        self.stream.wait_stream(torch.cuda.current_stream(device))
        self.graph = torch.cuda.CUDAGraph()
        self.begun: Tensor = self.generator.get_state()
        self.replays = 0

    @contextmanager
    def stream_and_random(self) -> Generator[None]:
        """Run in the stream, and draw from the generator, of this graph."""
        kept = self.default.graphsafe_get_state()
        self.default.graphsafe_set_state(self.generator)
        try:
            with torch.cuda.stream(self.stream):
                yield
        finally:
            self.default.graphsafe_set_state(kept)

    def capture(self, step: Callable[[], None], state: list[Tensor]) -> None:
        """Capture `step`; parameters, the optimiser's state, that of the rules and `state` stay as they are."""
        trainer = self.trainer
        # A graph of autograd that is still alive ties the parameters to the stream it was made in.
        gc.collect()
        random = self.generator.get_state()
        changed = [*trainer.parameters, *state]
        kept = [tensor.detach().clone() for tensor in changed]
        rules = trainer.elbo.state_dict()
        moments = {id(p): {k: v.clone() for k, v in some.items()} for p, some in trainer.optimiser.state.items()}
        with self.stream_and_random():
            # Libraries set themselves up in their first calls, which no graph may hold.
            for _ in range(3):
                step()
            with torch.no_grad():
                for tensor, before in zip(changed, kept, strict=True):
                    tensor.copy_(before)
                for parameter, some in trainer.optimiser.state.items():
                    for name, tensor in some.items():
                        tensor.copy_(moments[id(parameter)][name]) if id(parameter) in moments else tensor.zero_()
            trainer.elbo.load_state_dict(rules)  # in place: the graph has the addresses
            trainer.optimiser.zero_grad()
        self.stream.synchronize()
        self.generator.set_state(random)
        with self.stream_and_random(), torch.cuda.graph(self.graph, stream=self.stream):
            step()
        self.generator.set_state(random)

    def begin(self) -> None:
        """Remember where the generator is: `rewind` counts from here."""
        self.begun, self.replays = self.generator.get_state(), 0

    def replay(self) -> None:
        """Make the step once; to be called in the stream."""
        self.graph.replay()
        self.replays += 1

    def rewind(self, replays: int) -> None:
        """Put the default generator where this graph's was after so many of the replays since `begin`."""
        begun, now = self.begun.view(torch.int64), self.generator.get_state().view(torch.int64)
        # The two numbers are the seed, and an offset that each replay moves on by the same amount.
        state = begun + (now - begun) * replays // max(1, self.replays)
        self.default.set_state(state.view(torch.uint8))
