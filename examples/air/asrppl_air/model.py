"""Attend, Infer, Repeat as two Pyro programs, exact in the number of objects.

Both programs treat all K objects as if they were there and let one Categorical site `n`, enumerated in parallel under
`TraceEnum_ELBO`, say how many are. So the ELBO

    E_{z_1..z_K} Σ_n q(n | z, x) [log p(x | z_1..z_n) + log p(n | z) − log q(n | z, x)
                                  + Σ_{t <= n} (log p(z_t) − log q(z_t))]

is exact in n: nothing of the discrete part is sampled or relaxed. Model: Eq. 5 of the paper with a learned or fixed
prior; guide: Eq. 6. Every latent is a Pyro site: `z_loc_{t}` (x, y in [-1, 1]), `z_scale_{t}` (0 to 1), `z_what_{t}`,
t = 0..K − 1, and `n`. The guide exposes `box`, (B, K, 3): x, y and side in pixels, and `ink`, (B, K, 4): how
many pixels right of and below its box's middle an object's ink lies, and its width and height, both masked by t < n; as
`q(presence[t])` the distribution of "one more object" after t objects, whose products make `q(n)`.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyro
import pyro.distributions as dist
import torch
from pyro.poutine.messenger import Messenger
from torch import Size, Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent

from asrppl import expose
from asrppl_air.distributions import (
    Canvas,
    DiagonalNormal,
    SigmoidNormal,
    TanhNormal,
    count_log_probs,
    take,
)
from asrppl_air.networks import Decoder, Encoder, LocationHead, PresenceHead, RecurrentCell, ScaleHead
from asrppl_air.settings import AIRSettings
from asrppl_air.untyped import broadcast_shapes, masked, plate, sample, stack_last
from asrppl_air.window import cut, draw, extent_of_ink

# A draft is drawn like any site (so that plates, particles and replays reach it) but is no part of the program's
# density: the site of the same name that follows is.
_DRAFT: dict[str, Any] = {"_do_not_trace": True, "is_auxiliary": True}
_PARALLEL: dict[str, Any] = {"enumerate": "parallel"}


Before = tuple[Tensor, Tensor, Tensor]
"""What a recurrent step is told: the object just placed (..., 3), output and cell state of the step before."""


class Draft(NamedTuple):
    """What the guide infers of a batch before anything is masked; sequences run over t = 0..K − 1.

    `logits` (..., K) are those of "one more object" after t objects, `boxes` (..., K, 3) in pixels,
    `ink` (..., K, 4) where in its box, from the middle, each object's ink lies, its width and height, in pixels.
    """

    locs: Sequence[Tensor]
    scales: Sequence[Tensor]
    whats: Sequence[Tensor]
    sites: dict[str, tuple[Any, Tensor]]
    logits: Tensor
    boxes: Tensor
    ink: Tensor

    @property
    def count_log_probs(self) -> Tensor:
        """log q(n = k given the objects), k = 0..K, (..., K + 1)."""
        return count_log_probs(self.logits)


class Given(Messenger):
    """Gives sites their drafted values, leaving everything else about them (plates, masks, scales) to be done."""

    def __init__(self, values: dict[str, tuple[Any, Tensor]]) -> None:
        super().__init__()
        self.values = values

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] in self.values:
            msg["value"] = self.values[msg["name"]][1]


def data_plate(images: Tensor, size: int | None, indices: Tensor | None) -> Any:
    """The plate of a batch of `images` out of `size`."""
    batch = len(images)
    if size is None or (size == batch and indices is None):
        return plate("data", batch)
    return plate("data", size, range(batch) if indices is None else indices)


class Guide(nn.Module):
    """q(z, n | x): an LSTM that looks at the image and places one object after the other (Eq. 6)."""

    _ink_unit: Tensor

    def __init__(self, settings: AIRSettings) -> None:
        super().__init__()
        self.settings = settings
        self.cell = RecurrentCell(settings, settings.side**2)
        self.loc = LocationHead(settings, log_sd=-1.0)
        self.scale = ScaleHead(settings, log_sd=-2.0)
        self.presence = PresenceHead(settings, bias=1.0)
        self.encoder = Encoder(settings)
        self.register_buffer("_ink_unit", torch.tensor([0.5, 0.5, 1.0, 1.0]), persistent=False)

    def draft(self, images: Tensor) -> Draft:
        """Draws all K objects of `images` (B, S, S), and the logits (B, K) of their presence."""
        constant = self.cell.constant(images.flatten(-2))
        before: Before | None = None
        sites: dict[str, tuple[Any, Tensor]] = {}
        locs: list[Tensor] = []
        scales: list[Tensor] = []
        logits: list[Tensor] = []

        def try_out(name: str, fn: Any) -> Tensor:
            value = sample(name, fn, infer=_DRAFT)
            sites[name] = fn, value
            return value

        for t in range(self.settings.objects):
            output, state = self.cell(constant, before)
            logits.append(self.presence(output))
            loc = try_out(f"z_loc_{t}", TanhNormal(*self.loc(output)))
            scale = try_out(f"z_scale_{t}", SigmoidNormal(*self.scale(output, loc)))
            locs.append(loc)
            scales.append(scale)
            before = torch.cat([loc, scale], -1), output.expand(*loc.shape[:-1], -1), state
        all_locs, all_scales = torch.stack(locs, -2), torch.stack(scales, -2)
        windows = cut(images, all_locs, all_scales, self.settings.window)
        mean, log_sd = self.encoder(windows)
        whats = [
            try_out(f"z_what_{t}", DiagonalNormal(mean[..., t, :], log_sd[..., t, :]))
            for t in range(self.settings.objects)
        ]
        boxes = torch.cat([(all_locs + 1) * 0.5, all_scales], -1) * self.settings.side
        ink = extent_of_ink(windows) * boxes[..., 2:] * self._ink_unit
        return Draft(locs, scales, whats, sites, stack_last(logits), boxes, ink)

    def forward(self, images: Tensor, size: int | None = None, indices: Tensor | None = None) -> None:
        """The guide of `images` (B, S, S), a batch of a data set of `size` images (default: all of it)."""
        with data_plate(images, size, indices):
            draft = self.draft(images)
            if self.settings.fixed_count:
                with Given(draft.sites):
                    for name, (fn, _) in draft.sites.items():
                        sample(name, fn)
                expose("box", draft.boxes, event_dim=2)
                expose("ink", draft.ink, event_dim=2)
                return
            n = sample("n", dist.Categorical(logits=draft.count_log_probs), infer=_PARALLEL)
            with Given(draft.sites):
                for t in range(self.settings.objects):
                    with masked(n > t):
                        for name in (f"z_loc_{t}", f"z_scale_{t}", f"z_what_{t}"):
                            sample(name, draft.sites[name][0])
            present = n.unsqueeze(-1) > torch.arange(self.settings.objects, device=n.device)
            expose("box", draft.boxes, event_dim=2, mask=present)
            expose("ink", draft.ink, event_dim=2, mask=present)
            expose("presence", presence(draft.logits), event_dim=1)


def presence(logits: Tensor) -> Distribution:
    """The distributions of "one more object" after t = 0..K − 1 objects, from their logits (..., K)."""
    return Independent(Bernoulli(logits=logits, validate_args=False), 1, validate_args=False)


class Step(NamedTuple):
    """The prior of one object given those before: logit of its presence, location; `memory`: output and cell state."""

    logit: Tensor
    loc: Any
    memory: tuple[Tensor, Tensor] | None

    def after(self, loc: Tensor, scale: Tensor) -> Before | None:
        """What the next step is told (nothing by a prior that is not learned)."""
        if self.memory is None:
            return None
        output, state = self.memory
        return torch.cat([loc, scale], -1), output.expand(*loc.shape[:-1], -1), state


class Model(nn.Module):
    """p(x, z, n): objects one after the other, drawn and added up (Eq. 5); generative as it stands."""

    _zero: Tensor
    _scale_mean: Tensor
    _scale_log_sd: Tensor
    _more: Tensor

    def __init__(self, settings: AIRSettings) -> None:
        super().__init__()
        self.settings = settings
        self.decoder = Decoder(settings)
        if settings.prior == "learned":
            self.cell = RecurrentCell(settings)
            self.loc = LocationHead(settings, log_sd=0.0)
            self.presence = PresenceHead(settings, bias=0.0)
        self.register_buffer("_zero", torch.zeros(()), persistent=False)
        self.register_buffer("_scale_mean", torch.full((1,), settings.scale_mean), persistent=False)
        log_sd = 0.5 * math.log(settings.scale_var)
        self.register_buffer("_scale_log_sd", torch.full((1,), log_sd), persistent=False)
        more = math.log(settings.more) - math.log1p(-settings.more)
        self.register_buffer("_more", torch.full((), more), persistent=False)

    def forward(self, images: Tensor, size: int | None = None, indices: Tensor | None = None) -> Canvas:
        """The model of `images` (B, S, S), a batch of `size` images; returns the canvas given n, (..., B, S, S)."""
        with data_plate(images, size, indices):
            return self._objects(images, len(images))

    def move_scale_prior(self, mean: float | Tensor) -> None:
        """Give the logit of the scale's prior another mean: a schedule of training, which no checkpoint keeps."""
        self._scale_mean.fill_(mean)

    def sample(self, count: int) -> Canvas:
        """`count` draws from the generative model (Figure 5); `mean` of the result gives images, (count, S, S)."""
        return self._objects(None, count)

    def step(self, before: Before | None, batch: int) -> Step:
        """The prior of the next object of `batch` images."""
        memory: tuple[Tensor, Tensor] | None = None
        if self.settings.prior == "learned":
            output, state = self.cell(self.cell.constant(), before)
            memory = output, state
            logit = self.presence(output)
            loc = TanhNormal(*self.loc(output))
        else:
            logit = self._more
            loc = TanhNormal(self._zero.expand(batch, 2), self._zero.expand(batch, 2))
        return Step(logit, loc.expand(broadcast_shapes(loc.batch_shape, Size((batch,)))), memory)

    def fixed_priors(self, batch: int) -> tuple[SigmoidNormal, DiagonalNormal]:
        """The priors of scale and appearance, which are the same for each object."""
        zeros = self._zero.expand(batch, self.settings.what)
        scale = SigmoidNormal(self._scale_mean, self._scale_log_sd)
        return scale.expand((batch,)), DiagonalNormal(zeros, zeros)

    def _objects(self, images: Tensor | None, batch: int) -> Canvas:
        settings = self.settings
        before: Before | None = None
        locs: list[Tensor] = []
        scales: list[Tensor] = []
        whats: list[Tensor] = []
        logits: list[Tensor] = []
        log_probs: list[Tensor] = []
        scale_prior, what_prior = self.fixed_priors(batch)
        for t in range(settings.objects):
            step = self.step(before, batch)
            logits.append(step.logit)
            loc = sample(f"z_loc_{t}", step.loc)
            scale = sample(f"z_scale_{t}", scale_prior)
            what = sample(f"z_what_{t}", what_prior)
            if images is not None and not settings.fixed_count:
                log_probs.append(step.loc.log_prob(loc) + scale_prior.log_prob(scale) + what_prior.log_prob(what))
            locs.append(loc)
            scales.append(scale)
            whats.append(what)
            before = step.after(loc, scale)
        windows = self.decoder(torch.stack(whats, -2))
        frames = draw(windows, torch.stack(locs, -2), torch.stack(scales, -2), settings.side).cumsum(-3)
        if settings.fixed_count:
            n = torch.full(frames.shape[:-3], settings.objects, device=frames.device)
        else:
            counts = count_log_probs(stack_last(logits))
            n = sample("n", dist.Categorical(logits=counts.expand(*frames.shape[:-3], -1)))
            if images is not None:
                # The objects that are absent were drawn all the same: this takes their density out again.
                stacked = stack_last(log_probs)
                suffix = stacked.flip(-1).cumsum(-1).flip(-1)
                pyro.factor("absent", -take(torch.cat([suffix, torch.zeros_like(suffix[..., :1])], -1), n))
        canvas = Canvas(frames, n)
        if images is not None:
            sample("x", canvas, obs=images)
        return canvas
