"""The gradient estimator of the original AIR (Eslami et al., 2016): score function with learnt baselines.

Two more Pyro programs over the networks of `asrppl_air.model`, and so over the same joint distributions:

    p(x, z, n): `ScoreModel`        q(z, n | x): `ScoreGuide`        (Eqs. 5 and 6)

Where the exact programs sum over `n`, these draw it: Bernoulli sites `z_pres_{t}`, t = 0..K − 1, each "one more
object", which are 0 from the first 0 on, mask the sites of object t, and add up to `n`. Expectations are the exact
programs'; the gradient is an estimate of theirs, whose variance the baselines lower. Under `TraceGraph_ELBO`
the score of `z_pres_{t}` is multiplied by what comes after it alone, less the baseline.

A run that is trained with these is measured with the exact programs: they share their parameters.
"""

from typing import Any, cast

import pyro.distributions as dist
import torch
from pyro.distributions import Delta
from torch import Size, Tensor, nn
from torch.distributions import constraints

from asrppl import expose
from asrppl_air.distributions import Canvas
from asrppl_air.model import Before, Draft, Given, Guide, Model, data_plate, presence
from asrppl_air.networks import RecurrentCell, mlp
from asrppl_air.settings import AIRSettings
from asrppl_air.untyped import masked, sample, unmark
from asrppl_air.window import draw

BASELINE_LR = 1e-3
"""Adam's learning rate for the baselines, constant: what they predict changes as long as the model does.

Ten times that of the rest, as in the original, would be right for its 1e-4. Here the rest learns at 2e-3 to begin
with, and a cell that reads 2,500 pixels saturates at ten times as much.
"""

# A logit that stands for probability 0, with log probabilities and slopes that are 0 and not NaN.
_NEVER = -1e4

_Bernoulli: Any = cast(Any, dist).Bernoulli  # made as Pyro is imported: type checkers do not see it


class OneMore(_Bernoulli):
    """A Bernoulli that draws 0, and raises nothing, where its probability is NaN: training finds out where from."""

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """0 or 1."""
        with torch.no_grad():
            probs: Tensor = self.probs.expand(Size(sample_shape) + self.batch_shape)
            return (torch.rand_like(probs) < probs).to(probs.dtype)


class Certain(Delta):
    """A whole number that is certain given the draws before it."""

    @property
    def support(self) -> Any:
        """0, 1, 2, …: rules compare it as an int."""
        return constraints.nonnegative_integer


class Baseline(nn.Module):
    """Predicts what is still to come of the loss at each step, from the image and the objects placed before.

    A recurrent cell as the guide's, with parameters of its own. Values are in nats per image.
    """

    def __init__(self, settings: AIRSettings) -> None:
        super().__init__()
        self.cell = RecurrentCell(settings, settings.side**2)
        self.head = mlp(settings.hidden, settings.head, 1, precision=settings.precision)
        # A network starts out near 0 and learns numbers near 1: this is the order of a canvas's log likelihood.
        self.unit = settings.side**2 / 10

    def forward(self, images: Tensor, draft: Draft) -> list[Tensor]:
        """The predictions (...) for t = 0..K − 1. No gradient passes to what was inferred."""
        constant = self.cell.constant(images.flatten(-2))
        before: Before | None = None
        values: list[Tensor] = []
        for loc, scale in zip(draft.locs, draft.scales, strict=True):
            output, state = self.cell(constant, before)
            shape = loc.shape[:-1]
            values.append(self.unit * self.head(output).squeeze(-1).expand(shape))
            before = torch.cat([loc, scale], -1).detach(), output.expand(*shape, -1), state
        return values


def _verify_counted(settings: AIRSettings) -> None:
    if settings.fixed_count:
        raise ValueError(
            "a fixed number of objects leaves nothing to the score function: every draw is reparameterised"
        )


def _one_more(logit: Tensor, there: Tensor) -> Any:
    """The distribution of `z_pres_{t}`: 0 for certain where an object before is absent.

    A mask would not do: Pyro masks log probabilities, but not scores, and those of absent steps would be noise.
    """
    return OneMore(logits=torch.where(there, logit, _NEVER), validate_args=False)


class ScoreGuide(nn.Module):
    """q(z, n | x) of `guide`, with sampled presence; without a `baseline` the estimator is the bare score function."""

    def __init__(self, guide: Guide, baseline: Baseline | None) -> None:
        super().__init__()
        _verify_counted(guide.settings)
        self.guide = guide
        self.baseline = baseline

    def forward(self, images: Tensor, size: int | None = None, indices: Tensor | None = None) -> None:
        """The guide of `images` (B, S, S), a batch of a data set of `size` images (default: all of it)."""
        with data_plate(images, size, indices):
            draft = self.guide.draft(images)
            values = None if self.baseline is None else self.baseline(images, draft)
            # Pyro's costs are those of the whole data set that the batch stands for.
            scale = 1.0 if size is None else size / len(images)
            there = torch.ones(draft.logits.shape[:-1], dtype=torch.bool, device=images.device)
            presences: list[Tensor] = []
            with Given(draft.sites):
                for t, logit in enumerate(draft.logits.unbind(-1)):
                    infer: dict[str, Any] = {}
                    if values is not None:
                        # After the last object there is nothing to predict, and nothing to learn.
                        value = (-scale * values[t]) * unmark(there)
                        infer = {"baseline": {"baseline_value": value}}
                    there = there & sample(f"z_pres_{t}", _one_more(logit, there), infer=infer).bool()
                    presences.append(there)
                    with masked(there):
                        for name in (f"z_loc_{t}", f"z_scale_{t}", f"z_what_{t}"):
                            sample(name, draft.sites[name][0])
            present = torch.stack(presences, -1)
            sample("n", Certain(present.sum(-1)))
            expose("n", dist.Categorical(logits=draft.count_log_probs, validate_args=False))
            expose("box", draft.boxes, event_dim=2, mask=present)
            expose("ink", draft.ink, event_dim=2, mask=present)
            expose("presence", presence(draft.logits), event_dim=1)


class ScoreModel(nn.Module):
    """p(x, z, n) of `model`, with sampled presence."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        _verify_counted(model.settings)
        self.model = model

    def forward(self, images: Tensor, size: int | None = None, indices: Tensor | None = None) -> None:
        """The model of `images` (B, S, S), a batch of `size` images."""
        with data_plate(images, size, indices):
            self._objects(images)

    def _objects(self, images: Tensor) -> None:
        settings, batch = self.model.settings, len(images)
        before: Before | None = None
        there = torch.ones(batch, dtype=torch.bool, device=images.device)
        locs: list[Tensor] = []
        scales: list[Tensor] = []
        whats: list[Tensor] = []
        presences: list[Tensor] = []
        scale_prior, what_prior = self.model.fixed_priors(batch)
        for t in range(settings.objects):
            step = self.model.step(before, batch)
            there = there & sample(f"z_pres_{t}", _one_more(step.logit, there)).bool()
            presences.append(there)
            with masked(there):
                locs.append(sample(f"z_loc_{t}", step.loc))
                scales.append(sample(f"z_scale_{t}", scale_prior))
                whats.append(sample(f"z_what_{t}", what_prior))
            before = step.after(locs[-1], scales[-1])
        n = sample("n", Certain(torch.stack(presences, -1).sum(-1)))
        windows = draw(
            self.model.decoder(torch.stack(whats, -2)), torch.stack(locs, -2), torch.stack(scales, -2), settings.side
        )
        # One canvas of those that are there, the likelihood of one frame. `TraceGraph_ELBO` follows marks to see what
        # hangs on presence, and autograd functions drop them: `Canvas` picks its frame by n, and so they arrive.
        canvas = (windows * unmark(torch.stack(presences, -1))[..., None, None]).sum(-3, keepdim=True)
        sample("x", Canvas(canvas, (n > 0).long()), obs=images)
