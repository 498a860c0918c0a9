"""Attend, Infer, Repeat as two Pyro programs, exact in the number of objects.

Both programs treat all K objects as if they were there and let one Categorical site `n`, enumerated in parallel under
`TraceEnum_ELBO`, say how many are. So the ELBO

    E_{z_1..z_K} Σ_n q(n | z, x) [log p(x | z_1..z_n) + log p(n | z) − log q(n | z, x)
                                  + Σ_{t <= n} (log p(z_t) − log q(z_t))]

is exact in n: nothing of the discrete part is sampled or relaxed. Model: Eq. 5 of the paper with a learned or fixed
prior; guide: Eq. 6. Every latent is a Pyro site: `z_loc_{t}` (x, y in [-1, 1]), `z_scale_{t}` (0 to 1), `z_what_{t}`,
t = 0..K − 1, and `n`. The guide exposes `box`, (B, K, 3): x, y and side in pixels, masked by t < n.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyro
import pyro.distributions as dist
import torch
from pyro.poutine.messenger import Messenger
from torch import Size, Tensor, nn

from asrppl.air.distributions import (
    Canvas,
    DiagonalNormal,
    SigmoidNormal,
    TanhNormal,
    count_log_probs,
    take,
)
from asrppl.air.networks import Cell, Decoder, Encoder, LocationHead, PresenceHead, ScaleHead
from asrppl.air.settings import AIRSettings
from asrppl.air.untyped import broadcast_shapes, masked, plate, sample, stack_last
from asrppl.air.window import cut, draw
from asrppl.infer.expose import expose

# A draft is drawn like any site (so that plates, particles and replays reach it) but is no part of the program's
# density: the site of the same name that follows is.
_DRAFT: dict[str, Any] = {"_do_not_trace": True, "is_auxiliary": True}
_PARALLEL: dict[str, Any] = {"enumerate": "parallel"}


class Draft(NamedTuple):
    """What the guide infers of a batch before anything is masked; sequences run over t = 0..K − 1."""

    locs: Sequence[Tensor]
    scales: Sequence[Tensor]
    whats: Sequence[Tensor]
    sites: dict[str, tuple[Any, Tensor]]
    count_log_probs: Tensor
    boxes: Tensor


class _Given(Messenger):
    """Gives sites their drafted values, leaving everything else about them (plates, masks, scales) to be done."""

    def __init__(self, values: dict[str, tuple[Any, Tensor]]) -> None:
        super().__init__()
        self.values = values

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] in self.values:
            msg["value"] = self.values[msg["name"]][1]


def _data_plate(images: Tensor, size: int | None, indices: Tensor | None) -> Any:
    batch = len(images)
    if size is None or (size == batch and indices is None):
        return plate("data", batch)
    return plate("data", size, range(batch) if indices is None else indices)


class Guide(nn.Module):
    """q(z, n | x): an LSTM that looks at the image and places one object after the other (Eq. 6)."""

    def __init__(self, settings: AIRSettings) -> None:
        super().__init__()
        self.settings = settings
        self.cell = Cell(settings.hidden, settings.side**2)
        self.loc = LocationHead(settings, log_sd=-1.0)
        self.scale = ScaleHead(settings, log_sd=-2.0)
        self.presence = PresenceHead(settings, bias=1.0)
        self.encoder = Encoder(settings)

    def draft(self, images: Tensor) -> Draft:
        """Draws all K objects of `images` (B, S, S), and the log probabilities (B, K + 1) of their number."""
        constant = self.cell.constant(images.flatten(-2))
        before: tuple[Tensor, Tensor, Tensor] | None = None
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
        counts = count_log_probs(stack_last(logits))
        boxes = torch.cat([(all_locs + 1) * 0.5, all_scales], -1) * self.settings.side
        return Draft(locs, scales, whats, sites, counts, boxes)

    def forward(self, images: Tensor, size: int | None = None, indices: Tensor | None = None) -> None:
        """The guide of `images` (B, S, S), a batch of a data set of `size` images (default: all of it)."""
        with _data_plate(images, size, indices):
            draft = self.draft(images)
            if self.settings.fixed_count:
                with _Given(draft.sites):
                    for name, (fn, _) in draft.sites.items():
                        sample(name, fn)
                expose("box", draft.boxes, event_dim=2)
                return
            n = sample("n", dist.Categorical(logits=draft.count_log_probs), infer=_PARALLEL)
            with _Given(draft.sites):
                for t in range(self.settings.objects):
                    with masked(n > t):
                        for name in (f"z_loc_{t}", f"z_scale_{t}", f"z_what_{t}"):
                            sample(name, draft.sites[name][0])
            present = n.unsqueeze(-1) > torch.arange(self.settings.objects, device=n.device)
            expose("box", draft.boxes, event_dim=2, mask=present)


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
            self.cell = Cell(settings.hidden)
            self.loc = LocationHead(settings, log_sd=0.0)
            self.presence = PresenceHead(settings, bias=0.0)
        self.register_buffer("_zero", torch.zeros(()), persistent=False)
        self.register_buffer("_scale_mean", torch.full((1,), settings.scale_mean), persistent=False)
        log_sd = 0.5 * math.log(settings.scale_var)
        self.register_buffer("_scale_log_sd", torch.full((1,), log_sd), persistent=False)
        more = math.log(settings.more) - math.log1p(-settings.more)
        self.register_buffer("_more", torch.full((settings.objects,), more), persistent=False)

    def forward(self, images: Tensor, size: int | None = None, indices: Tensor | None = None) -> Tensor:
        """The model of `images` (B, S, S), a batch of `size` images; returns the canvas given n, (..., B, S, S)."""
        with _data_plate(images, size, indices):
            return self._objects(images, len(images))

    def sample(self, count: int) -> Tensor:
        """`count` images' means drawn from the generative model, (count, S, S) (Figure 5)."""
        return self._objects(None, count)

    def _objects(self, images: Tensor | None, batch: int) -> Tensor:
        settings = self.settings
        learned = settings.prior == "learned"
        constant = self.cell.constant() if learned else self._zero
        before: tuple[Tensor, Tensor, Tensor] | None = None
        locs: list[Tensor] = []
        scales: list[Tensor] = []
        whats: list[Tensor] = []
        logits: list[Tensor] = []
        log_probs: list[Tensor] = []
        scale_prior = SigmoidNormal(self._scale_mean, self._scale_log_sd).expand((batch,))
        zeros = self._zero.expand(batch, settings.what)
        what_prior = DiagonalNormal(zeros, zeros)
        for t in range(settings.objects):
            if learned:
                output, state = self.cell(constant, before)
                logits.append(self.presence(output))
                loc_prior = TanhNormal(*self.loc(output))
            else:
                output = state = self._zero
                loc_prior = TanhNormal(self._zero.expand(batch, 2), self._zero.expand(batch, 2))
            loc_prior = loc_prior.expand(broadcast_shapes(loc_prior.batch_shape, Size((batch,))))
            loc = sample(f"z_loc_{t}", loc_prior)
            scale = sample(f"z_scale_{t}", scale_prior)
            what = sample(f"z_what_{t}", what_prior)
            if images is not None and not settings.fixed_count:
                log_probs.append(loc_prior.log_prob(loc) + scale_prior.log_prob(scale) + what_prior.log_prob(what))
            locs.append(loc)
            scales.append(scale)
            whats.append(what)
            if learned:
                before = torch.cat([loc, scale], -1), output.expand(*loc.shape[:-1], -1), state
        windows = self.decoder(torch.stack(whats, -2))
        frames = draw(windows, torch.stack(locs, -2), torch.stack(scales, -2), settings.side).cumsum(-3)
        if settings.fixed_count:
            n = torch.full(frames.shape[:-3], settings.objects, device=frames.device)
        else:
            counts = count_log_probs(stack_last(logits) if learned else self._more)
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
