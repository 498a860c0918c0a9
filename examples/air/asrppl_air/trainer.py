"""One run's training: its programs, its optimiser, its data, and the step."""

import math
from collections.abc import Callable
from typing import Any, cast

import pyro
import torch
from pyro.infer import ELBO, TraceGraph_ELBO
from torch import Tensor

from asrppl import Program, RegularizedELBO, parse, regularize
from asrppl_air.checkpoint import CheckpointError
from asrppl_air.data.draws import Draws
from asrppl_air.data.scenes import Scenes, moved
from asrppl_air.evaluate import evaluate
from asrppl_air.exact import ExactELBO
from asrppl_air.load import held_out, training_scenes
from asrppl_air.locate import NotFiniteError, locate_nonfinite
from asrppl_air.metrics import Metrics
from asrppl_air.model import Guide, Model
from asrppl_air.options import OptionError, TrainOptions
from asrppl_air.ranks import ALONE, Ranks
from asrppl_air.score import BASELINE_LR, Baseline, ScoreGuide, ScoreModel
from asrppl_air.untyped import kept_random, put_random, random_states, seed, tensor_of


class Trainer:
    """One run: model, guide, optimiser, data, and where it stands.

    `Trainer(options, device)` starts afresh; `load` puts a checkpoint's state in. `programs` are what is trained:
    model and guide themselves, or for the score function two programs over their networks, with a baseline.
    Of several `ranks` each has a trainer: their parameters are the same, their images and draws are not.
    """

    def __init__(self, options: TrainOptions, device: str = "cpu", ranks: Ranks = ALONE) -> None:
        self.options = options
        self.ranks = ranks
        self.device = torch.device(device)
        self.step = 0
        self.seconds = 0.0
        if options.batch < ranks.count:
            raise OptionError(f"a batch of {options.batch} has no part for each of {ranks.count} processes")
        # Denormal numbers, plentiful in Adam's second moments, cost a CPU a hundred times what others do.
        torch.set_flush_denormal(True)
        seed(options.seed)
        settings = options.air()
        self.model = Model(settings).to(self.device)
        self.guide = Guide(settings).to(self.device)
        with ranks.first():
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
        self.update: Callable[[], Any] = cast(Any, self.optimiser).step
        self.generator: torch.Generator | None = None  # of the device, where this run has one of its own
        if ranks.rank:
            seed(options.seed + ranks.rank)

    def _base(self) -> ELBO:
        if self.options.estimator == "score":
            return TraceGraph_ELBO(max_plate_nesting=1)
        return ExactELBO(max_plate_nesting=1)

    def _elbo(self) -> RegularizedELBO:
        program = parse("") if self.options.rules is None else Program.from_dict(self.options.rules)
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

    @property
    def epoch_steps(self) -> int:
        """Steps of an epoch; images that make no whole batch are left out of it."""
        return len(self.scenes) // self.batch_size

    def overflown(self) -> str | None:
        """A parameter that is not finite, if there is one."""
        for owner, module in (("model", self.model), ("guide", self.guide), ("baseline", self.baseline)):
            for name, parameter in () if module is None else module.named_parameters():
                if not bool(parameter.isfinite().all()):
                    return f"the update of `{name}` of the {owner}"
        return None

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Images and indices of the step after `step`: each epoch is a permutation from (seed, epoch) alone.

        Of several ranks each has its part of them.
        """
        epoch, position = divmod(step, self.epoch_steps)
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, self.order(epoch).to(self.device)
        indices = self.ranks.part(self._order[1][position])
        return self.images(indices), indices

    def images(self, indices: Tensor) -> Tensor:
        """The images at `indices`, each moved to another place where the options say so."""
        images = self.scenes.batch(indices)
        return moved(images) if self.options.move else images

    def order(self, epoch: int) -> Tensor:
        """The indices of each step of an epoch, (steps, images)."""
        order = Draws(self.options.seed, epoch).permutation(len(self.scenes))
        return tensor_of(order[: self.epoch_steps * self.batch_size]).view(-1, self.batch_size)

    def violations(self) -> dict[str, Any]:
        """Each rule's violation in the last step."""
        return dict(self.elbo.report.violations)

    def objective(self, images: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The loss per image, and of it −ELBO, without the rules and without a gradient."""
        size = len(self.scenes)
        with pyro.validation_enabled(False):
            loss = self.loss(images, size, indices) / size
        return loss, self.elbo.report.loss / size

    def gradient(self, loss: Tensor) -> Tensor:
        """Give each parameter its gradient of `loss`, over all ranks and clipped; returns the norm from before."""
        self.optimiser.zero_grad()
        cast(Any, loss).backward()
        self.ranks.average([parameter for group in self.optimiser.param_groups for parameter in group["params"]])
        return torch.nn.utils.clip_grad_norm_(self.parameters, self.options.clip)

    def advance(self) -> Tensor:
        """One step; returns −ELBO per image, rules apart. Raises `NotFiniteError` before it changes a parameter."""
        images, indices = self.batch(self.step)
        random = self._random_states()
        self.optimiser.param_groups[0]["lr"] = self.learning_rate(self.step)
        self.model.move_scale_prior(self.options.scale_mean(self.step))
        loss, evidence = self.objective(images, indices)
        if not math.isfinite(float(loss.detach())):
            raise self._blame("loss", images, random)
        norm = self.gradient(loss * self.ranks.weight(len(indices), self.batch_size))
        if not math.isfinite(float(norm)):
            raise self._blame("gradient", images, random)
        self.update()
        self.step += 1
        return evidence

    def _random_states(self) -> dict[str, Tensor]:
        own = self.generator
        return random_states(self.device) | ({} if own is None else {"random_cuda": own.get_state()})

    def _blame(self, what: str, images: Tensor, random: dict[str, Tensor]) -> NotFiniteError:
        put_random(random, self.device)
        size = len(self.scenes)
        report = self.elbo.report
        terms = {name: size * report.weights[name] * value for name, value in report.violations.items()}
        with pyro.validation_enabled(False):
            source = locate_nonfinite(what, *self.programs, images, size, terms, self._rules_alone())
        return NotFiniteError(what, self.step + 1, source, "the parameters are those of the step before.")

    def _rules_alone(self) -> dict[str, ELBO]:
        """The objective with each rule as the only one, by name."""
        program, step = self.elbo.program, self.step
        return {
            rule.name: regularize(*self.programs, program.only(rule.name), elbo=self._base(), step=step)
            for rule in program.rules
        }

    def state(self) -> dict[str, Any]:
        """Everything that a run needs to go on; to be called by all ranks."""
        state = {
            "options": self.options.to_dict(),
            "settings": self.options.air().to_dict(),
            "step": self.step,
            "epoch": self.step // self.epoch_steps,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "guide": self.guide.state_dict(),
            "optimiser": self._optimiser_state(),
            "rules": self.elbo.state_dict(),
            **self._random_states(),
        }
        if self.ranks.count > 1:
            state["random_of_ranks"] = self.ranks.gathered({k: v.cpu() for k, v in self._random_states().items()})
        if self.baseline is not None:
            state["baseline"] = self.baseline.state_dict()
        return state

    def _optimiser_state(self) -> dict[str, Any]:
        state = self.optimiser.state_dict()
        # In a CUDA graph the rate is a tensor of the device; a checkpoint is the same whatever trained it.
        groups = [{**group, "lr": float(group["lr"]), "capturable": False} for group in state["param_groups"]]
        return {**state, "param_groups": groups}

    def load(self, state: dict[str, Any]) -> None:
        """Put in what `state` gave. Raises `CheckpointError` where so many ranks cannot go on with it."""
        random = state.get("random_of_ranks", [state])
        if len(random) != self.ranks.count:
            raise CheckpointError(
                f"the run has {len(random)} processes, and these are {self.ranks.count}: a run goes on to the bit with "
                f"as many as it began with (torchrun --nproc-per-node {len(random)}; one without torchrun)"
            )
        try:
            self._load(state, random[self.ranks.rank])
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise CheckpointError(f"the checkpoint does not hold what this run needs ({error})") from error

    def _load(self, state: dict[str, Any], random: dict[str, Tensor]) -> None:
        self.model.load_state_dict(state["model"])
        self.guide.load_state_dict(state["guide"])
        if self.baseline is not None:
            self.baseline.load_state_dict(state["baseline"])
        self.optimiser.load_state_dict(state["optimiser"])
        put_random(random, self.device)
        self.step = state["step"]
        self.elbo.load_state_dict({**state.get("rules", {}), "step": self.step})
        self.seconds = state["seconds"]

    def evaluate(self, between: Callable[[], None] = lambda: None) -> Metrics:
        """The four measures on held-out digits, under the priors that the run ends with (`between`: see `evaluate`)."""
        self.model.move_scale_prior(self.options.scale_mean(self.options.steps))
        return evaluate(self.model, self.guide, held_out(self.options), self.options.seed, between=between)
